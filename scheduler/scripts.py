"""The Lua scripts, one typed method each: every write of the protocol goes through here.

A script's header is the truth about its arguments, and the callers below pass them by the names that it gives them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis

from graphs.lean_values import lean

from .calling import Call, Caller
from .json_text import decoded, encoded
from .keys import LimitKeys, ThreadKeys
from .lua_files import Source, load

#: A state of at most so many bytes travels with an answer; a larger one may be known in part, and is loaded in pieces.
TRAVELS_BYTES = 64 * 1024
#: How the due set names, in the place of a step, the questions of a thread that have a deadline.
QUESTIONS = "questions"
#: How it names the inputs of a thread that wait for their turn.
NEXT = "next"
#: And how it names a thread that is deleted when nothing has happened to it for long enough.
EXPIRY = "expiry"
#: How it names, before its id, a run that is to begin.
START = "start:"
#: What a script is passed: by the names that its header has, or in their order.
_Args = Mapping[str, Any] | Sequence[Any]


@dataclass(slots=True)
class Request:
    """The JSON argument of a script, and the bytes that follow it in the order in which the script takes them."""

    body: dict[str, Any]
    blobs: list[bytes] = field(default_factory=list)

    def args(self) -> list[bytes]:
        """Return the script's arguments."""
        return [encoded(self.body), *self.blobs]


@lean(frozen=True, slots=True)
class Place:
    """Which keys a script works on: a thread's, of one run and one frame."""

    keys: ThreadKeys
    run_id: str = ""
    ns: str = ""

    def member(self, step_id: str) -> str:
        """Return how the due set names a step of this thread."""
        return f"{self.keys.token} {step_id}"

    def run_member(self) -> str:
        """Return how the due set names this run."""
        return f"{self.keys.token} run:{self.run_id}"

    def start_member(self) -> str:
        """Return how the due set names this run while it has not begun."""
        return f"{self.keys.token} {START}{self.run_id}"

    def turn_member(self) -> str:
        """Return how the due set names the inputs of this thread that wait for their turn."""
        return f"{self.keys.token} {NEXT}"

    def named(self, name: str) -> str:
        """Return the key that a script's header calls by this name."""
        if name == "run":
            return self.keys.run(self.run_id)
        return self.keys.named(name, self.ns) if self.ns else self.keys.at_root[name]


