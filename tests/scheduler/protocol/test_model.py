"""Every interleaving of two workers, a scheduler and a client keeps the promises, whatever becomes of the messages.

What is explored is all there is: any number of leases, deaths, retries and doubled messages, up to so many runs.
``pytest tests/scheduler/protocol --thorough=1000 -s`` explores larger graphs as well, and prints how large they are.
"""

from collections.abc import Set
from dataclasses import replace

import pytest
from _pytest.mark.structures import ParameterSet

from .explorer import Explorer
from .model import CHECKS, Protocol
from .promises import PROMISES

GRAPHS = {
    "one after the other": Protocol((("a",), ("b",))),  # 3,137 worlds, 22,037 moves
    "side by side": Protocol((("a", "b"),), max_runs=1),  # 12,988 worlds, 104,876 moves
    "with an error handler": Protocol((("a",),), handled=frozenset("a"), max_runs=1),  # 2,005 worlds, 15,701 moves
}
LARGE = {
    "a join": Protocol((("a", "b"), ("c",)), max_runs=1),  # 13,476 worlds, 107,738 moves
    "a step that may be lost twice": Protocol((("a",), ("b",)), max_attempts=2, max_runs=3),  # 17,974 and 148,130
    "side by side, again": Protocol((("a", "b"),)),  # some 100,000 worlds
    "a handler beside a sibling": Protocol((("a", "b"),), handled=frozenset("a"), max_runs=1),  # some 250,000 worlds
}
HUGE = ("side by side, again", "a handler beside a sibling")
#: What is left out, and the promise that does not hold without it.
BROKEN = [
    ("one after the other", {"token"}, "a_lost_lease_commits_nothing"),
    ("one after the other", {"rising"}, "tokens_only_rise"),
    ("one after the other", {"held"}, "a_good_lease_is_one_workers"),
    ("one after the other", {"this run"}, "a_message_of_an_ended_run_takes_nothing"),
    ("one after the other", {"losses"}, "a_step_takes_so_many_workers_down_and_no_more"),
    ("one after the other", {"due at the opening"}, "everything_in_flight_is_due"),
    ("one after the other", {"due until closed"}, "everything_in_flight_is_due"),
    ("one after the other", {"due no more"}, "everything_in_flight_is_due"),
    ("one after the other", {"ends all"}, "a_thread_that_rests_has_nothing_in_flight"),
    ("one after the other", {"sent again"}, "every_run_can_end"),
    ("side by side", {"finished"}, "a_finished_step_never_runs_again"),
    ("side by side", {"unfinished"}, "a_finished_step_never_runs_again"),
    ("with an error handler", {"complete"}, "an_end_has_its_reason"),
]
#: Each of the two makes up for the other, where no graph is inside of another.
BROKEN_AT_A_JOIN = ("a join", {"cursor", "closer"}, "effects_exactly_once")


def slow(*values: object) -> ParameterSet:
    """Return a case that takes seconds, and runs with the system tests."""
    return pytest.param(*values, marks=pytest.mark.system)


def _id(value: str | Set[str]) -> str:
    return value if isinstance(value, str) else " and ".join(sorted(value))


@pytest.mark.parametrize("name", ["one after the other", "with an error handler", *map(slow, ["side by side", *LARGE])])
def test_every_interleaving_keeps_every_promise(name: str, thorough: int) -> None:
    if name in HUGE and not thorough:
        pytest.skip("takes minutes: --thorough")

    explored = Explorer((GRAPHS | LARGE)[name], PROMISES).explore()

    print(f"\n{name}: {explored}")
    assert not explored.broken, explored


@pytest.mark.parametrize(("name", "left_out", "promise"), [*BROKEN, slow(*BROKEN_AT_A_JOIN)], ids=_id)
def test_without_a_check_a_promise_is_broken(name: str, left_out: Set[str], promise: str) -> None:
    """So the exploration can fail, and every check is there for something."""
    runs = 2 if left_out & {"unfinished", "this run"} else 1
    protocol = replace((GRAPHS | LARGE)[name], checks=CHECKS - left_out, max_runs=runs)

    explored = Explorer(protocol, {known: holds for known, holds in PROMISES.items() if known == promise}).explore()

    assert explored.broken == promise, explored


def test_every_check_is_left_out_once() -> None:
    assert set().union(*(left_out for _, left_out, _ in [*BROKEN, BROKEN_AT_A_JOIN])) == CHECKS
