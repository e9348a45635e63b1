"""When the scripts push the messages of steps, and why they do not."""

import socket
from typing import Any

import pytest
from celery import Celery, signals
from kombu.entity import Exchange, Queue

from scheduler.dispatch import StepOrder, StepRef
from scheduler.errors import InvalidConfig
from scheduler.frame import Frame
from workers import bootstrap
from workers.app import make_app
from workers.dispatcher import CeleryDispatcher
from workers.pushing import Pushing, pushing
from workers.settings import WorkerSettings

STORE = "redis://store"
ORDER = StepOrder(StepRef("t", "r", "s"), "support", "review", Frame(), "1-1")


@pytest.fixture(autouse=True)
def no_other_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CELERY_BROKER_URL", "CELERY_BROKER_WRITE_URL"):
        monkeypatch.delenv(name, raising=False)


def app_with(**conf: Any) -> Celery:
    app = make_app(WorkerSettings(), STORE)
    app.conf.update(conf)
    return app


def option(**options: Any) -> dict[str, Any]:
    return {"broker_transport_options": {"global_keyprefix": "x:", **options}}


@pytest.mark.parametrize(
    ("store", "broker"),
    [
        *(
            (store, None)
            for store in ("redis://", STORE, "redis://h:7000/3", "redis://user:secret@h/1", "redis://[::1]/2")
        ),
        *((store, None) for store in ("rediss://h:6380/1", "unix:///run/redis.sock", "unix:///run/a%20b.sock?db=2")),
        ("redis://store/0", "redis://STORE"),
        ("redis://localhost/0", "redis://127.0.0.1:6379/0"),
        ("redis://:secret@store/2", "redis://other:word@store:6379/2"),
        ("unix:///run/redis.sock?db=1", "redis+socket:///run/redis.sock?virtual_host=1"),
        ("redis://h?db=4", None),
        ("redis://h/4", "redis://h?db=4&socket_timeout=3"),
        ("sentinel://s1:26379,s2/main?db=2", None),
        ("sentinel://s1/main", None),
        ("sentinel://:secret@s1,s2/main?tls=true&sentinel_password=x", None),
    ],
)
def test_scripts_push_where_the_broker_is_the_very_same_redis(store: str, broker: str | None) -> None:
    app = make_app(WorkerSettings(broker_url=broker), store)

    assert pushing(app, store) == Pushing("treadle:celery:")


@pytest.mark.parametrize(
    ("broker", "why"),
    [
        ("redis://other", "not the store's Redis"),
        ("redis://store:6380", "not the store's Redis"),
        ("redis://store/1", "not the store's Redis"),
        ("redis+socket:///run/redis.sock", "not the store's Redis"),
        ("redis://store;redis://spare", "one of several"),
        ("sentinel://store:26379", "not the store's Redis"),
        ("sentinel://store:26379;sentinel://spare:26379", "not the store's Redis"),
        ("amqp://store", "transport is amqp"),
        ("memory://", "transport is memory"),
        ("nonsense://store", "cannot be read"),
        ("redis://store/tasks", "cannot be read"),
    ],
)
def test_another_broker_is_published_to(broker: str, why: str) -> None:
    decided = pushing(make_app(WorkerSettings(broker_url=broker), STORE), STORE)

    assert decided.prefix is None
    assert why in decided.why


@pytest.mark.parametrize(
    "broker", ["sentinel://s1,s2/other", "sentinel://s1,s2/main?db=1", "sentinel://s1,s3/main", "redis://s1"]
)
def test_a_primary_that_other_sentinels_know_by_another_name_is_another_broker(broker: str) -> None:
    store = "sentinel://s1,s2/main"

    decided = pushing(make_app(WorkerSettings(broker_url=broker), store), store)

    assert decided == Pushing(None, "the broker is not the store's Redis")


def test_a_cluster_needs_another_broker() -> None:
    store = "cluster://n1,n2"

    with pytest.raises(InvalidConfig, match="TREADLE_BROKER_URL"):
        make_app(WorkerSettings(), store)

    decided = pushing(make_app(WorkerSettings(broker_url="redis://n1"), store), store)
    assert "a cluster" in decided.why


@pytest.mark.parametrize("name", ["CELERY_BROKER_URL", "CELERY_BROKER_WRITE_URL"])
def test_a_broker_that_the_environment_names_is_published_to(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "redis://other")

    assert pushing(app_with(), STORE) == Pushing(None, "the broker is not the store's Redis")


