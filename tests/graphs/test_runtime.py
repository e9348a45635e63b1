"""What a node is told about its run, and how that is put together."""

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from graphs.runtime import ExecutionInfo, RunControl, Runtime, ServerInfo, server_info_of

INFO = ExecutionInfo("t", "r", "c", "", "task")


def test_a_merge_keeps_what_only_one_of_two_runtimes_has() -> None:
    outer: Runtime[Any] = Runtime(context="outer", stream_writer=print, execution_info=INFO)
    inner: Runtime[Any] = Runtime(context="inner", previous=0)

    merged = outer.merge(inner)

    assert merged == Runtime(context="inner", stream_writer=print, execution_info=INFO, previous=0)


def test_an_override_replaces_fields_and_leaves_the_original() -> None:
    runtime: Runtime[Any] = Runtime(context="old", previous=1)

    assert runtime.override(context=None) == Runtime(previous=1)
    assert runtime.context == "old"


def test_the_execution_info_is_frozen_and_can_be_patched() -> None:
    with pytest.raises(FrozenInstanceError):
        INFO.node_attempt = 2  # type: ignore[misc]  # the case

    assert INFO.patch(node_attempt=2) == ExecutionInfo("t", "r", "c", "", "task", node_attempt=2)


def test_a_sign_of_life_that_nobody_waits_for_does_nothing() -> None:
    Runtime().heartbeat()


def test_a_sign_of_life_goes_to_whoever_keeps_the_limit() -> None:
    beats: list[str] = []

    Runtime(heartbeat=lambda: beats.append("beat")).heartbeat()

    assert beats == ["beat"]


def test_a_drain_is_asked_for_with_a_reason() -> None:
    control = RunControl()
    before = control.drain_requested

    control.request_drain()

    assert (before, control.drain_requested, control.drain_reason) == (False, True, "shutdown")


@pytest.mark.parametrize(
    ("config", "info"),
    [
        ({}, None),
        ({"configurable": {"thread_id": "t"}}, None),
        ({"configurable": {"assistant_id": "a", "graph_id": "g"}}, ServerInfo("a", "g")),
        ({"configurable": {"langgraph_auth_user": {"identity": "me"}}}, ServerInfo(user={"identity": "me"})),
    ],
)
def test_the_server_in_front_is_known_from_the_config(config: Any, info: ServerInfo | None) -> None:
    assert server_info_of(config) == info


def test_a_control_tells_its_listeners_why_as_soon_as_there_is_a_reason_and_only_while_they_listen() -> None:
    control, early, late = RunControl(), list[str](), list[str]()

    with control.heard_by(early.append):
        control.request_drain("deploy")
        with control.heard_by(late.append):
            heard_at_once = list(late)
    control.request_drain("again")

    assert heard_at_once == ["deploy"]
    assert (early, late) == (["deploy"], ["deploy"])
    assert control.drain_reason == "again"
