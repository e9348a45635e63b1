"""Plays on graphs inside of graphs: what they keep, what passes in and out, and who hands over to whom."""

import operator
from typing import Annotated, Any, TypedDict

from tests.system.plays.stage import State, asks, fan, line, says
from tests.system.scenario import Config, Sights, asked, chunks, failure, ids, scenario, state
from treadle.config import get_stream_writer
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.types import Command, Send


class Way(TypedDict, total=False):
    """A list that every node replaces: it goes through nests as it is."""

    way: list[Any]


class Own(TypedDict, total=False):
    """What the graph inside keeps for itself."""

    own: Annotated[list[Any], operator.add]


class Item(TypedDict, total=False):
    """What a graph is sent, and says of it."""

    number: int
    said: Annotated[list[Any], operator.add]


def _goes(item: Any) -> Any:
    return lambda state: {"way": [*state["way"], item]}


def _writes(item: Any) -> Any:
    def node(state: Any) -> None:
        get_stream_writer()(item)

    return node


@scenario(line(inside=line(x=says("x"), y=says("y")).compile(), after=says("after")))
def shared_keys_pass_in_and_out_and_a_reducer_adds_again(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({"said": ["go"]}, config), {"said": ["go", "go", "x", "y", "after"]}


@scenario(line(Way, down=_goes(1), up=line(Way, down=_goes(2), inside=line(Way, x=_goes(3)).compile(), up=_goes(4))
               .compile(), end=_goes(5)))  # fmt: skip
def graphs_nest_to_any_depth(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({"way": []}, config), {"way": [1, 2, 3, 4, 5]}
    namespaces = [ns for ns, _ in chunks(graph, {"way": []}, config, subgraphs=True)]
    yield namespaces, [(), ("up",), ("up", "inside"), ("up",), ("up",), (), ()]


OWN = line(Own, note=lambda state: {"own": [len(state["own"])]})


@scenario(line(call=lambda state: {"said": OWN.compile().invoke({"own": [state["value"]]})["own"]}))
def a_graph_called_in_a_body_has_keys_of_its_own(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({"value": 7}, config), {"said": [7, 1], "value": 7}


def _call_twice(state: State) -> State:
    child = line(Own, ask=lambda state: {"own": asks("?")(state)["said"]}).compile()
    return {"said": [child.invoke({})["own"], child.invoke({})["own"]]}


@scenario(line(call=_call_twice))
def a_body_that_calls_twice_asks_twice(graph: CompiledStateGraph, config: Config) -> Sights:
    yield asked(graph.invoke({}, config)), ["?"]
    yield asked(graph.invoke(Command(resume=1), config)), ["?"]
    yield graph.invoke(Command(resume=2), config), {"said": [[1], [2]]}


@scenario(StateGraph(State).add_node("item", line(Item, say=lambda item: {"said": [item["number"] * 2]}).compile())
          .add_conditional_edges(START, lambda state: [Send("item", {"number": n}) for n in (3, 1, 2)]))  # fmt: skip
def a_graph_is_sent_items(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({}, config)["said"], [6, 2, 4]


KEEPING = {keeps: line(inside=line(Own, note=OWN.nodes["note"].func).compile(keeps)) for keeps in (None, True, False)}


def _own(graph: CompiledStateGraph, config: Config, **options: Any) -> list[Any]:
    """Return what the graph inside has as it ends, over two runs."""
    runs = [list(graph.stream({}, config, stream_mode="values", subgraphs=True)) for _ in range(2)]
    return [[values["own"] for ns, values in run if ns][-1] for run in runs]


@scenario(KEEPING[None])
def a_graph_inside_begins_anew_each_time(graph: CompiledStateGraph, config: Config) -> Sights:
    yield _own(graph, config), [[0], [0]]


@scenario(KEEPING[True])
def a_graph_inside_keeps_its_state_where_it_says_so(graph: CompiledStateGraph, config: Config) -> Sights:
    yield _own(graph, config), [[0], [0, 1]]
    kept = {"configurable": {**config, "checkpoint_ns": "inside"}}
    yield graph.get_state(kept).values, {"own": [0, 1]}


ASKING = {keeps: line(inside=line(first=_writes("first"), ask=asks("?")).compile(keeps)) for keeps in (None, False)}


@scenario(ASKING[None])
def a_graph_inside_goes_on_where_it_asked(graph: CompiledStateGraph, config: Config) -> Sights:
    yield chunks(graph, {}, config, stream_mode="custom", subgraphs=True), [(("inside",), "first")]
    yield state(graph, config), ({"said": []}, ("inside",), ["?"])
    yield chunks(graph, Command(resume="yes"), config, stream_mode="custom", subgraphs=True), []
    yield state(graph, config), ({"said": ["yes"]}, (), [])


@scenario(ASKING[False])
def a_graph_inside_that_keeps_nothing_may_ask(graph: CompiledStateGraph, config: Config) -> Sights:
    yield asked(graph.invoke({}, config)), ["?"]
    yield graph.invoke(Command(resume="yes"), config), {"said": ["yes"]}
    yield state(graph, config), ({"said": ["yes"]}, (), [])


def _leave(state: State) -> Command[str]:
    return Command(graph=Command.PARENT, update={"said": ["left"]}, goto="there")


LEAVING = line(first=says("first"), leave=_leave, never=says("never"))


@scenario(line(inside=LEAVING.compile()).add_node("there", says("there")))
def a_graph_inside_hands_over_to_its_parent(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({"said": ["go"]}, config), {"said": ["go", "left", "there"]}


@scenario(line(call=lambda state: LEAVING.compile().invoke({})).add_node("there", says("there")))
def a_graph_called_in_a_body_hands_over_as_well(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({}, config), {"said": ["left", "there"]}


@scenario(LEAVING)
def a_graph_without_a_parent_has_nobody_to_hand_over_to(graph: CompiledStateGraph, config: Config) -> Sights:
    try:
        graph.invoke({}, config)
    except BaseException as raised:
        yield "ParentCommand" in f"{raised!r}", True  # from a worker it comes as the text of a NodeFailed
    yield state(graph, config), ({"said": ["first"]}, ("leave",), [])


@scenario(line(inside=line(mid=fan(a=asks("a?"), b=asks("b?")).compile()).compile()))
def questions_come_up_from_any_depth(graph: CompiledStateGraph, config: Config) -> Sights:
    output = graph.invoke({}, config)
    by_value = ids(output)
    yield sorted(by_value), ["a?", "b?"]
    yield "multiple pending interrupts" in failure(graph.invoke, Command(resume="which?"), config)[1], True
    yield asked(graph.invoke(Command(resume={by_value["b?"]: "b"}), config)), ["a?"]
    yield graph.invoke(Command(resume="a"), config), {"said": ["a", "b"]}


@scenario(line(inside=line(Own, note=OWN.nodes["note"].func, ask=lambda state: {"own": asks("?")(state)["said"]})
               .compile(), after=says("after")))  # fmt: skip
def a_graph_inside_is_read_and_written_while_it_asks(graph: CompiledStateGraph, config: Config) -> Sights:
    graph.invoke({}, config)
    (task,) = graph.get_state(config, subgraphs=True).tasks
    yield (task.state.values, task.state.next), ({"own": [0]}, ("ask",))

    graph.update_state(task.state.config, {"own": ["edited"]}, as_node="ask")
    below = graph.get_state(config).tasks[0].state
    yield graph.get_state(below).values, {"own": [0, "edited"]}
    yield graph.invoke(None, config), {"said": ["after"]}
