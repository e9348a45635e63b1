"""Flower: rows that say thread, run and attempt, and no entry without a password."""

from pathlib import Path

import click
import pytest
from celery.events.state import Task
from flower.options import default_options
from tornado.options import OptionParser

from scheduler.dispatch import StepOrder, StepRef
from scheduler.frame import Frame
from workers import flower, messages

CONF = Path(__file__).parents[2] / "deploy/flowerconfig.py"
PASSWORD = "p,a:s s"


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TREADLE_FLOWER_PASSWORD", PASSWORD)
    return PASSWORD


def shown(**fields: object) -> Task:
    return flower.format_task(Task(uuid="user-1:review:2:ab-cd", **fields))


def test_a_row_says_thread_attempt_and_run() -> None:
    order = StepOrder(StepRef("user-1", "r-7", "s-1"), "support", "review", Frame(), "c-1", 2, None, None, None)

    row = shown(kwargs=messages.options(order)["kwargsrepr"])

    assert row.kwargs == "thread=user-1 attempt=2 run=r-7"


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
