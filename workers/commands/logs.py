"""The commands that read a thread's log, and follow it."""

import time
from collections.abc import Iterator

import click
from rich.console import Console

from scheduler.following import Happening
from scheduler.log import LogEntry

from ..desk import Desk
from ..exhibit import opened
from ..exits import ExitCode
from ..happenings import line_of, record_of
from ..progress import ticking
from ..rendering import console, print_line
from .arguments import json_lines_option, thread_argument, with_desk

_PAUSE_S = 0.5


@click.command()
@thread_argument
@click.option("--follow", "-f", is_flag=True, help="Wait for more, until Ctrl-C.")
@json_lines_option
@with_desk
@click.pass_context
def log(ctx: click.Context, desk: Desk, thread_id: str, follow: bool, as_json: bool) -> None:
    """Show everything that happened to a thread, the oldest first.

    THREAD may be the file of one that is archived.

    \b
    Examples:
      treadle log my-1
      treadle log my-1 --follow --json
    """
    desk, thread_id = opened(desk, thread_id)
    desk.client.threads.get(thread_id)
    entries = _growing(desk, thread_id) if follow else desk.client.log.read(thread_id)
    ctx.exit(_show(entries, as_json=as_json))


@click.command()
@thread_argument
@json_lines_option
@with_desk
@click.pass_context
def tail(ctx: click.Context, desk: Desk, thread_id: str, as_json: bool) -> None:
    """Follow a thread's active run to its end: its log, and what its nodes write, live.

    A thread that rests shows its last run. Ctrl-C ends the following, and not the run.

    \b
    Example:
      treadle tail my-1
    """
    thread = desk.client.threads.get(thread_id)
    recent = desk.client.runs.recent(thread_id, 1)
    if not recent:
        click.echo(f"Thread {thread_id} is {thread.status} and has had no run.", err=True)
        return
    run = recent[0]
    happenings = ticking(desk.follower, thread_id, run.id, run.log_start)
    ctx.exit(_show((one for one in happenings if one is not None), as_json=as_json))


def _growing(desk: Desk, thread_id: str) -> Iterator[LogEntry]:
    after = 0
    while True:
        for entry in desk.client.log.read(thread_id, after):
            after = entry.seq
            yield entry
        time.sleep(_PAUSE_S)


def _show(happenings: Iterator[Happening], *, as_json: bool) -> ExitCode:
    out = console()
    try:
        for one in happenings:
            _tell(out, one, as_json=as_json)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return ExitCode.OK


def _tell(out: Console, happening: Happening, *, as_json: bool) -> None:
    if as_json:
        print_line(record_of(happening))
    else:
        out.print(line_of(happening), soft_wrap=True)
