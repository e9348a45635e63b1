"""Plays on what waits for a person: questions, their answers, and breakpoints."""

from typing import Any

from pydantic import BaseModel

from tests.system.plays.stage import State, asks, fan, line, says
from tests.system.scenario import Config, Sights, asked, chunks, failure, history, ids, scenario, state
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.types import Command, Send, interrupt


class Review(BaseModel):
    stars: int


@scenario(line(ask=asks("name?", "age?"), after=says("after")))
def a_node_asks_one_question_after_the_other(graph: CompiledStateGraph, config: Config) -> Sights:
    first = graph.invoke({"said": ["go"]}, config)
    yield (first["said"], asked(first)), (["go"], ["name?"])
    yield state(graph, config), ({"said": ["go"]}, ("ask",), ["name?"])
    second = graph.invoke(Command(resume="Ada"), config)
    yield (second["said"], asked(second)), (["go"], ["age?"])
    yield ids(second)["age?"] != ids(first)["name?"], True
    yield graph.invoke(Command(resume=36), config), {"said": ["go", "Ada", 36, "after"]}
    yield history(graph, config)[0], ("loop", 2, ())


@scenario(line(ask=asks("?")))
def a_question_waits_when_nobody_answers(graph: CompiledStateGraph, config: Config) -> Sights:
    first = graph.invoke({}, config)
    yield graph.invoke(None, config), first
    yield chunks(graph, Command(resume={}), config), [{"__interrupt__": ("?",)}]
    yield graph.invoke(Command(resume={"any": "dict"}), config), {"said": [{"any": "dict"}]}


@scenario(line(ask=asks("1", "2", "3", "4", "5")))
def falsy_answers_count(graph: CompiledStateGraph, config: Config) -> Sights:
    graph.invoke({}, config)
    answers: list[Any] = [False, 0, "", []]
    for answer in answers:
        graph.invoke(Command(resume=answer), config)
    yield graph.invoke(Command(resume=None, update={"value": 1}), config)["__interrupt__"][0].value, "5"
    yield graph.invoke(Command(resume="last"), config), {"said": [*answers, "last"], "value": 1}


@scenario(fan(a=asks("a?"), b=asks("b?"), work=says("work")))
def several_questions_are_answered_by_their_ids(graph: CompiledStateGraph, config: Config) -> Sights:
    by_value = ids(graph.invoke({}, config))
    yield sorted(by_value), ["a?", "b?"]
    yield state(graph, config), ({"said": ["work"]}, ("a", "b"), ["a?", "b?"])
    yield "multiple pending interrupts" in failure(graph.invoke, Command(resume="which?"), config)[1], True

    some = graph.invoke(Command(resume={by_value["b?"]: "b", "0" * 32: "nobody asked"}), config)
    yield asked(some), ["a?"]
    yield state(graph, config)[1:], (("a",), ["a?"])
    yield graph.invoke(Command(resume="a"), config), {"said": ["a", "b", "work"]}


@scenario(line(ask=asks("?")))
def an_answer_to_nobody_is_refused_where_that_is_wanted(graph: CompiledStateGraph, config: Config) -> Sights:
    graph.invoke({}, config)
    kind, _ = failure(graph.invoke, Command(resume={"0" * 32: "?"}), {**config, "strict_resume": True})
    yield kind, "UnknownInterruptError"
    yield state(graph, config), ({"said": []}, ("ask",), ["?"])


@scenario(StateGraph(State).add_node("item", lambda item: {"said": [[item, interrupt(item)]]})
          .add_conditional_edges(START, lambda state: [Send("item", n) for n in (3, 1, 2)]))  # fmt: skip
def every_item_asks_for_itself(graph: CompiledStateGraph, config: Config) -> Sights:
    by_value = ids(graph.invoke({}, config))
    yield sorted(by_value), [1, 2, 3]
    answers = {id_: f"for {item}" for item, id_ in by_value.items()}
    yield graph.invoke(Command(resume=answers), config), {"said": [[3, "for 3"], [1, "for 1"], [2, "for 2"]]}


