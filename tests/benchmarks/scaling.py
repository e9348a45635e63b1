"""Steps on one Redis and on several with the threads spread by partition: what each costs, and what a model says."""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from functools import cache, partial
from pathlib import Path

import psutil
import redis

from scheduler.keys import Keys
from tests.conftest import RealRedis
from treadle.checkpoint.redis import RedisSaver

from .comparison import Comparison, Goal, Measure, Sample
from .deployment import redis_cpu_s, redis_server
from .graphs import STEPS, chains
from .replay import Conversation, Recording, load_scripts, recorded, replayed
from .simulation import Costs, steps_per_second

THREADS = 64
SERVERS = (1, 2, 4)

#: Servers that do not compete for the cores of this machine.
_IN_TURN = f"{SERVERS[-1]} Redis, in turn"
_CPU, _OFF = "Redis CPU µs/step", "model off %"


@contextmanager
def replay(servers: int, *, in_turn: bool = False) -> Iterator[Measure]:
    """Yield what measures the steps of workers, said again to so many servers: to all at once, or to each in turn."""
    recordings = _recordings()
    places = [place(recording.thread_id, servers) for recording in recordings]
    with ExitStack() as stack:
        redises = [stack.enter_context(_server()) for _ in range(servers)]
        clients = [stack.enter_context(redis.Redis.from_url(server.url)) for server in redises]
        for client in clients:
            load_scripts(client)
        sockets = [redises[where].socket for where in places]
        conversations = [*zip(sockets, [one.steps for one in recordings], strict=True)]

        def measure() -> Sample:
            for client in clients:
                client.flushall()
            empty = _memory(clients)
            replayed([*zip(sockets, [one.opening for one in recordings], strict=True)])
            begun = _memory(clients)
            spent, queue_us = _spent(clients, _groups(conversations, places if in_turn else [0] * THREADS))
            sample: dict[str, float] = {_CPU: spent.redis_s * 1e6, "its queue µs": queue_us}
            if not in_turn:
                sample |= _beside_model(spent, places)
            _check(redises, places, recordings)
            kept = (_memory(clients) - begun) / (THREADS * STEPS)
            return sample | {"KB/thread": (begun - empty) / THREADS / 1000, "KB/step": kept / 1000}

        yield measure


def place(thread_id: str, servers: int) -> int:
    """Return in which of so many Redises a thread lies, when each has as many partitions."""
    keys = Keys()
    return keys.due_sets().index(keys.of_thread(thread_id).due) % servers


@cache
def _recordings() -> list[Recording]:
    with redis_server() as url:
        return recorded(url, [f"scaling-{number}" for number in range(THREADS)])


@contextmanager
def _server() -> Iterator[RealRedis]:
    with tempfile.TemporaryDirectory() as folder:
        server = RealRedis(Path(folder), "--save", "", "--appendonly", "no").start()
        try:
            yield server
        finally:
            server.stop()


def _groups(conversations: Sequence[Conversation], groups: Sequence[int]) -> list[list[Conversation]]:
    """Return the conversations of each group."""
    pairs = [*zip(groups, conversations, strict=True)]
    return [[talk for of, talk in pairs if of == group] for group in sorted(set(groups))]


def _spent(clients: Sequence[redis.Redis], groups: Sequence[Sequence[Conversation]]) -> tuple["Spent", float]:
    """Have the conversations of each group, one group after the other; return what a step cost, and its queue in µs."""
    before, queued_us = Spent.until_now(clients), _queued_us(clients)
    for group in groups:
        replayed(group)
    steps = THREADS * STEPS
    return Spent.until_now(clients).since(before, steps), (_queued_us(clients) - queued_us) / steps


def _beside_model(spent: "Spent", places: Sequence[int]) -> dict[str, float]:
    """Return the rate beside the one that the model makes of what a step cost."""
    simulated = partial(steps_per_second, Costs(spent.driver_s, spent.redis_s), places, steps=STEPS)
    others = (spent.machine_s - spent.driver_s - spent.redis_s) / spent.clock_s
    left = max(1, (os.cpu_count() or 1) - round(others))
    rate, model = 1 / spent.clock_s, simulated(workers=1, cores=left)
    return {
        "driver µs": spent.driver_s * 1e6,
        "steps/s": rate,
        "model": model,
        _OFF: abs(model / rate - 1) * 100,
        "cores others took": others,
        "model, free cores": simulated(workers=THREADS),
    }


@dataclass(frozen=True, slots=True)
class Spent:
    """Time that has passed, and CPU time that was used, in seconds."""

    clock_s: float
    driver_s: float
    redis_s: float
    #: By everybody on this machine.
    machine_s: float

    @classmethod
    def until_now(cls, clients: Sequence[redis.Redis]) -> "Spent":
        """Return what was spent since the beginning of each clock."""
        machine = psutil.cpu_times()
        busy = sum(machine) - machine.idle - getattr(machine, "iowait", 0)
        return cls(time.perf_counter(), time.process_time(), sum(map(redis_cpu_s, clients)), busy)

    def since(self, before: "Spent", steps: int) -> "Spent":
        """Return what each of so many steps has spent since then."""
        return Spent(*((now - then) / steps for now, then in zip(astuple(self), astuple(before), strict=True)))


def _queued_us(clients: Sequence[redis.Redis]) -> float:
    """Return the time that servers have spent on the queue: a script pushes a message, a worker takes it."""
    stats = [client.info("commandstats") for client in clients]
    commands = [stat.get(f"cmdstat_{name}") for stat in stats for name in ("lpush", "brpop")]
    return float(sum(command["usec"] for command in commands if command))


def _memory(clients: Sequence[redis.Redis]) -> int:
    """Return what data takes; connections come and go."""
    stats = [client.memory_stats() for client in clients]
    return sum(stat["total.allocated"] - stat["clients.normal"] for stat in stats)


def _check(servers: Sequence[RealRedis], places: Sequence[int], recordings: Sequence[Recording]) -> None:
    graphs = [chains().compile(RedisSaver(server.url, inline=True), name="chain") for server in servers]
    for where, recording in zip(places, recordings, strict=True):
        if graphs[where].get_state({"thread_id": recording.thread_id}).values != {"count": STEPS}:
            raise AssertionError(f"{recording.thread_id} has counted wrongly.")


def _name(servers: int) -> str:
    return f"{servers} Redis"


COMPARISONS = [
    Comparison(
        f"scaling: {THREADS} threads of {STEPS} steps, replayed on several Redises",
        {_name(servers): partial(replay, servers) for servers in SERVERS}
        | {_IN_TURN: partial(replay, SERVERS[-1], in_turn=True)},
        [
            Goal(_IN_TURN, _CPU, 1.15, _name(1)),
            *(Goal(_name(servers), _OFF, 20) for servers in SERVERS),
        ],
    )
]
