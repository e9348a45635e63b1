"""The scenarios in this process: on a Redis in its memory, and on a real one."""

import pytest

from tests.system.scenario import Scenario
from tests.system.scenarios import SCENARIOS
from treadle.checkpoint.base import BaseCheckpointSaver


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_a_scenario_holds_in_this_process(saver: BaseCheckpointSaver, scenario: Scenario) -> None:
    for seen, expected in scenario.play(scenario.build(saver), {"thread_id": scenario.name}):
        assert seen == expected
