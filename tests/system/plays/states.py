"""Plays on what states are: schemas, reducers, messages, the store and the context."""

import operator
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

from pydantic import BaseModel

from tests.system.plays.stage import State, fan, line, says
from tests.system.scenario import Config, Sights, failure, scenario, state
from treadle.graph import START, CompiledStateGraph, MessagesState, StateGraph
from treadle.runtime import Runtime
from treadle.store.base import BaseStore
from treadle.store.memory import InMemoryStore
from treadle.types import Command, Overwrite


class Given(TypedDict):
    question: str


class Returned(TypedDict):
    answer: str


class Overall(Given, Returned):
    notes: str


class Private(TypedDict):
    secret: int


class Strict(BaseModel):
    number: int
    said: Annotated[list[str], operator.add] = []


@dataclass
class Data:
    count: int = 0
    said: Annotated[list[str], operator.add] | None = None


@dataclass
class Who:
    name: str


@scenario(fan(a=says("a"), b=lambda state: {"said": Overwrite(["b"])}, c=says("c")))
def an_overwrite_beats_the_plain_writes_of_its_step(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({"said": ["go"]}, config), {"said": ["b"]}


@scenario(fan(a=lambda state: {"said": {"__overwrite__": ["new"]}}))
def an_overwrite_may_be_spelled_as_a_dict(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({"said": ["go"]}, config), {"said": ["new"]}


@scenario(fan(a=lambda state: {"said": Overwrite([1])}, b=lambda state: {"said": Overwrite([2])}))
def two_overwrites_in_one_step_are_refused(graph: CompiledStateGraph, config: Config) -> Sights:
    kind, message = failure(graph.invoke, {}, config)
    yield kind, "InvalidUpdateError"
    yield "Can receive only one Overwrite value per super-step." in message, True


def _tell(state: Private) -> State:
    return {"said": [state["secret"]]}


@scenario(line(hide=lambda state: {"secret": 7}, tell=_tell, look=lambda state: {"value": sorted(state)}))
def a_private_key_passes_between_nodes_alone(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({}, config), {"said": [7], "value": ["said"]}


@scenario(StateGraph(Overall, input_schema=Given, output_schema=Returned)
          .add_node("a", lambda state: {"notes": "n", "answer": state["question"] + "!"})
          .add_edge(START, "a"))  # fmt: skip
def schemas_filter_what_comes_in_and_what_goes_out(graph: CompiledStateGraph, config: Config) -> Sights:
    given = {"question": "q", "answer": "left out"}
    everything = {"question": "q", "notes": "n", "answer": "q!"}
    yield graph.invoke(given, config), {"answer": "q!"}
    yield state(graph, config)[0], everything
    again = {"thread_id": f"{config['thread_id']} 2"}
    yield list(graph.stream(given, again, stream_mode="values")), [{"question": "q"}, everything]
    yield graph.invoke(given, config, output_keys=["notes", "answer"]), {"notes": "n", "answer": "q!"}
    yield graph.invoke(given, config, output_keys="notes"), "n"


def _spoil(state: Strict) -> dict[str, Any]:
    return {"said": [f"{type(state).__name__} {state.number + 1}"], "number": "many"}


@scenario(line(Strict, spoil=_spoil, read=lambda state: {"said": ["never"]}))
def a_pydantic_state_is_checked_where_it_is_read(graph: CompiledStateGraph, config: Config) -> Sights:
    yield failure(graph.invoke, {"number": "few"}, config)[0], "ValidationError"
    yield graph.invoke({"number": "3"}, config, interrupt_after=["spoil"]), {"number": "many", "said": ["Strict 4"]}
    yield "valid integer" in failure(graph.invoke, None, config)[1], True
    yield state(graph, config), ({"number": "many", "said": ["Strict 4"]}, ("read",), [])


@scenario(line(Strict, look=lambda state: {"said": [repr(state.number)]}))
def a_pydantic_state_keeps_what_it_was_given(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({"number": "3"}, config), {"number": "3", "said": ["3"]}


@scenario(line(Data, a=lambda state: Data(state.count + 1), b=lambda state: {"count": state.count + 1}))
def a_dataclass_is_a_state_and_an_update(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({"count": 1}, config)["count"], 3
    yield graph.invoke(Data(5), config)["count"], 7


@scenario(line(Annotated[list, operator.add], a=lambda state: [len(state)], b=lambda state: [len(state)]))
def a_state_may_be_one_bare_value(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke(["go"], config), ["go", 1, 2]
    yield state(graph, config), (["go", 1, 2], (), [])


@scenario(line(none=lambda state: None, unknown=lambda state: {"said": ["b"], "nobody": 1}, wrong=lambda state: 7))
def a_node_returns_a_dict_or_nothing(graph: CompiledStateGraph, config: Config) -> Sights:
    kind, message = failure(graph.invoke, {}, config)
    yield (kind, message.startswith("Expected dict, got 7")), ("InvalidUpdateError", True)
    yield state(graph, config), ({"said": ["b"]}, ("wrong",), [])


@scenario(fan(many=lambda state: [{"said": [1]}, Command(update=[("said", [2]), ("said", [3])], goto="after")])
          .add_node("after", says("after")))  # fmt: skip
def several_updates_of_a_node_apply_in_order(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({}, config), {"said": [1, 2, 3, "after"]}


HELLO = {"role": "user", "content": "hello", "id": "1"}
HI = {"role": "assistant", "content": "hi", "id": "2"}


@scenario(line(MessagesState, answer=lambda state: {"messages": [HI]},
               mend=lambda state: {"messages": [{**HELLO, "content": "Hello!"}]}))  # fmt: skip
def messages_merge_by_their_ids(graph: CompiledStateGraph, config: Config) -> Sights:
    merged = {"messages": [{**HELLO, "content": "Hello!"}, HI]}
    shown = list(graph.stream({"messages": [HELLO]}, config, stream_mode="messages"))
    yield [(message["content"], told["langgraph_node"]) for message, told in shown], [("hi", "answer")]
    yield state(graph, config), (merged, (), [])


def _remember(state: State, store: BaseStore) -> State:
    known = store.get(("scenarios",), "greeting")
    store.put(("scenarios",), "greeting", {"by": state["value"]})
    return {"said": [known and known.value["by"]]}


@scenario(fan(remember=_remember), store=InMemoryStore)
def the_store_is_shared_by_threads(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({"value": "first"}, config)["said"], [None]
    yield graph.invoke({"value": "second"}, {"thread_id": f"{config['thread_id']} 2"})["said"], ["first"]


def _look_around(state: State, runtime: Runtime[Who], config: Config) -> State:
    assert runtime.execution_info is not None
    given = config["configurable"]["flavour"], config["metadata"]["purpose"], config["tags"]
    return {"said": [runtime.context.name, runtime.attempt, *given]}


@scenario(StateGraph(State, context_schema=Who).add_node("look", _look_around).add_edge(START, "look"))
def a_node_knows_its_context_and_config(graph: CompiledStateGraph, config: Config) -> Sights:
    told = {"configurable": {**config, "flavour": "mint"}, "metadata": {"purpose": "test"}, "tags": ["t"]}
    yield graph.invoke({}, told, context={"name": "Ada"}), {"said": ["Ada", 1, "mint", "test", ["t"]]}
    yield failure(graph.invoke, {}, told, context={"nobody": 1})[0], "TypeError"
    seen = graph.get_state(config).metadata
    yield seen and {key: seen[key] for key in ("flavour", "purpose")}, {"flavour": "mint", "purpose": "test"}
