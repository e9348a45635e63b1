"""A graph as it is drawn: nodes and edges as plain data, as Mermaid, as text and as a picture."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from .checks import shown
from .commands import END, START
from .errors import InvalidGraph, MissingExtra
from .graph import Branch, Graph
from .mermaid import JOINED, DrawnNode, Edge, mermaid


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is to be seen of a graph."""

    #: By id; those inside of a node that is a graph have its id in front: ``outer:inner``.
    nodes: Mapping[str, DrawnNode]
    edges: list[Edge]

    def draw_mermaid(self) -> str:
        """Return the drawing in Mermaid's language: many editors and code hosts show it as a picture."""
        return mermaid(self.nodes.values(), self.edges)

    def draw_ascii(self) -> str:
        """Return the drawing as text.

        Raises:
            MissingExtra: the library that lays it out is not installed.
        """
        # without boxes: as text, they would lie across the arrows
        source = mermaid(self.nodes.values(), self.edges, boxes=False)
        return str(_library("termaid").render(source, use_ascii=True, padding_x=2, padding_y=0))

    def print_ascii(self) -> None:
        """Print the drawing as text.

        Raises:
            MissingExtra: the library that lays it out is not installed.
        """
        print(self.draw_ascii())

    def draw_mermaid_png(self, output_file_path: str | Path | None = None) -> bytes:
        """Return the drawing as a PNG picture, and write it to a file if one is named; nothing leaves this machine.

        Raises:
            MissingExtra: the library that paints it is not installed.
        """
        png = bytes(_library("mermaidx").render(self.draw_mermaid()).png(scale=2, background="#ffffff"))
        if output_file_path is not None:
            Path(output_file_path).write_bytes(png)
        return png

    draw_png = draw_mermaid_png

    def to_json(self) -> dict[str, Any]:
        """Return nodes and edges as plain dicts."""
        nodes = [{"id": node.id, "name": node.name, "metadata": dict(node.metadata)} for node in self.nodes.values()]
        edges = [
            {"source": edge.source, "target": edge.target, "data": edge.data, "conditional": edge.conditional}
            for edge in self.edges
        ]
        return {"nodes": nodes, "edges": edges}


def drawing(graph: Graph, xray: bool | int = False) -> Drawing:
    """Return a graph as it is drawn.

    Args:
        graph: what is drawn.
        xray: whether nodes that are graphs are drawn with their inside; a number says how many levels deep.

    Raises:
        InvalidGraph: it is neither.
    """
    if not isinstance(xray, int):
        raise InvalidGraph(f"xray is True, False or a number of levels, got {shown(xray)}.")
    level = _Level(graph, xray)
    return Drawing({node.id: node for node in level.nodes()}, list(level.edges()))


class _Level:
    """One graph of a drawing: the outermost, or one inside of a node, whose id is then in front of all its ids."""

    def __init__(self, graph: Graph, xray: bool | int, prefix: str = "", *, pauses: bool = False) -> None:
        self._graph = graph
        self._prefix = prefix
        self._pauses = pauses
        deeper = xray if xray is True else xray - 1
        self._opened = {
            name: _Level(child.graph, deeper, f"{prefix}{name}:", pauses=_pauses(graph, name))
            for name, child in graph.children.items()
            if xray > 0
        }

    def nodes(self) -> Iterator[DrawnNode]:
        yield DrawnNode(self._prefix + START, self._pauses)
        for name, node in self._graph.nodes.items():
            if name in self._opened:
                yield from self._opened[name].nodes()
            else:
                yield DrawnNode(self._prefix + name, _pauses(self._graph, name), node.metadata)
        if self._prefix or any(edge.target == END for edge in self._own_edges()):
            yield DrawnNode(self._prefix + END)

    def edges(self) -> Iterator[Edge]:
        yield from self._own_edges()
        for level in self._opened.values():
            yield from level.edges()

    def _own_edges(self) -> Iterator[Edge]:
        for source, targets in self._graph.edges.items():
            yield from (self._edge(source, target) for target in targets)
        yield from (self._edge(name, END) for name in _last(self._graph))
        for join in self._graph.joins:
            name = f"{self._prefix}{'+'.join(join.sources)}{JOINED}{join.target}"
            yield from (self._edge(source, join.target, join=name) for source in join.sources)
        for source, choices in _choices(self._graph):
            for target, label in choices.items():
                yield self._edge(source, target, data=label or None, conditional=True)

    def _edge(self, source: str, target: str, **more: Any) -> Edge:
        first = f"{source}:{END}" if source in self._opened else source
        last = f"{target}:{START}" if target in self._opened else target
        return Edge(self._prefix + first, self._prefix + last, **more)


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtra(name, "draw") from error


def _choices(graph: Graph) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield each node that chooses, by a router or by its Commands, with where it may go -> the label of that edge."""
    for source, branches in graph.branches.items():
        yield from ((source, _targets(graph, branch)) for branch in branches)
    for name, node in graph.nodes.items():
        # a Command may also go to a node of the graph above, which is not in this drawing
        yield name, {end: label for end, label in node.destinations.items() if end in graph.nodes or end == END}


def _targets(graph: Graph, branch: Branch) -> Mapping[str, str]:
    """Return where a router may lead -> the label of that edge; one without a map may lead anywhere."""
    if branch.ends is None:
        return dict.fromkeys((*graph.nodes, END), branch.name)
    answers: dict[str, list[str]] = {}
    for answer, target in branch.ends.items():
        answers.setdefault(target, []).append(branch.name if answer == target else str(answer))
    return {target: " / ".join(labels) for target, labels in answers.items()}


def _last(graph: Graph) -> list[str]:
    """Return the nodes that nothing follows: a graph does not keep the edges to END."""
    leading = {source for source, targets in graph.edges.items() if targets}
    leading.update(graph.branches, *(join.sources for join in graph.joins))
    leading.update(name for name, node in graph.nodes.items() if node.destinations)
    return [name for name in graph.nodes if name not in leading]


def _pauses(graph: Graph, name: str) -> bool:
    stops = (*graph.interrupt_before, *graph.interrupt_after)
    return name in stops or "*" in stops
