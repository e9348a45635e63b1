"""The protocol as a model: frozen states, and what may happen next in each, with the scripts as pure functions.

Whoever wants to learn the protocol reads this file. A world is all there is at one moment: the store, and what each
worker has in its hands. What may happen next:

- the client begins a run, or cancels it;
- a message reaches a worker: any one, any number of times, in any order, or never; or all under way are lost;
- a worker does its next thing, or dies;
- a scheduler looks at a step that is due, or at one that it took from the due set some time ago.

Time is not counted: whenever somebody looks at a lease or a pause, its moment may have passed or not. A worker that
pauses is one that does nothing for a while, and a broker apart from the store is one whose messages are lost between
commit and publishing. A worker reads and writes in turns: what it has seen may be old when it acts. That nothing bad
comes of it is the work of the checks in the scripts; each has its name here, and can be left out to show what it is
for.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal, NamedTuple

_TOKEN = attrgetter("token")

State = Literal["queued", "leased", "waiting", "done"]
#: What a worker does: it waits for a message; runs a node; records that the step was lost too often; doubts whether a
#: superstep is complete, because it came for a step that has finished; looks at the results of one that is; or closes
#: it, in the way that it has found.
Doing = Literal["waits", "runs", "records", "doubts", "looks", "advances", "fails", "pauses"]

#: How a step ends; one that was handed over has failed, and its error handler stands in its place.
Outcome = Literal["wrote", "failed", "handed over"]

#: Every check that can be left out, and what happens when it is kept.
CHECKS = frozenset(
    {
        "token",  # only the last lease on a step commits
        "rising",  # each lease has a token of its own
        "held",  # a lease that is good is nobody else's
        "finished",  # what has finished is not leased
        "this run",  # a message of a run that ended takes nothing from the next one
        "cursor",  # a superstep that was closed is not closed again
        "closer",  # who closes does so by a step that still stands as they claimed it
        "complete",  # who looks at results does so when none of them can change
        "losses",  # a lease that ran out counts
        "unfinished",  # a run opens what has not finished
        "due at the opening",  # what is opened has a due entry
        "due until closed",  # the last of several steps stays due until they are closed
        "due no more",  # what has ended is due no more
        "sent again",  # what is due gets a message
        "ends all",  # the end of a run leaves nothing in flight
    }
)


class Step(NamedTuple):
    """A step in flight, as the store has it."""

    name: str
    run: int
    state: State = "queued"
    #: The token of its last lease.
    token: int = 0
    #: How many leases ran out; and how many of them took a running node with them, which only the spectator counts.
    losses: int = 0
    killed: int = 0


class Message(NamedTuple):
    """A message under way."""

    name: str
    run: int


class Kept(NamedTuple):
    """What a step left when it ended."""

    name: str
    outcome: Outcome


class Store(NamedTuple):
    """What is in Redis; the messages as well, which scripts push."""

    status: Literal["created", "running", "idle", "failed", "paused", "cancelled"] = "created"
    #: The active run, and the last one that began; 0 for none.
    run: int = 0
    runs: int = 0
    #: How many supersteps are closed.
    cursor: int = 0
    #: How many steps of the open one are not done.
    remaining: int = 0
    token: int = 0
    steps: tuple[Step, ...] = ()
    due: frozenset[str] = frozenset()
    results: frozenset[Kept] = frozenset()
    #: What was written, in the order in which it applies.
    state: tuple[str, ...] = ()
    messages: frozenset[Message] = frozenset()
    #: What nobody but the spectator knows: the tokens whose leases ran out, and whether one that was lost committed.
    lapsed: frozenset[int] = frozenset()
    stale: bool = False

    def step(self, name: str) -> Step | None:
        """Return a step in flight."""
        return next((step for step in self.steps if step.name == name), None)

    def put(self, step: Step) -> "Store":
        """Return the store with a step in flight as it is now."""
        return self._replace(steps=tuple(sorted([step, *(one for one in self.steps if one.name != step.name)])))

    def found(self) -> dict[str, Kept]:
        """Return what the open superstep's steps have left so far, by their names."""
        return {kept.name: kept for kept in self.results}


