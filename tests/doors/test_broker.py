"""The broker is a door: what comes out of it may be anybody's, and what goes into it anybody may read."""

import ast
import json
import pickle
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py
from celery.contrib.testing.worker import start_worker
from hypothesis import given

from scheduler.dispatch import StepOrder, StepRef
from scheduler.frame import Frame
from tests.conftest import RealRedis
from tests.scheduler.test_names import NODE_NAMES, QUICK, THREAD_IDS
from tests.system.conftest import until
from treadle.checkpoint.redis import RedisSaver
from treadle.graph import START, StateGraph
from treadle.types import Command, Send
from workers.app import make_app
from workers.messages import arguments, envelope, options, task_id, task_name
from workers.settings import WorkerSettings

from .stage import State, ask, say

MARKER = "no-eyes-but-mine"
#: What other brokers than Redis take for an id.
LONGEST_ID_BYTES = 255


class Bomb:
    """A pickle that makes a folder where it is read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return Path.mkdir, (self.folder,)


@pytest.mark.system
def test_a_worker_refuses_what_is_no_json_and_goes_on(tmp_path: Path) -> None:
    app, seen = make_app(WorkerSettings(broker_url="memory://"), "redis://nowhere"), list[str]()
    app.conf.update(broker_transport_options={"polling_interval": 0.01}, worker_send_task_events=False)

    def probe(word: str) -> None:
        seen.append(word)

    app.task(name="probe")(probe)
    bomb = tmp_path / "made"
    pickled = pickle.dumps([(Bomb(bomb),), {}, {}])
    yaml = f"!!python/object/apply:os.mkdir ['{bomb}']".encode()
    with app.connection_for_write() as connection:
        connection.default_channel.queue_declare("treadle")
        for content_type, body in (
            ("application/x-python-serialize", pickled),
            ("application/x-yaml", yaml),
            ("application/json", pickled),
        ):
            connection.Producer().publish(
                body,
                routing_key="treadle",
                content_type=content_type,
                content_encoding="binary",
                headers={"task": "probe", "id": "1", "lang": "py", "argsrepr": "", "kwargsrepr": ""},
            )
        app.send_task("probe", args=["ours"])
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=20):
        until(lambda: seen, "the worker has taken what came after")

    assert seen == ["ours"]
    assert not bomb.exists()


def test_the_app_accepts_json_alone() -> None:
    conf = make_app(WorkerSettings(), "redis://nowhere").conf

    assert (conf.accept_content, conf.task_serializer, conf.result_accept_content) == (["json"], "json", None)


@QUICK
@given(THREAD_IDS, NODE_NAMES)
def test_a_message_is_well_formed_whatever_its_thread_and_node_are_called(thread_id: str, node: str) -> None:
    app = make_app(WorkerSettings(), "redis://nowhere")
    order = StepOrder(StepRef(thread_id, "f" * 32, "0123456789abcdef"), "g", node, Frame(f"{node}:1"), "1-1")

    message = json.loads(envelope(app, order, "treadle"))

    assert json.loads(b64decode(message["body"]))[1] == arguments(order)
    assert message["headers"]["task"] == task_name(order)
    literal = options(order)["kwargsrepr"]
    assert len(literal) < 1024 and ast.literal_eval(literal)["thread"] == thread_id
    assert len(task_id(order).encode()) <= LONGEST_ID_BYTES


def test_messages_carry_ids_and_nothing_of_the_state(real_redis: RealRedis) -> None:
    real_redis.flush()
    builder = StateGraph(State).add_node("say", say).add_node("ask", ask).add_edge(START, "say")
    graph = builder.add_edge("say", "ask").compile(RedisSaver(real_redis.url), name="private")
    config = {"metadata": {"note": MARKER}, "tags": [MARKER], "configurable": {"thread_id": "t", "note": MARKER}}

    handle = graph.submit({"x": MARKER}, config, context={"note": MARKER})
    handle.cancel(MARKER)
    graph.submit(Command(goto=[Send("say", {"x": MARKER})], update={"x": MARKER}), config)

    with redis_py.Redis.from_url(real_redis.url) as redis:
        queued = [message for key in redis.keys("treadle:celery:*") for message in redis.lrange(key, 0, -1)]
    assert len(queued) >= 2
    assert not [message for message in queued if MARKER.encode() in message or MARKER.encode() in _body(message)]


def _body(message: bytes) -> bytes:
    return b64decode(json.loads(message)["body"])
