"""A scenario: a graph, what is done with it, and what is then to be seen, wherever the graph runs."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.func import entrypoint
from treadle.graph import CompiledStateGraph, StateGraph
from treadle.store.memory import InMemoryStore
from treadle.types import Interrupt, StateSnapshot

Config = dict[str, Any]
#: What is seen, beside what should be.
Sights = Iterator[tuple[Any, Any]]

#: What differs between any two runs.
_PASSING = {"id", "step_id", "run_id", "timestamp"}
_STEP_ID = re.compile(r":[0-9a-f-]{16,}")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A graph, and a play that acts on one thread of it."""

    name: str
    #: Makes the graph on a saver, under the scenario's name.
    build: Callable[[BaseCheckpointSaver], CompiledStateGraph]
    play: Callable[[CompiledStateGraph, Config], Sights]


def scenario(
    graph: StateGraph | Callable[..., Any], *, store: type[InMemoryStore] | None = None, **options: Any
) -> Callable[[Callable[..., Sights]], Scenario]:
    """Make a play a scenario of a graph, or of the entrypoint that a function is.

    Args:
        graph: the graph, or the function.
        store: of what kind its store is, where it needs one; on workers it is always that of the deployment.
        **options: what it is compiled with.
    """

    def made(play: Callable[[CompiledStateGraph, Config], Sights]) -> Scenario:
        def build(saver: BaseCheckpointSaver) -> CompiledStateGraph:
            memory = store() if store else None
            if isinstance(graph, StateGraph):
                return graph.compile(saver, store=memory, name=play.__name__, **options)
            return entrypoint(saver, memory, **options)(graph)

        return Scenario(play.__name__, build, play)

    return made


# What is seen


def state(graph: CompiledStateGraph, config: Config) -> tuple[Any, tuple[str, ...], list[Any]]:
    """Return where a thread stands: its values, what is next, and what is asked."""
    seen = graph.get_state(config)
    return seen.values, seen.next, [question.value for question in seen.interrupts]


def history(graph: CompiledStateGraph, config: Config, **options: Any) -> list[tuple[Any, Any, tuple[str, ...]]]:
    """Return the checkpoints of a thread, the newest first: their source, number and what was next."""
    return [(*source_and_step(shot), shot.next) for shot in graph.get_state_history(config, **options)]


def source_and_step(shot: StateSnapshot) -> tuple[Any, Any]:
    """Return how a checkpoint came to be, and its number."""
    assert shot.metadata is not None
    return shot.metadata["source"], shot.metadata["step"]


def due(graph: CompiledStateGraph, config: Config, *nodes: str) -> Config:
    """Return the config of the newest checkpoint at which these nodes were next."""
    return next(shot.config for shot in graph.get_state_history(config) if shot.next == nodes)


def chunks(graph: CompiledStateGraph, given: Any, config: Config, **options: Any) -> list[Any]:
    """Return what a stream yields, without what differs between any two runs."""
    return [plain(chunk) for chunk in graph.stream(given, config, **options)]


def failure(call: Callable[..., Any], *args: Any, **options: Any) -> tuple[str, str]:
    """Return with which error a call ends: its type, and its message."""
    try:
        call(*args, **options)
    except Exception as error:
        return type(error).__name__, str(error)
    return "", "nothing was raised"


def asked(output: Any) -> list[Any]:
    """Return the questions that an output asks."""
    return [question.value for question in output["__interrupt__"]]


def ids(output: Any) -> dict[Any, str]:
    """Return the ids of the questions that an output asks."""
    return {question.value: question.id for question in output["__interrupt__"]}


def plain(value: Any) -> Any:
    """Return a value without ids and moments, and its questions as what they ask."""
    match value:
        case Interrupt():
            return plain(value.value)
        case dict():
            return {key: plain(item) for key, item in value.items() if key not in _PASSING}
        case list() | tuple():
            return type(value)(plain(item) for item in value)
        case str():
            return _STEP_ID.sub("", value)
    return value
