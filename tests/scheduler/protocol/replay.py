"""Replays what happens in the model on the scripts themselves, move by move, and tells what came of it."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import Any

from redis import Redis

from graphs.builder import GraphBuilder
from graphs.commands import START
from graphs.graph import Graph
from scheduler.claim import Claim
from scheduler.client import Client
from scheduler.connection import open_connection
from scheduler.dispatch import StepRef
from scheduler.errors import LeaseLost
from scheduler.failure import describe, lost
from scheduler.scripts import Place, Request
from scheduler.settings import Settings
from scheduler.steps import Steps
from tests.fakes import RecordingDispatcher
from tests.scheduler.stage import THREAD, State, begin, rewrite, silent, state, wrote

from .model import Doing, Kept, Move, Outcome, Protocol, Store, Worker
from .oracle import HANDLER

_FAR_AHEAD = 10**15


def graph_of(protocol: Protocol) -> Graph:
    """Return the graph whose supersteps a protocol has."""
    builder = GraphBuilder(State)
    for name in (name for superstep in protocol.graph for name in superstep):
        builder.add_node(name, silent, error_handler=silent if name in protocol.handled else None)
    for name in protocol.graph[0]:
        builder.add_edge(START, name)
    for sources, targets in pairwise(protocol.graph):
        for target in targets:
            builder.add_edge(list(sources), target)
    return builder.build("model", None, None)


@dataclass
class Hand:
    """What a worker has in its hand: a claim, and the script that it is about to call."""

    claim: Claim
    delivery: str
    doing: Doing
    closing: Callable[[], str] | None = None


class Unclosing(Steps):
    """A worker that stops before it closes a superstep, so that something may happen in between."""

    def close(self, claim: Claim, graph: Graph | None) -> Any:
        """Do nothing yet."""


@dataclass
class Replay:
    """One thread on a store, the worker's hands that are busy with it, and what the scripts said last."""

    protocol: Protocol
    redis: Redis
    hands: list[Hand] = field(default_factory=list)
    answer: str = ""
    runs: list[str] = field(default_factory=list)
    refs: dict[tuple[str, int], StepRef] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.graph = graph_of(self.protocol)
        settings = Settings(max_attempts=self.protocol.max_attempts, lease_ms=600_000)
        self.connection = open_connection(self.redis, settings, RecordingDispatcher())
        self.client = Client(self.connection, lambda call: call())
        self.steps = Unclosing(self.connection, self.client.runs, "w")
        self._deliveries = map(str, count())
        self._listen()

    def play(self, move: Move) -> str:
        """Let a move happen, and return the script's answer."""
        self.answer = ""
        script, _, how = move.script.partition(" ")
        if move.was.doing == "waits":
            getattr(self, f"_{script}")(move)
        else:
            hand = self._hand(move.was)
            self.hands.remove(hand)
            getattr(self, f"_{script}")(hand, *filter(None, [how]))
        self._note_steps()
        return self.answer

    def seen(self) -> dict[str, Any]:
        """Return where the thread stands, in the words of the model."""
        keys = self.connection.place(THREAD).keys
        thread = self.client.threads.find(THREAD)
        if thread is None:
            return {"status": "created"}
        assert thread.cursor is not None
        steps = [json.loads(raw) for raw in self.redis.hvals(keys.steps)]
        names = {step["id"]: _name(step["node"]) for step in steps}
        members: Any = self.redis.zrange(keys.due, 0, -1)
        dues = [member.decode().partition(" ")[2] for member in members]
        head = self.connection.checkpoints.load(keys, "", thread.cursor, THREAD).checkpoint
        known = self.connection.checkpoints.results(keys, "", head.steps)
        by_id = {ref.step_id: name for (name, _), ref in self.refs.items()}
        return {
            "status": thread.status.value,
            "run": self.runs.index(thread.run_id) + 1 if thread.run_id else 0,
            "cursor": head.number,
            "remaining": int(self.redis.hget(keys.frame(""), "remaining") or 0),
            "steps": {
                names[step["id"]]: (step["state"], min(step["losses"], self.protocol.max_attempts)) for step in steps
            },
            "due": {names.get(due, due) for due in dues},
            "results": {Kept(by_id[id_], _outcome(one)) for id_, one in known.items()},
            "state": [_name(node) for node in state(self.client, self.graph).get("said", [])] if head.number else [],
        }

    # What happens outside of workers

    def _start_run(self, move: Move) -> None:
        started = begin(self.client, self.graph, None if self.runs else {})
        self.runs.append(started.run.id)
        self.answer = "started"

    def _cancel(self, move: Move) -> None:
        self.answer = "ended" if self.client.runs.cancel(THREAD, self.runs[-1]) else "over"

    def _lose(self, move: Move) -> None:
        """Do nothing: messages are hints, and nobody is given one."""

    def _redispatch_step(self, move: Move) -> None:
        ref = self.refs[move.name, len(self.runs)]
        self._let_pass(ref, move)
        place = self.connection.place(THREAD)
        (sent,) = self.connection.scripts.redispatch_step([(place, ref.step_id)], wait_ms=1000, wait_max_ms=1000)
        self.answer = "sent" if sent else move.answer if move.answer in ("held", "early") else "nothing"

    # What workers do

    def _lease_step(self, move: Move) -> None:
        ref, delivery = self.refs[move.name, move.run], next(self._deliveries)
        self._let_pass(ref, move)
        claim = self.steps.claim(ref, delivery)
        if claim is not None:
            doing: Mapping[str, Doing] = {"run": "runs", "lost": "records", "close": "doubts"}
            self.hands.append(Hand(claim, delivery, doing[claim.verdict]))

    def _die(self, hand: Hand) -> None:
        """Do nothing more."""

    def _renew_step(self, hand: Hand) -> None:
        kept = self.steps.renew({hand.claim.ref: hand.delivery})[hand.claim.ref]
        self.answer = "kept" if kept else "lost"
        self.hands += [hand] if kept else []

    def _release_step(self, hand: Hand) -> None:
        self.answer = "kept" if self.steps.release(hand.claim.ref, hand.delivery, "released") else "lost"

    def _retry_step(self, hand: Hand) -> None:
        self.answer = "kept"
        self._unless_lost(lambda: self.steps.retry(hand.claim, describe(ValueError()), 60_000))

    def _hand_over_step(self, hand: Hand) -> None:
        self.answer = "kept"
        self._fail(hand)

    def _put_result(self, hand: Hand, outcome: str) -> None:
        self._write(hand) if outcome == "wrote" else self._fail(hand)
        if self.answer == "complete":
            self.hands.append(Hand(hand.claim, hand.delivery, "looks"))

    def _commit_superstep(self, hand: Hand) -> None:
        self._write(hand) if hand.closing is None else self._close(hand)

    def _end_run(self, hand: Hand) -> None:
        self._close(hand)

    def _close(self, hand: Hand) -> None:
        assert hand.closing is not None
        self.answer = hand.closing()

    def _look(self, hand: Hand) -> None:
        """Let a worker read what it closes by, and keep the script that it would call next for later."""
        scripts, later = self.connection.scripts, list[tuple[Doing, Callable[[], str]]]()
        commit, end = scripts.commit_superstep, scripts.end_run

        def commit_later(place: Place, request: Request) -> str:
            later.append(("advances", lambda: commit(place, request)))
            return "moved"

        def end_later(place: Place, request: Request) -> tuple[str, list[dict[str, Any]]]:
            fails = request.body["ended"]["run_status"] != "interrupted"
            later.append(("fails" if fails else "pauses", lambda: end(place, request)[0]))
            return "open", []

        with _instead(scripts, commit_superstep=commit_later, end_run=end_later):
            Steps.close(self.steps, hand.claim, self.graph)
        self.answer = later[0][0] if later else "waits"
        self.hands += [Hand(hand.claim, hand.delivery, *later[0])] if later else []

    def _write(self, hand: Hand) -> None:
        name = hand.claim.step.node
        self._unless_lost(lambda: self.steps.commit(hand.claim, self.graph, wrote(hand.claim, said=[name])))

    def _fail(self, hand: Hand) -> None:
        name = hand.claim.step.node
        failure = describe(ValueError(), name) if hand.doing == "runs" else lost(name, 1)
        self._unless_lost(lambda: self.steps.fail(hand.claim, self.graph, failure))

    def _unless_lost(self, call: Callable[[], object]) -> None:
        try:
            call()
        except LeaseLost:
            self.answer = self.answer if self.answer == "moved" else "lost"

    # Whose hand, which step, and when

    def _hand(self, worker: Worker) -> Hand:
        """Return the hand of a worker of the model, which counts only the tokens that still matter."""
        keys = self.connection.place(THREAD).keys
        steps = [json.loads(raw) for raw in self.redis.hvals(keys.steps)]
        fences = sorted({0, *(step.get("fence", 0) for step in steps), *(hand.claim.fence for hand in self.hands)})
        wanted = worker.doing, worker.name, fences[worker.token]
        known = ((hand.doing, _name(hand.claim.step.node), hand.claim.fence) for hand in self.hands)
        return self.hands[[*known].index(wanted)]

    def _let_pass(self, ref: StepRef, move: Move) -> None:
        """Let the moment be past, or far ahead, at which the lease or the pause of a step ends."""
        if self.redis.hexists(self.connection.place(THREAD).keys.steps, ref.step_id):
            moment = 1 if move.over else _FAR_AHEAD
            rewrite(self.connection, ref, until=moment, due=moment)

    def _note_steps(self) -> None:
        for step in self.client.threads.pending(THREAD):
            name, run = _name(step.node), self.runs.index(step.run_id) + 1
            cursor = self.client.threads.get(THREAD).cursor or ""
            self.refs.setdefault((name, run), StepRef(THREAD, step.run_id, step.id, "", cursor))

    def _listen(self) -> None:
        """Note what the scripts answer that the methods of workers keep to themselves."""
        scripts = self.connection.scripts
        lease, put, commit = scripts.lease_step, scripts.put_result, scripts.commit_superstep

        def leased(place: Place, **args: Any) -> Any:
            told = lease(place, **args)
            self.answer = told.verdict
            return told

        def kept(place: Place, **args: Any) -> Any:
            told = put(place, **args)
            self.answer = {-1: "lost", 0: "complete"}.get(told[0], "open")
            return told

        def committed(place: Place, request: Request) -> str:
            self.answer = commit(place, request)
            return self.answer

        vars(scripts).update(lease_step=leased, put_result=kept, commit_superstep=committed)


def expected(protocol: Protocol, store: Store) -> dict[str, Any]:
    """Return where the thread of the model stands, in the words of ``Replay.seen``."""
    if store.status == "created":
        return {"status": "created"}
    due = protocol.graph[store.cursor] if store.cursor < len(protocol.graph) else ()
    return {
        "status": store.status,
        "run": store.run,
        "cursor": store.cursor,
        "remaining": store.remaining,
        "steps": {step.name: (step.state, step.losses) for step in store.steps},
        "due": set(store.due),
        "results": {kept for kept in store.results if kept.name.removesuffix("'") in due},
        "state": list(store.state),
    }


@contextmanager
def _instead(owner: object, **methods: Callable[..., Any]) -> Iterator[None]:
    """Let an object have other methods for a while."""
    before = {name: getattr(owner, name) for name in methods}
    vars(owner).update(methods)
    yield
    vars(owner).update(before)


def _name(node: str) -> str:
    """Return how the model calls a node: an error handler after the node whose place it takes."""
    return f"{node.removeprefix(HANDLER)}'" if node.startswith(HANDLER) else node


def _outcome(known: Mapping[str, Any]) -> Outcome:
    return "wrote" if "updates" in known else "handed over" if "handler" in known else "failed"
