"""A graph as a Mermaid drawing: nodes, edges, conditional edges, joins, and where its runs pause."""

import re
from collections.abc import Iterator, Mapping

from .commands import END, START
from .graph import Branch, Graph

#: A node's name that Mermaid can also use as an id; any other gets a made-up one, which none of these can be.
_PLAIN_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
#: Words of Mermaid's own language.
_RESERVED = frozenset(
    {"call", "class", "classdef", "click", "default", "direction", "end"}
    | {"flowchart", "graph", "href", "linkstyle", "style", "subgraph"}
)
_ESCAPES = str.maketrans({"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "|": "#124;", "`": "#96;"})


def mermaid(graph: Graph) -> str:
    """Return the graph in Mermaid's language.

    A plain edge is solid. A conditional edge is dotted, with the router's answer as its label, or with the router's
    name where the answer is the node's own name; where a node's Commands may go is dotted too. A join is a diamond
    that its sources lead to. Nodes before or after which runs pause have a thick border.
    """
    ids = _ids(graph)
    lines = ["flowchart TD", *_nodes(graph, ids), *_plain(graph, ids), *_joins(graph, ids), *_conditional(graph, ids)]
    paused = [ids[name] for name in graph.nodes if _pauses(graph, name)]
    if paused:
        lines += ["classDef pause stroke-width:4px", f"class {','.join(paused)} pause"]
    return "\n".join([lines[0], *(f"    {line}" for line in lines[1:])])


def _ids(graph: Graph) -> Mapping[str, str]:
    names = {name: _id(index, name) for index, name in enumerate(graph.nodes)}
    return {START: START, END: END, **names}


def _id(index: int, name: str) -> str:
    usable = _PLAIN_ID.fullmatch(name) and name.lower() not in _RESERVED
    return name if usable else f"_{index}"


def _nodes(graph: Graph, ids: Mapping[str, str]) -> Iterator[str]:
    yield f'{START}(["START"])'
    for name in graph.nodes:
        yield f"{ids[name]}[{_quoted(name)}]"
    for index, _ in enumerate(graph.joins):
        yield f'_join{index}{{"all"}}'
    if _last(graph) or any(END in targets for _, targets in _choices(graph)):
        yield f'{END}(["END"])'


def _plain(graph: Graph, ids: Mapping[str, str]) -> Iterator[str]:
    for source, targets in graph.edges.items():
        yield from (f"{ids[source]} --> {ids[target]}" for target in targets)
    yield from (f"{ids[name]} --> {END}" for name in _last(graph))


def _joins(graph: Graph, ids: Mapping[str, str]) -> Iterator[str]:
    for index, join in enumerate(graph.joins):
        yield f"{' & '.join(ids[source] for source in join.sources)} --> _join{index}"
        yield f"_join{index} --> {ids[join.target]}"


def _conditional(graph: Graph, ids: Mapping[str, str]) -> Iterator[str]:
    for source, targets in _choices(graph):
        for target, label in targets.items():
            arrow = f"-. {_quoted(label)} .->" if label else "-.->"
            yield f"{ids[source]} {arrow} {ids[target]}"


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


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'
