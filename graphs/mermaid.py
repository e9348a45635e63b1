"""Nodes and edges as a drawing in Mermaid's language."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, groupby
from typing import Any

from .commands import END, START

#: A node's id that Mermaid can also use; any other gets a made-up one, which none of these can be.
_PLAIN_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
#: Words of Mermaid's own language.
_RESERVED = frozenset(
    {"call", "class", "classdef", "click", "default", "direction", "end"}
    | {"flowchart", "graph", "href", "linkstyle", "style", "subgraph"}
)
#: Stands in the id of a join, between its sources and its target; no node's name holds it.
JOINED = "|"
_ESCAPES = str.maketrans({"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "|": "#124;", "`": "#96;"})


@dataclass(frozen=True, slots=True)
class DrawnNode:
    """A node of a drawing."""

    #: The node's name; inside of a node that is a graph, with that one's id in front: ``outer:inner``.
    id: str
    #: Whether runs pause before or after it.
    pauses: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The node's own name."""
        return self.id.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Edge:
    """A way from one node of a drawing to another."""

    source: str
    target: str
    #: What a conditional edge is labelled with.
    data: str | None = None
    conditional: bool = False
    #: The join that it is a part of: the target waits for the sources of all edges that have the same.
    join: str | None = None


def mermaid(nodes: Iterable[DrawnNode], edges: Sequence[Edge], *, boxes: bool = True) -> str:
    """Return a drawing in Mermaid's language.

    A plain edge is solid. A conditional edge is dotted and has its label. A join is a diamond that its sources lead
    to. Nodes before or after which runs pause have a thick border. What is inside of a node stands in a box
    or, without boxes, has that node's name in front of its own.
    """
    joins = dict.fromkeys(edge.join for edge in edges if edge.join is not None)
    drawn = sorted([*nodes, *map(DrawnNode, joins)], key=lambda node: _path(node.id)[:-1])  # box by box
    ids = _ids(drawn)
    stated = _boxed(drawn, ids) if boxes else (ids[node.id] + _shape(node, node.id) for node in drawn)
    lines = [*stated, *dict.fromkeys(arrow for edge in edges for arrow in _arrows(edge, ids))]
    paused = [ids[node.id] for node in drawn if node.pauses]
    if paused:
        lines += ["classDef pause stroke-width:4px", f"class {','.join(paused)} pause"]
    return "\n".join(["flowchart TD", *(f"    {line}" for line in lines)])


def _path(id_: str) -> list[str]:
    return id_.split(":")


def _ids(nodes: Iterable[DrawnNode]) -> Mapping[str, str]:
    """Return what Mermaid calls the nodes and the boxes around them."""
    paths = [_path(node.id) for node in nodes]
    names = dict.fromkeys(":".join(path[:length]) for path in paths for length in range(1, len(path) + 1))
    made_up = (f"_{number}" for number in count())
    return {name: name if _is_usable(name) else next(made_up) for name in names}


def _is_usable(name: str) -> bool:
    return name in (START, END) or (_PLAIN_ID.fullmatch(name) is not None and name.lower() not in _RESERVED)


def _boxed(nodes: Iterable[DrawnNode], ids: Mapping[str, str], depth: int = 1) -> Iterator[str]:
    for name, group in groupby(nodes, key=lambda node: ":".join(_path(node.id)[:depth])):
        inside = list(group)
        if inside[0].id == name:
            yield ids[name] + _shape(inside[0], inside[0].name)
            continue
        yield f"subgraph {ids[name]} [{_quoted(_path(name)[-1])}]"
        yield from (f"    {line}" for line in _boxed(inside, ids, depth + 1))
        yield "end"


def _shape(node: DrawnNode, label: str) -> str:
    if JOINED in node.id:
        return '{"all"}'
    if node.name in (START, END):
        return f"([{_quoted(label.replace(START, 'START').replace(END, 'END'))}])"
    return f"[{_quoted(label)}]"


def _arrows(edge: Edge, ids: Mapping[str, str]) -> Iterator[str]:
    source, target = ids[edge.source], ids[edge.target]
    if edge.join is not None:
        yield f"{source} --> {ids[edge.join]}"
        yield f"{ids[edge.join]} --> {target}"
    elif edge.conditional:
        yield f"{source} -.->{f'|{_quoted(edge.data)}|' if edge.data else ''} {target}"
    else:
        yield f"{source} --> {target}"


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'
