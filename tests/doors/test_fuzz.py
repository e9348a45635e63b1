"""Whatever is given: it is taken, or refused by an error of Treadle's, and what is refused leaves no trace.

``TREADLE_FUZZ=5000 pytest tests/doors/test_fuzz.py`` looks further.
"""

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphs.errors import TreadleError
from scheduler import config
from tests.scheduler.stage import everything
from treadle.cache.memory import InMemoryCache
from treadle.checkpoint.memory import MemorySaver
from treadle.store.memory import InMemoryStore
from treadle.types import Command, Send, StateUpdate

from .stage import RESTS, X, stage

MANY = settings(
    max_examples=int(os.environ.get("TREADLE_FUZZ", "2")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
#: What the memory and the cache are documented to raise beside Treadle's own.
PLAIN = (TreadleError, ValueError, TypeError, NotImplementedError)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.just("\ud800"),
    st.builds(object),
    st.sampled_from(["say", "ask", "nope", "x", "said", "__end__", "__start__", "t", "*", 10**30, -1, 0]),
)
KEYS = st.one_of(
    st.text(max_size=5), st.sampled_from(["x", "said", "nope", "$gt", "thread_id"]), st.integers(), st.none()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=8,
)
CONFIGS = st.dictionaries(
    st.sampled_from((*config._SHORT_KEYS[1:], *config._RUN_KEYS, *config._OTHER_KEYS, "nope")), VALUES, max_size=3
).map(lambda more: {"thread_id": "fuzz", **{key: value for key, value in more.items() if key != "on_busy"}})


class Doors:
    """Everything that can be called, on one store, with the threads as they were before each call."""

    def __init__(self) -> None:
        self.graph = stage(MemorySaver())
        self.store, self.cache = InMemoryStore(), InMemoryCache()
        self._engine = self.graph.checkpointer.engine  # type: ignore[union-attr]
        self.calls = 0

    def taken_or_refused(self, call: Callable[[str], Any], errors: Any = TreadleError) -> None:
        """Make a call on a thread of its own; where it is refused, nothing has changed."""
        self.calls += 1
        spaces = [self._engine.connection.client, self.store._redis, self.cache._redis]
        before = [everything(redis) for redis in spaces]
        try:
            call(f"fuzz-{self.calls}")
        except errors:
            assert [everything(redis) for redis in spaces] == before
        for key in {*everything(spaces[0])} - {*before[0]}:
            spaces[0].delete(key)
        for redis in spaces[1:]:
            redis.flushall()

    def all_taken_or_refused(self, errors: Any, *calls: Callable[[], Any]) -> None:
        """Make calls that need no thread of their own."""
        for call in calls:
            self.taken_or_refused(lambda _, call=call: call(), errors)  # type: ignore[misc]


@pytest.fixture(scope="module")
def doors() -> Doors:
    """One for all, because making one takes longer than a call."""
    return Doors()


@MANY
@given(VALUES, CONFIGS)
def test_runs(doors: Doors, value: Any, config: Any) -> None:
    doors.taken_or_refused(lambda thread: doors.graph.invoke(value, {"thread_id": thread}))
    doors.taken_or_refused(lambda thread: doors.graph.invoke({"x": value}, {"thread_id": thread}))
    doors.taken_or_refused(
        lambda thread: doors.graph.invoke(X, {**config, "thread_id": thread, "recursion_limit": 50}), PLAIN
    )


@MANY
@given(VALUES, VALUES)
def test_commands(doors: Doors, one: Any, other: Any) -> None:
    def on_a_copy(make: Callable[[], Any]) -> None:
        doors.graph.threads.copy("waits", "copy")
        try:
            doors.taken_or_refused(lambda _: doors.graph.invoke(make(), {"thread_id": "copy", "recursion_limit": 50}))
        finally:
            doors.graph.threads.delete("copy")

    on_a_copy(lambda: Command(goto=one))
    on_a_copy(lambda: Command(goto=[Send(one, other)]))
    on_a_copy(lambda: Command(graph=one, update=other))
    on_a_copy(lambda: Command(update=one, resume=other))
    on_a_copy(lambda: Command(resume=one))


@MANY
@given(VALUES, VALUES)
def test_states(doors: Doors, one: Any, other: Any) -> None:
    graph = doors.graph
    doors.all_taken_or_refused(
        TreadleError,
        lambda: graph.get_state(one),
        lambda: [*graph.get_state_history(RESTS, filter=one)],
        lambda: [*graph.get_state_history(RESTS, limit=one)],
        lambda: graph.get_state({**RESTS, "checkpoint_id": one}),
        lambda: graph.get_state({**RESTS, "checkpoint_ns": one}),
        lambda: graph.threads.list(status=one),
        lambda: graph.threads.list(metadata=one),
        lambda: graph.run_handle(one, other),
    )
    doors.taken_or_refused(lambda thread: graph.update_state({"thread_id": thread}, one, as_node=other))
    doors.taken_or_refused(lambda thread: graph.update_state({"thread_id": thread}, {"x": one}, "say", other), PLAIN)
    doors.taken_or_refused(lambda thread: graph.bulk_update_state({"thread_id": thread}, one), PLAIN)
    doors.taken_or_refused(
        lambda thread: graph.bulk_update_state({"thread_id": thread}, [[StateUpdate(one, other)]]), PLAIN
    )
    doors.taken_or_refused(lambda thread: graph.threads.create(thread, one, other))


@MANY
@given(VALUES, VALUES)
def test_memory_and_cache(doors: Doors, one: Any, other: Any) -> None:
    store, cache = doors.store, doors.cache
    doors.all_taken_or_refused(
        PLAIN,
        lambda: store.put(one, "k", {"a": other}),
        lambda: store.put(("n",), one, {"a": other}),
        lambda: store.put(("n",), "k", one),
        lambda: store.put(("n",), "k", {"a": 1}, ttl=one),
        lambda: store.search(("n",), filter=one),
        lambda: store.search(("n",), limit=one, offset=other),
        lambda: store.list_namespaces(prefix=one, max_depth=other),
        lambda: cache.set({(("n",), "k"): (one, other)}),
        lambda: cache.get(one),
        lambda: cache.clear(one),
    )
