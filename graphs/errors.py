"""What can go wrong with a graph: in how it is built, in what a node is given, in what it returns.

TreadleError
├── InvalidNamespaceError     (ValueError)      a namespace of the long-term memory that is not one
└── GraphError
    ├── InvalidGraph          (ValueError)      the graph cannot be built as it was described
    ├── InvalidUpdateError                      a write the state cannot take
    ├── EmptyInputError                         a run was asked for without anything to run
    ├── InvalidInput          (ValueError)      an input the graph's schema refuses
    ├── UnknownGraph (ValueError, KeyError)     a graph's name that nothing answers to
    ├── UnknownNode, UnknownKey (ValueError)    a node's or a state key's name that nothing answers to
    ├── InvalidDestination    (ValueError)      a router's answer that is no node's name
    ├── UnmappedAnswer        (KeyError)        a router's answer that is not in its map
    ├── GraphRecursionError   (RecursionError)  more supersteps than the run may have
    ├── NodeTimeoutError                        a node ran longer than its time limit
    ├── NodeCancelledError                      a node gave itself up
    └── OutsideOfStep, NoStore (RuntimeError)   a call that has a meaning only inside a node, or with a store
"""

from collections.abc import Iterable


class TreadleError(Exception):
    """Something that Treadle refuses or could not do."""


class GraphError(TreadleError):
    """Something is wrong with a graph or with what a node did."""


class InvalidGraph(GraphError, ValueError):
    """The graph cannot be built as it was described."""


class InvalidUpdateError(GraphError):
    """A write does not fit the state."""


class EmptyInputError(GraphError):
    """A run was asked for, but there is neither input nor anything left to run."""


class InvalidInput(GraphError, ValueError):
    """The input does not fit the graph's input schema."""


class InvalidNamespaceError(TreadleError, ValueError):
    """A namespace of the long-term memory is not a tuple of plain, non-empty labels."""


class UnknownGraph(GraphError, ValueError, KeyError):
    """No graph of this name is registered in this process."""

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        self.name = name
        self.known = tuple(sorted(known))
        super().__init__(name, self.known)

    def __str__(self) -> str:
        known = ", ".join(self.known) or "none"
        return (
            f"Graph {self.name!r} is not registered here (known: {known}). "
            "Name it in TREADLE_GRAPHS='package.module:attribute' or in the entry points group 'treadle.graphs'."
        )


class UnknownNode(GraphError, ValueError):
    """The graph has no node of this name."""

    def __init__(self, node: str, graph: str, known: Iterable[str] = ()) -> None:
        self.node = node
        self.graph = graph
        self.known = tuple(sorted(known))
        super().__init__(node, graph, self.known)

    def __str__(self) -> str:
        return f"Graph {self.graph!r} has no node {self.node!r}; its nodes are: {', '.join(self.known)}."


class UnknownKey(GraphError, ValueError):
    """The state has no key of this name."""

    def __init__(self, key: str, known: Iterable[str] = ()) -> None:
        self.key = key
        self.known = tuple(known)
        super().__init__(key, self.known)

    def __str__(self) -> str:
        return f"The state has no key {self.key!r}; its keys are: {', '.join(self.known)}."


class InvalidDestination(GraphError, ValueError):
    """A router's answer is not the name of a node."""

    def __init__(self, branch: str, answer: str) -> None:
        self.branch = branch
        #: How the answer prints; the answer itself may be anything.
        self.answer = answer
        super().__init__(branch, answer)

    def __str__(self) -> str:
        return (
            f"Branch {self.branch!r} did not return a valid destination: {self.answer}. "
            "Return a node's name, END, or a list of them."
        )


class UnmappedAnswer(GraphError, KeyError):
    """A router's answer is not in the map, or in the Literal, that says where its answers lead."""

    def __init__(self, branch: str, answer: str, known: Iterable[str] = ()) -> None:
        self.branch = branch
        #: How the answer prints; the answer itself may be anything.
        self.answer = answer
        self.known = tuple(known)
        super().__init__(branch, answer, self.known)

    def __str__(self) -> str:
        return f"Branch {self.branch!r} returned {self.answer}, which its map does not have: {', '.join(self.known)}."


class GraphRecursionError(GraphError, RecursionError):
    """A run took more supersteps than its recursion limit allows."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(limit)

    def __str__(self) -> str:
        return (
            f"Recursion limit of {self.limit} reached without hitting a stop condition. "
            "Raise it with config={'recursion_limit': N}, or give the cycle a way out."
        )


class NodeTimeoutError(GraphError):
    """A node ran longer than its time limit."""

    def __init__(self, node: str, timeout_s: float) -> None:
        self.node = node
        self.timeout_s = timeout_s
        super().__init__(node, timeout_s)

    def __str__(self) -> str:
        return f"Node {self.node!r} ran longer than its time limit of {self.timeout_s:g} s."


class NodeCancelledError(GraphError):
    """A node raised CancelledError by itself: nobody had cancelled its run."""

    def __init__(self, node: str) -> None:
        self.node = node
        super().__init__(node)

    def __str__(self) -> str:
        return f"Node {self.node!r} raised CancelledError, though its run was not cancelled: let it fail or return."


class OutsideOfStep(GraphError, RuntimeError):
    """The call has a meaning only inside a node that a run is executing."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)

    def __str__(self) -> str:
        return f"{self.name} was used outside of a node: use it in code that a run is executing."


class NoStore(GraphError, RuntimeError):
    """A node asked for the long-term memory of a graph that has none."""

    def __str__(self) -> str:
        return "The graph has no store: compile it with store=."
