"""Flower: rows that say thread, run and attempt, and no entry without a password."""

import time
from pathlib import Path

import click
import pytest
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.events.state import Task, Worker
from celery.utils.saferepr import saferepr
from flower.options import default_options
from tornado.options import OptionParser

from graphs.errors import NodeTimeoutError
from scheduler.dispatch import StepOrder, StepRef
from scheduler.errors import NodeFailed, WorkerLost
from scheduler.frame import Frame
from workers import flower, messages

CONF = Path(__file__).parents[2] / "deploy/flowerconfig.py"
PASSWORD = "p,a:s s"
STEP = "{'thread': 'user-1', 'run': 'r-7', 'step': 's-1', 'attempt': 1}"
NOW = time.time()


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TREADLE_FLOWER_PASSWORD", PASSWORD)
    return PASSWORD


def shown(**fields: object) -> Task:
    return flower.format_task(Task(uuid="user-1:review:2:ab-cd", **fields))


def test_a_row_says_thread_step_attempt_and_run() -> None:
    order = StepOrder(StepRef("user-1", "r-7", "s-1"), "support", "review", Frame(), "c-1", 2, None, None, None)

    row = shown(kwargs=messages.options(order)["kwargsrepr"])

    assert row.kwargs == "attempt=2 step=s-1 run=r-7 thread=user-1"


@pytest.mark.parametrize(
    ("result", "state"),
    [
        ("'committed'", "SUCCESS"),
        ("'interrupted'", "INTERRUPTED"),
        ("'refused'", "INTERRUPTED"),
        ("'spent'", "INTERRUPTED"),
        ("'called'", "CALLED"),
        ("'parked'", "PARKED"),
        ("'slept'", "ASLEEP"),
        ("'stale'", "STALE"),
        ("'lease lost'", "LOST"),
        (None, "SUCCESS"),
    ],
)
def test_what_ended_without_an_error_is_shown_as_what_it_is(result: str | None, state: str) -> None:
    row = shown(kwargs=STEP, state="SUCCESS", result=result)

    assert (row.state, row.result) == (state, (result or "").strip("'"))


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ValueError("no such customer"), "FAILURE"),
        (NodeTimeoutError("review", 1.5), "TIMEOUT"),
        (TimeLimitExceeded(4.5), "TIMEOUT"),
        (WorkerLostError("Worker exited prematurely: signal 9 (SIGKILL)"), "LOST"),
    ],
)
def test_a_failure_says_its_own_error_and_a_loss_or_a_limit_is_no_plain_failure(error: Exception, state: str) -> None:
    row = shown(kwargs=STEP, state="FAILURE", exception=saferepr(error))

    assert row.state == state
    assert saferepr(error).startswith(row.result.rstrip("…"))


def test_a_process_that_was_killed_says_so_whatever_celery_wraps_it_in() -> None:
    told = "billiard.exceptions.WorkerLostError: Worker exited prematurely: signal 9 (SIGKILL) Job: 68."
    row = shown(kwargs=STEP, state="FAILURE", exception="ExceptionWithTraceback()", traceback=f"Traceback\n{told}\n")

    assert (row.state, row.result) == ("LOST", "WorkerLostError: Worker exited…")
    assert "Traceback" in row.traceback


def test_an_error_of_a_run_does_not_repeat_what_the_row_has() -> None:
    row = shown(kwargs=STEP, state="FAILURE", exception=saferepr(WorkerLost("user-1", "a" * 32, "Node 'a' is gone")))

    assert (row.state, row.result) == ("FAILURE", "WorkerLost: Node 'a' is gone")


def test_a_retry_says_what_went_wrong_before_it() -> None:
    row = shown(kwargs=STEP, state="RETRY", exception="ConnectionError('is away')")

    assert (row.state, row.result) == ("RETRY", "ConnectionError('is away')")


@pytest.mark.parametrize("said", ["it is bad", "it's bad", 'it\'s "bad"'])
def test_the_error_of_a_graph_inside_is_shown_and_not_the_one_around_it(said: str) -> None:
    error = NodeFailed("t", "r", f"node 'look' raised Unreadable: {said}\nTraceback ...\n  line")

    assert shown(kwargs=STEP, state="FAILURE", exception=saferepr(error)).result.startswith("Unreadable: it")
    assert "NodeFailed" not in shown(kwargs=STEP, state="FAILURE", exception=saferepr(error)).result
    assert "Traceback" not in shown(kwargs=STEP, state="FAILURE", exception=saferepr(error)).result


@pytest.mark.parametrize(
    ("worker", "state"),
    [
        (Worker("w@1", heartbeats=[NOW + 3600], active=1), "STARTED"),
        (Worker("w@1", heartbeats=[NOW + 3600], active=0), "LOST"),  # it was started anew under its name
        (Worker("w@1", heartbeats=[NOW - 3600], active=1), "LOST"),
        (Worker("w@1", heartbeats=[], active=1), "LOST"),
        (None, "STARTED"),
    ],
)
def test_a_step_whose_worker_is_gone_does_not_seem_to_run(worker: Worker | None, state: str) -> None:
    assert shown(kwargs=STEP, state="STARTED", started=NOW, worker=worker).state == state


def test_the_run_is_no_link_to_a_task_that_does_not_exist() -> None:
    row = shown(kwargs="{'thread': 'user-1', 'run': 'r-7', 'attempt': 1}", root_id="r-7", root="r-7")

    assert row.root_id is None
    assert row.root is None


@pytest.mark.parametrize("kwargs", [None, "", "{}", "{'key': <object at 0x7f>}", "[1]", "{'thread': 'user-1'}"])
def test_a_task_of_somebody_else_stays_as_it_is(kwargs: str | None) -> None:
    row = shown(kwargs=kwargs, root_id="parent")

    assert (row.kwargs, row.root_id) == (kwargs, "parent")


def test_flower_does_not_start_without_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TREADLE_FLOWER_PASSWORD", raising=False)

    with pytest.raises(click.ClickException, match="TREADLE_FLOWER_PASSWORD is not set"):
        flower.options()


def test_a_password_that_could_never_match_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREADLE_FLOWER_PASSWORD", "pässwort")

    with pytest.raises(click.ClickException, match="outside of ASCII"):
        flower.options()


def test_every_option_is_one_of_flowers(password: str) -> None:
    assert set(flower.options()) <= set(default_options.as_dict())


def test_the_config_file_sets_the_options(password: str) -> None:
    parser = OptionParser()
    for name, value in flower.options().items():
        parser.define(name, type=type(value[0] if isinstance(value, list) else value), multiple=isinstance(value, list))

    parser.parse_config_file(str(CONF))

    set_by_file = {name: value for name, value in parser.as_dict().items() if name != "help"}
    assert set_by_file == flower.options()
    assert set_by_file["basic_auth"] == [f"treadle:{PASSWORD}"]
