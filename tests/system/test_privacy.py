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
    with redis_py.Redis.from_url(url, decode_responses=True) as client, client.monitor() as monitor:

        def listen() -> None:
            for said in monitor.listen():
                command = str(said["command"])
                if command == f"ECHO {_END}":
                    return
                if command.upper().startswith(("LPUSH", "RPUSH", "PUBLISH")):
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
    pushed = [
        command.split(" ", 2)[2] for command in heard if command.upper().startswith("LPUSH treadle:celery".upper())
    ]
    assert pushed and [command for command in heard if "PUBLISH" in command]
    assert not [command for command in heard if MARKER in command]
    assert not [message for message in pushed if MARKER.encode() in b64decode(json.loads(message)["body"])]
