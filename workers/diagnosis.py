"""What is right and wrong with a deployment, judged from what was found: no Redis and no Celery in here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from graphs.graph import Graph
from scheduler.dispatch import version_name, version_queue
from scheduler.thread import PendingStep

_OLDEST = (6, 2)
_MANY = 20


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    #: It works, and somebody should look at it.
    WARN = "warn"
    #: Something does not work.
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the diagnosis."""

    level: Level
    about: str
    told: str


@dataclass(frozen=True, slots=True)
class Workers:
    """What the workers that answered say of themselves, by their names."""

    queues: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tasks: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def of_queue(self, queue: str) -> list[str]:
        """Return the workers that consume a queue."""
        return [name for name, queues in self.queues.items() if queue in queues]


@dataclass(frozen=True, slots=True)
class RunningThread:
    """A thread with an active run, and its steps in flight."""

    id: str
    steps: Sequence[PendingStep]


def of_version(version: str | None) -> Finding:
    """Judge the version of Redis."""
    if version is None:
        return Finding(Level.WARN, "redis", "version unknown: it does not tell")
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if parts < _OLDEST:
        return Finding(Level.FAIL, "redis", f"version {version} is older than 6.2: install a newer one")
    return Finding(Level.OK, "redis", f"version {version}")


def of_persistence(settings: Mapping[str, str]) -> Iterator[Finding]:
    """Judge what Redis keeps when it dies; ``settings`` is its own, empty where it does not tell."""
    if not settings:
        yield Finding(Level.WARN, "persistence", "unknown: it does not tell, and may keep nothing")
        return
    policy = settings.get("maxmemory-policy", "unknown")
    if policy == "noeviction":
        yield Finding(Level.OK, "memory", "maxmemory-policy is noeviction")
    else:
        yield Finding(
            Level.FAIL,
            "memory",
            f"maxmemory-policy is {policy}: Redis may throw threads away. Set it to noeviction.",
        )
    yield _of_append_only(settings)


def of_replicas(connected: int | None, wanted: int) -> Finding:
    """Judge whether a primary has as many replicas as its writes wait for."""
    if connected is None or connected < wanted:
        found = "it does not tell how many it has" if connected is None else f"it has {connected}"
        told = f"TREADLE_WAIT_REPLICAS is {wanted}, and {found}: each commit waits for TREADLE_WAIT_MS"
        return Finding(Level.WARN, "replicas", told)
    return Finding(Level.OK, "replicas", f"{connected} connected, writes wait for {wanted}")


def of_workers(workers: Workers) -> Finding:
    """Judge whether anybody works."""
    if not workers.queues:
        return Finding(Level.FAIL, "workers", "none answers: start one with `treadle worker` or `treadle up`")
    told = ", ".join(f"{name} ({', '.join(sorted(queues))})" for name, queues in sorted(workers.queues.items()))
    return Finding(Level.OK, "workers", told)


def of_pushing(why_not: str) -> Finding:
    """Say which way the messages of steps go; ``why_not``: what keeps the store's scripts from pushing them, or ""."""
    told = f"published by Celery after the commit: {why_not}" if why_not else "pushed by the script that commits"
    return Finding(Level.OK, "messages", told)


def of_graph(graph: Graph, workers: Workers, default_queue: str) -> Iterator[Finding]:
    """Judge whether the workers can run a graph."""
    wanted: dict[str, list[str]] = {}
    for path, node in graph.walk():
        queue = node.queue or default_queue
        pinned = graph.versioning != "park"
        queue = version_queue(queue, version_name(graph.name, graph.fingerprint)) if pinned else queue
        wanted.setdefault(queue, []).append(path)
    problems = list(_problems(graph, wanted, workers)) if workers.queues else []
    yield from problems
    if not problems:
        many = f"{len(graph.nodes)} node{'s' * (len(graph.nodes) > 1)}"
        told = f"{many}, fingerprint {graph.fingerprint}, queues {', '.join(sorted(wanted))}"
        yield Finding(Level.OK, f"graph {graph.name}", told)


def of_pools(names: Iterable[str], without: Sequence[str]) -> Finding:
    """Judge whether every queue of the graphs belongs to a pool; ``without``: those that belong to none."""
    if without:
        told = (
            f"no pool has queue {', '.join(map(repr, without))}, which the graphs need: add it to one in TREADLE_POOLS"
        )
        return Finding(Level.WARN, "pools", told)
    return Finding(Level.OK, "pools", f"{', '.join(names)}: every queue of the graphs belongs to one")


