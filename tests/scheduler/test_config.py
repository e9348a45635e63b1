"""What a caller's config says, and what is refused at the door."""

from types import MappingProxyType
from typing import Any

import pytest

from scheduler.config import DEFAULT_RECURSION_LIMIT, check, merged, parse
from scheduler.errors import InvalidConfig, InvalidThreadId
from scheduler.ids import new_checkpoint_id


@pytest.mark.parametrize(
    "config",
    [
        {"thread_id": "t"},
        {"configurable": {"thread_id": "t"}},
        {"thread_id": "t", "configurable": {"thread_id": "overruled"}},
        MappingProxyType({"thread_id": "t"}),
    ],
)
def test_a_thread_is_named_in_short_or_in_configurable(config: Any) -> None:
    assert parse(config).thread_id == "t"


def test_what_is_not_said_is_left_to_the_graph_and_the_thread() -> None:
    config = parse({"thread_id": "t"})

    assert (config.recursion_limit, config.on_busy, config.ns) == (DEFAULT_RECURSION_LIMIT, "reject", "")
    assert (config.checkpoint_id, config.max_concurrency, config.timeout_s) == (None, None, None)
    assert (config.interrupt_before, config.interrupt_after) == (None, None)


def test_everything_that_can_be_said_is_understood() -> None:
    checkpoint_id = new_checkpoint_id()

    config = parse(
        {
            "configurable": {"thread_id": 7, "checkpoint_id": checkpoint_id, "checkpoint_ns": "outer", "model": "m"},
            "recursion_limit": 5,
            "max_concurrency": 2,
            "interrupt_before": "a",
            "interrupt_after": ["b", "c"],
            "timeout": 1.5,
            "on_busy": "wait",
            "tags": ["x"],
            "metadata": {"user": "u1"},
            "callbacks": [],
            "run_name": "ignored",
        }
    )

    assert (config.thread_id, config.checkpoint_id, config.ns) == ("7", checkpoint_id, "outer")
    assert (config.recursion_limit, config.max_concurrency, config.timeout_s, config.on_busy) == (5, 2, 1.5, "wait")
    assert (config.interrupt_before, config.interrupt_after) == (("a",), ("b", "c"))
    assert (config.tags, config.metadata, config.configurable) == (("x",), {"user": "u1"}, {"model": "m"})


def test_what_the_call_itself_says_goes_before_its_config() -> None:
    config = parse({"thread_id": "t", "timeout": 1, "on_busy": "wait"}, timeout=2, on_busy=None, interrupt_before=())

    assert (config.timeout_s, config.on_busy, config.interrupt_before) == (2, "wait", ())


@pytest.mark.parametrize("config", [None, {}, {"configurable": {}}, {"configurable": {"thread_id": None}}])
def test_a_config_without_a_thread_is_refused(config: Any) -> None:
    with pytest.raises(InvalidThreadId, match="needs a thread_id"):
        parse(config)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"thraed_id": "t"}, "unknown keys: thraed_id. It takes: thread_id"),
        ({1: 2}, "unknown keys: 1"),
        ({"configurable": "t"}, "'configurable' is a mapping, got 't'"),
        ({"configurable": {1: "x"}}, "A key of the config's 'configurable' is a str, got 1"),
        ({"metadata": [1]}, "'metadata' is a mapping"),
        ({"metadata": {1: 2}}, "A key of the config's 'metadata' is a str, got 1"),
        ({"tags": "text"}, "'tags' is a list of strings, got 'text'"),
        ({"recursion_limit": 0}, "'recursion_limit' must be a positive int, got 0"),
        ({"recursion_limit": True}, "must be a positive int"),
        ({"recursion_limit": 2.0}, "must be a positive int"),
        ({"max_concurrency": -1}, "must be a positive int"),
        ({"timeout": 0}, r"'timeout' must be a positive float \(seconds, .*\), got 0"),
        ({"timeout": "5"}, "must be a positive float"),
        ({"timeout": float("inf")}, "must be a positive float"),
        ({"timeout": float("nan")}, "must be a positive float"),
        ({"interrupt_before": [1]}, "'interrupt_before' is a list of node names or '\\*'"),
        ({"interrupt_after": 1}, "'interrupt_after' is a list of node names"),
        ({"strict_resume": 1}, "'strict_resume' is a bool, got 1"),
        ({"on_busy": "queue"}, "on_busy is 'reject' or 'wait' or 'enqueue' or 'interrupt' or 'rollback', got 'queue'"),
        ({"checkpoint_id": "latest"}, "'latest' is not a checkpoint id"),
        ({"checkpoint_id": 5}, "5 is not a checkpoint id"),
    ],
)
def test_a_value_that_does_not_fit_is_named(wrong: dict[Any, Any], why: str) -> None:
    with pytest.raises(InvalidConfig, match=why):
        parse({"thread_id": "t"} | wrong)


@pytest.mark.parametrize("config", ["text", 5, ["thread_id"]])
def test_a_config_is_a_dict(config: Any) -> None:
    for read in (parse, check, lambda config: merged(config, {}), lambda config: merged({}, config)):
        with pytest.raises(InvalidConfig, match="The config is a dict, got"):
            read(config)


def test_nodes_see_the_config_without_what_steers_the_run() -> None:
    config = parse({"thread_id": "t", "configurable": {"model": "m"}, "tags": ["x"], "metadata": {"user": "u1"}})

    assert config.for_nodes() == {
        "configurable": {"model": "m", "thread_id": "t"},
        "recursion_limit": DEFAULT_RECURSION_LIMIT,
        "max_concurrency": None,
        "tags": ["x"],
        "metadata": {"user": "u1"},
    }


def test_checkpoints_carry_the_plain_values_of_metadata_and_configurable() -> None:
    config = parse(
        {
            "configurable": {"thread_id": "t", "model": "m", "__private": 1, "both": "c", "deep": {}},
            "metadata": {"user": "u1", "n": 1, "f": 1.5, "yes": True, "both": "m", "list": [1]},
        }
    )

    assert config.checkpoint_metadata() == {"model": "m", "user": "u1", "n": 1, "f": 1.5, "yes": True, "both": "m"}


def test_two_configs_become_one() -> None:
    first = {"configurable": {"a": 1, "b": 1}, "tags": ["x"], "metadata": {"m": 1}, "timeout": 1, "run_name": "r"}
    second = {"configurable": {"b": 2, "thread_id": "t"}, "tags": ("y",), "metadata": None, "timeout": 2}

    assert merged(first, second) == {
        "configurable": {"a": 1, "b": 2, "thread_id": "t"},
        "tags": ["x", "y"],
        "metadata": {"m": 1},
        "timeout": 2,
        "run_name": "r",
    }
    assert merged({}, {}) == {}
    assert merged({"tags": ["x"]}, {}) == {"tags": ["x"]}


@pytest.mark.parametrize("wrong", [{"configurable": 5}, {"metadata": "m"}, {"tags": "x"}, {"unknown": 1}])
def test_configs_that_make_no_sense_are_not_merged(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig):
        merged({"configurable": {}, "metadata": {}, "tags": []}, wrong)
