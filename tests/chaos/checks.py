"""The promises, each as a function of what was found: what it returns are the sentences on how it was broken."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from urllib.parse import quote

from .evidence import Evidence, Findings

#: Takes what was found; yields what is wrong.
Check = Callable[[Findings], Iterator[str]]

_REST = ("idle", "paused", "failed", "cancelled")
_OF_CELERY = ("WorkerLostError('Could not start worker processes')", "ValueError('file descriptor is None')")
_DONE = ("success", "interrupted")


def every_thread_is_there_and_rests(found: Findings) -> Iterator[str]:
    """Yield the threads that are lost, or that still run."""
    for thread in found.threads:
        if thread.status not in _REST:
            yield f"{thread.thread_id} is {thread.status}, with {', '.join(thread.pending) or 'nothing'} in flight"


def every_run_has_ended_well(found: Findings) -> Iterator[str]:
    """Yield the runs that have not ended, or not as they should."""
    for thread in found.threads:
        for run in thread.runs:
            if run.status not in _DONE or run.error is not None:
                why = (run.error or {}).get("repr", "")
                yield f"run {run.id} of {thread.thread_id} is {run.status} {why}".rstrip()


def every_step_was_committed_once(found: Findings) -> Iterator[str]:
    """Yield the steps that the log has committed more than once."""
    for thread in found.threads:
        commits = Counter(entry.data.get("step") for entry in thread.log if entry.kind == "committed")
        yield from (f"{step} of {thread.thread_id} was committed {n} times" for step, n in commits.items() if n > 1)


def only_the_newest_lease_commits(found: Findings) -> Iterator[str]:
    """Yield commits under a fencing token that was not the last one handed out for the step."""
    for thread in found.threads:
        tokens: dict[str, int] = {}
        for entry in thread.log:
            step = str(entry.data.get("step"))
            if entry.kind == "leased":
                tokens[step] = entry.data["token"]
            elif entry.kind == "committed" and tokens.get(step) != entry.data["token"]:
                token = entry.data["token"]
                yield f"{step} of {thread.thread_id} was committed with token {token}, not {tokens.get(step)}"


def tokens_rise(found: Findings) -> Iterator[str]:
    """Yield fencing tokens that are not above the one before."""
    for thread in found.threads:
        tokens = [entry.data["token"] for entry in thread.log if entry.kind == "leased"]
        yield from (f"token {b} follows {a} in {thread.thread_id}" for a, b in pairwise(tokens) if b <= a)


def checkpoints_are_one_line(found: Findings) -> Iterator[str]:
    """Yield the places where a thread's history branches, or where the numbers in it have a gap."""
    for thread in found.threads:
        for before, after in pairwise(thread.checkpoints):
            if after.parent != before.id:
                yield f"{after.id} of {thread.thread_id} follows {after.parent}, not {before.id}"
            if after.step != before.step + 1:
                yield f"step {after.step} follows {before.step} in {thread.thread_id}"


def every_log_is_whole(found: Findings) -> Iterator[str]:
    """Yield logs whose chain is broken, or whose entries are out of order; live events count in the same sequence."""
    for thread in found.threads:
        if thread.broken:
            yield f"{thread.thread_id}: {thread.broken}"
        seqs = [entry.seq for entry in thread.log]
        yield from (f"entry {b} follows {a} in the log of {thread.thread_id}" for a, b in pairwise(seqs) if b <= a)


def nothing_is_in_flight(found: Findings) -> Iterator[str]:
    """Yield steps, leased or not, of threads, and what is due."""
    for thread in found.threads:
        yield from (f"{step} of {thread.thread_id} is in flight" for step in thread.pending)
    yield from (f"due: {entry}" for entry in found.due)


def no_message_is_left(found: Findings) -> Iterator[str]:
    """Yield that messages wait, though there is nothing that they could be about."""
    if found.queued:
        yield f"{found.queued} messages wait"


def every_key_belongs_to_a_thread(found: Findings) -> Iterator[str]:
    """Yield keys of threads that nobody knows, and keys that deleted threads left behind."""
    tokens = {quote(thread.thread_id, safe="-_.@/+=,") for thread in found.threads}
    for key in found.keys:
        _, _, kind, *token = key.split(":")
        if kind not in ("due", "threads", "counts") and token[0] not in tokens:
            yield f"{key} belongs to no thread"
    of_threads = (key for key in found.left if not key.endswith(":counts"))  # what has been, of the whole partition
    yield from (f"{key} is left after all threads were deleted" for key in of_threads)


def nodes_ran_under_a_lease(found: Findings) -> Iterator[str]:
    """Yield steps whose node was called more often than the step was leased."""
    for thread in found.threads:
        leases = Counter(str(entry.data["step"]) for entry in thread.log if entry.kind == "leased")
        for (thread_id, step), calls in found.calls.items():
            if thread_id == thread.thread_id and calls > leases[step]:
                yield f"{step} of {thread_id} was called {calls} times under {leases[step]} leases"


def nobody_died_by_themselves(found: Findings) -> Iterator[str]:
    """Yield workers and schedulers that ended unasked, or did not when asked; not those that Celery is known to end."""
    yield from (died for died in found.died if not is_celerys(died))


def is_celerys(died: str) -> bool:
    """Return whether Celery itself ends a worker so: one of its pool dies while it starts, or while it reconnects."""
    return any(known in died for known in _OF_CELERY)


def clients_met_nothing_else(found: Findings) -> Iterator[str]:
    """Yield errors that clients are not to expect."""
    yield from (f"{problem} ({n} times)" for problem, n in Counter(found.problems).items())


#: What holds for every graph.
GENERIC: tuple[Check, ...] = (
    every_thread_is_there_and_rests,
    every_run_has_ended_well,
    every_step_was_committed_once,
    only_the_newest_lease_commits,
    tokens_rise,
    checkpoints_are_one_line,
    every_log_is_whole,
    nothing_is_in_flight,
    no_message_is_left,
    every_key_belongs_to_a_thread,
    nodes_ran_under_a_lease,
    nobody_died_by_themselves,
    clients_met_nothing_else,
)


def states_are_exact(found: Findings, expected: Mapping[str, object], key: str | None = "trail") -> Iterator[str]:
    """Yield the threads whose state, or one key of it, is not what it must be."""
    for thread in found.threads:
        state = thread.values if key is None else thread.values.get(key)
        if state != expected[thread.thread_id]:
            yield f"{thread.thread_id} is {_short(state)}, not {_short(expected[thread.thread_id])}"


def verdicts(found: Findings, checks: tuple[Check, ...] = GENERIC) -> dict[str, list[str]]:
    """Return what each check found wrong, by the check's name in words."""
    return {check.__name__.replace("_", " "): list(check(found)) for check in checks}


def lost(found: Findings) -> int:
    """Return how many threads are lost: not there, or not at rest."""
    return len(list(every_thread_is_there_and_rests(found)))


def doubled(found: Findings) -> int:
    """Return how many commits there were beyond the first of their step."""
    return sum(
        n - 1
        for thread in found.threads
        for n in Counter(entry.data.get("step") for entry in thread.log if entry.kind == "committed").values()
    )


def turns(thread: Evidence) -> int:
    """Return how many turns a thread has played to their end: its newest run's, by the metadata that it was given."""
    return int(thread.runs[0].metadata.get("turn", 0)) + 1 if thread.runs else 0


def _short(state: object) -> str:
    text = repr(state)
    return text if len(text) < 400 else f"{text[:200]} ... {text[-200:]}"
