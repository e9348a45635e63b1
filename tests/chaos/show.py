"""One performance: the cast enters, the load and the saboteur do their work at the same time, and all is judged."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any

import redis

from graphs.registry import load as load_graphs
from scheduler.lifecycle import ThreadStatus
from treadle.checkpoint.memory import MemorySaver
from treadle.checkpoint.redis import RedisSaver
from treadle.graph import CompiledStateGraph
from treadle.types import Command

from . import checks, evidence, recovery, witness
from .cast import Cast
from .load import Load, Role
from .plan import Plan
from .plays import PLAYS, Play
from .saboteur import Injected, Saboteur

_OWN_PLAYS = "tests.chaos.plays:graphs"
_READERS = 4
_QUIET_S = 30


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a performance."""

    plan: Plan
    injected: Sequence[Injected]
    #: What each check found wrong.
    verdicts: Mapping[str, Sequence[str]]
    threads: int
    turns: int
    runs: int
    steps: int
    attempts: int
    lost: int
    doubled: int
    of_steps: recovery.Spread | None
    of_messages: recovery.Spread | None
    #: What clients met that passes, and what processes printed last in a traceback; how often each.
    met: Mapping[str, int]
    tracebacks: Mapping[str, int]

    @property
    def holds(self) -> bool:
        """Whether no check found anything wrong."""
        return not any(self.verdicts.values())


@dataclass(frozen=True, slots=True)
class OwnScript:
    """What a client says to a graph of the user's own: the same in every turn."""

    given: Any
    answer: Any

    def input(self, turn: int, values: Mapping[str, Any]) -> Any:
        """Return the input."""
        return self.given

    def reply(self, turn: int) -> Any:
        """Return the answer; None: nobody answers."""
        return self.answer


def perform(plan: Plan, tell: Callable[[str], None]) -> Judgement:
    """Play a plan and judge it; what it tells meanwhile are the faults."""
    cast = Cast(plan.folder, plan.graph or _OWN_PLAYS, plan.settings, plan.broker, plan.fsync)
    try:
        cast.settings[witness.FILE] = str(plan.folder / "witness")
        with _environment(cast.settings | {"TREADLE_REDIS_URL": cast.url}):
            cast.enter(plan.workers, plan.schedulers)
            saver = RedisSaver(cast.url)
            roles = _roles(plan, saver)
            load, saboteur = Load(roles, plan.turns, plan.at_once), Saboteur(cast, plan.faults, tell)
            clients = Thread(target=load.play, args=(plan.minutes * 60, plan.patience_s), name="clients")
            clients.start()
            saboteur.work(plan.minutes * 60, clients.is_alive)
            clients.join()
            return _judge(plan, cast, saver, roles, load, saboteur)
    finally:
        cast.stop()


def _roles(plan: Plan, saver: RedisSaver) -> list[Role]:
    if plan.graph is None:
        casts = [(play, play.build(saver)) for play in PLAYS]
        return [Role(f"{play.name}-{n}", graph, play) for n, (play, graph) in _in_turn(casts, plan.threads)]
    own = _own_graph(plan.graph)
    graph = type(own)(own.graph, saver, own.store, own.cache, own.config)
    scripts = [OwnScript(given, plan.answer) for given in plan.inputs]
    return [Role(f"{graph.name}-{n}", graph, script) for n, script in _in_turn(scripts, plan.threads)]


def _in_turn(items: Sequence[Any], count: int) -> Iterator[tuple[int, Any]]:
    return ((number, items[number % len(items)]) for number in range(count))


def _own_graph(address: str) -> CompiledStateGraph:
    (graph,) = load_graphs([address])
    return graph  # type: ignore[no-any-return]


def _judge(
    plan: Plan, cast: Cast, saver: RedisSaver, roles: Sequence[Role], load: Load, saboteur: Saboteur
) -> Judgement:
    queued = _settled(cast, saver)
    with ThreadPoolExecutor(_READERS) as readers:
        threads = list(readers.map(evidence.read, roles))
    client = saver.engine.connection.client
    keys = evidence.thread_keys(client)
    found = evidence.Findings(
        threads,
        evidence.due(client, keys),
        keys,
        queued,
        _deleted(client, roles),
        {} if plan.power_cuts else witness.calls(plan.folder / "witness"),
        [f"{name} ended with code {code}" for name, code in cast.died],
        load.problems,
    )
    verdicts = checks.verdicts(found) | _of_states(plan, roles, found)
    entries = Counter(entry.kind for thread in threads for entry in thread.log)
    return Judgement(
        plan,
        saboteur.injected,
        verdicts,
        len(threads),
        load.played,
        sum(len(thread.runs) for thread in threads),
        entries["committed"],
        entries["leased"],
        checks.lost(found),
        checks.doubled(found),
        recovery.Spread.of(recovery.of_steps(threads, saboteur.injected)),
        recovery.Spread.of(recovery.of_messages(threads, saboteur.injected)),
        load.met,
        Counter(cast.tracebacks()),
    )


def _settled(cast: Cast, saver: RedisSaver) -> int:
    """Wait until the queue is empty and return what is left in it: stale messages end when they are taken."""
    deadline = time.monotonic() + _QUIET_S
    while cast.broker.waiting() and time.monotonic() < deadline:
        time.sleep(0.2)
    return cast.broker.waiting()


def _deleted(client: redis.Redis, roles: Sequence[Role]) -> list[str]:
    """Delete all threads that rest, and return the keys that remain."""
    for role in roles:
        thread = role.graph.threads.find(role.thread_id)
        if thread is not None and thread.status is not ThreadStatus.RUNNING:
            role.graph.threads.delete(role.thread_id)
    return evidence.thread_keys(client)


def _of_states(plan: Plan, roles: Sequence[Role], found: evidence.Findings) -> dict[str, list[str]]:
    if plan.graph is None:
        played = {thread.thread_id: checks.turns(thread) for thread in found.threads}
        trails = {role.thread_id: _play(role).trail(played[role.thread_id]) for role in roles}
        short = (
            [] if plan.power_cuts else [f"{id_} has played {n} turns" for id_, n in played.items() if n < plan.turns]
        )
        return {"states are exact": [*checks.states_are_exact(found, trails), *short]}
    if not plan.compare:
        return {}
    undisturbed = {role.thread_id: _undisturbed(plan, role) for role in roles}
    return {"states are those of an undisturbed run": list(checks.states_are_exact(found, undisturbed, None))}


def _play(role: Role) -> Play:
    assert isinstance(role.script, Play)
    return role.script


def _undisturbed(plan: Plan, role: Role) -> Any:
    """Return the state of the same turns in this process, on a store that nothing happens to."""
    graph = type(role.graph)(role.graph.graph, MemorySaver(), None, None, role.graph.config)
    for turn in range(plan.turns):
        graph.invoke(role.script.input(turn, {}), role.config)
        while (asked := graph.get_state(role.config).interrupts) and role.script.reply(turn) is not None:
            graph.invoke(Command(resume={one.id: role.script.reply(turn) for one in asked}), role.config)
    return graph.get_state(role.config).values


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
