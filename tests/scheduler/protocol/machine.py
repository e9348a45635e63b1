"""A machine that does to two threads whatever may happen to them, and sees after each thing that all promises hold."""

from contextlib import suppress
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from graphs.commands import Command
from scheduler.errors import AlreadyResumed, LeaseLost, ThreadBusy
from tests.scheduler.stage import begin, everything, state

from .oracle import key_of
from .plays import PLAYS
from .theatre import THREADS, Line, Theatre

_FAR_TOO_OFTEN = 200

threads, some = st.sampled_from(THREADS), st.integers(0, 5)
#: The scripts by which a superstep is closed, and all by which a worker commits.
CLOSES = ("commit_superstep", "end_run", "return_frame")
COMMITS = (*CLOSES, "put_result", "call_frame", "hand_over_step", "retry_step", "release_step")
hows = st.sampled_from(["says", "says", "says", "fails", "retries", "releases", "renews"])


class Machine(RuleBasedStateMachine, Theatre):
    """Three workers, two schedulers and a client, on one store."""

    @initialize(plays=st.tuples(*[st.sampled_from(sorted(PLAYS))] * len(THREADS)))
    def set_the_stage(self, plays: tuple[str, ...]) -> None:
        """Begin with an empty store."""
        self.open([PLAYS[name] for name in plays])

    # The client

    @rule(thread=threads, answers=st.booleans())
    def begin(self, thread: str, answers: bool) -> None:
        """Begin a run: with an input, or from where the thread stands, or with an answer."""
        line = self.lines[thread]
        known = self.client.threads.find(thread)
        going_on = Command(resume="yes") if answers else None
        value: Any = {"said": []} if known is None else going_on
        with self.alone(line):
            try:
                begin(self.client, line.play.graph, value, thread, timeout=3600, max_concurrency=line.play.at_once)
            except ThreadBusy:
                assert known is not None and known.run_id is not None
            except AlreadyResumed:
                assert line.oracle.is_over

    # Messages and workers

    @precondition(lambda self: self.any_of(Theatre.has_messages))
    @rule(thread=threads, which=some, worker=st.integers(0, 2), again=st.booleans())
    def deliver(self, thread: str, which: int, worker: int, again: bool) -> None:
        """Let a message reach a worker, one of the newest as a rule; and perhaps it will again."""
        line = self.choose(thread, self.has_messages)
        number = -1 - which % len(line.messages)
        ref = line.messages[number] if again else line.messages.pop(number)
        with self.alone(line):
            self.claim(line, worker, ref)

    @precondition(lambda self: self.any_of(Theatre.has_messages))
    @rule(thread=threads, which=some, worker=st.integers(0, 2), dies=st.booleans())
    def work(self, thread: str, which: int, worker: int, dies: bool) -> None:
        """Let a message reach a worker that does what it should, or dies before it closes a superstep."""
        self.deliver(thread, which, worker, again=False)
        with suppress(StopIteration):
            self.go_on(thread, 0, "says", dies, remembers=True)

    @precondition(lambda self: self.any_of(Theatre.has_claims))
    @rule(thread=threads, which=some, how=hows, dies=st.booleans(), remembers=st.booleans())
    def go_on(self, thread: str, which: int, how: str, dies: bool, remembers: bool) -> None:
        """Let a worker do something with a claim, new or old, once or again; or die before it closes a superstep."""
        line = self.choose(thread, self.has_claims)
        number = -1 - which % len(line.claims)
        worker, claim = line.claims[number] if remembers else line.claims.pop(number)
        with self.alone(line), suppress(LeaseLost):
            self.act_with(line, worker, claim, how, dies=dies)

    @precondition(lambda self: self.any_of(Theatre.has_claims))
    @rule(thread=threads, which=some, how=hows, closes=st.booleans())
    def pause(self, thread: str, which: int, how: str, closes: bool) -> None:
        """Let a worker stand still when it is about to commit, or to close the superstep of what it committed."""
        line = self.choose(thread, self.has_claims)
        worker, claim = line.claims[-1 - which % len(line.claims)]
        with self.alone(line), suppress(LeaseLost), self.pausing(line, worker, *(CLOSES if closes else COMMITS)):
            self.act_with(line, worker, claim, how, dies=False)

    @precondition(lambda self: self.any_of(Theatre.has_late))
    @rule(thread=threads, which=some)
    def wake_up(self, thread: str, which: int) -> None:
        """Let a worker that stood still go on, and call its script."""
        line = self.choose(thread, self.has_late)
        with self.alone(line):
            line.late.pop(-1 - which % len(line.late))()

    @precondition(lambda self: self.any_of(Theatre.has_claims))
    @rule(thread=threads, which=some, worker=st.integers(0, 2))
    def take_over(self, thread: str, which: int, worker: int) -> None:
        """Let the lease end on what somebody runs, and another worker have the step; the first one does not notice."""
        line = self.choose(thread, self.has_claims)
        _, claim = line.claims[-1 - which % len(line.claims)]
        with self.alone(line):
            for step in self.steps_of(line.id):
                if step["id"] == claim.ref.step_id:
                    self.let_pass(line.id, step, "lease")
            self.claim(line, worker, claim.ref)

    # Time and schedulers

    @precondition(lambda self: self.any_of(Theatre.is_running))
    @rule(thread=threads, which=some, what=st.sampled_from(["lease", "look", "limit"]))
    def time_passes(self, thread: str, which: int, what: str) -> None:
        """Let a lease end, a time limit pass, or the moment come at which a step must be looked at."""
        line = self.choose(thread, self.is_running)
        steps = self.steps_of(line.id)
        with self.alone(line):
            self.let_pass(line.id, steps[which % len(steps)], what)

    @precondition(lambda self: self.any_of(Theatre.is_running))
    @rule(thread=threads, what=st.sampled_from(["it is cancelled", "it lasts too long", "its messages are lost"]))
    def something_happens_to_a_run(self, thread: str, what: str) -> None:
        """Let somebody cancel a run, its time limit pass, or the broker be emptied."""
        line = self.choose(thread, self.is_running)
        place = self.client.connection.place(line.id, self.run_of(line))
        if what == "it is cancelled":
            with self.alone(line):
                assert self.client.runs.cancel(line.id, place.run_id)
        elif what == "it lasts too long":
            self.redis.hset(place.named("run"), "deadline", 1)
            self.redis.zadd(place.keys.due, {place.run_member(): 1})
        else:
            line.messages.clear()

    @precondition(lambda self: self.any_of(Theatre.is_running))
    @rule(which=st.integers(0, 1))
    def sweep(self, which: int) -> None:
        """Let a scheduler look at everything that is due."""
        assert "not handled" not in self.watchdogs[which].sweep()
        self.collect()

    # The promises

    @invariant()
    def log_has_no_gap_tokens_only_rise_and_steps_commit_once_under_their_last_lease(self) -> None:
        """Promises 3, 4, 7 and 9: the log says of each step what has become of it."""
        for line in self.lines.values():
            for entry in self.client.log.read(line.id, line.oracle.seq):
                line.oracle.hear(entry)

    @invariant()
    def one_cursor_that_moves_from_one_superstep_to_the_next(self) -> None:
        """Promises 2, 5 and 7: the state at the cursor is what the oracle says."""
        for line in self.lines.values():
            known = self.client.threads.find(line.id)
            if known is None or known.cursor is None:
                continue
            keys = self.client.connection.place(line.id).keys
            head = self.client.connection.checkpoints.load(keys, "", known.cursor, line.id).checkpoint
            line.oracle.move(head.number)
            assert head.values["said"] == line.oracle.said
            assert sorted(map(key_of, head.steps)) == sorted(line.oracle.due)

    @invariant()
    def everything_in_flight_is_due_and_nothing_else(self) -> None:
        """Promise 6: what nobody would look at again is lost."""
        for line in self.lines.values():
            known, steps, dues = self.client.threads.find(line.id), self.steps_of(line.id), self.dues_of(line.id)
            wanted = {step["id"] for step in steps if step["state"] in ("queued", "leased", "waiting")}
            assert wanted <= dues, f"in flight, and not due: {wanted - dues}"
            run = {f"run:{known.run_id}"} if known is not None and known.run_id else set()
            assert run <= dues <= {step["id"] for step in steps} | run, f"due, and not in flight: {dues}"
            waiting = {step["id"] for step in steps if step["state"] != "done"}
            assert waiting or not steps or dues - run, "all are done, and nobody would close"
            assert run or not steps, f"a thread that rests has steps in flight: {steps}"

    def teardown(self) -> None:
        """Whatever has happened: the threads come to their ends, and nothing is left of them once they are deleted."""
        if not hasattr(self, "lines"):
            return
        for line in self.lines.values():
            self._drive_to_the_end(line)
        self._check()
        for line in self.lines.values():
            fresh = self.process()
            assert state(fresh, line.play.graph, line.id)["said"] == line.oracle.said
            assert fresh.log.verify(line.id) is None
            fresh.threads.delete(line.id)
        assert everything(self.redis) == {}

    def _drive_to_the_end(self, line: Line) -> None:
        """Let schedulers and workers do what they do until the graph has ended; each message arrives once."""
        for _ in range(_FAR_TOO_OFTEN):
            if line.oracle.is_over and self.client.threads.get(line.id).run_id is None:
                return
            line.messages.clear()
            self.everything_falls_due(line.id)
            self.begin(line.id, answers=True)
            for which in range(2):
                self.sweep(which)
            while line.messages:
                line.claims.clear()
                self.claim(line, 0, line.messages.pop(0))
                for worker, claim in line.claims:
                    with suppress(LeaseLost):  # a caller's time limit passed while its frame gave control back
                        self.act_with(line, worker, claim, "says", dies=False)
            self._check()
        last = [(entry.kind, entry.data) for entry in self.client.log.read(line.id, line.oracle.seq - 9)]
        raise AssertionError(f"the run does not come to its end: {self.steps_of(line.id)}; {last}")

    def _check(self) -> None:
        self.log_has_no_gap_tokens_only_rise_and_steps_commit_once_under_their_last_lease()
        self.one_cursor_that_moves_from_one_superstep_to_the_next()
        self.everything_in_flight_is_due_and_nothing_else()
