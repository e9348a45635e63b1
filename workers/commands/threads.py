"""The commands that look at threads."""

from dataclasses import asdict
from typing import Any

import click

from graphs.priority import DEFAULT_PRIORITY
from scheduler.delayed import DelayedRun, DelayedRuns
from scheduler.dispatch import version_queue
from scheduler.inputs import PendingInput
from scheduler.lifecycle import ThreadStatus
from scheduler.snapshots import StateSnapshot
from scheduler.thread import PendingStep, Thread

from ..desk import Desk
from ..exhibit import opened
from ..rendering import compact, moment, print_fields, print_json, print_table
from .arguments import Pair, json_option, thread_argument, with_desk

_STATUSES = click.Choice([str(status) for status in ThreadStatus])


@click.command()
@click.option("--status", type=_STATUSES, default=None, help="Only threads in this status.")
@click.option("--metadata", type=Pair(), multiple=True, metavar="KEY=VALUE", help="Only threads that have it.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At the most so many.")
@json_option
@with_desk
def threads(desk: Desk, status: str | None, metadata: tuple[tuple[str, Any], ...], limit: int, as_json: bool) -> None:
    """List threads, the one changed last first.

    \b
    Examples:
      treadle threads --status failed
      treadle threads --metadata user=ada --limit 10
    """
    found = desk.client.threads.list(status, dict(metadata), limit)
    if as_json:
        print_json([asdict(thread) for thread in found])
        return
    columns = ("thread", "status", "graph", "changed", "active run", "metadata")
    print_table(columns, map(_row, found), empty="There are no such threads.")


@click.command()
@thread_argument
@click.option("--checkpoint", default=None, metavar="ID", help="One of its checkpoints; where it stands when left out.")
@json_option
@with_desk
def state(desk: Desk, thread_id: str, checkpoint: str | None, as_json: bool) -> None:
    """Show where a thread stands: its values, the nodes due next, and what they ask.

    THREAD may be the file, or the URL, of one that is archived: it ends with .treadle, and needs no Redis.

    \b
    Examples:
      treadle state my-1
      treadle state archive/my-1.*.treadle
    """
    desk, thread_id = opened(desk, thread_id)
    thread = desk.client.threads.get(thread_id)
    if thread.cursor is None and thread.archive is None:
        snapshot = StateSnapshot({}, (), {}, None, None, None, ())
    else:
        snapshot = desk.current(thread_id, checkpoint)
    if as_json:
        print_json({"thread": thread_id, "status": thread.status, **_record(snapshot)})
        return
    print_fields(
        {
            "thread": thread_id,
            "status": thread.status,
            "graph": thread.graph or "-",
            "checkpoint": _checkpoint_of(snapshot) or "-",
            "made": snapshot.created_at or "-",
            "next": ", ".join(snapshot.next) or "nothing",
            **{f"asks {one.id}": compact(one.value) for one in snapshot.interrupts},
        }
    )
    print_json(snapshot.values)


@click.command()
@thread_argument
@click.option("--limit", type=click.IntRange(min=1), default=None, help="At the most so many.")
@json_option
@with_desk
def history(desk: Desk, thread_id: str, limit: int | None, as_json: bool) -> None:
    """List a thread's checkpoints, the newest first; THREAD may be the file of one that is archived.

    \b
    Examples:
      treadle history my-1 --limit 5
      treadle history my-1 --json
    """
    desk, thread_id = opened(desk, thread_id)
    thread = desk.client.threads.get(thread_id)
    found = desk.history(thread_id, limit) if thread.cursor is not None or thread.archive is not None else []
    if as_json:
        print_json([_record(snapshot) for snapshot in found])
        return
    columns = ("checkpoint", "step", "source", "made", "next")
    print_table(columns, map(_checkpoint_row, found), empty=f"Thread {thread_id} has no checkpoint yet.")


@click.command()
@thread_argument
@json_option
@with_desk
def pending(desk: Desk, thread_id: str, as_json: bool) -> None:
    """Show a thread's steps in flight: on which worker, since when, due when.

    "due" is when somebody looks at the step again: at the end of its lease, of its sleep, of its pause before another
    attempt, or when its message may have been lost. A run that begins later is "delayed", and due when it begins; one
    that waits for its turn is "enqueued".

    \b
    Example:
      treadle pending my-1
    """
    desk.graphs  # noqa: B018 - with them, what their states are made of can be read
    delayed, inputs = DelayedRuns(desk.client).list(thread_id), desk.client.threads.inputs(thread_id).list()
    if not delayed:
        desk.client.threads.get(thread_id)
    found = desk.client.threads.pending(thread_id)
    if as_json:
        print_json(
            [*map(asdict, found), *({**asdict(run), "state": "delayed"} for run in delayed), *map(_enqueued, inputs)]
        )
        return
    columns = ("node", "state", "attempt", "worker", "since", "due", "queue", "step")
    print_table(
        columns,
        [*map(_step_row, found), *map(_delayed_row, delayed), *map(_input_row, inputs)],
        empty=f"Thread {thread_id} has nothing in flight.",
    )


def _row(thread: Thread) -> tuple[object, ...]:
    metadata = compact(thread.metadata) if thread.metadata else ""
    changed = moment(thread.updated_ms)
    return thread.id, thread.status, thread.graph or "-", changed, thread.run_id or "-", metadata


def _step_row(step: PendingStep) -> tuple[object, ...]:
    since, due = moment(step.since_ms), moment(step.due_ms)
    return step.node, step.state, step.attempt, step.worker or "-", since, due, _queue(step), step.id


def _queue(step: PendingStep) -> str:
    queue = step.queue or "(default)"
    queue = queue if step.version is None else version_queue(queue, step.version)
    return queue if step.priority == DEFAULT_PRIORITY else f"{queue}, priority {step.priority}"


def _delayed_row(run: DelayedRun) -> tuple[object, ...]:
    return f"({run.graph})", "delayed", "-", "-", "-", moment(run.begins_ms), "-", run.run_id


def _input_row(one: PendingInput) -> tuple[object, ...]:
    return f"({one.graph})", "enqueued", "-", "-", moment(one.since_ms), "-", "-", one.run_id


def _enqueued(one: PendingInput) -> dict[str, Any]:
    known = {"thread_id": one.thread_id, "run_id": one.run_id, "graph": one.graph, "since_ms": one.since_ms}
    return {**known, "state": "enqueued"}


def _checkpoint_row(snapshot: StateSnapshot) -> tuple[object, ...]:
    metadata = snapshot.metadata or {}
    made = (snapshot.created_at or "")[:23].replace("T", " ")
    return _checkpoint_of(snapshot), metadata["step"], metadata["source"], made, ", ".join(snapshot.next)


def _checkpoint_of(snapshot: StateSnapshot) -> str | None:
    found: str | None = snapshot.config.get("configurable", {}).get("checkpoint_id")
    return found


def _record(snapshot: StateSnapshot) -> dict[str, Any]:
    parent = (snapshot.parent_config or {}).get("configurable", {}).get("checkpoint_id")
    steps = [{"id": step.id, "node": step.name, "error": step.error, "result": step.result} for step in snapshot.tasks]
    return {
        "checkpoint": _checkpoint_of(snapshot),
        "parent": parent,
        "made": snapshot.created_at,
        "metadata": snapshot.metadata,
        "next": snapshot.next,
        "interrupts": snapshot.interrupts,
        "steps": steps,
        "values": snapshot.values,
    }
