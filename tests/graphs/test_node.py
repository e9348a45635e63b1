"""What a function becomes as a node: its name, its view of the state, what it is given."""

import operator
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial, wraps
from typing import Any, TypedDict

import pytest

from graphs.errors import InvalidGraph, NodeError
from graphs.node import (
    ROLES,
    Node,
    callable_of,
    check_call,
    check_name,
    injected_parameters,
    input_hint,
    is_async,
    name_of,
    plain_name,
)
from graphs.runtime import Runtime, StreamWriter
from graphs.schema import schema_of
from graphs.store import BaseStore


class State(TypedDict):
    n: int


class Private(TypedDict):
    secret: str


class Agent:
    """Holds the same node as a method, as a call, and as an invoke."""

    name = "an agent"

    def step(self, state: Private) -> dict[str, Any]:
        return {"n": 1}

    def __call__(self, state: Private, config: Any) -> dict[str, Any]:
        return {"n": 2}


class Runnable:
    """Cannot be called, but invoked."""

    name = "pipeline"

    def invoke(self, state: Private, config: Any = None, **options: Any) -> dict[str, Any]:
        return {"n": 3}


class Nameless:
    def invoke(self, state: Private) -> None: ...


class Store(BaseStore): ...


class Names(str, Enum):  # noqa: UP042  # unlike a StrEnum's, its members do not print as their values
    REVIEW = "review"


class PureNames(Enum):
    REVIEW = "review"
    NUMBER = 3


def plain(state: State) -> dict[str, Any]:
    return {"n": 0}


async def coroutine(state: State) -> None: ...


class AsyncCall:
    async def __call__(self, state: State) -> None: ...


class AsyncInvoke:
    async def invoke(self, state: State) -> None: ...


@pytest.mark.parametrize(
    ("func", "name"),
    [
        (plain, "plain"),
        (Agent().step, "step"),
        (Agent(), "Agent"),
        (Agent, "Agent"),
        (partial(plain), "plain"),
        (partial(Agent().step), "step"),
        (partial(Agent()), "Agent"),
        (Runnable(), "pipeline"),
        (Nameless(), "Nameless"),
        (lambda state: state, "<lambda>"),
        (operator.add, "add"),
    ],
)
def test_a_function_without_a_given_name_is_named_after_itself_or_its_class(func: Any, name: str) -> None:
    assert name_of(func) == name


@pytest.mark.parametrize("name", ["review", Names.REVIEW, PureNames.REVIEW])
def test_a_name_may_be_the_member_of_an_enum_and_is_kept_as_a_plain_string(name: Any) -> None:
    assert (plain_name(name), type(plain_name(name))) == ("review", str)


@pytest.mark.parametrize("name", [plain, 3, None, PureNames.NUMBER, b"review"])
def test_a_name_that_is_no_string_is_refused(name: Any) -> None:
    with pytest.raises(InvalidGraph, match="A node's name must be a string"):
        plain_name(name)


@pytest.mark.parametrize("name", ["a", "review draft", "überprüfen", "a.b-c_d", "x" * 128, "<lambda>"])
def test_ordinary_names_are_taken(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "1 to 128 characters"),
        ("x" * 129, "1 to 128 characters"),
        ("__start__", "'__start__' is reserved"),
        ("__end__", "'__end__' is reserved"),
        ("__default_error_handler__", "'__default_error_handler__' is reserved"),
        ("__error_handler__a", "'__error_handler__a' is reserved"),
        ("a|b", r"holds '\|'"),
        ("a:b", "holds ':'"),
        ("a\nb", "holds"),
        ("a\x1fb", "holds"),
    ],
)
def test_names_that_ids_and_namespaces_are_built_with_are_refused(name: str, said: str) -> None:
    with pytest.raises(InvalidGraph, match=said):
        check_name(name)


@pytest.mark.parametrize("func", [plain, Agent(), Agent().step, partial(plain), operator.add])
def test_what_can_be_called_is_called_itself(func: Any) -> None:
    assert callable_of(func) == func


def test_what_cannot_be_called_is_invoked() -> None:
    assert callable_of(Runnable())({"secret": "x"}) == {"n": 3}


@pytest.mark.parametrize("func", ["plain", None, 3, object()])
def test_what_can_neither_be_called_nor_invoked_is_refused(func: Any) -> None:
    with pytest.raises(InvalidGraph, match=r"Expected a function or an object with invoke\(\), got "):
        callable_of(func)


@pytest.mark.parametrize(
    ("func", "expected"),
    [
        (plain, False),
        (coroutine, True),
        (partial(coroutine), True),
        (AsyncCall(), True),
        (partial(AsyncCall()), True),
        (AsyncInvoke().invoke, True),
        (Agent(), False),
        (operator.add, False),
    ],
)
def test_a_node_is_async_when_calling_it_gives_a_coroutine(func: Any, expected: bool) -> None:
    assert is_async(func) is expected


def unannotated(state: Any) -> None: ...


