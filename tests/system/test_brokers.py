"""Runs whose messages go through another broker than the store: another Redis, and RabbitMQ."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import RealRedis
from tests.rabbitmq import RabbitMQ
from tests.system.conftest import Deployment, until
from tests.system.graphs import CHAIN_LENGTH, compiled
from treadle.checkpoint.redis import RedisSaver
from treadle.types import Command
from workers.desk import Desk
from workers.examination import examine
from workers.settings import WorkerSettings

pytestmark = pytest.mark.system


@pytest.fixture(params=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRedis | RabbitMQ]:
    folder = tmp_path_factory.mktemp("b")
    if request.param == "redis":
        server: RealRedis | RabbitMQ = RealRedis(folder, "--save", "", "--appendonly", "no")
    elif RabbitMQ.found():
        server = RabbitMQ(folder)
    else:
        pytest.fail("This test needs RabbitMQ (Debian: apt-get install rabbitmq-server).")
    yield server.start()
    server.stop()


@pytest.fixture
def carried(deployment: Deployment, broker: RealRedis | RabbitMQ, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Return a deployment with two workers whose messages go through the broker."""
    settings = {"TREADLE_BROKER_URL": broker.url, "TREADLE_QUEUE_WAIT_MS": "1000"}
    deployment.settings |= settings
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    deployment.scheduler()
    with ThreadPoolExecutor() as pool:
        list(pool.map(deployment.worker, "ab"))
    return deployment


def test_the_promises_hold_whatever_carries_the_messages(
    carried: Deployment, broker: RealRedis | RabbitMQ, saver: RedisSaver
) -> None:
    _run_and_ask(saver)
    _lose_a_worker(carried, saver)
    _examine(carried)

    chain = compiled("chain", saver)
    runs = [chain.submit({"trail": []}, {"thread_id": f"lost-{number}"}) for number in range(5)]
    _lose_everything(broker)
    runs.append(chain.submit({"trail": []}, {"thread_id": "begun without a broker"}))
    broker.start()

    assert [run.result()["trail"] for run in runs] == [[*range(CHAIN_LENGTH)]] * 6


def _run_and_ask(saver: RedisSaver) -> None:
    assert compiled("chain", saver).invoke({"trail": []}, {"thread_id": "chain"})["trail"] == [*range(CHAIN_LENGTH)]
    mapped = compiled("mapping", saver).invoke({"trail": [20]}, {"thread_id": "map"})["trail"]
    assert sorted(mapped[1:-1]) == [*range(20)]
    asking, config = compiled("asking", saver), {"thread_id": "ask"}
    asking.invoke({"trail": []}, config)
    for answer in ("name", 7):
        asking.invoke(Command(resume=answer), config)
    assert asking.get_state(config).values["trail"] == ["name", 7, "work"]


def _lose_a_worker(deployment: Deployment, saver: RedisSaver) -> None:
    slow = compiled("slow", saver).submit({"trail": [1]}, {"thread_id": "slow"})
    until(lambda: saver.threads.pending("slow")[0].state == "leased", "the slow step runs")
    deployment.kill(str(saver.threads.pending("slow")[0].worker).partition("@")[0])
    assert slow.result()["trail"] == [1, "slept", "after"]


def _examine(deployment: Deployment) -> None:
    findings = examine(Desk(WorkerSettings(redis_url=deployment.url, examples=False)))
    found = {finding.about: finding for finding in findings}
    assert found["messages"].told.startswith("published by Celery after the commit: the broker")
    assert "(treadle)" in found["workers"].told
    assert not [finding for finding in found.values() if finding.level == "fail"]


def _lose_everything(broker: RealRedis | RabbitMQ) -> None:
    broker.kill()
    if isinstance(broker, RabbitMQ):
        shutil.rmtree(broker.folder / "mnesia")
