"""Writes whose success is told wait for their copies; a copy that is missing is no error."""

import logging

import pytest

from scheduler.lean_redis import LeanRedis
from scheduler.lua_files import load, names
from scheduler.replicas import Replicas


@pytest.fixture
def replicas() -> Replicas:
    return Replicas(2, 100)


def test_a_missing_copy_is_counted_and_told_once_in_a_while(
    replicas: Replicas, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for copies in (2, 1, 0, 3):
            replicas.note(copies)

    assert replicas.missed == 2
    assert [record.getMessage() for record in caplog.records] == ["a write has 1 of 2 copies"]


@pytest.mark.parametrize("name", ["lease_step", "renew_step", "look_at_thread", "publish_event", "take_due"])
def test_what_nobody_counts_on_waits_for_nothing(replicas: Replicas, name: str) -> None:
    assert replicas.question(("EVALSHA", load(name).sha, 1, "k")) is None


def test_a_script_that_is_sent_as_a_text_waits_too(replicas: Replicas) -> None:
    assert replicas.question(("EVAL", load("start_run").text, 1, "k")) == ("WAIT", 2, 100)
    assert replicas.question(("GET", "k")) is None


def test_every_script_that_is_told_of_exists() -> None:
    asked = {name for name in names() if Replicas(1, 1).question(("EVALSHA", load(name).sha))}

    assert {"start_run", "commit_superstep", "put_result", "put_checkpoint", "end_run", "set_status"} <= asked


def test_without_the_setting_nothing_waits() -> None:
    assert LeanRedis.replicas is None