def _review(state: State) -> State:
    review = interrupt("How was it?", response_schema=Review)
    return {"value": review.stars, "said": [type(review).__name__]}


@scenario(fan(review=_review))
def an_answer_that_does_not_fit_is_refused_and_may_be_given_again(graph: CompiledStateGraph, config: Config) -> Sights:
    (question,) = graph.invoke({}, config)["__interrupt__"]
    yield question.response_schema["properties"]["stars"]["type"], "integer"
    yield failure(graph.invoke, Command(resume={"stars": "many"}), config)[0], "ValidationError"
    yield state(graph, config), ({"said": []}, ("review",), ["How was it?"])
    yield graph.invoke(Command(resume={"stars": 5}), config), {"said": ["Review"], "value": 5}


@scenario(line(ask=asks("?"), look=lambda state: {"value": [*state["said"]]}))
def an_answer_may_come_with_an_update(graph: CompiledStateGraph, config: Config) -> Sights:
    graph.invoke({}, config)
    output = graph.invoke(Command(resume="yes", update={"said": ["noted"]}), config)
    yield output, {"said": ["noted", "yes"], "value": ["noted", "yes"]}


@scenario(fan(ask=asks("?"), work=says("work")))
def a_new_input_drops_what_was_asked(graph: CompiledStateGraph, config: Config) -> Sights:
    graph.invoke({"said": ["one"]}, config)
    yield asked(graph.invoke({"said": ["two"]}, config)), ["?"]
    yield graph.invoke(Command(resume="yes"), config), {"said": ["one", "two", "yes", "work"]}


# Breakpoints


@scenario(line(a=says("a"), b=says("b"), c=says("c")), interrupt_before=["b"], interrupt_after=["b"])
def a_run_pauses_before_and_after_a_node(graph: CompiledStateGraph, config: Config) -> Sights:
    yield chunks(graph, {}, config), [{"a": {"said": ["a"]}}, {"__interrupt__": ()}]
    yield state(graph, config), ({"said": ["a"]}, ("b",), [])
    yield graph.invoke(None, config), {"said": ["a", "b"]}
    yield state(graph, config), ({"said": ["a", "b"]}, ("c",), [])
    yield graph.invoke(Command(resume="whatever"), config), {"said": ["a", "b", "c"]}


@scenario(line(a=says("a"), b=says("b")), interrupt_before="*")
def a_star_pauses_at_every_node(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({}, config), {"said": []}
    yield graph.invoke(None, config), {"said": ["a"]}
    yield graph.invoke(None, config), {"said": ["a", "b"]}
    yield state(graph, config)[1], ()


@scenario(line(a=says("a"), silent=lambda state: None, b=says("b")))
def a_call_sets_breakpoints_for_itself(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({}, config, interrupt_after="*"), {"said": ["a"]}
    yield graph.invoke(None, config, interrupt_after="*"), {"said": ["a"]}
    yield state(graph, config)[1], ("b",)
    yield graph.invoke(None, config), {"said": ["a", "b"]}


@scenario(line(a=says("a"), b=says("b")).add_node("aside", says("aside")), interrupt_before=["b"])
def a_command_at_a_breakpoint_goes_somewhere_as_well(graph: CompiledStateGraph, config: Config) -> Sights:
    graph.invoke({}, config)
    yield graph.invoke(Command(goto="aside"), config), {"said": ["a", "aside", "b"]}


@scenario(line(a=says("a"), inside=line(x=says("x"), y=says("y")).compile(interrupt_before=["y"])))
def a_breakpoint_inside_pauses_the_graph_around(graph: CompiledStateGraph, config: Config) -> Sights:
    graph.invoke({}, config)
    yield state(graph, config), ({"said": ["a"]}, ("inside",), [])
    (task,) = graph.get_state(config, subgraphs=True).tasks
    below: Any = task.state
    yield (below.values, below.next), ({"said": ["a", "x"]}, ("y",))
    yield graph.invoke(None, config), {"said": ["a", "a", "x", "y"]}
