"""The pushed queue message is the one that Celery and kombu themselves would publish."""

import json
from base64 import b64decode
from dataclasses import replace
from typing import Any

import pytest
import redis as redis_py

from scheduler.dispatch import StepOrder, StepRef
from scheduler.frame import Frame
from tests.conftest import RealRedis
from workers import messages
from workers.app import make_app
from workers.dispatcher import CeleryDispatcher
from workers.settings import WorkerSettings

#: What differs between any two messages: random, or the name of the process that published it.
RANDOM = {("headers", "id"), ("properties", "correlation_id"), ("properties", "delivery_tag"), ("headers", "origin")}
#: What Celery adds when it publishes by itself, and no worker reads.
UNREAD = {("properties", "argsrepr"), ("properties", "kwargsrepr"), ("properties", "reply_to")}


def order(**more: Any) -> StepOrder:
    return StepOrder(StepRef("user 1", "run-1", "0123456789abcdef"), "support", "review", Frame(), "1-1", **more)


def published(real_redis: RealRedis, step: StepOrder) -> dict[str, Any]:
    """Return what Celery pushes when it publishes the step itself."""
    app = make_app(WorkerSettings(), real_redis.url)
    CeleryDispatcher(app, store_url="redis://elsewhere", default_queue="treadle").send([step])
    with redis_py.Redis.from_url(real_redis.url) as client:
        (key,) = client.scan_iter("treadle:celery:treadle*")
        return {"list": key.decode(), **json.loads(client.rpop(key))}


def pushed(real_redis: RealRedis, step: StepOrder) -> dict[str, Any]:
    """Return what the store's script would push."""
    app = make_app(WorkerSettings(), real_redis.url)
    envelope = CeleryDispatcher(app, store_url=real_redis.url, default_queue="treadle").envelope(step)
    assert envelope is not None
    return {"list": envelope.queue_key, **json.loads(envelope.payload)}


def flat(message: dict[str, Any]) -> dict[tuple[str, str], Any]:
    parts = {(part, key): value for part in ("headers", "properties") for key, value in message[part].items()}
    plain = {("", key): value for key, value in message.items() if key not in ("headers", "properties", "body")}
    return parts | plain | {("", "body"): json.loads(b64decode(message["body"]))}


def named(thread_id: str, run_id: str = "run-1", **more: Any) -> StepOrder:
    return replace(order(**more), ref=StepRef(thread_id, run_id, "0123456789abcdef"))


NESTED = Frame(f"outer:{'a' * 16}|inner:{'b' * 16}", "0123456789abcdef", 4)


@pytest.mark.parametrize(
    "step",
    [
        order(),
        order(attempt=3, soft_ms=2000, hard_ms=5000),
        order(soft_ms=1500, hard_ms=1500, queue="treadle"),
        named("Grüße 世界 🧵", "läuft"),
        named('100% "new" %(body)s it\'s \\ {x} <slot body>'),
        replace(order(), frame=NESTED, node="ask%s"),
        order(priority=9),
        order(priority=4, soft_ms=2000, hard_ms=5000),
        order(priority=0),
        replace(order(), graph="support <slot task_id>", node="<slot root_id>", checkpoint_id="17%-0"),
    ],
    ids=["plain", "limits", "no grace", "unicode", "quotes and %", "nested", "urgent", "later", "last", "slots"],
)
def test_the_pushed_message_is_the_one_celery_publishes(real_redis: RealRedis, step: StepOrder) -> None:
    real_redis.flush()

    by_celery, by_script = flat(published(real_redis, step)), flat(pushed(real_redis, step))

    assert by_celery.keys() - UNREAD == by_script.keys() - UNREAD
    differing = {key for key in by_script if by_script[key] != by_celery.get(key)}
    assert differing <= RANDOM | UNREAD
    assert list(by_script) == [key for key in by_celery if key in by_script]


def test_the_pushed_body_is_the_one_celery_publishes_to_the_byte(real_redis: RealRedis) -> None:
    real_redis.flush()
    step = named('Grüße "100%"', attempt=2)

    assert pushed(real_redis, step)["body"] == published(real_redis, step)["body"]


def test_each_message_of_a_node_carries_its_own_ids() -> None:
    dispatcher = CeleryDispatcher(
        make_app(WorkerSettings(), "redis://store"), store_url="redis://store", default_queue="treadle"
    )
    refs = [StepRef("user 1", "run-1", "0123456789abcdef"), StepRef('100% "new" %(body)s', "run-2", "fedcba9876543210")]

    envelopes = [dispatcher.envelope(replace(order(), ref=ref)) for ref in refs]

    first, second = (flat(json.loads(envelope.payload)) for envelope in envelopes if envelope is not None)
    own = {"root_id", "id", "kwargsrepr", "correlation_id", "delivery_tag", "body"}
    assert {place[1] for place in first if first[place] != second[place]} == own
    assert (second["headers", "root_id"], second["", "body"][1]["thread"]) == ("run-2", '100% "new" %(body)s')


def test_the_message_carries_ids_and_nothing_of_the_state() -> None:
    assert messages.arguments(order(attempt=2)) == {
        "thread": "user 1",
        "run": "run-1",
        "step": "0123456789abcdef",
        "attempt": 2,
        "checkpoint": "1-1",
        "frame": "",
    }


def test_flower_can_read_what_the_message_is_about() -> None:
    options = messages.options(order(attempt=2))

    assert messages.task_name(order()) == "support.review"
    assert options["task_id"].startswith("user 1:review:2:01234567-")
    assert options["kwargsrepr"] == "{'thread': 'user 1', 'run': 'run-1', 'step': '01234567', 'attempt': 2}"
    assert options["root_id"] == "run-1"


def test_every_sending_has_a_task_id_of_its_own() -> None:
    assert messages.task_id(order()) != messages.task_id(order())


def test_a_foreign_broker_gets_no_pushes() -> None:
    app = make_app(WorkerSettings(broker_url="amqp://broker"), "redis://store")

    assert app.conf.broker_url == "amqp://broker"
    assert CeleryDispatcher(app, store_url="redis://store", default_queue="treadle").envelope(order()) is None


def test_a_broker_that_is_down_costs_a_message_and_not_the_run(caplog: pytest.LogCaptureFixture) -> None:
    app = make_app(WorkerSettings(broker_url="redis://127.0.0.1:1"), "redis://store")
    app.conf.task_publish_retry = False

    CeleryDispatcher(app, store_url="redis://store", default_queue="treadle").send([order()])

    assert "steps not published" in caplog.text
