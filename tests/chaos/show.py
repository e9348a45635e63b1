"""One performance: the cast enters, the load and the saboteur do their work at the same time, and all is judged."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Thread

import redis

from scheduler.lifecycle import ThreadStatus
from treadle.checkpoint.redis import RedisSaver

from . import evidence, witness
from .cast import Cast
from .evidence import Findings
from .judgement import Court, Judgement
from .load import Load, Role
from .plan import Plan
from .roles import roles as roles_of
from .saboteur import Saboteur

_PLAYS = "tests.chaos.plays:graphs"
_READERS = 4
_QUIET_S = 30


def perform(plan: Plan, tell: Callable[[str], None]) -> Judgement:
    """Play a plan and judge it.

    Args:
        plan: the plan.
        tell: is told of each fault.
    """
    cast = Cast(plan.folder, plan.graph or _PLAYS, plan.settings | _witnessed(plan), plan.broker, plan.fsync)
    try:
        with _environment(cast.settings | {"TREADLE_REDIS_URL": cast.url}):
            cast.enter(plan.workers, plan.schedulers)
            saver = RedisSaver(cast.url)
            roles = roles_of(plan, saver)
            load, saboteur = Load(roles, plan.turns, plan.at_once), Saboteur(cast, plan.faults, tell)
            clients = Thread(target=load.play, args=(plan.minutes * 60, plan.patience_s), name="clients")
            clients.start()
            try:
                saboteur.work(plan.minutes * 60, clients.is_alive)
            except BaseException:
                load.give_up()
                raise
            clients.join()
            found = _found(cast, saver, roles, load)
            court = Court(plan, roles, load, saboteur.injected, Counter(cast.tracebacks()))
            return court.judge(found)
    finally:
        cast.stop()


def _witnessed(plan: Plan) -> dict[str, str]:
    """Return where nodes are to say that they were called; after a power cut that knows more than the logs."""
    return {} if plan.power_cuts else {witness.FILE: str(plan.folder / "witness")}


def _found(cast: Cast, saver: RedisSaver, roles: Sequence[Role], load: Load) -> Findings:
    queued = _settled(cast)
    with ThreadPoolExecutor(_READERS) as readers:
        threads = list(readers.map(evidence.read, roles))
    client = saver.engine.connection.client
    keys = evidence.thread_keys(client)
    return Findings(
        threads=threads,
        due=evidence.due(client, keys),
        keys=keys,
        queued=queued,
        left=_deleted(client, roles),
        calls=witness.calls(cast.folder / "witness"),
        died=cast.died,
        problems=load.problems,
    )


def _settled(cast: Cast) -> int:
    """Wait until the queue is empty and return what is left in it: stale messages end when they are taken."""
    deadline = time.monotonic() + _QUIET_S
    while (waiting := cast.broker.waiting()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return waiting


def _deleted(client: redis.Redis, roles: Sequence[Role]) -> list[str]:
    """Delete all threads that rest, and return the keys that remain."""
    for role in roles:
        thread = role.graph.threads.find(role.thread_id)
        if thread is not None and thread.status is not ThreadStatus.RUNNING:
            role.graph.threads.delete(role.thread_id)
    return evidence.thread_keys(client)


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Let this process be a client of the deployment."""
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
