"""What passes through the broker on the way of a whole run: ids, and never what the thread holds."""

import json
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis as redis_py

from tests.system.conftest import Deployment
from tests.system.graphs import compiled
from treadle.checkpoint.redis import RedisSaver

pytestmark = pytest.mark.system

MARKER = "no-eyes-but-mine"
_END = "nothing more"


@contextmanager
def overheard(url: str) -> Iterator[list[str]]:
    """Collect what is put into queues and published to channels, until the block ends."""
    heard: list[str] = []
    with (
        redis_py.Redis.from_url(url, decode_responses=True, socket_timeout=None) as client,
        client.monitor() as monitor,
    ):

        def listen() -> None:
            for said in monitor.listen():
                command = str(said["command"])
                if command == f"ECHO {_END}":
                    return
                verb, _, rest = command.partition(" ")
                if verb.upper() in ("LPUSH", "PUBLISH") and "celery" in rest.partition(" ")[0]:
                    heard.append(command)

        listener = threading.Thread(target=listen)
        listener.start()
        yield heard
        client.echo(_END)
        listener.join(20)


def test_no_message_and_no_event_of_a_run_shows_what_its_thread_holds(
    deployment: Deployment, saver: RedisSaver
) -> None:
    graph = compiled("chat", saver)
    with overheard(deployment.url) as heard:
        deployment.worker("one")
        config = {"thread_id": "t", "metadata": {"note": MARKER}, "tags": [MARKER]}
        output = graph.invoke({"messages": [MARKER]}, config)

    assert MARKER in str(output)
    said = [(command.split(" ", 1)[0].upper(), _payload(command)) for command in heard]
    assert {verb for verb, _ in said} >= {"LPUSH", "PUBLISH"}
    assert not [payload for _, payload in said if MARKER in payload]


def _payload(command: str) -> str:
    """Return what a command carries, with the body of a message as it is read."""
    _, _, payload = command.split(" ", 2)
    return payload + b64decode(json.loads(payload)["body"]).decode()
