"""Where a graph runs inside of another one: the namespace of its frame, and the way to it by nodes."""

from collections.abc import Sequence
from dataclasses import dataclass

from .checkpoint import Step
from .errors import UnknownSubgraph
from .graph import Child, Graph

_LEVEL = "|"
_ID = ":"


def step_ns(ns: str, node: str, step_id: str) -> str:
    """Return the namespace of a step: its frame's, then ``node:step``."""
    own = f"{node}{_ID}{step_id}"
    return f"{ns}{_LEVEL}{own}" if ns else own


def frame_ns(ns: str, step: Step, *, keeps: bool | None, nth: int = 0) -> str:
    """Return the namespace of the frame that a step calls.

    Args:
        ns: the frame of the step itself.
        step: who calls.
        keeps: as Child.keeps; a graph that keeps its state has the same frame in every call, named by nodes alone.
        nth: how many frames the step has called before.
    """
    called = step_ns(ns, step.node, step.id)
    own = _LEVEL.join(path_of(called)) if keeps else called
    return f"{own}{_LEVEL}{nth}" if nth else own


def path_of(ns: str) -> tuple[str, ...]:
    """Return the nodes that lead from the root to a frame; () for the root itself."""
    parts = ns.split(_LEVEL) if ns else []
    return tuple(part.partition(_ID)[0] for part in parts if not part.isdigit())


def graph_at(root: Graph, ns: str) -> Graph:
    """Return the graph whose frame a namespace names.

    Raises:
        UnknownSubgraph: a node on the way neither is a graph nor calls one that it names.
    """
    return _follow(root, path_of(ns), ns)


def nearest_graph(root: Graph, ns: str) -> Graph:
    """Return the graph through whose keys a frame is read: its own, or the nearest one above that is known."""
    return _way(root, path_of(ns))[-1]


def child_of(graph: Graph, node: str) -> Child | None:
    """Return the graph that a node is, or the first one that its function names and may call; None for neither."""
    return graph.children.get(node) or graph.called.get(node)


@dataclass(frozen=True, slots=True)
class Root:
    """A graph at its place on a thread: what stands in the frames below it follows from that."""

    graph: Graph
    ns: str = ""

    def at(self, ns: str) -> Graph:
        """Return the graph of a frame.

        Raises:
            UnknownSubgraph: a node on the way to it is no graph.
        """
        return _follow(self.graph, path_of(ns)[len(path_of(self.ns)) :], ns)


def below(ns: str, frame: str) -> bool:
    """Return whether a namespace is a frame's own, or lies inside of it."""
    return ns == frame or ns.startswith(frame + _LEVEL)


def _follow(root: Graph, path: Sequence[str], ns: str) -> Graph:
    found = _way(root, path)
    if len(found) <= len(path):
        raise UnknownSubgraph(ns, root.name)
    return found[-1]


def _way(root: Graph, path: Sequence[str]) -> list[Graph]:
    """Return the graphs on a way by nodes, as far as they are known; the root is the first."""
    found = [root]
    for node in path:
        child = child_of(found[-1], node)
        if child is None:
            break
        found.append(child.graph)
    return found
