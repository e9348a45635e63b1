"""The command that shows limits, and how they stand."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TypedDict

import pytest

from scheduler.admission import Admission
from scheduler.dispatch import StepRef
from treadle.checkpoint.redis import RedisSaver
from treadle.graph import START, StateGraph
from workers.node_limits import limits_by_task

from .conftest import Treadle


class State(TypedDict, total=False):
    text: str


def call(state: State) -> None: ...


builder = StateGraph(State).add_node("call", call, rate_limit="60/m").add_edge(START, "call")
limited = builder.compile(name="limited", max_concurrency={"graph": 9, "tenant": 1})


@pytest.fixture
def waiting(store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two runs of one tenant: the step of one is let in, and that of the other waits."""
    monkeypatch.setenv("TREADLE_GRAPHS", f"{__name__}:limited")
    client = RedisSaver(store).client
    admission = Admission(client.connection, client.runs)
    limit = limits_by_task({"limited": limited.graph})["limited.call"]
    with ExitStack() as entered:
        for thread_id in ("t-1", "t-2"):
            config = {"configurable": {"thread_id": thread_id, "tenant": "a b"}}
            builder.compile(RedisSaver(store), name="limited").submit({"text": "x"}, config)
            (step,) = client.threads.pending(thread_id)
            entered.enter_context(admission.of(StepRef(thread_id, step.run_id, step.id), "d", limit))
        yield


@pytest.mark.usefixtures("waiting")
def test_limits_are_shown_with_what_is_used_and_what_waits(treadle: Treadle) -> None:
    of_graph, of_tenant, of_node = json.loads(treadle("limits", "--json").stdout)

    assert of_graph == {"graph": "limited", "what": "steps", "key": None, "used": 1, "most": 9, "waiting": 1}
    assert of_tenant == {"graph": "limited", "what": "tenant", "key": "a b", "used": 1, "most": 1, "waiting": 1}
    assert of_node == {"graph": "limited", "what": "call", "key": None, "used": None, "most": 1.0, "waiting": 0}


@pytest.mark.usefixtures("waiting")
def test_a_table_is_for_people(treadle: Treadle) -> None:
    shown = [line.split() for line in treadle("limits").stdout.splitlines()]

    assert shown == [
        ["graph", "limit", "key", "used", "of", "waiting"],
        ["limited", "steps", "-", "1", "9", "1"],
        ["limited", "tenant", "a", "b", "1", "1", "1"],
        ["limited", "call", "-", "-", "1", "a", "second", "0"],
    ]


def test_without_limits_there_is_nothing_to_show(treadle: Treadle, store: str) -> None:
    assert "No graph that is known has limits." in treadle("limits").stdout
