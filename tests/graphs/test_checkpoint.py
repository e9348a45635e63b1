"""The state between supersteps, and the ids of its steps."""

from dataclasses import FrozenInstanceError
from itertools import product

import pytest

from graphs.checkpoint import PULL, Checkpoint, Step, step_id


def test_the_id_of_a_step_is_the_same_in_every_process() -> None:
    assert step_id("c1", "", "review", PULL, "review") == "c847bc4d365c3a732dabc3b039864d3b"


def test_no_two_steps_share_an_id() -> None:
    paths: list[tuple[str | int, ...]] = [(PULL, "a"), ("push", 0), ("push", 1)]
    parts = list(product(["c1", "c2"], ["", "a:1", "a:1|b:2"], ["a", "b", "ab"], paths))

    ids = {step_id(checkpoint, ns, node, *path) for checkpoint, ns, node, path in parts}

    assert len(ids) == len(parts)


def test_the_parts_of_an_id_do_not_run_into_each_other() -> None:
    assert step_id("c", "1", "a") != step_id("c1", "", "a")
    assert step_id("c", "", "a", "b") != step_id("c", "", "ab")
    assert step_id("c", "", "a", 1, 1) != step_id("c", "", "a", 11)


def test_a_step_is_ordered_by_path_with_numbers_as_numbers() -> None:
    paths: list[tuple[str | int, ...]] = [("push", 10), (PULL, "b"), ("push", 9), (PULL, "a")]

    assert sorted(paths) == [(PULL, "a"), (PULL, "b"), ("push", 9), ("push", 10)]


def test_a_new_checkpoint_has_no_state_and_nothing_due() -> None:
    checkpoint = Checkpoint("c1", None, "input", -1)

    assert (checkpoint.values, checkpoint.joins, checkpoint.steps, checkpoint.deferred, checkpoint.writers) == (
        {},
        {},
        (),
        (),
        (),
    )


@pytest.mark.parametrize("value", [Checkpoint("c1", None, "input", -1), Step("s", "a", (PULL, "a"), ())])
def test_a_checkpoint_and_its_steps_never_change(value: Checkpoint | Step) -> None:
    with pytest.raises(FrozenInstanceError):
        value.id = "c2"  # type: ignore[misc]  # the case
