"""What clients do meanwhile: begin runs on many threads and answer what is asked, whatever is down at the moment."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

from scheduler.lifecycle import ThreadStatus
from treadle.errors import AlreadyResumed, RunNotFound, StoreUnavailable, ThreadBusy
from treadle.graph import CompiledStateGraph
from treadle.types import Command

#: What a client meets when Redis is down or was, or when somebody else was faster, and after which it looks again.
_PASSING = (StoreUnavailable, ThreadBusy, AlreadyResumed, RunNotFound, TimeoutError)
_PAUSE_S, _WAIT_S = 0.1, 2.0
#: Which part of the time new turns are begun in.
_BUSY_PART = 0.9


class Script(Protocol):
    """What a client says to a thread."""

    def input(self, turn: int, values: Mapping[str, Any]) -> Any:
        """Return the input of a turn."""

    def reply(self, turn: int) -> Any:
        """Return the answer to a question; None where nobody answers."""


@dataclass(frozen=True, slots=True)
class Role:
    """A thread, and how it is played."""

    thread_id: str
    graph: CompiledStateGraph
    script: Script

    @property
    def config(self) -> dict[str, Any]:
        """The thread, as the API is told."""
        return {"configurable": {"thread_id": self.thread_id}}


class Load:
    """Plays turns on many threads.

    Args:
        roles: the threads.
        turns: how many turns each of them has.
        at_once: how many clients there are: so many runs are followed at a time.
    """

    def __init__(self, roles: Sequence[Role], turns: int, at_once: int) -> None:
        self._roles = roles
        self._turns = turns
        self._at_once = at_once
        self._turn_of = {role.thread_id: Lock() for role in roles}
        self._is_over = False
        #: What no client should ever meet.
        self.problems: list[str] = []
        #: How often a client met what passes, by its name.
        self.met: dict[str, int] = {}
        #: How many turns were played to their end.
        self.played = 0

    def play(self, lasts_s: float, patience_s: float) -> None:
        """Begin the turns evenly over a span of time, and return when all are over, or patience is."""
        began, visits = time.monotonic(), [(role, turn) for turn in range(self._turns) for role in self._roles]
        until = began + lasts_s + patience_s
        with ThreadPoolExecutor(self._at_once, thread_name_prefix="client") as clients:
            for number, (role, turn) in enumerate(visits):
                at = began + lasts_s * _BUSY_PART * number / len(visits)
                clients.submit(self._visit, role, turn, at, until)

    def give_up(self) -> None:
        """Let all clients leave."""
        self._is_over = True

    def _visit(self, role: Role, turn: int, at: float, until: float) -> None:
        while (left_s := at - time.monotonic()) > 0 and not self._is_over:
            time.sleep(min(left_s, _WAIT_S))
        with self._turn_of[role.thread_id]:
            while time.monotonic() < until and not self._is_over:
                try:
                    if self._step(role, turn):
                        self.played += 1
                        return
                except _PASSING as error:
                    name = type(error).__name__
                    self.met[name] = self.met.get(name, 0) + 1
                except Exception as error:  # a client is to meet nothing else
                    self.problems.append(f"{role.thread_id}: {error!r:.300}")
                time.sleep(_PAUSE_S)
        self.problems.append(f"{role.thread_id}: turn {turn} did not come to its end")

    def _step(self, role: Role, turn: int) -> bool:
        """Do what is to be done next on a thread; return whether its turn is over.

        What the thread says counts, and nothing that this client remembers: a run may have begun though nobody heard.
        """
        thread = role.graph.threads.find(role.thread_id)
        config = {**role.config, "metadata": {"turn": turn}}
        if thread is not None and thread.status is ThreadStatus.RUNNING:
            with suppress(TimeoutError):
                role.graph.run_handle(role.thread_id, thread.run_id).wait(_WAIT_S)
            return False
        if thread is not None and thread.status is ThreadStatus.PAUSED:
            return self._answer(role, turn, config)
        last = last_turn(role)
        if last >= turn:
            return True
        values = role.graph.get_state(role.config).values
        config["metadata"]["turn"] = last + 1
        role.graph.submit(role.script.input(last + 1, values or {}), config)
        return False

    def _answer(self, role: Role, turn: int, config: dict[str, Any]) -> bool:
        reply, asked = role.script.reply(turn), role.graph.get_state(role.config).interrupts
        if reply is None or not asked:
            return not any(one for one in asked) and reply is not None
        config["metadata"]["turn"] = last_turn(role)
        role.graph.submit(Command(resume={one.id: role.script.reply(last_turn(role)) for one in asked}), config)
        return False


def last_turn(role: Role) -> int:
    """Return the turn of a thread's newest run, by the metadata that it was given; -1 for a thread without any."""
    runs = role.graph.checkpointer.client.runs.recent(role.thread_id, 1)  # type: ignore[union-attr]
    return int(runs[0].metadata.get("turn", 0)) if runs else -1
