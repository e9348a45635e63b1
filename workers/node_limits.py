"""The Celery tasks of graphs, and the limits that hold for each in the whole deployment."""

from collections.abc import Iterator, Mapping

from celery.utils.time import rate

from graphs.graph import Graph
from graphs.node import Node
from scheduler.admission import Limit


def tasks_of(graph: Graph) -> Iterator[tuple[str, Node]]:
    """Yield the nodes of a graph and their error handlers, each with the way down to it: ``NODE``, ``NODE.NODE``."""
    for path, node in graph.walk():
        above = path.removesuffix(node.name)
        yield from ((above + one.name, one) for one in (node, node.handler) if one is not None)


def limits_by_task(graphs: Mapping[str, Graph]) -> dict[str, Limit]:
    """Return the limits of those tasks that have any; of several versions of a graph, those of the first."""
    return {
        f"{graph.name}.{path}": Limit(graph.name, path, _interval_ms(node), graph.concurrency)
        for graph in graphs.values()
        for path, node in tasks_of(graph)
        if node.rate_limit is not None or graph.concurrency is not None
    }


def _interval_ms(node: Node) -> float | None:
    return None if node.rate_limit is None else 1000 / rate(node.rate_limit)
