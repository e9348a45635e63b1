"""Results of steps in a cache: found again by a later step of the same node that is given the same input."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xxhash import xxh3_128_hexdigest

from graphs.builder import names_of
from graphs.cache import BaseCache, FullKey, Namespace
from graphs.cache_policy import CachePolicy
from graphs.checkpoint import Result, Step
from graphs.graph import Graph
from graphs.node import Node, name_of
from scheduler.serde import Serde


@dataclass(frozen=True, slots=True)
class CachePlace:
    """Where the result of one step is kept, and for how long."""

    key: FullKey
    ttl_s: int | None


def namespace_of(graph: Graph, node: str) -> Namespace:
    """Return where a cache keeps the results of a node: those of all threads, runs and versions."""
    return (graph.name, node)


def namespaces_of(graph: Graph, nodes: Sequence[str] | str | None = None) -> list[Namespace]:
    """Return the namespaces of these nodes; None: of all.

    Raises:
        UnknownNode: the graph has no node of this name.
    """
    return [namespace_of(graph, graph.node(name).name) for name in (graph.nodes if nodes is None else names_of(nodes))]


def place_of(graph: Graph, node: Node, policy: CachePolicy, input: Any) -> CachePlace:
    """Return the place of a step's result; to be asked before the node runs, which may change its input.

    What was kept by a graph of another shape, or by another function, is not found.
    """
    key = policy.key_func(input)
    told = key if isinstance(key, bytes) else key.encode()
    code = f"{graph.fingerprint} {getattr(node.func, '__module__', '')} {name_of(node.func)} "
    return CachePlace((namespace_of(graph, node.name), xxh3_128_hexdigest(code.encode() + told)), policy.ttl)


def lookup(cache: BaseCache, place: CachePlace, step: Step, serde: Serde) -> Result | None:
    """Return what a step has to write, if it is in the cache; None: its node must be called."""
    data = cache.get([place.key]).get(place.key)
    if data is None:
        return None
    record = serde.loads(data)
    return Result(step, tuple(record["updates"]), tuple(record["goto"]), cached=True)


def store(cache: BaseCache, place: CachePlace, result: Result, serde: Serde) -> None:
    """Keep what a step wrote, and where its routers sent the run.

    Raises:
        NotSerializable: it holds something that cannot be stored.
    """
    record = {"updates": list(result.updates), "goto": list(result.goto)}
    data = serde.dumps(record, f"The result of node {result.step.node!r}")
    cache.set({place.key: (data, place.ttl_s)})
