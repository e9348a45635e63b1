"""Plays on what guards a node: error handlers, time limits, drains and caches."""

from tests.system.plays.stage import State, line, says
from tests.system.scenario import Config, Sights, chunks, failure, scenario, state
from treadle.errors import NodeError
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.types import Command


def _breaks(state: State) -> State:
    raise ValueError("broken")


def _saves(state: State, error: NodeError) -> Command[str]:
    return Command(update={"said": [f"{error.node}: {error.error}"]}, goto="there")


def _gives_up(state: State) -> State:
    raise KeyError("no way out")


@scenario(StateGraph(State).add_node("a", _breaks, error_handler=_saves).add_node("b", says("b"))
          .add_node("there", says("there")).add_edge(START, "a").add_edge("a", "b"))  # fmt: skip
def a_handler_stands_in_for_a_node_but_not_for_its_edges(graph: CompiledStateGraph, config: Config) -> Sights:
    yield (
        chunks(graph, {}, config),
        [
            {"__error_handler__a": {"said": ["a: broken"]}},
            {"there": {"said": ["there"]}},
        ],
    )
    yield state(graph, config), ({"said": ["a: broken", "there"]}, (), [])


@scenario(line(before=says("before")).add_node("a", _breaks, error_handler=_gives_up).add_edge("before", "a"))
def a_handler_that_fails_fails_the_run(graph: CompiledStateGraph, config: Config) -> Sights:
    yield failure(graph.invoke, {}, config)[0], "KeyError"
    yield state(graph, config)[0], {"said": ["before"]}
