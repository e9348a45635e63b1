"""The model of a deployment: what it says where the answer is known without it."""

from collections import Counter

import pytest

from tests.benchmarks.scaling import place
from tests.benchmarks.simulation import Costs, steps_per_second

THREADS, STEPS = 40, 50


def rate(costs: Costs, *, servers: int = 1, workers: int = THREADS, cores: int | None = None) -> float:
    places = [thread % servers for thread in range(THREADS)]
    return steps_per_second(costs, places, steps=STEPS, workers=workers, cores=cores)


def test_one_redis_carries_what_its_time_allows_however_many_workers_there_are() -> None:
    assert rate(Costs(0.001, 0.001)) == pytest.approx(1000, rel=0.03)


def test_redises_carry_their_threads_side_by_side() -> None:
    costs = Costs(0.0001, 0.001)

    assert rate(costs, servers=4) == pytest.approx(4 * rate(costs), rel=0.05)


def test_a_redis_that_has_all_threads_gains_nothing_from_others() -> None:
    spread = steps_per_second(Costs(0.0001, 0.001), [3] * THREADS, steps=STEPS, workers=THREADS)

    assert spread == pytest.approx(rate(Costs(0.0001, 0.001)), rel=0.03)


def test_workers_carry_what_their_number_allows() -> None:
    assert rate(Costs(0.01, 0.0001), workers=2) == pytest.approx(200, rel=0.03)


def test_cores_are_shared_by_workers_and_redises() -> None:
    assert rate(Costs(0.001, 0.001), servers=4, cores=2) == pytest.approx(1000, rel=0.03)


def test_a_wait_takes_nothing_from_anybody() -> None:
    assert rate(Costs(0.0001, 0.0001, wait_s=1)) == pytest.approx(THREADS, rel=0.05)


def test_the_same_costs_tell_the_same_rate() -> None:
    assert rate(Costs(0.001, 0.001)) == rate(Costs(0.001, 0.001))


def test_threads_lie_about_evenly_on_redises() -> None:
    lie = Counter(place(f"thread-{number}", 4) for number in range(4_000))

    assert set(lie) == set(range(4))
    assert max(lie.values()) < 1.1 * 1_000
