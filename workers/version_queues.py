"""The queues beside a worker's queues: for the versions of graphs whose runs only go to workers that fit."""

from collections.abc import Iterable, Iterator

from graphs.graph import Graph
from scheduler.connection import Connection
from scheduler.dispatch import version_name, version_queue
from scheduler.versions import Versions


def noted(connection: Connection, graphs: Iterable[Graph]) -> list[str]:
    """Note which versions this worker has; return those whose steps it takes, as queues name them."""
    graphs = list(graphs)
    for graph in graphs:
        if graph.versioning != "park":
            Versions(connection).note(graph.name, graph.fingerprint)
    return [name for graph in graphs for name in taken(connection, graph)]


def beside(queues: Iterable[str], versions: Iterable[str]) -> list[str]:
    """Return the queues of these versions beside each of some queues."""
    return [version_queue(queue, version) for queue in queues if "@" not in queue for version in versions]


def queues_of(graphs: Iterable[Graph], default_queue: str) -> list[str]:
    """Return the queues that graphs need, without those of their versions, and the default one."""
    named = {node.queue for graph in graphs for _, node in graph.walk() if node.queue is not None}
    return sorted(named | {default_queue})


def taken(connection: Connection, graph: Graph) -> Iterator[str]:
    """Yield the versions of a graph whose steps its workers take from queues of their own, as queues name them."""
    if graph.versioning != "park":
        yield version_name(graph.name, graph.fingerprint)
    if graph.versioning == "auto_upgrade":
        older = Versions(connection).older(graph.name, graph.fingerprint)
        yield from (version_name(graph.name, one) for one in older)
