"""A run's plan in the store: short where it is as most are, and the same when it comes back."""

from typing import Any

import pytest

from scheduler.config import parse
from scheduler.plan import plan_of, stored_plan
from scheduler.run import Run
from scheduler.serde import Serde


def run_with(config: dict[str, Any], **more: Any) -> Run:
    parsed = parse({"thread_id": "user-1"} | config)
    given = {"config": parsed.for_nodes(), "metadata": parsed.checkpoint_metadata(), **more}
    return Run("r", "user-1", "chat", "acce682452dd53bd", recursion_limit=parsed.recursion_limit, **given)


@pytest.mark.parametrize(
    "run",
    [
        run_with({}),
        run_with({"recursion_limit": 7, "max_concurrency": 2, "tags": ["a"]}, inline=True, heard=False),
        run_with({"metadata": {"user": "u-1"}}),
        run_with({"metadata": {"user": "u-1"}, "configurable": {"model": "m", "deep": {"a": 1}}}),
        run_with({}, context={"a": (1, 2)}, interrupt_before=("a",), interrupt_after=("*",), step_timeout_s=1.5),
        run_with({}, durability="exit", replays={"": "1-2"}, metadata={"other": 1}),
    ],
)
def test_a_plan_comes_back_as_it_was(run: Run) -> None:
    serde = Serde()

    assert plan_of("user-1", serde.loads(serde.dumps(stored_plan(run)))) == run.plan()


def test_a_plan_like_most_fits_into_a_small_hash() -> None:
    assert len(Serde().dumps(stored_plan(run_with({"metadata": {"user": "user-1"}})))) <= 64