def of_overdue(count: int) -> Finding:
    """Judge how much has been due for longer than a scheduler would leave it."""
    if count:
        told = f"{count} entries are overdue, and nobody sends them on: start one with `treadle scheduler`"
        return Finding(Level.FAIL, "scheduler", told)
    return Finding(Level.OK, "scheduler", "nothing is overdue")


def of_threads(running: Iterable[RunningThread], workers: Workers, default_queue: str, now_ms: int) -> list[Finding]:
    """Judge the threads that run: what is stuck, and why."""
    threads = list(running)
    found = [finding for thread in threads for finding in _of_thread(thread, workers, default_queue, now_ms)]
    shown = found[:_MANY]
    if len(found) > _MANY:
        shown.append(Finding(Level.WARN, "threads", f"and {len(found) - _MANY} more of this sort"))
    return shown or [Finding(Level.OK, "threads", f"{len(threads)} running, none is stuck")]


def of_parked(reasons: Mapping[str, str]) -> Iterator[Finding]:
    """Judge the threads that no worker could go on with."""
    for thread_id, reason in list(reasons.items())[:_MANY]:
        yield Finding(Level.WARN, f"thread {thread_id}", f"is parked: {reason}")


def _of_append_only(settings: Mapping[str, str]) -> Finding:
    if settings.get("appendonly") != "yes":
        told = "appendonly is off: what happened since the last snapshot is lost when Redis dies"
        return Finding(Level.WARN, "persistence", told)
    every = settings.get("appendfsync", "(which this user may not see)")
    lost = {"always": "nothing", "everysec": "at most a second"}.get(every, "what the system has not written yet")
    return Finding(Level.OK, "persistence", f"appendonly, appendfsync {every}: {lost} is lost when the machine dies")


def _problems(graph: Graph, wanted: Mapping[str, Sequence[str]], workers: Workers) -> Iterator[Finding]:
    for queue, nodes in wanted.items():
        consumers = workers.of_queue(queue)
        if not consumers:
            told = f"no worker takes queue {queue!r}, which {', '.join(nodes)} need: `treadle worker -Q {queue}`"
            yield Finding(Level.FAIL, f"graph {graph.name}", told)
        for name in consumers:
            missing = [node for node in nodes if f"{graph.name}.{node}" not in workers.tasks.get(name, ())]
            if missing:
                told = (
                    f"worker {name} takes queue {queue!r} and does not know {', '.join(missing)}: deploy it there too"
                )
                yield Finding(Level.FAIL, f"graph {graph.name}", told)


def _of_thread(thread: RunningThread, workers: Workers, default_queue: str, now_ms: int) -> Iterator[Finding]:
    about = f"thread {thread.id}"
    if not thread.steps:
        yield Finding(Level.FAIL, about, "runs, with nothing in flight: cancel its run, and resume it")
    for step in thread.steps:
        queue = step.queue or default_queue
        queue = queue if step.version is None else version_queue(queue, step.version)
        level, told = _of_step(step, workers, queue, now_ms)
        if level is not Level.OK:
            yield Finding(level, about, told)


def _of_step(step: PendingStep, workers: Workers, queue: str, now_ms: int) -> tuple[Level, str]:
    attempts = f" (attempt {step.attempt})" if step.attempt > 1 else ""
    age_s = (now_ms - step.since_ms) / 1000
    if step.state == "queued" and not workers.of_queue(queue):
        wants = "" if step.version is None else ": it is for workers with that version of the graph, start one"
        return Level.FAIL, f"{step.node} has waited {age_s:.0f} s in queue {queue!r}, which no worker takes{wants}"
    if step.state == "leased" and step.due_ms is not None and step.due_ms < now_ms:
        return Level.WARN, f"{step.node}{attempts} is on {step.worker}, which has been silent past its lease"
    if step.state == "waiting" and step.due_ms is not None:
        return Level.WARN, f"{step.node} waits for another attempt, due in {max(0, step.due_ms - now_ms) / 1000:.0f} s"
    if step.attempt > 1 and step.state not in ("asleep", "limited"):
        return Level.WARN, f"{step.node} is at attempt {step.attempt}, on {step.worker or 'no worker yet'}"
    return Level.OK, ""
