"""What can go wrong with a graph: in how it is built, in what a node is given, in what it returns.

TreadleError
├── InvalidNamespaceError     (ValueError)      a namespace of the long-term memory that is not one
├── MissingExtra              (ImportError)     a library that only some need, and that is not installed
└── GraphError
    ├── InvalidGraph          (ValueError)      the graph cannot be built as it was described
    ├── InvalidUpdateError                      a write the state cannot take
    ├── EmptyInputError                         a run was asked for without anything to run
    ├── InvalidInput          (ValueError)      an input the graph's schema refuses
    ├── UnknownGraph (ValueError, KeyError)     a graph's name that nothing answers to
    ├── UnknownNode, UnknownKey (ValueError)    a node's or a state key's name that nothing answers to
    ├── UnknownSubgraph       (ValueError)      a namespace at which no graph stands
    ├── SubgraphBusy                            two steps at once call a graph that keeps its state
    ├── InvalidDestination    (ValueError)      a router's answer that is no node's name
    ├── UnmappedAnswer        (KeyError)        a router's answer that is not in its map
    ├── GraphRecursionError   (RecursionError)  more supersteps than the run may have
    ├── NodeTimeoutError                        a node ran, or was silent, longer than its time limit
    ├── NodeCancelledError, NodeExitedError     a node gave itself up, or wanted to end its worker
    ├── GraphDrained                            a run stopped between two steps because it was asked to
    ├── InvalidQuestion       (ValueError)      a question that nobody could answer, or with half a deadline
    ├── InvalidSleep, InvalidBudget (ValueError)  a pause that is no time; a unit or a number that does not fit
    └── OutsideOfStep, NoStore (RuntimeError)   a call that has a meaning only inside a node, or with a store
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

#: The attribute that marks the error of an answer that does not fit its question.
_INVALID_RESUME: Final = "treadle_invalid_resume"

ErrorT = TypeVar("ErrorT", bound=Exception)
#: What a node's time limit counts: the attempt as a whole, or the time since it last gave a sign of life.
LimitKind = Literal["run", "idle"]


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


class MissingExtra(TreadleError, ImportError):
    """A library that only some need is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(package, extra)

    def __str__(self) -> str:
        return f"{self.package!r} is not installed: pip install 'treadle[{self.extra}]'."


class UnknownGraph(GraphError, ValueError, KeyError):
    """No graph of this name is registered in this process."""

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        self.name = name
        self.known = tuple(sorted(known))
        super().__init__(name, self.known)

    def __str__(self) -> str:
        return (
            f"Graph {self.name!r} is not registered here (known: {', '.join(self.known) or 'none'}). "
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


class UnknownSubgraph(GraphError, ValueError):
    """No graph stands at this place inside of the graph."""

    def __init__(self, ns: str, graph: str) -> None:
        self.ns = ns
        self.graph = graph
        super().__init__(ns, graph)

    def __str__(self) -> str:
        return f"Subgraph {self.ns} not found: no node of graph {self.graph!r} on this way is itself a graph."


class SubgraphBusy(GraphError):
    """Two steps of a superstep call the same graph, and it keeps one state over all calls."""

    def __init__(self, node: str) -> None:
        self.node = node
        super().__init__(node)

    def __str__(self) -> str:
        return (
            f"Node {self.node!r} calls a graph that keeps its state, and another step is in the middle of calling it: "
            "call it one after the other, or compile it with checkpointer=None."
        )


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
    """A node ran, or was silent, longer than its time limit; times in seconds."""

    def __init__(
        self,
        node: str,
        run_timeout: float | None = None,
        idle_timeout: float | None = None,
        kind: LimitKind = "run",
        elapsed: float | None = None,
    ) -> None:
        self.node = node
        self.run_timeout = run_timeout
        self.idle_timeout = idle_timeout
        #: Which of the two limits was passed.
        self.kind = kind
        #: How long the attempt had run, where that is known.
        self.elapsed = elapsed
        super().__init__(node, run_timeout, idle_timeout, kind, elapsed)

    @property
    def timeout(self) -> float | None:
        """The limit that was passed, in seconds."""
        return self.run_timeout if self.kind == "run" else self.idle_timeout

    timeout_s = timeout

    def __str__(self) -> str:
        did = "ran" if self.kind == "run" else "gave no sign of life for"
        return f"Node {self.node!r} {did} longer than its time limit of {self.timeout or 0:g} s."


class NodeCancelledError(GraphError):
    """A node raised CancelledError by itself: nobody had cancelled its run."""

    def __init__(self, node: str) -> None:
        self.node = node
        super().__init__(node)

    def __str__(self) -> str:
        return f"Node {self.node!r} raised CancelledError, though its run was not cancelled: let it fail or return."


class NodeExitedError(GraphError):
    """A node raised SystemExit or KeyboardInterrupt, which would have ended its worker."""

    def __init__(self, node: str, how: str) -> None:
        self.node = node
        self.how = how
        super().__init__(node, how)

    def __str__(self) -> str:
        return f"Node {self.node!r} raised {self.how}, which ends no worker: let it fail or return."


class GraphDrained(GraphError):
    """A run stopped between two steps, with work left, because it was asked to."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)

    def __str__(self) -> str:
        return f"The run was drained ({self.reason}); its thread is saved: go on with invoke(None, config)."


class OutsideOfStep(GraphError, RuntimeError):
    """The call has a meaning only inside a node that a run is executing."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)

    def __str__(self) -> str:
        return f"{self.name} was used outside of a node: use it in code that a run is executing."


class InvalidQuestion(GraphError, ValueError):
    """A node asks in a way that nobody could answer, or with a deadline that nothing follows from."""


class InvalidBudget(GraphError, ValueError):
    """A budget, or what a node reports for it, has a unit or a number that does not fit."""


class InvalidSleep(GraphError, ValueError):
    """A node sleeps for a time that is none, or until a moment that nobody can tell."""


class NoStore(GraphError, RuntimeError):
    """A node asked for the long-term memory of a graph that has none."""

    def __str__(self) -> str:
        return "The graph has no store: compile it with store=."


@dataclass(frozen=True, slots=True)
class NodeError:
    """What an error handler is told: which node failed, and with what."""

    node: str
    error: BaseException


def as_invalid_resume(error: ErrorT) -> ErrorT:
    """Return a validation error, marked as one that an answer to a question caused."""
    setattr(error, _INVALID_RESUME, True)
    return error


def is_invalid_resume(error: BaseException) -> bool:
    """Return whether an error says that an answer does not fit its question's schema; it can be answered again."""
    return getattr(error, _INVALID_RESUME, False) is True
