"""Signs of life: who writes them, and who stops writing them."""

import os
from pathlib import Path

import pytest

from workers import pulse
from workers.pulse import Pulse


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "health"


@pytest.fixture
def beats(file: Path, clock: Clock) -> Pulse:
    return Pulse(file, "worker", clock)


def test_the_file_says_who_writes_in_which_state_and_when(beats: Pulse, file: Path, clock: Clock) -> None:
    assert beats.beat()

    assert pulse.read(file) == pulse.Beat("worker", pulse.STARTING, os.getpid(), clock.now)


def test_a_loop_that_turns_is_ready(beats: Pulse, file: Path) -> None:
    beats.turn()
    beats.beat()

    assert pulse.read(file).state == pulse.READY


def test_a_loop_that_does_not_turn_is_stuck(beats: Pulse, clock: Clock) -> None:
    beats.turn()
    clock.now += pulse.STUCK_S + 1

    assert not beats.beat()


def test_a_loop_that_turns_again_is_stuck_no_more(beats: Pulse, clock: Clock) -> None:
    beats.turn()
    clock.now += pulse.STUCK_S + 1
    beats.turn()

    assert beats.beat()


def test_a_loop_that_runs_a_node_need_not_turn(beats: Pulse, clock: Clock) -> None:
    beats.turn()
    clock.now += pulse.STUCK_S + 1

    assert beats.beat(busy=True)


def test_a_worker_that_waits_for_its_broker_lives_however_long_it_takes(beats: Pulse, file: Path, clock: Clock) -> None:
    beats.turn()
    beats.rest(pulse.WAITING)
    clock.now += 3600

    assert beats.beat()
    assert pulse.read(file).state == pulse.WAITING


def test_one_that_ends_is_ready_no_more(beats: Pulse, file: Path) -> None:
    beats.rest(pulse.STOPPING)
    beats.turn()
    beats.rest(pulse.WAITING)
    beats.beat()

    assert pulse.read(file).state == pulse.STOPPING


def test_a_loop_that_turns_often_writes_now_and_then(beats: Pulse, file: Path, clock: Clock) -> None:
    beats.beat_now_and_then()
    first = pulse.read(file).at
    clock.now += pulse.INTERVAL_S / 2
    beats.beat_now_and_then()
    assert pulse.read(file).at == first

    clock.now += pulse.INTERVAL_S
    beats.beat_now_and_then()
    assert pulse.read(file).at == clock.now


def test_a_folder_that_takes_no_file_ends_nothing(tmp_path: Path) -> None:
    assert not Pulse(tmp_path / "missing" / "health", "worker").beat()


def test_one_that_has_ended_leaves_no_file(beats: Pulse, file: Path) -> None:
    beats.beat()
    beats.end()
    beats.end()

    assert not list(file.parent.iterdir())


@pytest.mark.parametrize("told", ["", "{}", "[]", '{"role": 1}'])
def test_another_file_is_no_sign_of_life(file: Path, told: str) -> None:
    file.write_text(told)

    with pytest.raises(ValueError):
        pulse.read(file)


def test_what_is_from_before_the_machine_started_has_no_age() -> None:
    assert pulse.Beat("worker", pulse.READY, 1, 500.0).age_s(20.0) is None
