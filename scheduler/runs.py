"""The store of runs: look up, list, cancel, end."""

from collections import OrderedDict
from collections.abc import Mapping

from .budget import amounts_of
from .connection import Connection
from .errors import RunNotFound
from .failure import Failure, cancelled, lost, status_of, timed_out
from .json_text import decoded
from .lifecycle import RunStatus
from .moves import ended, finish_entries
from .plan import plan_of
from .run import Run
from .scripts import Request
from .waiting import settle

_CACHE_SIZE = 1024


class RunStore:
    """Reads runs, and ends them from the outside."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._plans: OrderedDict[tuple[str, str], Run] = OrderedDict()

    def load(self, thread_id: str, run_id: str) -> Run:
        """Return a run as it was begun; its status may be an old one, what it is made of never changes.

        Raises:
            RunNotFound: the thread has no run of this id.
        """
        return self._plans.get((thread_id, run_id)) or self._keep(self.get(thread_id, run_id))

    def knows(self, thread_id: str, run_id: str) -> bool:
        """Return whether ``load`` would ask nobody, and need not: other workers may upgrade a run."""
        known = self._plans.get((thread_id, run_id))
        return known is not None and known.versioning != "auto_upgrade"

    def take(self, thread_id: str, run_id: str, fields: Mapping[bytes, bytes]) -> None:
        """Remember a run whose fields came along."""
        if fields:
            self._keep(self._run(thread_id, run_id, fields))

    def get(self, thread_id: str, run_id: str) -> Run:
        """Return a run as it is now.

        Raises:
            RunNotFound: the thread has no run of this id.
        """
        place = self._connection.place(thread_id, run_id)
        fields = self._connection.redis.hgetall(place.named("run"))
        if not fields:
            raise RunNotFound(thread_id, run_id)
        return self._run(thread_id, run_id, fields)

    def status(self, thread_id: str, run_id: str) -> RunStatus:
        """Return a run's status.

        Raises:
            RunNotFound: the thread has no run of this id.
        """
        status = self._connection.redis.hget(self._connection.place(thread_id, run_id).named("run"), "status")
        if status is None:
            raise RunNotFound(thread_id, run_id)
        return RunStatus(status.decode())

    def before(self, run: Run) -> Run | None:
        """Return the run that a thread had before its newest one; None where this is not its newest, or its first."""
        newest = self.recent(run.thread_id, 2)
        return newest[1] if len(newest) > 1 and newest[0].id == run.id else None

    def recent(self, thread_id: str, limit: int = 20) -> list[Run]:
        """Return a thread's runs, the newest first."""
        if limit < 1:
            return []
        found = self._connection.redis.lrange(self._connection.place(thread_id).keys.runs, 0, limit - 1)
        return [self.get(thread_id, run_id.decode()) for run_id in found]

    def drain(self, thread_id: str, run_id: str, reason: str) -> None:
        """Let a run stop when its superstep closes; one that is over is left as it is."""
        place = self._connection.place(thread_id, run_id)
        sealed = self._connection.sealing.seal(reason.encode(), place.named("run"), "drain")
        self._connection.scripts.drain_run(place, run=run_id, reason=sealed)

    def drain_reason(self, thread_id: str, run_id: str) -> str | None:
        """Return why a run shall stop; None: it shall not."""
        key = self._connection.place(thread_id, run_id).named("run")
        reason = self._connection.redis.hget(key, "drain")
        return None if reason is None else self._connection.sealing.open(reason, key, "drain").decode()

    def breach(self, thread_id: str, run_id: str) -> str:
        """Return which limits of what it may spend a run has reached, as JSON; nothing where none."""
        found = self._connection.redis.hget(self._connection.place(thread_id, run_id).named("run"), "breach")
        return (found or b"").decode()

    def cancel(self, thread_id: str, run_id: str, reason: str = "") -> bool:
        """Cancel a run: a durable record first, then its workers notice; return whether it was still active."""
        failure = cancelled(reason)
        return (
            self.end(thread_id, run_id, failure)
            or settle(self._connection, thread_id, run_id, RunStatus.CANCELLED, failure)
            or self.end(thread_id, run_id, failure)  # it began in between
        )

    def end(self, thread_id: str, run_id: str, failure: Failure, *, lapsed: bool = False) -> bool:
        """End a run with a failure, at its last checkpoint; return whether it was still active.

        Args:
            thread_id: the thread.
            run_id: the run.
            failure: why.
            lapsed: only when the process of this inline run has fallen silent.
        """
        place, status = self._connection.place(thread_id, run_id), status_of(failure)
        request = Request(
            {
                "token": place.keys.token,
                "run": run_id,
                "lapsed": lapsed,
                "inline": self._connection.dispatcher.inline,
                "ended": ended(status, error=True),
                "entries": finish_entries(run_id, status, error=self._connection.words(place.keys, failure["repr"])),
            },
            [self._connection.stored(failure, "The failure", place.named("run"), "error")],
        )
        answer, _ = self._connection.scripts.end_run(place, request)
        if answer == "ended":
            self._connection.witness.ended(lambda: self.load(thread_id, run_id), status)
        return answer == "ended"

    def look_at(self, thread_id: str, run_id: str) -> str:
        """End a run that is past a deadline, or whose own process fell silent; return which, or nothing."""
        place = self._connection.place(thread_id, run_id)
        finding = self._connection.scripts.look_at_run(place, run=run_id, member=place.run_member())
        if finding == "timeout":
            self.end(thread_id, run_id, timed_out("The run", self.get(thread_id, run_id).limit_s))
        if finding == "superstep":
            limit_s = self.load(thread_id, run_id).step_timeout_s or 0
            self.end(thread_id, run_id, timed_out("A superstep", limit_s))
        if finding == "lost":
            self.end(thread_id, run_id, lost("(inline)", 1), lapsed=True)
        return finding

    def _keep(self, run: Run) -> Run:
        self._plans[run.thread_id, run.id] = run
        while len(self._plans) > _CACHE_SIZE:
            self._plans.popitem(last=False)
        return run

    def _run(self, thread_id: str, run_id: str, fields: Mapping[bytes, bytes]) -> Run:
        key, restored = self._connection.place(thread_id, run_id).named("run"), self._connection.restored
        plan = plan_of(thread_id, restored(fields[b"plan"], key, "plan"))
        error = fields.get(b"error")
        return Run(
            run_id,
            thread_id,
            **{
                **plan,
                "fingerprint": fields.get(b"version", b"").decode() or plan["fingerprint"],
                "interrupt_before": tuple(plan["interrupt_before"]),
                "interrupt_after": tuple(plan["interrupt_after"]),
            },
            status=RunStatus(fields[b"status"].decode()),
            started_ms=_int(fields, b"started"),
            ended_ms=_int(fields, b"ended"),
            deadline_ms=_int(fields, b"deadline"),
            checkpoint=fields.get(b"checkpoint", b"").decode() or None,
            log_start=_int(fields, b"log_start") or _int(fields, b"noted") or 0,
            error=None if error is None else restored(error, key, "error"),
            spent=amounts_of(fields, "spent:"),
            breach=tuple(decoded(fields[b"breach"])) if b"breach" in fields else (),
        )


def _int(fields: Mapping[bytes, bytes], name: bytes) -> int | None:
    value = fields.get(name)
    return None if value is None else int(float(value))
