"""The pace of a node, whatever the times at which its steps come: on a clock that the test sets."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import fake_commands
from scheduler.fake import fake_redis, fake_server
from scheduler.keys import Keys
from scheduler.limit_scripts import LimitScripts

SLACK_MS = 500
BEGAN_MS = 1_700_000_000_000


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now_ms: float = BEGAN_MS

    def time(self) -> float:
        return self.now_ms / 1000


@dataclass
class Node:
    """A node that starts its steps by its pace."""

    interval_ms: float
    clock: Clock
    scripts: LimitScripts = field(default_factory=lambda: LimitScripts(fake_redis(fake_server())))
    started: list[float] = field(default_factory=list)

    def ask(self, turn: int | None) -> int | None:
        """Let a step come; return the moment until which it waits, or None where it starts."""
        step = {"member": "t s", "key": "", "delivery": "d", "turn": "" if turn is None else str(turn)}
        numbers = {"fence": 0, "due": 0, "lease_ms": 1, "interval_ms": self.interval_ms, "slack_ms": SLACK_MS}
        keys = Keys().of_limits("graph", "node")
        answer = self.scripts.admit_step(keys, **step, **numbers, most="", most_of_key="")
        if answer.what == "turn":
            return answer.number
        self.started.append(self.clock.now_ms)
        return None


@dataclass
class Away:
    """Times at which no worker is there: who comes then comes in at their end."""

    spans: list[tuple[int, int]]

    def comes_in(self, at_ms: float) -> float:
        for began_ms, long_ms in sorted(self.spans):
            if BEGAN_MS + began_ms <= at_ms < BEGAN_MS + began_ms + long_ms:
                at_ms = BEGAN_MS + began_ms + long_ms
        return at_ms


#: When steps come, and by how much each is late when its turn has come.
lateness = st.lists(st.integers(0, 3_000), max_size=3)
comings = st.lists(st.tuples(st.integers(0, 1_000), lateness), min_size=30, max_size=60)
absences = st.lists(st.tuples(st.integers(0, 3_000), st.integers(500, 10_000)), max_size=3)


@pytest.mark.one_server
@given(comings, absences, st.sampled_from([1.0, 20.0, 100.0, 600.0, 7_000.0]))
def test_steps_start_no_more_often_than_the_pace_says_and_all_of_them_do(
    steps: list[tuple[int, list[int]]], spans: list[tuple[int, int]], interval_ms: float
) -> None:
    away, clock = Away(spans), Clock()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fake_commands, "time", clock)
        node, asked = Node(interval_ms, clock), 0
        waiting: list[tuple[float, int | None, list[int]]]
        waiting = [(away.comes_in(BEGAN_MS + at), None, late) for at, late in steps]
        while waiting:
            waiting.sort(key=lambda step: step[0])
            clock.now_ms, turn, late = waiting.pop(0)
            until_ms, asked = node.ask(turn), asked + 1
            if until_ms is not None:
                waiting.append((away.comes_in(until_ms + (late[0] if late else 0)), until_ms, late[1:]))

    assert len(node.started) == len(steps)
    assert asked <= 10 * len(steps)
    for began_ms in node.started:
        for window_ms in (100, 1_000, 10_000, 60_000):
            count = sum(began_ms <= other_ms < began_ms + window_ms for other_ms in node.started)
            assert count <= (window_ms + SLACK_MS) / interval_ms + 1
