"""The scenarios on real workers, side by side on one deployment."""

from collections.abc import Iterator

import pytest

from tests.system.conftest import Deployment
from tests.system.scenario import Scenario
from tests.system.scenarios import SCENARIOS
from treadle.checkpoint.redis import RedisSaver

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSaver]:
    """A saver whose runs go to two workers, with a scheduler beside them."""
    deployment = Deployment(tmp_path_factory.mktemp("s"))
    for name in ("one", "two"):
        deployment.worker(name, graphs="tests.system.scenarios:all_graphs")
    deployment.scheduler()
    yield RedisSaver(deployment.url)
    deployment.stop()


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_a_scenario_holds_on_workers(shared: RedisSaver, scenario: Scenario) -> None:
    for seen, expected in scenario.play(scenario.build(shared), {"thread_id": scenario.name}):
        assert seen == expected
