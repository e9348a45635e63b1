"""Whatever callers give to runs and threads: a clear error, and nothing is written."""

from typing import Any

import pytest

from tests.scheduler.stage import everything
from treadle.checkpoint.memory import MemorySaver

from . import configs, runs, threads
from .stage import Door, refusals, stage


@pytest.fixture(scope="module")
def graph() -> Any:
    """One graph for all: what is refused leaves no trace."""
    return stage(MemorySaver())


@pytest.mark.parametrize("door", (*configs.DOORS, *runs.DOORS, *threads.DOORS), ids=lambda door: door.name)
def test_what_does_not_fit_is_refused_before_anything_is_written(graph: Any, door: Door) -> None:
    redis = graph.checkpointer.engine.connection.client
    before = everything(redis)

    assert not refusals(door, graph)
    assert everything(redis) == before