@lean(frozen=True, slots=True)
class Leased:
    """What a worker is told that asks for a lease."""

    verdict: str
    #: The step's record; nothing where the message came to nothing.
    step: dict[str, Any]
    #: The record of the step that called its frame; nothing at the root.
    caller: dict[str, Any]
    #: The fields of its run, where the worker did not know them.
    run: dict[bytes, bytes] | None = None
    #: The record of the checkpoint and the chunks of its channels, where the worker did not hold it and it is small.
    state: tuple[bytes, dict[str, bytes]] | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a thread stands."""

    #: Its fields; nothing where it is not there.
    thread: dict[bytes, bytes]
    cursor: bytes | None
    #: As for Leased, of the checkpoint at the cursor.
    state: tuple[bytes, dict[str, bytes]] | None = None


class Scripts:
    """Runs the scripts on one Redis.

    Every method raises StoreUnavailable when Redis does not answer, is full, or only reads.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._caller = Caller(client)

    def start_run(self, place: Place, request: Request) -> list[Any]:
        """Begin a run."""
        return self._strings(self._run("start_run", place, request.args()))

    def lease_step(self, place: Place, **args: str | int) -> "Leased":
        """Take the lease on a step."""
        verdict, *told = self._run("lease_step", place, args)
        step, caller, run, state = told or (None, None, None, None)
        return Leased(verdict.decode(), _record(step), _record(caller), _pairs(run), state and _state(*state))

    def look_at_thread(self, place: Place, **args: str | int) -> "Standing":
        """Read a thread, and where it stands."""
        fields, cursor, state = self._run("look_at_thread", place, args)
        return Standing(_pairs(fields) or {}, cursor, state and _state(*state))

    def renew_step(self, steps: Iterable[tuple[Place, Mapping[str, str | int]]]) -> list[int | bytes | Exception]:
        """Keep the leases on steps; return for each its slot, or 1, while it is this worker's, and else 0."""
        return self._run_each("renew_step", steps)

    def release_step(self, place: Place, **args: str | int) -> bool:
        """Hand a lease back; return whether it was this worker's."""
        return bool(self._run("release_step", place, args))

    def pass_on_step(self, place: Place, **args: str | int) -> bool:
        """Give a step back for workers with another version of its graph; return whether it was this worker's."""
        return bool(self._run("pass_on_step", place, args))

    def upgrade_run(self, place: Place, **args: str) -> bool:
        """Let a run go on with a newer version of its graph; return whether it does."""
        return bool(self._run("upgrade_run", place, args))

    def retry_step(self, place: Place, **args: str | int | bytes) -> bool:
        """Let a step wait for its next attempt; return whether the lease was still good."""
        return bool(self._run("retry_step", place, args))

    def sleep_step(self, place: Place, **args: str | int | bytes) -> bool:
        """Let a step sleep until a moment; return whether the lease was still good."""
        return bool(self._run("sleep_step", place, args))

    def hand_over_step(self, place: Place, request: Request) -> bool:
        """Let an error handler take over from a step; return whether the step's lease was still good."""
        return bool(self._run("hand_over_step", place, request.args()))

    def put_result(self, place: Place, **args: str | int | bytes) -> tuple[int, list[dict[str, Any]]]:
        """Keep a parallel step's result; return how many are open (-1: the lease was lost), and which held ones go."""
        remaining, *gone = self._run("put_result", place, args)
        return int(remaining), list(map(_record, gone))

    def let_go_held(self, place: Place, **args: str | int) -> list[dict[str, Any]]:
        """Let steps go that are held behind one that was leased; return their records."""
        return list(map(_record, self._run("let_go_held", place, args)))

    def put_call(self, place: Place, **args: str | int | bytes) -> bool:
        """Keep what a task returned; return whether the lease of the step that called it was still good."""
        return bool(self._run("put_call", place, args))

    def look_at_budget(self, place: Place, **args: str | int | bytes) -> str:
        """Look which limits are reached; return them as JSON, or nothing for none."""
        return str(self._run("look_at_budget", place, args).decode())

    def commit_superstep(self, place: Place, request: Request) -> str:
        """Close a superstep; return committed, moved, open, lost or drained."""
        return str(self._run("commit_superstep", place, request.args()).decode())

    def call_frame(self, place: Place, request: Request) -> str:
        """Let a step call a graph; return called or lost."""
        return str(self._run("call_frame", place, request.args()).decode())

    def return_frame(self, place: Place, request: Request) -> str:
        """End a frame before its graph has; return returned, moved, open or lost."""
        return str(self._run("return_frame", place, request.args()).decode())

    def end_run(self, place: Place, request: Request) -> tuple[str, list[dict[str, Any]]]:
        """End a run; return ended, over or open, and the records of the steps that were in flight."""
        answer, *steps = self._run("end_run", place, request.args())
        return answer.decode(), [decoded(step) for step in steps]

    def drain_run(self, place: Place, **args: str | bytes) -> bool:
        """Ask a run to stop between two steps; return whether it is still active."""
        return bool(self._run("drain_run", place, args))

    def renew_run(self, place: Place, **args: str | int) -> bool:
        """Say that an inline run's process is alive; return whether the run is still active."""
        (answer,) = self._run_each("renew_run", [(place, args)])
        if isinstance(answer, Exception):
            raise answer
        return bool(answer)

    def forget_deadlines(self, place: Place, request: Request) -> None:
        """Forget the deadlines of questions that wait no more."""
        self._run("forget_deadlines", place, request.args())

    def look_at_run(self, place: Place, **args: str | int) -> str:
        """Look at a run that fell due; return timeout, superstep, lost, or nothing to do."""
        return str(self._run("look_at_run", place, args).decode())

    def redispatch_step(
        self, steps: Iterable[tuple[Place, str]], *, wait_ms: int, wait_max_ms: int
    ) -> list[bytes | Exception | None]:
        """Look at steps that fell due; return the record (JSON) of each whose message is to be sent again."""
        waits = {"wait_ms": wait_ms, "wait_max_ms": wait_max_ms}
        args = ((at, {"step": step, "member": at.member(step), "token": at.keys.token, **waits}) for at, step in steps)
        return self._run_each("redispatch_step", args)

    def put_checkpoint(self, place: Place, request: Request) -> list[Any]:
        """Move the cursor of a thread that rests."""
        return self._strings(self._run("put_checkpoint", place, request.args()))

    def set_budget(self, place: Place, **args: str | bytes) -> str:
        """Set what the runs of a thread may spend together; return set, moved or unknown."""
        return str(self._run("set_budget", place, args).decode())

    def set_status(self, place: Place, request: Request, becoming: Sequence[str] = ()) -> list[Any]:
        """Create, terminate or archive a thread; ``becoming``: keys in pairs, each first one becomes the second."""
        return self._strings(self._run("set_status", place, request.args(), becoming))

    def delete_thread(self, place: Place, run_ids: Sequence[str], frames: Sequence[str]) -> list[Any]:
        """Delete a thread, its runs and frames; return deleted, busy (by which run, since when), unknown or more.

        Args:
            place: the thread.
            run_ids: the runs that it had, and those that are to begin.
            frames: the namespaces of its frames.
        """
        args = {"token": place.keys.token, "runs": encoded([*run_ids])}
        return self._strings(self._run("delete_thread", place, args, self._owned(place, run_ids, frames)))

    def pack_chunks(self, place: Place, **args: str | int | bytes) -> int:
        """Put the oldest chunks of a value into a block; return how many of its blocks are settled."""
        return int(self._run("pack_chunks", place, args))

    def pack_log(self, place: Place, **args: int | bytes) -> int:
        """Put the oldest entries of a log into a block; return how many blocks it has."""
        return int(self._run("pack_log", place, args))

    def reseal_value(self, calls: Iterable[tuple[Sequence[str], Sequence[Any]]]) -> list[int]:
        """Put values that were sealed anew in the place of others; return 1 of each that was still the same."""
        answers = self._caller.call_each(Call("reseal_value", keys, args) for keys, args in calls)
        return [int(answer) for answer in answers]

    def reseal_stream(self, keys: Sequence[str], **args: str | bytes) -> bool:
        """Put a stream in the place of another one; return whether that was still there."""
        return bool(self._caller.call(Call("reseal_stream", keys, [args[name] for name in load("reseal_stream").args])))

    def publish_event(self, place: Place, **args: str | int | bytes) -> int:
        """Publish a live event; return its sequence number, or 0 when the run is over."""
        return int(self._run("publish_event", place, args))

    def take_due(self, due_keys: Iterable[str], *, limit: int, hold_ms: int) -> list[list[bytes] | Exception]:
        """Take what fell due in each of some partitions."""
        calls = (Call("take_due", [due_key], [limit, hold_ms]) for due_key in due_keys)
        return self._caller.call_each(calls, patient=False)

    def cache_put(self, item_key: str, index_key: str, **args: str | int | bytes) -> None:
        """Keep an entry of the cache."""
        self._caller.call(Call("cache_put", [item_key, index_key], [args[name] for name in load("cache_put").args]))

    def _run(self, name: str, place: Place | LimitKeys, args: _Args, more_keys: Sequence[str] = ()) -> Any:
        keys, values = _passed(load(name), place, args)
        return self._caller.call(Call(name, [*keys, *more_keys], values))

    def _run_each(self, name: str, calls: Iterable[tuple[Place | LimitKeys, Mapping[str, Any]]]) -> list[Any]:
        source = load(name)
        return self._caller.call_each((Call(name, *_passed(source, *call)) for call in calls), patient=False)

    @staticmethod
    def _owned(place: Place, run_ids: Sequence[str], frames: Sequence[str]) -> list[str]:
        """Return the keys of runs, and of frames below the root."""
        return [*map(place.keys.run, run_ids), *(key for ns in frames for key in place.keys.of_frame(ns))]

    @staticmethod
    def _strings(answer: Sequence[Any]) -> list[Any]:
        return [part.decode() if isinstance(part, bytes) else part for part in answer]


def _record(raw: bytes | None) -> dict[str, Any]:
    return {} if raw is None else dict(decoded(raw))


def _pairs(flat: Any) -> dict[bytes, bytes] | None:
    return None if flat is None else dict(zip(flat[::2], flat[1::2], strict=True))


def _state(record: bytes, names: bytes, chunks: Sequence[bytes]) -> tuple[bytes, dict[str, bytes]]:
    return record, dict(zip(decoded(names), chunks, strict=True))


def _passed(source: Source, place: Place | LimitKeys, args: _Args) -> tuple[Sequence[str], Sequence[Any]]:
    keys = [place.named(key) for key in source.keys]
    return keys, [args[arg] for arg in source.args] if isinstance(args, Mapping) else args