class Worker(NamedTuple):
    """What a worker has in its hands: the claim of a step, and what it is about to do with it."""

    doing: Doing = "waits"
    name: str = ""
    run: int = 0
    token: int = 0
    cursor: int = 0


IDLE = Worker()


class World(NamedTuple):
    """Everything at one moment."""

    store: Store = Store()
    #: In no order: they are alike.
    workers: tuple[Worker, ...] = (IDLE, IDLE)

    def now(self, store: Store) -> "World":
        """Return the world after something happened in the store alone."""
        return World(store, self.workers).counted_anew()

    def after(self, store: Store, was: Worker, now: Worker) -> "World":
        """Return the world after a worker did something."""
        others = list(self.workers)
        others.remove(was)
        return World(store, tuple(sorted([*others, now]))).counted_anew()

    def counted_anew(self) -> "World":
        """Return the world with tokens counted anew: what matters of them is which is the higher one."""
        store, workers = self
        known = {0, *map(_TOKEN, workers), *map(_TOKEN, store.steps)}
        if len(known) > store.token:
            return self
        rank = {token: number for number, token in enumerate(sorted(known))}
        steps = tuple(step._replace(token=rank[step.token]) for step in store.steps)
        lapsed = frozenset(rank[token] for token in store.lapsed if token in rank)
        store = store._replace(steps=steps, lapsed=lapsed, token=len(known) - 1)
        return World(store, tuple(worker._replace(token=rank[worker.token]) for worker in workers))


class Move(NamedTuple):
    """One thing that happened: a script and its answer, or what needs none."""

    script: str
    name: str = ""
    answer: str = ""
    #: Who did it, before and after.
    was: Worker = IDLE
    now: Worker = IDLE
    #: Whether the moment had passed at which the lease, or the pause, of the step ended.
    over: bool = False
    #: Of which run the message was that reached a worker.
    run: int = 0


#: What a worker does with its claim, by the script's verdict.
_DOES: Mapping[str, Doing] = {"run": "runs", "lost": "records", "close": "doubts"}


