"""Whatever happens to two threads, in whatever order, the promises hold and the end is the same.

As a rule a few lives are tried, always the same ones, and more of them with the system tests.
``pytest tests/scheduler/protocol --thorough=10000`` tries as many new ones, on fakeredis or with ``--redis=real``;
hypothesis shrinks what fails to the shortest life that does.
"""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from redis import Redis

from scheduler import ids

from .machine import Machine
from .theatre import Clockwork


@pytest.mark.parametrize("lives", [4, pytest.param(40, marks=pytest.mark.system)])
def test_whatever_happens_the_promises_hold_and_the_end_is_the_same(
    redis: Redis, lives: int, thorough: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Here(Machine):
        pass

    Here.redis, Here.clockwork = redis, Clockwork()
    monkeypatch.setattr(ids, "time", Here.clockwork)
    monkeypatch.setattr(ids, "os", Here.clockwork)
    often = settings(
        max_examples=thorough or lives,
        stateful_step_count=50 if thorough else 30,
        derandomize=not thorough,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if thorough else [Phase.generate],
    )
    run_state_machine_as_test(Here, settings=often)
