"""The checks that a whole graph has to pass before it is compiled."""

from collections.abc import Iterator

from .commands import END, START
from .errors import InvalidGraph
from .graph import Graph


def check(graph: Graph) -> None:
    """Check that every name in a graph leads somewhere.

    Raises:
        InvalidGraph: it has no entry, or an edge, router or breakpoint names a node that is not there.
    """
    _check_sources(graph)
    for source, target in _targets(graph):
        if target not in graph.nodes and target != END:
            raise InvalidGraph(f"Found edge ending at unknown node `{target}` (it starts at '{source}')")
    for name in (*graph.interrupt_before, *graph.interrupt_after):
        if name not in graph.nodes and name not in graph.handlers and name != "*":
            raise InvalidGraph(f"Interrupt node `{name}` not found")


def _check_sources(graph: Graph) -> None:
    sources = {*graph.edges, *graph.branches}
    for source in sorted(sources - {START}):
        if source not in graph.nodes:
            raise InvalidGraph(f"Found edge starting at unknown node '{source}'")
    if START not in sources:
        raise InvalidGraph("Graph must have an entrypoint: add at least one edge from START to another node")


def _targets(graph: Graph) -> Iterator[tuple[str, str]]:
    for source, targets in graph.edges.items():
        yield from ((source, target) for target in targets)
    for join in graph.joins:
        yield "+".join(join.sources), join.target
    for source, branches in graph.branches.items():
        for branch in branches:
            yield from ((source, target) for target in (branch.ends or {}).values())
