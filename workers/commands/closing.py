"""The commands that end a thread's life: archive, terminate, delete."""

from pathlib import Path
from urllib.parse import quote

import click

from scheduler.lifecycle import ThreadStatus

from ..desk import Desk
from ..export import export, write
from ..rendering import print_json
from .arguments import confirmed, json_option, thread_argument, with_desk, yes_option


@click.command()
@thread_argument
@click.option(
    "--to",
    "target",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    default=None,
    help="The file; THREAD.json in this folder when left out. One that is there is not overwritten.",
)
@json_option
@with_desk
def archive(desk: Desk, thread_id: str, target: Path | None, as_json: bool) -> None:
    """Export a thread to a JSON file (its state, history, runs and log), and close it for good.

    It can still be read, and deleted. A thread that is archived already is exported again.

    \b
    Example:
      treadle archive my-1 --to my-1.json
    """
    target = target or Path(f"{quote(thread_id, safe='')}.json")
    if target.exists():
        raise click.UsageError(f"{target} is there already: name another file with --to.")
    document = export(desk.client, thread_id)
    try:
        write(target, document)  # before the thread is closed: now it is known that it can be
    except OSError as error:
        raise click.UsageError(f"{target} cannot be written: {error.strerror}.") from error
    if desk.client.threads.get(thread_id).status is not ThreadStatus.ARCHIVED:
        try:
            desk.client.threads.mark_archived(thread_id)
        except BaseException:
            target.unlink()
            raise
        write(target, export(desk.client, thread_id))  # again: from here on nothing can change any more
    if as_json:
        print_json({"thread": thread_id, "file": str(target.resolve())})
    else:
        click.echo(f"Thread {thread_id} is archived in {target}.")


@click.command()
@thread_argument
@yes_option
@json_option
@with_desk
def terminate(desk: Desk, thread_id: str, yes: bool, as_json: bool) -> None:
    """Close a thread that rests, for good: it can be read, archived and deleted, and never run again.

    \b
    Example:
      treadle terminate my-1
    """
    confirmed(f"Close thread {thread_id} for good?", yes=yes)
    status = desk.client.threads.terminate(thread_id).status
    if as_json:
        print_json({"thread": thread_id, "status": status})
    else:
        click.echo(f"Thread {thread_id} is {status}.")


@click.command()
@thread_argument
@yes_option
@json_option
@with_desk
def delete(desk: Desk, thread_id: str, yes: bool, as_json: bool) -> None:
    """Delete a thread that rests, with its state, history and log; one that is not there is deleted already.

    \b
    Example:
      treadle delete my-1 --yes
    """
    confirmed(f"Delete thread {thread_id} with its state, history and log?", yes=yes)
    desk.client.threads.delete(thread_id)
    if as_json:
        print_json({"thread": thread_id, "deleted": True})
    else:
        click.echo(f"Thread {thread_id} is deleted.")
