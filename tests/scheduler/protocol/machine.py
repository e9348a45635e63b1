"""A machine that does to two threads whatever may happen to them, and sees after each thing that all promises hold."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from graphs.commands import Command
from scheduler.errors import AlreadyResumed, LeaseLost, ThreadBusy
from tests.scheduler.stage import begin, everything, state

from .oracle import key_of
from .plays import PLAYS
from .theatre import THREADS, Line, Theatre

_FAR_TOO_OFTEN = 200

#: The scripts by which a superstep is closed, and all by which a worker commits.
CLOSES = ("commit_superstep", "end_run", "return_frame")
COMMITS = (*CLOSES, "put_result", "call_frame", "hand_over_step", "retry_step", "release_step")

HOWS = (*["says"] * 6, "fails", "retries", "releases", "renews")


@dataclass(frozen=True)
class Chance:
    """What chance says of a happening, where it has a say."""

    #: Which message, claim or step, counted from the newest.
    which: int
    #: Which worker, or scheduler.
    who: int
    how: str
    flag: bool


chances = st.builds(
    Chance, st.sampled_from((0, 0, 0, 1, 1, 2, 5)), st.integers(0, 2), st.sampled_from(HOWS), st.booleans()
)


class Machine(RuleBasedStateMachine, Theatre):
    """Three workers, two schedulers and a client, on one store."""

    @initialize(plays=st.tuples(*[st.sampled_from(sorted(PLAYS))] * len(THREADS)))
    def set_the_stage(self, plays: tuple[str, ...]) -> None:
        """Begin with an empty store."""
        self.open([PLAYS[name] for name in plays])

    # One rule, because of several hypothesis leaves some out of most lives.
    @rule(what=st.deferred(lambda: st.sampled_from(HAPPENINGS)), thread=st.sampled_from(THREADS), chance=chances)
    def happen(self, what: "Happening", thread: str, chance: Chance) -> None:
        """Let something happen to a thread that it can happen to; where there is none, a run begins."""
        fitting = [line for line in self.lines.values() if what.fits(self, line)]
        line = self.lines[thread]
        if fitting:
            what.does(self, line if line in fitting else fitting[0], chance)
        else:
            self.begin(line, chance)

    def begin(self, line: Line, chance: Chance) -> None:
        """Begin a run: with an input, or from where the thread stands, or with an answer."""
        known = self.client.threads.find(line.id)
        going_on = Command(resume="yes") if chance.flag else None
        value: Any = {"said": []} if known is None else going_on
        with self.alone(line):
            try:
                begin(self.client, line.play.graph, value, line.id, timeout=3600, max_concurrency=line.play.at_once)
            except ThreadBusy:
                assert known is not None and known.run_id is not None
            except AlreadyResumed:
                assert line.oracle.is_over

    # Messages and workers

    def deliver(self, line: Line, chance: Chance) -> None:
        """Let a message reach a worker; and perhaps it will again."""
        number = -1 - chance.which % len(line.messages)
        ref = line.messages[number] if chance.flag else line.messages.pop(number)
        with self.alone(line):
            self.claim(line, chance.who, ref)

    def go_on(self, line: Line, chance: Chance) -> None:
        """Let a worker do something with a claim, new or old, once or again; or die before it closes a superstep."""
        worker, claim = line.claims[-1 - chance.which % len(line.claims)]
        with self.alone(line), suppress(LeaseLost):
            self.act_with(line, worker, claim, chance.how, dies=chance.flag)

    def pause(self, line: Line, chance: Chance) -> None:
        """Let a worker stand still when it is about to commit, or to close the superstep of what it committed."""
        worker, claim = line.claims[-1 - chance.which % len(line.claims)]
        scripts = CLOSES if chance.flag else COMMITS
        with self.alone(line), suppress(LeaseLost), self.pausing(line, worker, *scripts):
            self.act_with(line, worker, claim, chance.how, dies=False)

    def wake_up(self, line: Line, chance: Chance) -> None:
        """Let a worker that stood still go on, and call its script."""
        with self.alone(line):
            line.late.pop(-1 - chance.which % len(line.late))()

    def take_over(self, line: Line, chance: Chance) -> None:
        """Let the lease end on what somebody runs, and another worker have the step; the first one does not notice."""
        _, claim = line.claims[-1 - chance.which % len(line.claims)]
        with self.alone(line):
            for step in self.steps_of(line.id):
                if step["id"] == claim.ref.step_id:
                    self.let_pass(line.id, step, "lease")
            self.claim(line, chance.who, claim.ref)

    # Time, schedulers, and what ends a run

    def sweep(self, line: Line, chance: Chance) -> None:
        """Let a scheduler look at everything that is due."""
        assert "not handled" not in self.watchdogs[chance.who % len(self.watchdogs)].sweep()
        self.collect()

    def pass_time(self, line: Line, chance: Chance) -> None:
        """Let a lease end, a time limit pass, or the moment come at which a step must be looked at."""
        steps = self.steps_of(line.id)
        with self.alone(line):
            self.let_pass(line.id, steps[chance.which % len(steps)], ("lease", "look", "limit")[chance.who])

    def end_a_run(self, line: Line, chance: Chance) -> None:
        """Let somebody cancel a run, or its time limit pass; or let the broker be emptied, which ends nothing."""
        place = self.client.connection.place(line.id, self.run_of(line))
        if chance.who == 0:
            with self.alone(line):
                assert self.client.runs.cancel(line.id, place.run_id)
        elif chance.who == 1:
            self.redis.hset(place.named("run"), "deadline", 1)
            self.redis.zadd(place.keys.due, {place.run_member(): 1})
        else:
            line.messages.clear()

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
            assert head.values["said"] == line.oracle.said, f"{head.values} at {head.number}, not {line.oracle.said}"
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
            held = {step["ns"] for step in steps if step["state"] == "held"}
            assert held <= {step["ns"] for step in steps if step["state"] not in ("held", "done")}, "nobody lets it go"
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
            self.begin(line, Chance(0, 0, "says", flag=True))
            for scheduler in range(2):
                self.sweep(line, Chance(0, scheduler, "says", flag=True))
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


@dataclass(frozen=True)
class Happening:
    """One kind of thing that may happen, and to which threads."""

    does: Callable[[Machine, Line, Chance], None]
    fits: Callable[[Theatre, Line], bool]

    def __repr__(self) -> str:
        return self.does.__name__


#: The likelier, the more often.
HAPPENINGS: tuple[Happening, ...] = (
    *[Happening(Machine.deliver, Theatre.has_messages)] * 4,
    *[Happening(Machine.go_on, Theatre.has_claims)] * 4,
    *[Happening(Machine.take_over, Theatre.has_claims)] * 2,
    *[Happening(Machine.pause, Theatre.has_claims)] * 2,
    *[Happening(Machine.wake_up, Theatre.has_late)] * 2,
    *[Happening(Machine.pass_time, Theatre.is_running)] * 2,
    Happening(Machine.sweep, Theatre.is_running),
    Happening(Machine.begin, lambda theatre, line: not theatre.is_running(line)),
    Happening(Machine.end_a_run, Theatre.is_running),
)
