"""Plays on the shapes of graphs: chains, branches, joins, cycles, Sends and Commands."""

import time
from typing import Any

from tests.system.plays.stage import State, fan, line, says
from tests.system.scenario import Config, Sights, failure, history, scenario, state
from treadle.graph import END, START, CompiledStateGraph, StateGraph
from treadle.types import Command, Send

ITEMS = 12


@scenario(line(a=says("a"), b=says("b")))
def a_chain_runs_its_nodes_in_order(graph: CompiledStateGraph, config: Config) -> Sights:
    first_run = [("loop", 2, ()), ("loop", 1, ("b",)), ("loop", 0, ("a",)), ("input", -1, ("__start__",))]
    yield graph.invoke({"said": ["go"]}, config), {"said": ["go", "a", "b"]}
    yield state(graph, config), ({"said": ["go", "a", "b"]}, (), [])
    yield history(graph, config), first_run

    yield graph.invoke({}, config), {"said": ["go", "a", "b", "a", "b"]}
    yield history(graph, config)[:4], [(source, step + 4, due) for source, step, due in first_run]


@scenario(line(a=says("a")))
def no_input_goes_on_or_is_refused(graph: CompiledStateGraph, config: Config) -> Sights:
    kind, message = failure(graph.invoke, None, config)
    yield (kind, message.startswith("Received no input")), ("EmptyInputError", True)
    yield state(graph, config), ({}, (), [])

    graph.invoke({"said": ["go"]}, config)
    yield graph.invoke(None, config), {"said": ["go", "a"]}
    yield len(history(graph, config)), 3


def _choose(state: State) -> Any:
    return {"both": ["left", "right"], "one": "right", "none": END}[state["value"]]


@scenario(fan(choose=lambda state: {"value": state["value"].strip()}).add_node("left", says("left"))
          .add_node("right", says("right")).add_conditional_edges("choose", _choose))  # fmt: skip
def a_router_sees_what_its_node_wrote(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({"value": " both "}, config), {"said": ["left", "right"], "value": "both"}
    yield graph.invoke({"value": " one "}, config), {"said": ["left", "right", "right"], "value": "one"}
    yield graph.invoke({"value": " none "}, config), {"said": ["left", "right", "right"], "value": "none"}


ANSWERS = {True: "left", False: "right", "end": END}


@scenario(StateGraph(State).add_node("left", says("left")).add_node("right", says("right"))
          .add_conditional_edges(START, lambda state: state["value"], ANSWERS))  # fmt: skip
def a_map_names_where_answers_lead(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({"value": True}, config)["said"], ["left"]
    yield graph.invoke({"value": "end"}, config)["said"], ["left"]
    yield graph.invoke({"value": False}, config)["said"], ["left", "right"]
    yield failure(graph.invoke, {"value": "elsewhere"}, config)[0], "UnmappedAnswer"  # a KeyError


@scenario(fan(a=says("a"), b=says("b")).add_node("c", says("c")).add_node("d", says("d"))
          .add_edge("a", "c").add_edge(["b", "c"], "d"))  # fmt: skip
def a_join_waits_for_all_of_its_sources(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({}, config), {"said": ["a", "b", "c", "d"]}
    yield [due for *_, due in history(graph, config)], [(), ("d",), ("c",), ("a", "b"), ("__start__",)]
    yield graph.invoke({}, config), {"said": ["a", "b", "c", "d"] * 2}


@scenario(fan(a=says("a"), b=says("b")).add_node("c", says("c")).add_node("d", says("d"))
          .add_edge("a", "c").add_edge("b", "d").add_edge("c", "d"))  # fmt: skip
def edges_of_their_own_lead_to_a_node_each_in_its_turn(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({}, config), {"said": ["a", "b", "c", "d", "d"]}


@scenario(fan(a=says("a"), b=says("b")).add_node("c", says("c")).add_node("d", says("d"), defer=True)
          .add_edge("a", "c").add_edge("b", "d").add_edge("c", "d"))  # fmt: skip
def a_deferred_node_runs_once_and_last(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({}, config), {"said": ["a", "b", "c", "d"]}


@scenario(fan(count=lambda state: {"value": state["value"] - 1, "said": [state["value"]]})
          .add_conditional_edges("count", lambda state: "count" if state["value"] else END))  # fmt: skip
def a_cycle_runs_until_its_router_ends_it(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({"value": 3}, config), {"said": [3, 2, 1], "value": 0}
    yield [step for _, step, _ in history(graph, config)], [3, 2, 1, 0, -1]


def _item(number: int) -> dict[str, Any]:
    time.sleep(0.02 * (ITEMS - number))
    return {"said": [number]}


@scenario(StateGraph(State).add_node("item", _item).add_node("sum", lambda state: {"value": sum(state["said"])})
          .add_conditional_edges(START, lambda state: [Send("item", n) for n in range(ITEMS)])
          .add_edge("item", "sum"))  # fmt: skip
def sends_write_in_their_order_whichever_ends_first(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({}, config), {"said": [*range(ITEMS)], "value": sum(range(ITEMS))}
    yield [len(due) for *_, due in history(graph, config)], [0, 1, ITEMS, 1]


@scenario(StateGraph(State).add_node("plain", says("plain")).add_node("item", lambda item: {"said": [item]})
          .add_conditional_edges(START, lambda state: [Send("item", 2), "plain", Send("item", 1)]))  # fmt: skip
def nodes_write_before_sends_and_are_shown_after_them(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({}, config, interrupt_before=["plain"]), {"said": []}
    yield state(graph, config), ({"said": []}, ("item", "item", "plain"), [])
    yield graph.invoke(None, config), {"said": ["plain", 2, 1]}


@scenario(line(a=lambda state: Command(update={"said": ["a"]}, goto="c"), b=says("b"))
          .add_node("c", says("c")))  # fmt: skip
def a_command_leads_somewhere_beside_the_edges(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({}, config), {"said": ["a", "b", "c"]}
    yield history(graph, config)[1][2], ("b", "c")


@scenario(fan(a=lambda state: Command(goto=[Send("item", 1), "b", Send("item", 2)])).add_node("b", says("b"))
          .add_node("item", lambda item: Command(update={"said": [item]}, goto="nowhere")))  # fmt: skip
def a_command_sends_and_an_unknown_goal_leads_nowhere(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({}, config), {"said": ["b", 1, 2]}


@scenario(line(a=says("a"), b=says("b")))
def a_callers_command_writes_and_goes_before_the_next_step(graph: CompiledStateGraph, config: Config) -> Sights:
    graph.invoke({}, config)
    yield graph.invoke(Command(update={"said": ["mine"]}, goto="b"), config), {"said": ["a", "b", "mine", "b"]}


@scenario(fan(a=lambda state: Command(goto=Send(END, 1))))
def a_send_to_the_end_is_refused(graph: CompiledStateGraph, config: Config) -> Sights:
    yield failure(graph.invoke, {}, config)[0], "InvalidUpdateError"


@scenario(fan(a=lambda state: {"value": 1}, b=lambda state: {"value": 2}))
def two_writers_of_a_plain_key_are_refused(graph: CompiledStateGraph, config: Config) -> Sights:
    kind, message = failure(graph.invoke, {}, config)
    yield (kind, message.startswith("At key 'value'")), ("InvalidUpdateError", True)
