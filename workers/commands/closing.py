"""The commands that end a thread's life: terminate, delete; and the one that writes it down."""

from pathlib import Path
from urllib.parse import quote

import click

from ..desk import Desk
from ..exhibit import opened
from ..export import export as exported
from ..export import write
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
def export(desk: Desk, thread_id: str, target: Path | None, as_json: bool) -> None:
    """Write a thread's state, history, runs and log to a JSON file, for other programs; the thread stays as it is.

    `treadle archive` makes files that can be brought back. THREAD may be such a file.

    \b
    Example:
      treadle export my-1 --to my-1.json
    """
    desk, thread_id = opened(desk, thread_id)
    target = target or Path(f"{quote(thread_id, safe='')}.json")
    if target.exists():
        raise click.UsageError(f"{target} is there already: name another file with --to.")
    document = exported(desk.client, thread_id)
    try:
        write(target, document)
    except OSError as error:
        raise click.UsageError(f"{target} cannot be written: {error.strerror}.") from error
    if as_json:
        print_json({"thread": thread_id, "file": str(target.resolve())})
    else:
        click.echo(f"Thread {thread_id} is written to {target}.")


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