@dataclass(frozen=True)
class Protocol:
    """The rules, for one graph."""

    #: The names of the steps of each superstep.
    graph: tuple[tuple[str, ...], ...]
    #: The steps that have an error handler.
    handled: frozenset[str] = frozenset()
    checks: frozenset[str] = CHECKS
    max_attempts: int = 1
    #: How many runs begin; there is no limit to how often a step is leased.
    max_runs: int = 2

    # The scripts

    def start_run(self, store: Store) -> tuple[str, Store]:
        """Begin a run: open what has not finished of the superstep at the cursor."""
        if store.run:
            return "busy", store
        run, superstep, found = store.runs + 1, self.graph[store.cursor], store.found()
        opened = [name for name in self._in_place(store.cursor, store) if self._is_open(name, found)]
        if not opened:  # all have finished, and nobody closed: any of them leads there
            done = Step(superstep[0], run, "done")
            began = store._replace(status="running", run=run, runs=run, remaining=0, steps=(done,))
            return "started", self._opened(began, [superstep[0]])
        began = store._replace(status="running", run=run, runs=run, remaining=len(opened))
        began = began._replace(steps=tuple(sorted(Step(name, run) for name in opened)))
        return "started", self._opened(began, opened)

    def lease_step(self, store: Store, message: Message, *, over: bool) -> tuple[str, Store]:
        """Take the lease on a step and hand out the next token; or say why there is nothing to run.

        Over: the moment has passed at which the lease, or the pause, of the step ends.
        """
        step = store.step(message.name)
        if step is None or ("this run" in self.checks and step.run != message.run):
            return "gone", store
        if step.state == "done" and "finished" in self.checks:
            return "close", store
        if step.state == "waiting" and not over:
            return "early", store
        if step.state == "leased" and not over and "held" in self.checks:
            return "held", store
        if step.state == "leased" and over:
            store, step = self._lapsed(store, step)
        verdict = "lost" if step.losses >= self.max_attempts else "run"
        token = store.token + 1 if "rising" in self.checks else 1
        leased = step._replace(state="leased", token=token)
        return verdict, store.put(leased)._replace(token=token, due=store.due | {step.name})

    def renew_step(self, store: Store, worker: Worker) -> tuple[str, Store]:
        """Keep a lease while its node runs."""
        step = self._leased(store, worker)
        return ("lost", store) if step is None else ("kept", store)

    def release_step(self, store: Store, worker: Worker) -> tuple[str, Store]:
        """Hand a lease back at once: its worker shuts down."""
        step = self._leased(store, worker)
        return ("lost", store) if step is None else ("kept", store.put(step._replace(state="waiting")))

    def retry_step(self, store: Store, worker: Worker) -> tuple[str, Store]:
        """Let a step wait in the store for its next attempt."""
        step = self._leased(store, worker)
        return ("lost", store) if step is None else ("kept", store.put(step._replace(state="waiting")))

    def put_result(self, store: Store, worker: Worker, outcome: Outcome) -> tuple[str, Store]:
        """Keep what one of several steps wrote, or how a step failed; the last one answers for the closing."""
        step = self._leased(store, worker)
        if step is None:
            return "lost", store
        remaining = store.remaining - 1
        due = store.due - {step.name} if remaining or "due until closed" not in self.checks else store.due
        kept = self._kept(store, worker, outcome)
        done = kept.put(step._replace(state="done"))._replace(remaining=remaining, due=due)
        return "open" if remaining else "complete", done

    def hand_over_step(self, store: Store, worker: Worker) -> tuple[str, Store]:
        """Keep the failure of a step, and open its handler in its place."""
        step = self._leased(store, worker)
        if step is None:
            return "lost", store
        handler = Step(_handler(step.name), step.run)
        kept = self._kept(store, worker, "handed over")
        kept = kept.put(step._replace(state="done")).put(handler)
        return "kept", self._opened(kept._replace(due=kept.due - {step.name}), [handler.name])

    def commit_superstep(self, store: Store, worker: Worker) -> tuple[str, Store]:
        """Close a superstep: apply what was written, move the cursor, and open what follows, or end the run."""
        refused = self._refused(store, worker)
        if refused:
            return refused, store
        if worker.doing == "runs":
            store = self._watched(store, worker)
        found, names = store.found(), self._in_place(worker.cursor, store)
        wrote = [name for name in names if worker.doing == "runs" or name in found]
        due = store.due.difference(step.name for step in store.steps) if "due no more" in self.checks else store.due
        # messages for what is closed come to nothing, and are left out
        moved = store._replace(state=(*store.state, *wrote), steps=(), due=due, messages=frozenset())
        moved = moved._replace(cursor=store.cursor + 1)
        if moved.cursor >= len(self.graph):
            return "committed", self._finished(moved._replace(remaining=0), "idle")
        following = self.graph[moved.cursor]
        moved = moved._replace(remaining=len(following), steps=tuple(Step(name, store.run) for name in following))
        return "committed", self._opened(moved, following)

    def end_run(self, store: Store, worker: Worker | None) -> tuple[str, Store]:
        """End a run where it stands: a person cancels it, or its superstep closes with a failure or a stop."""
        if worker is None:
            return "ended", self._finished(store, "cancelled")
        if store.run != worker.run or ("closer" in self.checks and not self._still_closes(store, worker)):
            return "over", store
        if store.remaining:
            return "open", store
        return "ended", self._finished(store, "failed" if worker.doing == "fails" else "paused")

    def redispatch_step(self, store: Store, name: str, *, over: bool) -> tuple[str, Store]:
        """Look at a step that fell due, and send its message again."""
        step = store.step(name)
        if step is None:
            return "gone", store._replace(due=store.due - {name})
        store = store._replace(due=store.due | {name})
        if step.state in ("leased", "waiting") and not over:
            return "held" if step.state == "leased" else "early", store
        if step.state == "leased":
            store, step = self._lapsed(store, step)
        if step.state != "done":
            store = store.put(step._replace(state="queued"))
        sent = {Message(name, step.run)} if "sent again" in self.checks else set()
        return "sent", store._replace(messages=store.messages | sent)

    # What a worker reads

    def look(self, store: Store, worker: Worker) -> Worker:
        """Return what a worker goes on to do once it has read the results of a superstep."""
        if worker.doing == "doubts" and store.remaining and "complete" in self.checks:
            return IDLE  # its message was doubled; the siblings go on
        found, names = store.found(), self._in_place(worker.cursor, store)
        known = [found.get(name) for name in names]
        if any(kept is not None and kept.outcome == "failed" for kept in known):
            return worker._replace(doing="fails")
        if any(kept is None and name.endswith("'") for name, kept in zip(names, known, strict=True)):
            return worker._replace(doing="pauses")  # its handler was not opened: it stands at a breakpoint
        return worker._replace(doing="advances") if all(known) else IDLE

    # What may happen

    def moves(self, world: World) -> Iterator[tuple[Move, World]]:
        """Yield everything that may happen next, and the world after it."""
        store = world.store
        if not store.run and store.status != "idle" and store.runs < self.max_runs:
            answer, began = self.start_run(store)
            yield Move("start_run", answer=answer), world.now(began)
        if store.run:
            answer, ended = self.end_run(store, None)
            yield Move("cancel", answer=answer), world.now(ended)
        for step in store.steps:
            for over in _moments(step):
                answer, seen = self.redispatch_step(store, step.name, over=over)
                yield Move("redispatch_step", step.name, answer, over=over), world.now(seen)
        if store.messages:
            yield Move("lose"), world.now(store._replace(messages=frozenset()))
        for worker in dict.fromkeys(world.workers):
            if worker.doing == "waits":
                yield from self._received(world, worker)
            else:
                yield Move("die", worker.name, was=worker), world.after(store, worker, IDLE)
                yield from self._went_on(world, worker)

    def _received(self, world: World, worker: Worker) -> Iterator[tuple[Move, World]]:
        for message in world.store.messages:
            for over in _moments(world.store.step(message.name)):
                verdict, store = self.lease_step(world.store, message, over=over)
                now = self._claimed(store, message, verdict)
                yield (
                    Move("lease_step", message.name, verdict, worker, now, over, message.run),
                    world.after(store, worker, now),
                )

    def _claimed(self, store: Store, message: Message, verdict: str) -> Worker:
        """Return what a worker has in its hands after its message."""
        step = store.step(message.name)
        if step is None or verdict not in _DOES:
            return IDLE
        return Worker(_DOES[verdict], message.name, message.run, step.token, store.cursor)

    def _went_on(self, world: World, worker: Worker) -> Iterator[tuple[Move, World]]:
        """Yield what a worker may do next, with what it knows."""
        store = world.store

        def did(script: str, answer: str, after: Store, now: Worker = IDLE) -> tuple[Move, World]:
            return Move(script, worker.name, answer, worker, now), world.after(after, worker, now)

        if worker.doing in ("doubts", "looks"):
            now = self.look(store, worker)
            yield did("look", now.doing, store, now)
        elif worker.doing == "advances":
            yield did("commit_superstep", *self.commit_superstep(store, worker))
        elif worker.doing in ("fails", "pauses"):
            yield did("end_run", *self.end_run(store, worker))
        else:
            yield from (did(*done) for done in self._ended(store, worker))
        if worker.doing == "runs":
            answer, kept = self.renew_step(store, worker)
            yield did("renew_step", answer, kept, worker if answer == "kept" else IDLE)
            yield did("release_step", *self.release_step(store, worker))
            yield did("retry_step", *self.retry_step(store, worker))

    def _ended(self, store: Store, worker: Worker) -> Iterator[tuple[str, str, Store, Worker]]:
        """Yield how an attempt may end: the node wrote or failed, or was lost too often."""
        single = len(self.graph[worker.cursor]) == 1
        if worker.doing == "runs" and single:
            yield "commit_superstep", *self.commit_superstep(store, worker), IDLE
        elif worker.doing == "runs":
            yield self._put(store, worker, "wrote")
        if worker.name in self.handled:
            yield "hand_over_step", *self.hand_over_step(store, worker), IDLE
        else:
            yield self._put(store, worker, "failed")

    def _put(self, store: Store, worker: Worker, outcome: Outcome) -> tuple[str, str, Store, Worker]:
        answer, kept = self.put_result(store, worker, outcome)
        now = worker._replace(doing="looks") if answer == "complete" else IDLE
        return f"put_result {outcome}", answer, kept, now

    # What the scripts share

    def _refused(self, store: Store, worker: Worker) -> str:
        """Return why a worker must not close a superstep, or nothing."""
        if "cursor" in self.checks and store.cursor != worker.cursor:
            return "moved"
        if store.run != worker.run:
            return "lost"
        if worker.doing == "runs":  # it is the only step: its lease must be good
            return "lost" if self._leased(store, worker) is None else ""
        if "closer" in self.checks and not self._still_closes(store, worker):
            return "moved"
        return "open" if store.remaining else ""

    def _leased(self, store: Store, worker: Worker) -> Step | None:
        """Return the step that a worker claimed, if the lease is still the worker's."""
        step = store.step(worker.name)
        if step is None or step.state != "leased" or ("token" in self.checks and step.token != worker.token):
            return None
        return step

    def _still_closes(self, store: Store, worker: Worker) -> bool:
        step = store.step(worker.name)
        return step is not None and step.state == "done" and step.token == worker.token

    def _lapsed(self, store: Store, step: Step) -> tuple[Store, Step]:
        """Take a lease back whose time is over. What the step may cost is counted as far as it matters."""
        killed = step.killed + (step.losses < self.max_attempts)
        losses = min(step.losses + ("losses" in self.checks), self.max_attempts)
        return store._replace(lapsed=store.lapsed | {step.token}), step._replace(losses=losses, killed=killed)

    def _kept(self, store: Store, worker: Worker, outcome: Outcome) -> Store:
        others = {one for one in store.results if one.name != worker.name}
        return self._watched(store, worker)._replace(results=frozenset(others | {Kept(worker.name, outcome)}))

    def _watched(self, store: Store, worker: Worker) -> Store:
        """Let the spectator see by which lease something is kept."""
        step = store.step(worker.name)
        return store._replace(stale=store.stale or step is None or step.token != worker.token)

    def _opened(self, store: Store, names: Iterable[str]) -> Store:
        """Return the store with due entries and messages for steps that were opened: all in the same script."""
        names = list(names)
        due = store.due.union(names) if "due at the opening" in self.checks else store.due
        return store._replace(due=due, messages=store.messages | {Message(name, store.run) for name in names})

    def _finished(self, store: Store, status: Literal["idle", "failed", "paused", "cancelled"]) -> Store:
        rests = store._replace(status=status, run=0)
        if "ends all" not in self.checks:
            return rests
        return rests._replace(steps=(), due=rests.due - {step.name for step in rests.steps})

    def _in_place(self, cursor: int, store: Store) -> tuple[str, ...]:
        """Return the steps that decide about a superstep: those due, or the handlers that took over."""
        over = {kept.name for kept in store.results if kept.outcome == "handed over"}
        return tuple(_handler(name) if name in over else name for name in self.graph[cursor])

    def _is_open(self, name: str, found: dict[str, Kept]) -> bool:
        return "unfinished" not in self.checks or name not in found or found[name].outcome != "wrote"


def _handler(name: str) -> str:
    return f"{name}'"


def _moments(step: Step | None) -> tuple[bool, ...]:
    """Return what the clock may say of a step: that its moment has not passed, or that it has."""
    return (False, True) if step is not None and step.state in ("leased", "waiting") else (True,)
