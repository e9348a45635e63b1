"""The commands that put threads away, bring them back, and make long ones shorter."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict, Unpack

import click

from scheduler.archive import SUFFIX

from ..desk import Desk
from ..rendering import print_json
from .arguments import Span, json_of_each_option, json_option, with_desk
from .many import Many


class Which(TypedDict):
    """Which threads are archived, and how the command answers."""

    idle_for: int | None
    waiting: bool
    as_json: bool


class Pruned(TypedDict):
    """Of which threads how many checkpoints stay, and how the command answers."""

    every: bool
    keep: int
    as_json: bool


@click.command()
@click.argument("thread_id", metavar="[THREAD]", required=False)
@click.option(
    "--to",
    "url",
    default=None,
    metavar="URL",
    help="A folder, or a URL of fsspec's (s3://bucket/threads); TREADLE_ARCHIVE_URL when left out.",
)
@click.option("--idle-for", type=Span(), default=None, help="All threads that rest for so long: 30d, 12h.")
@click.option("--waiting", is_flag=True, help="With --idle-for: also those that wait for a person.")
@json_of_each_option
@with_desk
@click.pass_context
def archive(ctx: click.Context, desk: Desk, thread_id: str | None, url: str | None, **options: Unpack[Which]) -> None:
    """Put a thread that rests into a file, and free Redis of it; with --idle-for, all that rest for long enough.

    The file has state, history, runs and log, compressed. `treadle log`, `state`, `history` and `verify` read it
    without Redis; `treadle restore` brings the thread back. Cut short, the command is given again. With --idle-for, a
    thread that cannot be archived is told on stderr and keeps no other one from it, and the exit code is 1; 3 where
    Redis does not answer, or several files in a row cannot be written. One that is used meanwhile is left alone.

    \b
    Examples:
      treadle archive my-1 --to archive
      treadle archive --idle-for 30d --to archive --json
    """
    idle_for, as_json = options["idle_for"], options["as_json"]
    if (thread_id is None) is (idle_for is None):
        raise click.UsageError("name a THREAD, or say with --idle-for which ones.")
    url = url or desk.settings.archive_url
    if url is None:
        raise click.UsageError("say where with --to, or with TREADLE_ARCHIVE_URL.")
    if url.startswith("memory://"):
        raise click.UsageError("what lies in memory:// is gone when this command ends.")
    if url.endswith(".json"):
        raise click.UsageError("an archive ends with .treadle, or is put into a folder; `treadle export` writes JSON.")
    if thread_id is not None:
        archived = desk.client.archives.put(thread_id, url)
        print_json(asdict(archived)) if as_json else click.echo(_told(asdict(archived)))
        return
    if url.endswith(".treadle"):
        raise click.UsageError("many threads go into a folder: --to names one file.")
    archives, rested = desk.client.archives, (idle_for or 0, options["waiting"])

    def put(name: str) -> dict[str, Any] | None:
        return asdict(archives.put(name, url)) if archives.is_idle(name, *rested) else None

    ctx.exit(Many(put, _told, as_json).do(archives.idle(*rested)))


@click.command()
@click.argument("source", metavar="FILE_OR_THREAD")
@click.option("--as", "as_id", default=None, metavar="ID", help="Under another id: a copy, with a log of its own.")
@json_option
@with_desk
def restore(desk: Desk, source: str, as_id: str | None, as_json: bool) -> None:
    """Bring an archived thread back: the id of one that Redis knows to be archived, or a file or URL (*.treadle).

    Under its own id it is what it was, and its log goes on. The file stays where it is.

    \b
    Examples:
      treadle restore my-1
      treadle restore archive/my-1.*.treadle --as my-1-audit
    """
    if not source.endswith(SUFFIX) and Path(source).is_file():
        raise click.UsageError(f"{source} is a file, and no archive: the name of one ends with {SUFFIX}.")
    thread_id = desk.client.archives.restore(source, as_id)
    if as_json:
        print_json({"thread": thread_id, "status": desk.client.threads.get(thread_id).status})
    else:
        click.echo(f"Thread {thread_id} is back, and is {desk.client.threads.get(thread_id).status}.")


@click.command()
@click.argument("thread_id", metavar="[THREAD]", required=False)
@click.option("--all", "every", is_flag=True, help="All threads that rest.")
@click.option("--keep", type=click.IntRange(min=1), required=True, metavar="N", help="So many of the newest stay.")
@json_of_each_option
@with_desk
@click.pass_context
def prune(ctx: click.Context, desk: Desk, thread_id: str | None, **options: Unpack[Pruned]) -> None:
    """Drop the older checkpoints of a thread that rests; its state, its questions and its log stay.

    Beside the newest stay those that they need, and those at which a person was asked.

    \b
    Examples:
      treadle prune my-1 --keep 20
      treadle prune --all --keep 100 --json
    """
    every, keep, as_json = options["every"], options["keep"], options["as_json"]
    if every is (thread_id is not None):
        raise click.UsageError("name a THREAD, or pass --all.")

    def pruned(name: str) -> dict[str, Any]:
        return {"thread": name, "dropped": desk.client.pruning.prune(name, keep)}

    if thread_id is not None:
        answer = pruned(thread_id)
        print_json(answer) if as_json else click.echo(_dropped(answer))
        return
    found = filter(None, map(desk.client.threads.find, desk.client.threads.ids()))
    resting = [one.id for one in found if one.run_id is None and one.archive is None]
    ctx.exit(Many(pruned, _dropped, as_json).do(resting))


def _told(archived: dict[str, Any]) -> str:
    return f"Thread {archived['thread']} is archived in {archived['url']}."


def _dropped(answer: dict[str, Any]) -> str:
    return f"Thread {answer['thread']} has {answer['dropped']} checkpoints less."
