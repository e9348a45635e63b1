"""What workers say to Redis, recorded once and said again: the commands of real steps, without the workers' time."""

import json
import selectors
import socket
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hiredis
import redis

from graphs.frames import Root
from graphs.priority import DEFAULT_PRIORITY
from scheduler.calls import Calls
from scheduler.connection import Connection, open_connection
from scheduler.dispatch import StepRef
from scheduler.lean_redis import LeanRedis
from scheduler.lua_files import load, names
from scheduler.runs import RunStore
from scheduler.steps import Steps
from treadle.checkpoint.redis import RedisSaver
from workers import bootstrap
from workers.attempt import Means
from workers.engine import Engine, open_engine
from workers.executor import Executor
from workers.host import Host
from workers.loop import call as call_anywhere
from workers.messages import first_is_0
from workers.pushing import pushing
from workers.settings import WorkerSettings

from .graphs import chains

#: The socket of a server, and what is said to it.
Conversation = tuple[Path, Sequence[bytes]]

_READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Recording:
    """What was said to Redis about one thread."""

    thread_id: str
    #: Beginning its run.
    opening: Sequence[bytes]
    #: Taking its steps, from the queue to the commit.
    steps: Sequence[bytes]


class RecordingRedis(LeanRedis):
    """A client that notes what it sends."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.said: list[bytes] = []

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Note a command, and send it."""
        self.said.append(hiredis.pack_command(args))
        return super().execute_command(*args, **options)

    def taken(self) -> list[bytes]:
        """Return what was said since the last time."""
        said, self.said = self.said, []
        return said


class RecordedSaver(RedisSaver):
    """Keeps threads in a Redis whose client is given, and pushes the messages that Celery's workers would get."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def _open(self) -> Engine:
        return open_engine(self._connection, durable=True)


def recorded(url: str, thread_ids: Sequence[str]) -> list[Recording]:
    """Run a chain on each thread as a worker would, and return what was said."""
    settings = WorkerSettings(redis_url=url, examples=False)
    client = RecordingRedis(connection_pool=redis.ConnectionPool.from_url(url))
    load_scripts(client)
    connection = open_connection(client, settings, bootstrap.dispatcher(settings))
    graph = chains().compile(RecordedSaver(connection), name="chain")
    steps = Steps(connection, RunStore(connection), "worker@benchmark")
    executor = Executor(Means(steps, connection.serde), Calls(connection, call_anywhere), host=Host(limits=False))
    queue = pushing(bootstrap.celery_app(settings), url).key(settings.default_queue, first_is_0(DEFAULT_PRIORITY))
    root = Root(graph.graph)

    def record(thread_id: str) -> Recording:
        client.taken()
        handle = graph.submit({"count": 0}, {"thread_id": thread_id})
        opening = client.taken()
        for number, ref in enumerate(_messages(client, queue)):
            executor.run(ref, f"delivery-{number}", lambda _: root)
        said = client.taken()
        if not handle.status.is_final:
            raise AssertionError(handle.status)
        return Recording(thread_id, opening, said)

    with client:
        return [record(thread_id) for thread_id in thread_ids]


def load_scripts(client: redis.Redis) -> None:
    """Let a server know all scripts, as one does that has been up for a while."""
    for name in names():
        client.script_load(load(name).text)


def replayed(conversations: Sequence[Conversation]) -> None:
    """Say each conversation to the server behind a socket, all at the same time and each on a connection of its own."""
    with ExitStack() as closing, selectors.DefaultSelector() as selector:
        for path, commands in conversations:
            talk = closing.enter_context(_Talk(path, commands))
            selector.register(talk.socket, selectors.EVENT_READ, talk)
            talk.say()
        while selector.get_map():
            for key, _ in selector.select():
                if key.data.hear() and not key.data.say():
                    selector.unregister(key.fileobj)


class _Talk:
    """One connection: it sends a command when the reply to the one before is there."""

    def __init__(self, path: Path, commands: Sequence[bytes]) -> None:
        self._commands = iter(commands)
        self._reader = hiredis.Reader()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))

    def __enter__(self) -> "_Talk":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self) -> bool:
        """Send the next command; return whether there was one."""
        command = next(self._commands, None)
        if command is not None:
            self.socket.sendall(command)
        return command is not None

    def hear(self) -> bool:
        """Read; return whether the reply is complete."""
        self._reader.feed(self.socket.recv(_READ_BYTES))
        reply = self._reader.gets()
        if isinstance(reply, Exception):
            raise reply
        return reply is not False


def _messages(client: RecordingRedis, queue: str) -> Iterator[StepRef]:
    """Yield what the messages in a queue name, until there is none."""
    while _length(client, queue):
        _, message = client.brpop([queue], 1)  # type: ignore[misc]  # there is one
        _, arguments, _ = json.loads(b64decode(json.loads(message)["body"]))
        yield StepRef.from_message(arguments)


def _length(client: RecordingRedis, queue: str) -> int:
    """Return how long a queue is, which no worker asks: so it is not noted."""
    length = int(client.llen(queue))
    client.said.pop()
    return length
