"""The commands that prove what a log is: heads to be kept elsewhere, and checks against them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypedDict, Unpack

import click

from scheduler.errors import ThreadNotFound
from scheduler.heads import Head, read_heads
from scheduler.log import Examined
from scheduler.mistrust import LogAltered

from ..desk import Desk
from ..exhibit import FileDesk, opened
from ..exits import ExitCode
from ..rendering import compact, print_fields, print_json, print_line
from .arguments import json_of_each_option, with_desk


class Options(TypedDict):
    """What both head and verify are given."""

    thread_id: str | None
    every: bool
    as_json: bool


thread_or_all = click.argument("thread_id", metavar="[THREAD]", required=False)
all_option = click.option("--all", "every", is_flag=True, help="Every thread.")


@click.command()
@thread_or_all
@all_option
@click.option(
    "--to",
    "target",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    default=None,
    help="A file to add to, one JSON object a line.",
)
@json_of_each_option
@with_desk
@click.pass_context
def head(ctx: click.Context, desk: Desk, target: Path | None, **options: Unpack[Options]) -> None:
    """Take the head of a thread's log: proof of every entry up to now, once it is kept elsewhere.

    It is signed where TREADLE_HEAD_KEY has a private key (`treadle keys generate --signing`). Exit code 1 when a
    log does not hold, of which no head is taken.

    \b
    Examples:
      treadle head my-1
      treadle head --all --to heads.jsonl
      treadle head --all --json >> heads.jsonl
    """
    heads, altered, every = [], [], options["every"]
    for known in _named(desk, options["thread_id"], every=every):
        try:
            heads.append(desk.client.log.head(known))
        except LogAltered as error:
            altered.append(error)
        except ThreadNotFound:
            if not every:  # else it was deleted since the threads were listed
                raise
    if target is not None:
        _keep(heads, target, as_json=options["as_json"])
    else:
        _tell(heads, as_json=options["as_json"] or every)
    for one in altered:
        click.echo(str(one), err=True)
    ctx.exit(ExitCode.FAILED if altered else ExitCode.OK)


@click.command()
@thread_or_all
@all_option
@click.option(
    "--head",
    "known",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    default=None,
    help="A file of heads (`treadle head`): the log must still have all that they know.",
)
@json_of_each_option
@with_desk
@click.pass_context
def verify(ctx: click.Context, desk: Desk, known: Path | None, **options: Unpack[Options]) -> None:
    """Prove that no entry of a thread's log was altered or removed; exit code 1 when one was.

    THREAD may be the file of one that is archived: then its digests are checked as well, and that its log ends as it
    did when it was archived. Without --head, whoever rewrites the log with its whole chain is not noticed. Where
    TREADLE_HEAD_PUBLIC_KEYS names keys, a head must be signed with one of them.

    \b
    Examples:
      treadle verify my-1
      treadle verify my-1 --head heads.jsonl
      treadle verify --all --head heads.jsonl
      treadle verify archive/my-1.*.treadle
    """
    heads, every = _by_thread(known), options["every"]
    desk, thread_id = opened(desk, options["thread_id"])
    as_json = options["as_json"]
    names = _named(desk, thread_id, every=every)
    if known is not None and thread_id is not None and thread_id not in heads:
        raise click.UsageError(f"{known} has no head of thread {thread_id}.")
    if isinstance(desk, FileDesk):
        heads[desk.thread_id].append(desk.archive.head)
    broken = 0
    for name in dict.fromkeys((*names, *heads) if every else names):
        broken += _verified(desk, name, heads.get(name, ()), every=every, as_json=as_json)
    if every and not as_json:
        click.echo(f"{broken} logs do not hold." if broken else "All logs hold.", err=bool(broken))
    ctx.exit(ExitCode.FAILED if broken else ExitCode.OK)


def _verified(desk: Desk, thread_id: str, heads: Sequence[Head], *, every: bool, as_json: bool) -> bool:
    """Verify one log and tell what was found; return whether it is broken."""
    found: Examined | None
    try:
        found = desk.client.log.examine(thread_id, heads)
    except ThreadNotFound:
        if not every:
            raise
        found = None
        if not heads:  # deleted since the threads were listed
            return False
    broken = found.broken if found is not None else "It is gone with its thread: deleted since the head was taken."
    entries = found.chain.entries if found is not None else 0
    if as_json:
        answer = {
            "thread": thread_id,
            "holds": broken is None,
            "entries": entries,
            "heads": len(heads),
            "broken": broken,
        }
        print_line(answer) if every else print_json(answer)
    elif broken is not None:
        click.echo(f"{thread_id}: {broken}" if every else broken, err=True)
    elif not every:
        witnesses = "a head knows" if len(heads) == 1 else f"{len(heads)} heads know"
        proof = f", and it is the one that {witnesses}" if heads else ""
        click.echo(f"The hash chain over {entries} entries holds{proof}.")
    return broken is not None


def _named(desk: Desk, thread_id: str | None, *, every: bool) -> list[str]:
    if every is (thread_id is not None):
        raise click.UsageError("name a THREAD, or pass --all.")
    return [*desk.client.threads.ids()] if thread_id is None else [thread_id]


def _by_thread(known: Path | None) -> Mapping[str, list[Head]]:
    heads: dict[str, list[Head]] = defaultdict(list)
    if known is not None:
        with known.open(encoding="utf-8") as lines:
            for one in read_heads(lines):
                heads[one.thread].append(one)
    return heads


def _keep(heads: Sequence[Head], target: Path, *, as_json: bool) -> None:
    try:
        with target.open("a", encoding="utf-8") as file:
            file.writelines(f"{compact(asdict(one))}\n" for one in heads)
    except OSError as error:
        raise click.UsageError(f"{target} cannot be written: {error.strerror}.") from error
    if as_json:
        print_json({"file": str(target.resolve()), "heads": len(heads)})
    else:
        click.echo(f"{len(heads)} heads are in {target}.")


def _tell(heads: Sequence[Head], *, as_json: bool) -> None:
    for one in heads:
        if as_json:
            print_line(asdict(one))
        else:
            print_fields({**asdict(one), "at_ms": one.at})
