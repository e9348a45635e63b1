"""The commands about inputs that wait for their turn on a busy thread."""

from dataclasses import asdict
from typing import Any

import click

from scheduler.errors import RunNotFound
from scheduler.inputs import Inputs, PendingInput

from ..desk import Desk
from ..rendering import compact, moment, print_json, print_table
from .arguments import confirmed, json_option, thread_argument, with_desk, yes_option

_run = click.argument("run_id", metavar="RUN")


@click.group()
def inputs() -> None:
    """Look after inputs that wait for their turn on a thread: list, move, remove, clear, release.

    They come from `treadle run --on-busy enqueue`, interrupt and rollback, or `on_busy=` in Python. Each begins as a
    run of its own when the one before it has ended; where a run asks a person, they wait for the answer.

    \b
    Examples:
      treadle inputs list my-1
      treadle inputs clear my-1
    """


@inputs.command("list")
@thread_argument
@json_option
@with_desk
def list_(desk: Desk, thread_id: str, as_json: bool) -> None:
    """List the inputs that wait on a thread, in the order of their turns.

    \b
    Example:
      treadle inputs list my-1
    """
    desk.graphs  # noqa: B018 - with them, what their states are made of can be read
    found = _line(desk, thread_id).list()
    if as_json:
        print_json([asdict(one) for one in found])
        return
    columns = ("place", "run", "graph", "how", "since", "input")
    rows = [_row(place, one) for place, one in enumerate(found)]
    print_table(columns, rows, empty=f"No input waits on thread {thread_id}.")


@inputs.command()
@thread_argument
@_run
@click.argument("place", type=click.IntRange(min=0))
@json_option
@with_desk
def move(desk: Desk, thread_id: str, run_id: str, place: int, as_json: bool) -> None:
    """Give an input another PLACE in line; 0 is the first one. RUN may be the beginning of its id.

    \b
    Example:
      treadle inputs move my-1 RUN 0      # `treadle inputs list my-1` has the RUN
    """
    run_id = _whole(desk, thread_id, run_id)
    desk.client.threads.inputs(thread_id).move(run_id, place)
    line = desk.client.threads.inputs(thread_id).run_ids()
    if as_json:
        print_json({"thread": thread_id, "runs": line})
    else:
        click.echo(f"Run {run_id} is at place {line.index(run_id) if run_id in line else place}.")


@inputs.command()
@thread_argument
@_run
@click.option("--reason", default="", metavar="TEXT", help="Why, for the log.")
@json_option
@with_desk
def remove(desk: Desk, thread_id: str, run_id: str, reason: str, as_json: bool) -> None:
    """Drop an input that waits; its run ends as cancelled. RUN may be the beginning of its id.

    \b
    Example:
      treadle inputs remove my-1 RUN --reason 'said twice'      # `treadle inputs list my-1` has the RUN
    """
    run_id = _whole(desk, thread_id, run_id)
    removed = desk.client.threads.inputs(thread_id).remove(run_id, reason)
    _tell(thread_id, f"Run {run_id} is dropped." if removed else "It has begun.", as_json=as_json, removed=removed)


@inputs.command()
@thread_argument
@yes_option
@json_option
@with_desk
def clear(desk: Desk, thread_id: str, yes: bool, as_json: bool) -> None:
    """Drop all inputs that wait on a thread; its active run goes on.

    \b
    Example:
      treadle inputs clear my-1 --yes
    """
    waiting = _line(desk, thread_id)
    confirmed(f"Drop all inputs that wait on thread {thread_id} ({len(waiting)})?", yes=yes)
    removed = waiting.clear()
    _tell(thread_id, f"Inputs dropped: {removed}.", as_json=as_json, removed=removed)


@inputs.command()
@thread_argument
@yes_option
@json_option
@with_desk
def release(desk: Desk, thread_id: str, yes: bool, as_json: bool) -> None:
    """Let inputs have their turn although the thread waits for a person; what that was asked is dropped.

    \b
    Example:
      treadle inputs release my-1
    """
    line = _line(desk, thread_id)
    confirmed(f"Let the inputs begin, and drop what thread {thread_id} asks?", yes=yes)
    released = line.release()
    words = "The next input begins." if released else "Nothing waits for a person's answer there."
    _tell(thread_id, words, as_json=as_json, released=released)


def _line(desk: Desk, thread_id: str) -> Inputs:
    """Return the line of a thread; one that has none is an error, unless inputs wait for it to begin."""
    line = desk.client.threads.inputs(thread_id)
    if not line:
        desk.client.threads.get(thread_id)
    return line


def _whole(desk: Desk, thread_id: str, run_id: str) -> str:
    """Return the id of the input that begins with what a person wrote."""
    found = [one for one in _line(desk, thread_id).run_ids() if one.startswith(run_id)]
    if run_id in found:
        return run_id
    if len(found) > 1:
        raise click.UsageError(f"{run_id} may be {' or '.join(found)}: write more of it.")
    if not found:
        raise RunNotFound(thread_id, run_id)
    return found[0]


def _tell(thread_id: str, words: str, *, as_json: bool, **facts: Any) -> None:
    if as_json:
        print_json({"thread": thread_id, **facts})
    else:
        click.echo(words)


def _row(place: int, one: PendingInput) -> tuple[object, ...]:
    return place, one.run_id, one.graph, one.on_busy, moment(one.since_ms), compact(one.input)
