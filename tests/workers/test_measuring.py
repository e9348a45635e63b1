"""The metrics of a scheduler: off unless told, and right while the store is there and while it is not."""

import socket
from collections import Counter
from urllib.request import urlopen

import click
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from scheduler.census import CensusTaker
from scheduler.errors import StoreUnavailable
from scheduler.sweep import Sweep
from tests.conftest import RealRedis
from workers import bootstrap
from workers.measuring import measured, sources
from workers.metrics import Shared, Sources
from workers.readings import Reading
from workers.settings import WorkerSettings


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def scraped(port: int) -> dict[str, float]:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        families = text_string_to_metric_families(response.read().decode())
        return {
            " ".join((sample.name, *sample.labels.values())): sample.value
            for family in families
            for sample in family.samples
        }


def test_no_port_is_opened_unless_a_setting_names_one(real_redis: RealRedis) -> None:
    settings = WorkerSettings(redis_url=real_redis.url)

    with measured(settings, bootstrap.connection(settings)) as watch:
        watch(Sweep(Counter(), 0.1))

    assert settings.metrics_port == 0


def test_prometheus_is_told_of_sweeps_and_of_what_lies_in_the_store(real_redis: RealRedis) -> None:
    settings = WorkerSettings(redis_url=real_redis.url, metrics_port=free_port())
    connection = bootstrap.connection(settings)
    connection.client.lpush("treadle:celery:gpu", "a")
    connection.client.lpush("treadle:celery:gpu\x06\x169", "b")
    connection.client.hset(connection.keys.counts()[3], mapping={"ended error my graph": 2, "waited 100": 1})
    connection.client.zadd(connection.keys.due_sets()[5], {"t s": 1})

    with measured(settings, connection, ["gpu"]) as watch:
        watch(Sweep(Counter(dispatched=3), 0.1, (7_000,)))
        watch(Sweep(Counter(), 0.1, failed=True))
        found = scraped(settings.metrics_port)

    real_redis.flush()
    assert found["treadle_store_up"] == found["treadle_broker_up"] == 1
    assert found["treadle_queue_length gpu"] == 2
    assert found["treadle_runs_ended_total my graph error"] == 2
    assert found["treadle_queue_wait_seconds_bucket 0.1"] == found["treadle_queue_wait_seconds_count"] == 1
    assert found["treadle_oldest_overdue_seconds"] > 1e9
    assert found["treadle_swept_total dispatched"] == 3
    assert found["treadle_sweep_failures_total"] == 1
    assert found["treadle_due_lag_seconds_sum"] == 7
    assert found["treadle_store_memory_bytes"] > 0


def test_a_broker_of_its_own_is_asked_for_its_queues(real_redis: RealRedis) -> None:
    settings = WorkerSettings(redis_url=real_redis.url, broker_url="memory://")
    connection = bootstrap.connection(settings)

    found = sources(settings, connection, CensusTaker(connection), ["gpu"]).queues()

    assert found == {"gpu": 0, "treadle": 0}


def test_a_broker_that_is_away_is_told_as_such(real_redis: RealRedis) -> None:
    settings = WorkerSettings(redis_url=real_redis.url, broker_url=f"amqp://127.0.0.1:{free_port()}//")
    connection = bootstrap.connection(settings)

    assert sources(settings, connection, CensusTaker(connection)).queues() is None


def test_without_the_store_it_is_told_that_it_is_away_and_nothing_is_made_up(real_redis: RealRedis) -> None:
    def away() -> Reading:
        raise StoreUnavailable("away")

    settings = WorkerSettings(redis_url=real_redis.url)
    registry = CollectorRegistry()
    census = CensusTaker(bootstrap.connection(settings))
    registry.register(Shared(Sources(away, lambda: None, census, lambda: None)))

    found = {sample.name: sample.value for family in registry.collect() for sample in family.samples}

    assert found == {"treadle_store_up": 0, "treadle_broker_up": 0}


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(Exception, match="TREADLE_METRICS_PORT"):
        WorkerSettings(metrics_port=port)


def test_a_port_that_is_taken_is_told_with_what_to_do(real_redis: RealRedis) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = WorkerSettings(redis_url=real_redis.url, metrics_port=taken.getsockname()[1])

        with (
            pytest.raises(click.ClickException, match="Choose another --metrics-port"),
            measured(settings, bootstrap.connection(settings)),
        ):
            pass
