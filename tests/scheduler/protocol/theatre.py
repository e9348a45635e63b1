"""What the machine acts with: processes that work on one store, and what is under way or known to somebody."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Any

from redis import Redis

from graphs.checkpoint import Result
from graphs.commands import Interrupt
from graphs.graph import Graph
from graphs.interrupts import GraphInterrupt
from scheduler.claim import Claim, Progress
from scheduler.client import Client
from scheduler.connection import open_connection
from scheduler.dispatch import StepRef
from scheduler.failure import describe
from scheduler.keys import Keys
from scheduler.settings import Settings
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher
from tests.scheduler.stage import everything, make_due, pass_deadline, rewrite
from tests.scheduler.troupe import Act, Troupe, fails

from .oracle import HANDLER, Oracle, key_of, word
from .plays import Play


def _neighbour(thread: str) -> str:
    """Return a thread of the same partition: it has the same due set, the same index and the same hash slot."""
    root = Keys().of_thread(thread).root
    return next(other for n in count() if Keys().of_thread(other := f"{thread}{n}").root == root)


THREADS = ("t", _neighbour("t"))
_HOUR_MS = 3_600_000
#: The first moment whose text is as long as that of today.
_BEGINNING_MS = 10**12
#: No moment passes by itself; of three steps side by side one is held.
_SETTINGS = Settings(
    max_attempts=2, lease_ms=_HOUR_MS, queue_wait_ms=_HOUR_MS, queue_wait_max_ms=_HOUR_MS, fair_share=2
)


@dataclass
class Line:
    """One thread: what is played on it, what it has to be like, and what is under way or known to somebody."""

    id: str
    play: Play
    oracle: Oracle
    #: Every message that was sent, and not lost: any may arrive, again and again.
    messages: list[StepRef] = field(default_factory=list)
    #: Every claim that a worker remembers, by its number: the good ones, and those of zombies.
    claims: list[tuple[int, Claim]] = field(default_factory=list)
    #: Scripts that workers were about to call when they were paused.
    late: list[Callable[[], object]] = field(default_factory=list)


@dataclass
class Clockwork:
    """What ids are made of, the same in every life: the same things happen to the same steps."""

    ticks: int = 0

    def time_ns(self) -> int:
        """Return the time; it goes on a little with every look."""
        self.ticks += 1
        return (_BEGINNING_MS + self.ticks) * 1_000_000

    def urandom(self, size: int) -> bytes:
        """Return bytes that nobody has had before."""
        self.ticks += 1
        return self.ticks.to_bytes(size)


class OnePartition(Keys):
    """Keys of which only one partition is looked after: the others are empty."""

    def due_sets(self) -> list[str]:
        """Return the due set of the threads that are played."""
        return [self.of_thread(THREADS[0]).due]


class Dying(Steps):
    """A worker that dies before it closes a superstep."""

    def close(self, claim: Claim, graph: Graph | None) -> Progress:
        """Die."""
        return Progress()


class Paused(BaseException):
    """A worker stands still, right before it calls a script."""


class Theatre:
    """Three workers, two schedulers and a client, each a process of its own."""

    redis: Redis
    clockwork: Clockwork

    def open(self, plays: Sequence[Play]) -> None:
        """Begin with an empty store, and what is to be played."""
        self.redis.flushall()
        self.clockwork.ticks = 0
        self.dispatcher = RecordingDispatcher()
        self.client = self.process()
        self.workers = [self.process() for _ in range(3)]
        self.watchdogs = [self._watchdog(), self._watchdog()]
        chosen = zip(THREADS, plays, strict=True)
        self.lines = {thread: Line(thread, play, Oracle(play)) for thread, play in chosen}
        self._deliveries = map(str, count())

    def process(self) -> Client:
        """Return a process that remembers nothing."""
        return Client(open_connection(self.redis, _SETTINGS, self.dispatcher), lambda call: call())

    def _watchdog(self) -> Watchdog:
        other = self.process()
        return Watchdog(replace(other.connection, keys=OnePartition()), other.runs)

    @contextmanager
    def alone(self, line: Line) -> Iterator[None]:
        """Do something to one thread, and see that all others have what they had (promise 8)."""
        others = [thread for thread in self.lines if thread != line.id]
        before = [self._belongings(thread) for thread in others]
        yield
        self.collect()
        assert [self._belongings(thread) for thread in others] == before, "another thread was touched"

    def collect(self) -> None:
        """Take the messages that were sent to where they are under way."""
        for order in self.dispatcher.sent:
            self.lines[order.ref.thread_id].messages.append(order.ref)
        self.dispatcher.sent.clear()

    # What can happen to a thread

    def run_of(self, line: Line) -> str:
        """Return the active run of a thread; nothing where there is none."""
        known = self.client.threads.find(line.id)
        return (known.run_id or "") if known is not None else ""

    def is_running(self, line: Line) -> bool:
        """Return whether a thread has an active run."""
        return bool(self.run_of(line))

    def has_messages(self, line: Line) -> bool:
        """Return whether messages for a thread are under way."""
        return bool(line.messages)

    def has_late(self, line: Line) -> bool:
        """Return whether a paused worker is about to call a script."""
        return bool(line.late)

    def has_claims(self, line: Line) -> bool:
        """Return whether a worker remembers a claim of a thread."""
        return bool(line.claims)

    # What workers do

    def claim(self, line: Line, worker: int, ref: StepRef) -> None:
        """Let a worker ask for a lease."""
        claim = self._steps_of_worker(worker).claim(ref, next(self._deliveries))
        if claim is not None:
            line.claims.append((worker, claim))
            if not claim.ns:
                line.oracle.meet(claim.step)

    def act_with(self, line: Line, worker: int, claim: Claim, how: str, *, dies: bool) -> None:
        """Let a worker do something with a claim.

        Raises:
            LeaseLost: it is a zombie.
        """
        steps, failure = self._steps_of_worker(worker, dies=dies), describe(ValueError("no"), claim.step.node)
        if how == "retries" and claim.verdict == "run":
            steps.retry(claim, failure, _HOUR_MS)
        elif how == "releases":
            steps.release(claim.ref, claim.delivery, "released")
        elif how == "renews":
            steps.renew({claim.ref: claim.delivery})
        else:
            self._troupe(line, worker, steps, how).act(claim)

    @contextmanager
    def pausing(self, line: Line, worker: int, *scripts: str) -> Iterator[None]:
        """Pause a worker when it is about to call one of these scripts; it will, whatever has happened by then."""
        owner = self.workers[worker].connection.scripts

        def pausing_before(call: Callable[..., object]) -> Callable[..., object]:
            def pause(*args: Any, **named: Any) -> object:
                line.late.append(partial(call, *args, **named))
                raise Paused

            return pause

        vars(owner).update({name: pausing_before(getattr(owner, name)) for name in scripts})
        try:
            with suppress(Paused):
                yield
        finally:
            for name in scripts:
                del vars(owner)[name]

    def _troupe(self, line: Line, worker: int, steps: Steps, how: str) -> Troupe:
        def says(steps: Steps, claim: Claim, graph: Graph) -> Progress:
            heard, key = len(claim.stored.checkpoint.values["said"]), key_of(claim.step)
            if key == "ask" and not claim.dialogue.answers:
                return steps.ask(claim, graph, GraphInterrupt([Interrupt("?", "q")]))
            handled = claim.step.handles is not None
            said = {"said": [word(key, heard, handled=handled)]}
            goto = line.play.goto(f"{key}'" if handled else claim.step.node, heard + 1)
            return steps.commit(claim, graph, Result(claim.step, (said,), goto))

        act: Act = fails if how == "fails" else says
        own = [*line.play.graph.nodes, *(f"{HANDLER}{name}" for name in line.play.graph.nodes)]
        acts = dict.fromkeys(own, act) | ({"x": fails, "y": fails} if how == "fails" else {})
        other = self.workers[worker]
        return Troupe(other.connection, other, steps, line.play.graph, acts)

    def _steps_of_worker(self, worker: int, *, dies: bool = False) -> Steps:
        other = self.workers[worker]
        return (Dying if dies else Steps)(other.connection, other.runs, f"w{worker}")

    # What is in flight, and what time does to it

    def steps_of(self, thread: str) -> list[dict[str, Any]]:
        """Return the records of the steps in flight."""
        raw: Any = self.redis.hvals(self.client.connection.place(thread).keys.steps)
        return sorted(map(json.loads, raw), key=lambda step: str(step["id"]))

    def dues_of(self, thread: str) -> set[str]:
        """Return what of a thread is due."""
        keys = self.client.connection.place(thread).keys
        members: Any = self.redis.zrange(keys.due, 0, -1)
        named = (member.decode().partition(" ") for member in members)
        return {what for token, _, what in named if token == keys.token}

    def let_pass(self, thread: str, step: dict[str, Any], what: str) -> None:
        """Let a lease or a pause end, a time limit pass, or the moment come to look at a step."""
        connection, ref = self.client.connection, StepRef(thread, step["run"], step["id"])
        self.lines[thread].oracle.over.add(step["id"])
        if what == "limit" and "deadline" in step and step["state"] in ("leased", "called"):
            pass_deadline(connection, ref)
        if what == "lease" and step["state"] in ("leased", "waiting"):
            rewrite(connection, ref, until=1, due=1)
        if what != "limit" and step["id"] in self.dues_of(thread):
            make_due(connection, ref)

    def everything_falls_due(self, thread: str) -> None:
        """Let all leases and pauses of a thread end."""
        for step in self.steps_of(thread):
            self.let_pass(thread, step, "lease")

    def _belongings(self, thread: str) -> dict[str, Any]:
        """Return all that is a thread's own."""
        keys = self.client.connection.place(thread).keys
        due, index = (self.redis.zscan_iter(key, f"{keys.token}*") for key in (keys.due, keys.index))
        token = keys.token.encode()
        own: dict[Any, Any] = {**everything(self.redis, lambda key: key.split(b":")[3:4] == [token])}
        shared = [pair for pair in (*due, *index) if pair[0].partition(b" ")[0] == token]
        return own | {"shared": sorted(shared)}