@pytest.mark.parametrize(
    ("conf", "why"),
    [
        ({"broker_write_url": "redis://other"}, "not the store's Redis"),
        ({"broker_transport": "memory"}, "transport is memory"),
        (option(sep=":"), "transport option sep"),
        (option(body_encoding="utf-8"), "transport option body_encoding"),
        (option(master_name="main"), "transport option master_name"),
        (option(not_yet_invented=1), "transport option not_yet_invented"),
        ({"task_protocol": 1}, "task_protocol is set"),
        ({"task_serializer": "yaml"}, "task_serializer is set"),
        ({"task_compression": "gzip"}, "task_compression is set"),
        ({"task_default_priority": 5}, "task_default_priority is set"),
        ({"task_queue_max_priority": 10}, "task_queue_max_priority is set"),
        ({"task_inherit_parent_priority": True}, "task_inherit_parent_priority is set"),
        ({"task_default_delivery_mode": 1}, "task_default_delivery_mode is set"),
        ({"task_routes": {"support.*": {"routing_key": "x"}}}, "task_routes is set"),
        ({"task_annotations": {"*": {"priority": 3}}}, "task_annotations is set"),
        ({"task_time_limit": 9}, "task_time_limit is set"),
        ({"task_soft_time_limit": 9}, "task_soft_time_limit is set"),
        ({"task_create_missing_queues": False}, "task_create_missing_queues is set"),
        ({"task_create_missing_queue_exchange_type": "topic"}, "task_create_missing_queue_exchange_type is set"),
        ({"task_default_exchange_type": "topic"}, "queue 'treadle' is no plain one"),
        ({"task_default_queue_type": "quorum"}, "queue 'treadle' is no plain one"),
        ({"task_queues": [Queue("q", Exchange("news", "topic"))]}, "queue 'q' is no plain one"),
        ({"task_queues": [Queue("q", Exchange("news", delivery_mode=1))]}, "queue 'q' is no plain one"),
        ({"task_queues": [Queue("q", max_priority=5)]}, "queue 'q' is no plain one"),
        ({"task_queues": [Queue("q", queue_arguments={"x-max-priority": 5})]}, "queue 'q' is no plain one"),
        ({"task_queues": [Queue("q", expires=60.0)]}, "queue 'q' is no plain one"),
        ({"task_queues": [Queue("q", alias="short")]}, "queue 'q' is no plain one"),
        ({"result_backend": "rpc://"}, "whoever published"),
    ],
)
def test_a_message_that_celery_would_make_otherwise_is_published(conf: dict[str, Any], why: str) -> None:
    decided = pushing(app_with(**conf), STORE)

    assert decided.prefix is None
    assert why in decided.why


@pytest.mark.parametrize(
    "conf",
    [
        {"task_queues": [Queue("treadle"), Queue("gpu", Exchange("gpu"), routing_key="gpu")]},
        {"task_routes": {}, "task_annotations": {}, "result_backend": "redis://store"},
        {"task_send_sent_event": True, "worker_concurrency": 3},
        option(visibility_timeout=60, max_connections=3, client_name="me"),
    ],
)
def test_what_changes_no_message_keeps_scripts_pushing(conf: dict[str, Any]) -> None:
    assert pushing(app_with(**conf), STORE).prefix is not None


def test_the_prefix_is_the_one_that_the_app_has_by_now() -> None:
    assert pushing(app_with(**option(global_keyprefix="other:")), STORE) == Pushing("other:")
    assert pushing(app_with(broker_transport_options={}), STORE) == Pushing("")


@pytest.mark.parametrize("steps", [[0], [0, 3, 6, 9], [0, 5], list(range(10))])
def test_a_priority_has_the_list_that_kombu_has_for_it(steps: list[int]) -> None:
    app = app_with(**option(priority_steps=steps))
    with app.connection_for_write() as connection:
        channel = connection.transport.Channel.__new__(connection.transport.Channel)
    channel.priority_steps = steps

    pushed = pushing(app, STORE)

    assert [pushed.key("q", number) for number in range(10)] == [f"x:{channel._q_for_pri('q', n)}" for n in range(10)]
    assert pushed.keys("q") == [f"x:{channel._q_for_pri('q', step)}" for step in steps]


@pytest.mark.parametrize("name", ["before_task_publish", "after_task_publish", "task_sent"])
def test_whoever_listens_to_what_is_published_is_told(name: str) -> None:
    def listener(**_: object) -> None: ...

    getattr(signals, name).connect(listener)
    try:
        decided = pushing(app_with(), STORE)
    finally:
        getattr(signals, name).disconnect(listener)

    assert decided == Pushing(None, f"somebody listens to {name}")
    assert pushing(app_with(), STORE).prefix is not None


def test_a_dispatcher_reads_the_configuration_when_it_is_first_used_and_says_once_why_it_does_not_push(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = app_with()
    dispatcher = CeleryDispatcher(app, store_url=STORE, default_queue="treadle")
    app.conf.task_compression = "gzip"

    with caplog.at_level("INFO"):
        envelopes = [dispatcher.envelope(ORDER) for _ in range(3)]

    assert envelopes == [None, None, None]
    assert caplog.text.count("steps are published, and not pushed") == 1
    assert "task_compression is set" in caplog.text


def test_what_a_user_sets_on_the_deployments_app_is_known_to_its_dispatcher() -> None:
    settings = WorkerSettings(redis_url="redis://mine", prefix="mine")
    dispatcher = bootstrap.dispatcher(settings)

    bootstrap.celery_app(WorkerSettings(redis_url="redis://mine", prefix="mine")).conf.task_compression = "gzip"

    assert dispatcher.envelope(ORDER) is None
    assert bootstrap.dispatcher(WorkerSettings(redis_url="redis://yours")).envelope(ORDER) is not None


def test_a_dispatcher_knows_whether_its_broker_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"redis://127.0.0.1:{taken.getsockname()[1]}"
    app = make_app(WorkerSettings(broker_url=nobody), STORE)

    assert not CeleryDispatcher(app, store_url=STORE, default_queue="treadle").is_open()
    assert CeleryDispatcher(app_with(), store_url=STORE, default_queue="treadle").is_open()
