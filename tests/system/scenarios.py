"""The scenarios that hold in every way of running, as a table."""

from tests.system.plays import (
    editing,
    failing,
    functions,
    guarding,
    nests,
    questions,
    shapes,
    states,
    streaming,
)
from tests.system.scenario import Scenario
from treadle.checkpoint.redis import RedisSaver

SCENARIOS = {
    play.name: play
    for area in (shapes, states, nests, questions, editing, failing, guarding, streaming, functions)
    for play in vars(area).values()
    if isinstance(play, Scenario)
}

#: For the workers.
all_graphs = [play.build(RedisSaver()) for play in SCENARIOS.values()]
