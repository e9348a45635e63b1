"""The stage on which the scheduler's tests act: graphs whose nodes nobody calls, a worker's hands, and time's."""

import json
import operator
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Annotated, Any, TypedDict

from redis import Redis

from graphs.builder import GraphBuilder
from graphs.checkpoint import Result
from graphs.commands import START
from graphs.errors import NodeTimeoutError
from graphs.graph import Graph
from graphs.options import NodeOptions
from scheduler.claim import Claim, Progress
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection
from scheduler.dispatch import StepOrder, StepRef
from scheduler.failure import Failure, overran
from scheduler.steps import Steps
from scheduler.storing import Started

THREAD = "t"

#: Opens a client, as another process would, with the keys of a setting; ``strict``: what nobody has sealed is refused.
Open = Callable[..., Client]


class State(TypedDict, total=False):
    said: Annotated[list[Any], operator.add]
    answer: Any


class Death(BaseException):
    """The worker is no more."""


def silent(state: State) -> None: ...


def line(*nodes: str, name: str = "line", **options: NodeOptions) -> Graph:
    """Return a graph that runs its nodes one after the other; ``options`` are by node."""
    builder = _nodes(nodes, options).add_edge(START, nodes[0])
    for source, target in pairwise(nodes):
        builder.add_edge(source, target)
    return builder.build(name, None, None)


def fan(*nodes: str, name: str = "fan", **options: NodeOptions) -> Graph:
    """Return a graph that runs its nodes side by side, and then ``join``."""
    builder = _nodes((*nodes, "join"), options)
    for node in nodes:
        builder.add_edge(START, node)
    return builder.add_edge(list(nodes), "join").build(name, None, None)


def branching(source: str, router: Callable[[State], Any], *nodes: str) -> Graph:
    """Return a graph in which a router chooses what follows one node; the first node is the entry."""
    builder = _nodes(nodes, {})
    if source != START:
        builder.add_edge(START, source)
    return builder.add_conditional_edges(source, router).build("branching", None, None)


def _nodes(names: Iterable[str], options: dict[str, NodeOptions]) -> GraphBuilder:
    builder = GraphBuilder(State)
    for name in names:
        builder.add_node(name, silent, **options.get(name, {}))
    return builder


def begin(client: Client, graph: Graph, value: Any = None, thread_id: str = THREAD, **config: Any) -> Started:
    """Begin a run; without a value, from where the thread stands."""
    return client.start(graph, parse({"thread_id": thread_id, **config}), value)


def refs(orders: Iterable[StepOrder]) -> dict[str, StepRef]:
    """Return the steps of orders by their nodes."""
    return {order.node: order.ref for order in orders}


def claim(steps: Steps, ref: StepRef, delivery: str = "delivery") -> Claim:
    """Claim a step that must be there to be claimed."""
    claimed = steps.claim(ref, delivery)
    assert claimed is not None, f"step {ref.step_id} was not there to be claimed"
    return claimed


def wrote(claimed: Claim, *goto: str, **update: Any) -> Result:
    """Return what a node wrote."""
    return Result(claimed.step, (update,) if update else (), goto)


def finish(steps: Steps, graph: Graph, ref: StepRef, *goto: str, **update: Any) -> Progress:
    """Claim a step and commit what it wrote."""
    claimed = claim(steps, ref)
    return steps.commit(claimed, graph, wrote(claimed, *goto, **update))


def play(steps: Steps, graph: Graph, orders: Iterable[StepOrder]) -> None:
    """Run everything that is due, one step after the other; each node says its own name."""
    waiting = list(orders)
    while waiting:
        order = waiting.pop(0)
        claimed = claim(steps, order.ref)
        progress = (
            steps.close(claimed, graph)
            if claimed.verdict == "close"
            else steps.commit(claimed, graph, wrote(claimed, said=[order.node]))
        )
        waiting.extend(progress.orders)


def overtime(node: str) -> Failure:
    """Return the failure of a node that ran too long."""
    return overran(NodeTimeoutError(node, 5.0))


def state(client: Client, graph: Graph, thread_id: str = THREAD) -> Any:
    """Return a thread's state at its cursor."""
    return client.snapshots.current(graph, parse({"thread_id": thread_id}), {}).values


def kinds(client: Client, thread_id: str = THREAD) -> list[str]:
    """Return the log of a thread as the kinds of its entries."""
    return [entry.kind for entry in client.log.read(thread_id)]


def record(connection: Connection, ref: StepRef) -> dict[str, Any]:
    """Return a step in flight as it is stored."""
    data = connection.redis.hget(connection.place(ref.thread_id).keys.steps, ref.step_id)
    assert data is not None, f"step {ref.step_id} is not in flight"
    return dict(json.loads(data))


def rewrite(connection: Connection, ref: StepRef, **fields: Any) -> None:
    """Change a step in flight behind everybody's back."""
    changed = json.dumps(record(connection, ref) | fields)
    connection.client.hset(connection.place(ref.thread_id).keys.steps, ref.step_id, changed)


def make_due(connection: Connection, ref: StepRef) -> None:
    """Let the moment pass at which somebody must look at a step."""
    place = connection.place(ref.thread_id)
    connection.client.zadd(place.keys.due, {place.member(ref.step_id): 1})


def expire_lease(connection: Connection, ref: StepRef) -> None:
    """Let the lease on a step end, as when its worker fell silent."""
    rewrite(connection, ref, until=1)
    make_due(connection, ref)


def pass_deadline(connection: Connection, ref: StepRef) -> None:
    """Let the hard time limit of a step's attempt pass."""
    rewrite(connection, ref, until=1, deadline=1)
    make_due(connection, ref)


def due_ms(connection: Connection, ref: StepRef) -> int | None:
    """Return when somebody must look at a step."""
    place = connection.place(ref.thread_id)
    (score,) = connection.redis.zmscore(place.keys.due, [place.member(ref.step_id)])
    return None if score is None else int(score)


def now_ms(connection: Connection) -> int:
    """Return Redis' clock."""
    seconds, micros = connection.redis.time()
    return seconds * 1000 + micros // 1000


def of_something(key: bytes) -> bool:
    """Return whether a key is about something that is there, and no partition's count of what has been."""
    return not key.endswith(b":counts")


def everything(redis: Redis, wanted: Callable[[bytes], bool] = of_something) -> dict[bytes, Any]:
    """Return the whole key space, or the keys that are wanted, to be compared with a later one."""
    readers: dict[bytes, Callable[[bytes], Any]] = {
        b"hash": redis.hgetall,
        b"stream": redis.xrange,
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"set": lambda key: sorted(redis.smembers(key)),
        b"zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
        b"string": redis.get,
    }
    keys: Any = redis.keys()
    return {key: readers[redis.type(key)](key) for key in sorted(filter(wanted, keys))}  # type: ignore[index]