def dict_annotated(state: dict[str, Any]) -> None: ...


@pytest.mark.parametrize(
    ("func", "hint"),
    [
        (plain, State),
        (Agent().step, Private),
        (Agent(), Private),
        (Runnable().invoke, Private),
        (partial(plain), State),
        (unannotated, None),
        (dict_annotated, None),
        (lambda state: None, None),
        (lambda: None, None),
        (operator.add, None),
        (max, None),
    ],
)
def test_the_view_of_a_node_is_the_state_class_of_its_first_parameter(func: Any, hint: Any) -> None:
    assert input_hint(func) is hint


def by_name(state: State, config: Any, runtime: Any, store: Any, *, writer: Any, previous: Any) -> None: ...  # noqa: PLR0913  # all at once


def by_annotation(state: State, a: Runtime[Any], b: Runtime, c: Store, d: StreamWriter) -> None: ...  # type: ignore[type-arg]


def by_optional_annotation(state: State, a: Runtime[Any] | None = None, b: BaseStore | None = None) -> None: ...


def keyword_only(state: State, *, config: Any, rt: Runtime[Any]) -> None: ...


def of_other_kinds(
    state: State, x: list[BaseStore] | int = 0, f: Callable[[Any], None] = print, n: int = 3
) -> None: ...


def positional_only(state: State, config: Any = None, /) -> None: ...


def catching(state: State, *store: Any, **config: Any) -> None: ...


def config_first(config: State, runtime: Any) -> None: ...


@pytest.mark.parametrize(
    ("func", "injected"),
    [
        (plain, {}),
        (by_name, {name: name for name in ("config", "runtime", "store", "writer", "previous")}),
        (by_annotation, {"a": "runtime", "b": "runtime", "c": "store", "d": "writer"}),
        (by_optional_annotation, {"a": "runtime", "b": "store"}),
        (keyword_only, {"config": "config", "rt": "runtime"}),
        (of_other_kinds, {}),
        (positional_only, {}),
        (catching, {}),
        (config_first, {"runtime": "runtime"}),
        (Agent(), {"config": "config"}),
        (Runnable().invoke, {"config": "config"}),
        (partial(keyword_only, config="mine"), {"rt": "runtime"}),
        (max, {}),
    ],
)
def test_what_a_node_asks_for_by_name_or_annotation_is_injected(func: Any, injected: Mapping[str, str]) -> None:
    assert injected_parameters(func) == injected


class RunnableConfig(TypedDict): ...


def by_its_config(state: State, settings: RunnableConfig | None = None) -> None: ...


def handling(state: State, error: Any, config: Any) -> None: ...


def handling_by_annotation(state: State, failure: NodeError) -> None: ...


def test_the_config_is_known_by_the_name_of_its_class() -> None:
    assert injected_parameters(by_its_config) == {"settings": "config"}


@pytest.mark.parametrize(
    ("func", "injected"),
    [(handling, {"error": "error", "config": "config"}), (handling_by_annotation, {"failure": "error"}), (plain, {})],
)
def test_an_error_is_injected_where_there_may_be_one(func: Any, injected: Mapping[str, str]) -> None:
    assert injected_parameters(func, (*ROLES, "error")) == injected


@pytest.mark.parametrize("func", [handling, handling_by_annotation])
def test_a_node_that_asks_for_an_error_is_refused(func: Any) -> None:
    with pytest.raises(InvalidGraph, match="missing a required argument"):
        check_call(func, injected_parameters(func), "node 'a'")


def two_required(state: State, user: str) -> None: ...


def nothing() -> None: ...


def decorated(func: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(func)
    def wrapper(state: Any) -> Any:
        return func(state, user="somebody")

    return wrapper


@pytest.mark.parametrize("func", [plain, Agent(), Agent().step, of_other_kinds, catching, max, decorated(two_required)])
def test_a_function_of_the_state_can_be_called(func: Any) -> None:
    check_call(func, injected_parameters(func), "node 'a'")


@pytest.mark.parametrize(
    ("func", "said"),
    [
        (nothing, "too many positional arguments"),
        (two_required, "missing a required argument: 'user'"),
        (decorated(keyword_only), "unexpected keyword argument"),
    ],
)
def test_a_function_that_wants_what_nobody_gives_is_refused(func: Any, said: str) -> None:
    with pytest.raises(InvalidGraph, match=rf"The node 'a' cannot be called as function\(state\): .*{said}"):
        check_call(func, injected_parameters(func), "node 'a'")


def test_a_call_gives_the_state_and_exactly_what_was_asked_for() -> None:
    def func(state: Any, *, told: Any) -> Any:
        return state, told

    node = Node("a", func, schema_of(State), {"told": "runtime"})

    assert node.call({"n": 1}, {"runtime": "R", "config": "C"}) == ({"n": 1}, "R")


def test_a_node_shows_its_function_where_langgraph_shows_it() -> None:
    assert Node("a", plain, schema_of(State)).runnable.func is plain
