"""The inputs of one thread that wait for their turn, in line: each becomes a run of its own, whose id it has already.

Whoever ends a run leaves word, in the same script, that the next one is to begin; a scheduler sees to it, or inline the
process that ran the last one. Nothing depends on the process that put them there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .connection import Connection
from .errors import RunNotFound
from .failure import cancelled
from .lifecycle import RunStatus
from .plan import plan_of
from .start_scripts import StartScripts
from .waiting import restored_start, settle


@dataclass(frozen=True, slots=True)
class PendingInput:
    """An input that waits for its turn."""

    thread_id: str
    #: The run that it becomes.
    run_id: str
    graph: str
    input: Any
    #: How it was put there: enqueue; or interrupt or rollback, which go first.
    on_busy: str
    #: Since when it waits, in milliseconds since the epoch.
    since_ms: int


class Inputs:
    """The inputs that wait on one thread."""

    def __init__(self, connection: Connection, thread_id: str) -> None:
        self._connection = connection
        self._thread_id = thread_id
        self._scripts = StartScripts(connection.client)

    def __len__(self) -> int:
        return len(self.run_ids())

    def run_ids(self) -> Sequence[str]:
        """Return the ids of the runs that the inputs become, in the order of their turns."""
        found = self._connection.redis.zrange(self._connection.place(self._thread_id).keys.inputs, 0, -1)
        return [run.decode() for run in found]

    def list(self) -> Sequence[PendingInput]:
        """Return the inputs, in the order of their turns."""
        found = (self._read(run_id) for run_id in self.run_ids())
        return [one for one in found if one is not None]  # one that has begun meanwhile does not wait

    def move(self, run_id: str, place: int) -> None:
        """Give an input another place in line; 0 is the first one.

        Raises:
            RunNotFound: none of this id waits.
            ValueError: the place is below 0.
        """
        if place < 0:
            raise ValueError(f"The first place in line is 0, got {place}.")
        at = self._connection.place(self._thread_id)
        if not self._scripts.move_input(at, run=run_id, to=place):
            raise RunNotFound(self._thread_id, run_id)

    def remove(self, run_id: str, reason: str = "") -> bool:
        """Drop an input, whose run ends as cancelled; return whether it waited.

        The active run goes on where it was to stop for this one, and has not stopped.
        """
        if run_id not in self.run_ids():
            return False
        return settle(self._connection, self._thread_id, run_id, RunStatus.CANCELLED, cancelled(reason))

    def clear(self, reason: str = "") -> int:
        """Drop all inputs; return how many there were."""
        return sum(self.remove(run_id, reason) for run_id in self.run_ids())

    def release(self) -> bool:
        """Let the inputs have their turn although the thread waits for a person, whose question is dropped with that.

        Returns:
            Whether they waited for one.
        """
        place = self._connection.place(self._thread_id)
        return self._scripts.release_inputs(place, token=place.keys.token)

    def next(self) -> str | None:
        """Return the run that is to begin now; None while the thread is not free, or nothing waits."""
        place, settings = self._connection.place(self._thread_id), self._connection.settings
        waits = {"wait_ms": settings.queue_wait_ms, "wait_max_ms": settings.queue_wait_max_ms}
        return self._scripts.look_at_inputs(place, token=place.keys.token, **waits)

    def _read(self, run_id: str) -> PendingInput | None:
        key = self._connection.place(self._thread_id, run_id).named("run")
        names = ["plan", "start", "on_busy", "turn"]
        plan, start, on_busy, turn = self._connection.redis.hmget(key, names)
        if plan is None or start is None or turn is None:
            return None
        graph = plan_of(self._thread_id, self._connection.restored(plan, key, "plan"))["graph"]
        _, value, _ = restored_start(self._connection, self._thread_id, run_id, start)
        how = (on_busy or b"").decode()
        return PendingInput(self._thread_id, run_id, graph, value, how, int(turn))
