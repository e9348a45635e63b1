"""The queues beside a worker's queues: for the versions of graphs whose runs only go to workers that fit."""

from collections.abc import Iterable, Iterator

from graphs.graph import Graph
from scheduler.connection import Connection
from scheduler.dispatch import version_name, version_queue
from scheduler.versions import Versions


def noted(connection: Connection, graphs: Iterable[Graph]) -> list[str]:
    """Note which versions this worker has; return those whose steps it takes, as queues name them."""
    return [name for graph in graphs if graph.versioning != "park" for name in _taken(Versions(connection), graph)]


def beside(queues: Iterable[str], versions: Iterable[str]) -> list[str]:
    """Return the queues of these versions beside each of some queues."""
    return [version_queue(queue, version) for queue in queues if "@" not in queue for version in versions]


def _taken(versions: Versions, graph: Graph) -> Iterator[str]:
    versions.note(graph.name, graph.fingerprint)
    yield version_name(graph.name, graph.fingerprint)
    if graph.versioning == "auto_upgrade":
        yield from (version_name(graph.name, older) for older in versions.older(graph.name, graph.fingerprint))
