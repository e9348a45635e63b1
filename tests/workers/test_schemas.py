"""Every kind of state, from a caller's input to the output: what nodes see, what they may return, what is kept."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, TypedDict

import pytest
from pydantic import BaseModel, ValidationError

from tests.workers.lines import CONFIG, single
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.checkpoint.memory import MemorySaver
from treadle.errors import InvalidUpdateError
from treadle.graph import END, START, StateGraph
from treadle.types import Command, Overwrite


class Partial(TypedDict, total=False):
    x: Any
    y: Any
    log: Annotated[list[Any], operator.add]


class Optional(TypedDict):
    x: int
    y: NotRequired[int]


class Model(BaseModel):
    x: int = 0
    y: str | None = "y"


@dataclass
class Record:
    x: int
    y: str = "y"


class Empties(TypedDict):
    text: Annotated[str, operator.add]
    items: Annotated[list[Any], operator.add]
    number: Annotated[int, operator.add]
    table: Annotated[dict[str, Any], operator.or_]
    plain: str


KINDS: dict[str, tuple[Any, Callable[[Any], Any], Any, Any]] = {
    "not total": (Partial, lambda state: {"y": state["x"]}, {"x": 1}, {"x": 1, "y": 1, "log": []}),
    "not required": (Optional, lambda state: {"y": state["x"]}, {"x": 1}, {"x": 1, "y": 1}),
    "never written": (Optional, lambda state: None, {"x": 1}, {"x": 1}),
    "pydantic": (Model, lambda state: {"y": str(state.x)}, {"x": 1}, {"x": 1, "y": "1"}),
    "pydantic input": (Model, lambda state: {"y": None}, Model(x=1), {"x": 1, "y": None}),
    "pydantic output": (Model, lambda state: Model(y=None), {"x": 1}, {"x": 1, "y": None}),
    "pydantic changed": (Model, lambda state: state.model_copy(update={"x": 2}), {"x": 1}, {"x": 2}),
    "pydantic raw": (Model, lambda state: {"y": str(state.x + 1)}, {"x": "3"}, {"x": "3", "y": "4"}),
    "dataclass": (Record, lambda state: {"x": state.x + 1}, {"x": 1}, {"x": 2}),
    "dataclass input": (Record, lambda state: {"x": state.x + 1}, Record(1, "z"), {"x": 2, "y": "z"}),
    "dataclass output": (Record, lambda state: Record(7), {"x": 1, "y": "z"}, {"x": 7, "y": "y"}),
    "dict": (dict, lambda state: {**state, "new": 1}, {"any": 2}, {"any": 2, "new": 1}),
    "bare value": (Annotated[list[Any], operator.add], lambda state: [len(state)], [5], [5, 1]),
    "empty values": (Empties, lambda state: None, {"number": 1}, {"text": "", "items": [], "number": 1, "table": {}}),
    "empty input": (Partial, lambda state: None, {}, {"log": []}),
}


@pytest.mark.parametrize(("schema", "node", "given", "output"), KINDS.values(), ids=KINDS)
def test_a_state_of_every_kind_goes_in_and_comes_out(schema: Any, node: Any, given: Any, output: Any) -> None:
    assert single(MemorySaver(), node, schema).invoke(given, CONFIG) == output


def test_schemas_filter_what_comes_in_and_what_goes_out() -> None:
    class Input(TypedDict):
        x: int

    class Output(TypedDict):
        y: int

    seen: list[Any] = []

    def node(state: Partial) -> dict[str, Any]:
        seen.append(dict(state))
        return {"y": 2, "unknown": 3}

    builder = StateGraph(Partial, input_schema=Input, output_schema=Output).add_node("node", node)
    graph = builder.add_edge(START, "node").compile()

    assert graph.invoke({"x": 1, "y": 9, "other": 9}) == {"y": 2}
    assert seen == [{"x": 1, "log": []}]


def test_keys_of_a_nodes_own_schema_are_kept_and_seen_by_edges(saver: BaseCheckpointSaver) -> None:
    class Private(TypedDict):
        secret: int

    class Reader:
        def __call__(self, state: Private) -> dict[str, Any]:
            return {"log": [dict(state)]}

        def method(self, state: Private) -> dict[str, Any]:
            return {"log": [dict(state)]}

    def route(state: Private) -> str:
        return "method" if state == {"secret": 4} else END

    builder = StateGraph(Partial).add_node("writer", lambda state: {"secret": 4}).add_edge(START, "writer")
    builder.add_node("reader", Reader()).add_node("method", Reader().method).add_edge("writer", "reader")
    graph = builder.add_conditional_edges("reader", route).compile(saver)

    output = graph.invoke({"x": 1}, CONFIG)

    assert output == {"x": 1, "log": [{"secret": 4}, {"secret": 4}]}
    assert graph.get_state(CONFIG).values == {**output, "secret": 4}


@pytest.mark.parametrize(
    ("returned", "log"),
    [
        (Command(update=[("log", [1]), ("log", [2])]), [1, 2]),
        ([Command(update={"log": [1]}), {"log": [2]}, None, Command(update={"log": [3]})], [1, 2, 3]),
        ([Command(goto="more"), {"log": [1]}], [1, "more"]),
        ({"log": Overwrite([1])}, [1]),
        ({"log": {"__overwrite__": [1]}}, [1]),
    ],
)
def test_what_a_node_returns_is_applied_in_order(returned: Any, log: list[Any]) -> None:
    builder = StateGraph(Partial).add_node("node", lambda state: returned).add_edge(START, "node")
    graph = builder.add_node("more", lambda state: {"log": ["more"]}).compile()

    assert graph.invoke({"x": 1})["log"] == log


@pytest.mark.parametrize(
    ("first", "second", "error", "match"),
    [
        ({"x": 1}, {"x": 2}, InvalidUpdateError, "^At key 'x'"),
        (
            {"log": Overwrite([1])},
            {"log": Overwrite([2])},
            InvalidUpdateError,
            "Can receive only one Overwrite value per super-step.",
        ),
        ({}, 3, InvalidUpdateError, "^Expected dict, got 3"),
        ({}, [{"x": 1}, 3], InvalidUpdateError, "^Expected dict, got"),
    ],
)
def test_writes_that_do_not_fit_are_refused(first: Any, second: Any, error: type[Exception], match: str) -> None:
    builder = StateGraph(Partial).add_node("a", lambda _: first).add_node("b", lambda _: second)
    graph = builder.add_edge(START, "a").add_edge(START, "b").compile()

    with pytest.raises(error, match=match):
        graph.invoke({"x": 0})


def test_an_overwrite_beats_the_plain_writes_of_its_step_and_is_shown_as_it_is() -> None:
    builder = (
        StateGraph(Partial).add_node("a", lambda _: {"log": ["a"]}).add_node("b", lambda _: {"log": Overwrite([])})
    )
    graph = builder.add_edge(START, "a").add_edge(START, "b").compile()

    chunks = list(graph.stream({"log": ["in"]}, stream_mode=["updates", "values"]))

    assert ("updates", {"b": {"log": Overwrite([])}}) in chunks
    assert chunks[-1] == ("values", {"log": []})


def test_a_value_that_one_node_writes_is_validated_when_the_next_one_is_called(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(Model).add_node("a", lambda _: {"x": "bad"}).add_node("b", lambda _: None)
    graph = builder.add_edge(START, "a").add_edge("a", "b").compile(saver)

    with pytest.raises(ValidationError):
        graph.invoke({"x": 1}, CONFIG)

    assert (graph.get_state(CONFIG).values, graph.get_state(CONFIG).next) == ({"x": "bad"}, ("b",))


@pytest.mark.parametrize(("keys", "output"), [("x", 1), (["x"], {"x": 1}), (["x", "y"], {"x": 1}), ("y", None)])
def test_output_keys_narrow_the_output(keys: Any, output: Any) -> None:
    assert single(None, lambda state: None, Partial).invoke({"x": 1}, output_keys=keys) == output
