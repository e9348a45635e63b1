"""Looking at a deployment: asks Redis and the workers, and has a diagnosis made of what they answer."""

from collections.abc import Iterator, Mapping
from typing import Any

import kombu.exceptions
import redis

from graphs.errors import InvalidGraph
from scheduler.ailments import ailment_of
from scheduler.connection import Connection
from scheduler.errors import InvalidSettings, StoreUnavailable
from scheduler.lifecycle import RunStatus, ThreadStatus
from scheduler.redis_at import servers_of

from . import bootstrap, diagnosis
from .desk import Desk
from .diagnosis import Finding, Level, RunningThread, Workers
from .pools import without_pool
from .pushing import pushing
from .version_queues import queues_of

_ANSWER_S = 1.0
#: A scheduler looks several times a second, and keeps what it took for some seconds.
_OVERDUE_MS = 15_000
_SETTINGS = ("appendonly", "appendfsync", "maxmemory-policy")
_MOST_THREADS = 1_000


def examine(desk: Desk) -> Iterator[Finding]:
    """Yield what is found, the foundations first; without Redis, there is nothing more to find."""
    connection = desk.engine.connection
    try:
        servers = servers_of(connection.client)
        told = dict.fromkeys(finding for server in servers for finding in _server(server, desk.settings.wait_replicas))
    except (redis.RedisError, StoreUnavailable) as error:
        yield Finding(Level.FAIL, "redis", _unanswered(desk, error))
        return
    yield Finding(Level.OK, "redis", bootstrap.described(desk.settings))
    yield from told
    try:
        workers = ask_workers(desk)
    except (kombu.exceptions.OperationalError, OSError) as error:
        yield Finding(Level.FAIL, "broker", f"does not answer: {error}")
        workers = Workers()
    yield diagnosis.of_workers(workers)
    yield from _graphs(desk, workers)  # whose modules may have set something on the app
    yield diagnosis.of_pushing(_why_not_pushed(desk))
    try:
        yield diagnosis.of_overdue(_overdue(connection))
        yield from _threads(desk, workers)
    except redis.exceptions.NoPermissionError as error:
        yield Finding(Level.FAIL, "rights", f"{error}: give the URL of the operator, which `treadle acl` makes")


def _unanswered(desk: Desk, error: Exception) -> str:
    where, ailment = bootstrap.described(desk.settings), ailment_of(error)
    if ailment is None:
        return f"{where} does not answer: {error}"
    return f"{where} is of no use: {ailment.told}. {ailment.remedy} ({error})"


def _server(client: redis.Redis, wanted_replicas: int) -> Iterator[Finding]:
    client.ping()
    yield diagnosis.of_version(_info(client, "server").get("redis_version"))
    yield from diagnosis.of_persistence(_config(client))
    if wanted_replicas:
        yield diagnosis.of_replicas(_info(client, "replication").get("connected_slaves"), wanted_replicas)


def _info(client: redis.Redis, section: str) -> Mapping[str, Any]:
    try:
        return dict(client.info(section))
    except redis.ResponseError:  # fakeredis has none, and some who offer Redis as a service forbid it
        return {}


def _config(client: redis.Redis) -> Mapping[str, str]:
    """Return what Redis says of its settings; a role may not ask for them, since passwords are among them."""
    try:
        if client.acl_whoami() not in (b"default", "default"):
            return _told(client)
        return {name: str(client.config_get(name)[name]) for name in _SETTINGS}
    except (redis.ResponseError, KeyError):
        return {}


def _told(client: redis.Redis) -> Mapping[str, str]:
    policy, keeps = client.info("memory")["maxmemory_policy"], client.info("persistence")["aof_enabled"]
    return {"maxmemory-policy": str(policy), "appendonly": "yes" if keeps else "no"}


def _why_not_pushed(desk: Desk) -> str:
    return pushing(bootstrap.celery_app(desk.settings), bootstrap.redis_url(desk.settings)).why


def ask_workers(desk: Desk) -> Workers:
    """Return what the workers that answer say of themselves."""
    inspect = bootstrap.celery_app(desk.settings).control.inspect(timeout=_ANSWER_S)
    queues = {
        name: frozenset(queue["name"] for queue in found) for name, found in (inspect.active_queues() or {}).items()
    }
    # A task with options of its own is told as "name [rate_limit=...]".
    tasks = {
        name: frozenset(task.partition(" ")[0] for task in found)
        for name, found in ((inspect.registered() or {}).items() if queues else ())
    }
    return Workers(queues, tasks)


def _graphs(desk: Desk, workers: Workers) -> Iterator[Finding]:
    try:
        graphs = desk.graphs
    except InvalidGraph as error:
        yield Finding(Level.FAIL, "graphs", str(error))
        return
    if not graphs:
        yield Finding(Level.WARN, "graphs", "none is known: name some in TREADLE_GRAPHS='package.module:attribute'")
    for graph in graphs.values():
        yield from diagnosis.of_graph(graph, workers, desk.settings.default_queue)
    if desk.settings.pools is not None:
        yield _pools(desk)


def _pools(desk: Desk) -> Finding:
    try:
        pools = desk.settings.read_pools()
    except InvalidSettings as error:
        return Finding(Level.FAIL, "pools", str(error))
    return diagnosis.of_pools(pools, without_pool(queues_of(desk.graphs.values(), desk.settings.default_queue), pools))


def _overdue(connection: Connection) -> int:
    pipeline = connection.redis.pipeline(transaction=False)
    for key in (*connection.keys.due_sets(), connection.keys.of_schedule().ticks):
        pipeline.zcount(key, "-inf", connection.now_ms() - _OVERDUE_MS)
    return sum(pipeline.execute())


def _threads(desk: Desk, workers: Workers) -> Iterator[Finding]:
    store = desk.client.threads
    running = [
        RunningThread(thread.id, store.pending(thread.id))
        for thread in store.list(ThreadStatus.RUNNING, limit=_MOST_THREADS)
    ]
    now_ms = desk.engine.connection.now_ms()
    yield from diagnosis.of_threads(running, workers, desk.settings.default_queue, now_ms)
    yield from diagnosis.of_parked(dict(_parked(desk)))


def _parked(desk: Desk) -> Iterator[tuple[str, str]]:
    for thread in desk.client.threads.list(ThreadStatus.PAUSED, limit=_MOST_THREADS):
        for run in desk.client.runs.recent(thread.id, 1):
            if run.status is RunStatus.INTERRUPTED and run.error is not None:
                yield thread.id, str(run.error["message"])
