"""The command that shows what Treadle is for."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from shlex import quote
from types import FrameType
from typing import Any, TypedDict, Unpack

import click
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from rich.console import Console
from rich.markdown import Markdown

from scheduler.embedded import EmbeddedRedis, default_folder
from scheduler.lifecycle import ThreadStatus

from ..demo import Demo, Plan, Verdict
from ..desk import Desk
from ..documents import documents_here, documents_in
from ..exits import ExitCode
from ..fleet import Fleet, Tell
from ..rendering import console, say, visible
from ..settings import WorkerSettings
from .arguments import json_lines_option

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(path_type=Path)
#: Shorter than the defaults, so that one need not wait long to see a loss being noticed.
_LEASE_MS, _QUEUE_WAIT_MS = 3_000, 3_000


#: Says something to the person, in a style.
Say = Callable[..., None]


class _OwnSettings(WorkerSettings):
    """Settings in which the environment has no part: it may speak of another deployment, its Redis and its keys."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where settings come from: what is given."""
        return (init_settings,)


class Options(TypedDict):
    """What the demo is given."""

    folder: Path | None
    crash: bool
    approve: bool
    output: Path
    workers: int
    question: str
    thread_id: str | None
    as_json: bool


@click.command()
@click.argument("folder", type=_FOLDER, required=False)
@click.option("--crash", is_flag=True, help="Kill a worker, with SIGKILL, in the middle of its work.")
@click.option("--approve", is_flag=True, help="Approve the draft without being asked.")
@click.option("--output", type=_FILE, default="report.md", show_default=True, help="The file of the report.")
@click.option(
    "--workers", type=click.IntRange(1, 16), default=2, show_default=True, help="How many, of 2 processes each."
)
@click.option("--question", default="", metavar="TEXT", help="What the report shall be about.")
@click.option("--thread", "thread_id", default=None, metavar="ID", help="Go on with the thread of an earlier demo.")
@json_lines_option
@click.pass_context
def demo(ctx: click.Context, **options: Unpack[Options]) -> None:
    """Let a graph read a folder of documents in parallel, ask you, and write a report.

    It starts a Redis of its own, a scheduler and workers, and stops them all at its end. Without FOLDER it reads the
    Markdown that lies on this machine. With --crash a worker is killed, and you see the thread go on without it.
    Without a terminal, or with --json, and without --approve the thread stays paused, and you are told how to go on.

    \b
    Examples:
      treadle demo
      treadle demo . --crash --question 'What is left to do?'
      treadle demo --crash --approve --output /tmp/report.md
    """
    out, home = console(), default_folder().expanduser().resolve() / "demo"
    tell_person = partial(say, out, as_json=options["as_json"])
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    with EmbeddedRedis(home) as redis, _logs(home / "logs") as tell, Fleet(tell, _announced(tell_person)) as fleet:
        settings = _OwnSettings(
            redis_url=redis.url,
            data=home,
            lease_ms=_LEASE_MS,
            queue_wait_ms=_QUEUE_WAIT_MS,
        )
        desk, plan = Desk(settings), _plan(options, home, _environment(settings), out)
        tell_person(f"Redis: {redis.describe()}")
        tell_person(f"Documents: {plan.documents.count} {plan.documents.told}")
        tell_person(f"Thread: {plan.thread_id}; the workers' output is in {home / 'logs'}")
        code = _play(Demo(plan, desk, fleet, out, as_json=options["as_json"]), plan, tell_person)
        resting = desk.client.threads.get(plan.thread_id).status
        if resting in (ThreadStatus.PAUSED, ThreadStatus.RUNNING):
            tell_person(_how_to_go_on(plan.thread_id, home, durable=redis.durable))
    ctx.exit(code)


def _play(demo: Demo, plan: Plan, tell_person: Say) -> ExitCode:
    try:
        return demo.play()
    except KeyboardInterrupt:
        click.echo("", err=True)
        tell_person(f"You left. Thread {plan.thread_id} stands where it stood.")
        return ExitCode.INTERRUPTED


def _plan(options: Options, home: Path, environment: dict[str, str], out: Console) -> Plan:
    report, folder = options["output"].expanduser().resolve(), options["folder"]
    found = documents_in(folder, report) if folder is not None else documents_here(home / "documents", report)
    return Plan(
        options["thread_id"] or f"demo-{datetime.now():%Y%m%d-%H%M%S}",
        found,
        report,
        options["question"],
        options["crash"],
        options["workers"],
        _judge(out, options),
        environment,
    )


def _announced(tell_person: Say) -> Tell:
    return lambda name, line: tell_person(f"{name} {line}", "bold red")


def _judge(out: Console, options: Options) -> Callable[[str], Verdict | None]:
    def judge(draft: str) -> Verdict | None:
        if options["approve"]:
            say(out, "It is approved, because of --approve.", as_json=options["as_json"])
            return Verdict(approved=True)
        return _asked(draft, out) if sys.stdin.isatty() and out.is_terminal and not options["as_json"] else None

    return judge


def _asked(draft: str, out: Console) -> Verdict:
    out.rule("the draft")
    out.print(Markdown(visible(draft)))
    out.rule()
    approved = click.confirm("Approve it?", default=True)
    comment = click.prompt("A comment, for the report" if approved else "Why not", default="", show_default=False)
    return Verdict(approved, comment)


def _environment(settings: WorkerSettings) -> dict[str, str]:
    """Return the environment of the workers: this one, with these settings in the place of its own."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("TREADLE_")}
    ours = settings.model_dump(exclude_unset=True, exclude_none=True)
    return {
        **others,
        **{f"TREADLE_{name.upper()}": str(value) for name, value in ours.items()},
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def _logs(folder: Path) -> Iterator[Tell]:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.log"):
        old.unlink()

    def tell(name: str, line: str) -> None:
        with (folder / f"{name}.log").open("a", encoding="utf-8") as log:
            log.write(f"{line}\n")

    yield tell


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)  # the fleet and Redis are stopped on the way out


def _how_to_go_on(thread_id: str, home: Path, *, durable: bool) -> str:
    if not durable:
        return "There is no redis-server on this machine, so the thread ends here. Use --approve, or a terminal."
    data = f"TREADLE_DATA={quote(str(home.parent))} " if "TREADLE_DATA" in os.environ else ""
    at = f"TREADLE_DATA={quote(str(home))} treadle"
    return (
        f"Nothing is lost and nothing runs. Go on whenever you like:\n"
        f"  {data}treadle demo --thread {thread_id}             # asks you, at a terminal\n"
        f"  {data}treadle demo --thread {thread_id} --approve   # approves it\n"
        f"or, by hand, with `{at} up` in another terminal:\n"
        f"  {at} state {thread_id}\n"
        f'  {at} update {thread_id} --values \'{{"approved": false, "comment": "why"}}\'   # to reject it\n'
        f"  {at} resume {thread_id}"
    )
