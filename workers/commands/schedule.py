"""The commands about schedules: graphs that are started by the clock."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TypedDict, Unpack, get_args

import click

from graphs.schema import context_of
from scheduler.config import merged
from scheduler.delayed import Start
from scheduler.schedule import CatchUp, OnBusyTick, Plan, Schedule, Started
from scheduler.schedules import Schedules
from scheduler.waiting import queue_of

from .. import bootstrap
from ..desk import Desk, config_for
from ..rendering import moment, print_fields, print_json, print_table
from ..times import EACH
from .arguments import (
    Json,
    config_option,
    confirmed,
    json_option,
    priority_option,
    webhook_option,
    with_desk,
    with_said,
    yes_option,
)

_CREATED = ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z", "%Y-%m-%d")
_id = click.argument("schedule_id", metavar="ID")


class Options(TypedDict):
    """What a schedule is made of."""

    cron: str
    zone: str
    value: Any
    context: Any
    config: dict[str, Any] | None
    webhook: str | None
    priority: int | None
    thread_id: str | None
    on_busy: OnBusyTick
    catch_up: CatchUp
    most: int
    until: datetime | None


@click.group()
def schedule() -> None:
    """Start graphs by the clock: create, list, show, pause, resume, delete, trigger.

    A scheduler (`treadle scheduler`, any number of them) starts each tick once; workers run it.

    \b
    Examples:
      treadle schedule create nightly map_reduce --cron '0 2 * * *' --zone Europe/Berlin --input '{"texts": ["To be."]}'
      treadle schedule list
      treadle schedule show nightly
    """


@schedule.command()
@_id
@click.argument("graph", metavar="GRAPH")
@click.option(
    "--cron", required=True, metavar="EXPR", help="Minute, hour, day of month, month, day of week; or @daily."
)
@click.option("--zone", default="UTC", show_default=True, help="The time zone whose clock it is about.")
@click.option("--input", "value", type=Json(), default=None, metavar="JSON", help="The input; @FILE or - reads it.")
@click.option("--context", type=Json(), default=None, metavar="JSON", help="What nodes get as runtime.context.")
@webhook_option
@config_option
@priority_option
@click.option(
    "--thread", "thread_id", default=None, metavar="ID", help="One thread for all runs; else each has its own."
)
@click.option(
    "--on-busy",
    type=click.Choice(get_args(OnBusyTick)),
    default="skip",
    help="A tick whose thread is busy: skip it, or wait.",
)
@click.option(
    "--catch-up",
    type=click.Choice(get_args(CatchUp)),
    default="last",
    help="Which ticks are made up for that came while no scheduler ran.",
)
@click.option("--most", type=int, default=100, show_default=True, help="How many of these at the most.")
@click.option("--until", type=click.DateTime(_CREATED), default=None, help="The last moment at which it ticks.")
@click.option("--replace", is_flag=True, help="Replace the one of this id.")
@json_option
@with_desk
def create(desk: Desk, schedule_id: str, graph: str, replace: bool, as_json: bool, **options: Unpack[Options]) -> None:
    """Create a schedule of GRAPH.

    \b
    Example:
      treadle schedule create nightly map_reduce --cron '0 2 * * *' --zone Europe/Berlin --input '{"texts": ["To be."]}'
    """
    found = desk.graphs[graph]
    given = with_said(options["config"], options["webhook"], priority=options["priority"])
    config = merged(bootstrap.configs(desk.settings)[graph], given)
    try:
        context = context_of(found.context, options["context"])
    except TypeError as error:
        raise click.UsageError(f"--context does not fit graph {graph!r}: {error}") from error
    start = Start(
        found, config_for(options["thread_id"] or EACH, config), options["value"], context, 0, queue_of(found)
    )
    words: dict[str, Any] = {name: options[name] for name in ("zone", "thread_id", "on_busy", "catch_up", "most")}
    plan = Plan(schedule_id, graph, options["cron"], until_ms=_ms(options["until"]), **words)
    _tell(_schedules(desk).create(plan, start, replaces=replace), as_json=as_json)


@schedule.command("list")
@click.option("--graph", default=None, metavar="NAME", help="Only those of this graph.")
@json_option
@with_desk
def list_(desk: Desk, graph: str | None, as_json: bool) -> None:
    """List the schedules, the one that ticks next first.

    \b
    Example:
      treadle schedule list
    """
    found = _schedules(desk).list(graph)
    if as_json:
        print_json([_record(one) for one in found])
        return
    rows = [
        (one.id, one.status, one.plan.graph, one.plan.cron, one.plan.zone, moment(one.next_ms), one.error)
        for one in found
    ]
    print_table(("schedule", "status", "graph", "cron", "zone", "next", "error"), rows, empty="There are no schedules.")


@schedule.command()
@_id
@click.option("--limit", type=click.IntRange(min=0), default=10, show_default=True, help="At the most so many starts.")
@json_option
@with_desk
def show(desk: Desk, schedule_id: str, limit: int, as_json: bool) -> None:
    """Show a schedule, what it has started last, and what has become of it.

    \b
    Example:
      treadle schedule show nightly
    """
    schedules = _schedules(desk)
    found, history = schedules.get(schedule_id), schedules.history(schedule_id, limit)
    if as_json:
        print_json({**_record(found), "history": [asdict(one) for one in history]})
        return
    print_fields(_fields(found))
    print_table(
        ("tick", "kind", "status", "thread", "run", "error"), map(_row, history), empty="It has started nothing yet."
    )


@schedule.command()
@_id
@json_option
@with_desk
def pause(desk: Desk, schedule_id: str, as_json: bool) -> None:
    """Let a schedule tick no more, until it is resumed.

    \b
    Example:
      treadle schedule pause nightly
    """
    _tell(_schedules(desk).pause(schedule_id), as_json=as_json)


@schedule.command()
@_id
@json_option
@with_desk
def resume(desk: Desk, schedule_id: str, as_json: bool) -> None:
    """Let a schedule tick again; what would have ticked meanwhile is not made up for.

    \b
    Example:
      treadle schedule resume nightly
    """
    _tell(_schedules(desk).resume(schedule_id), as_json=as_json)


@schedule.command()
@_id
@json_option
@with_desk
def trigger(desk: Desk, schedule_id: str, as_json: bool) -> None:
    """Start a schedule's run now, whatever its clock says.

    \b
    Example:
      treadle schedule trigger nightly
    """
    started = _schedules(desk).trigger(schedule_id)
    if as_json:
        print_json(asdict(started))
    else:
        click.echo(f"Run {started.run_id} begins on thread {started.thread_id}.")


@schedule.command()
@_id
@yes_option
@json_option
@with_desk
def delete(desk: Desk, schedule_id: str, yes: bool, as_json: bool) -> None:
    """Delete a schedule with its history; the runs that it began stay.

    \b
    Example:
      treadle schedule delete nightly --yes
    """
    schedules = _schedules(desk)
    schedules.get(schedule_id)
    confirmed(f"Delete schedule {schedule_id}?", yes=yes)
    deleted = schedules.delete(schedule_id)
    if as_json:
        print_json({"schedule": schedule_id, "deleted": deleted})
    else:
        click.echo(f"Schedule {schedule_id} is deleted.")


def _schedules(desk: Desk) -> Schedules:
    return Schedules(desk.engine.connection)


def _tell(found: Schedule, *, as_json: bool) -> None:
    if as_json:
        print_json(_record(found))
    else:
        told = f"ticks next at {moment(found.next_ms)}" if found.next_ms is not None else f"is {found.status}"
        click.echo(f"Schedule {found.id} {told}.")


def _record(found: Schedule) -> dict[str, Any]:
    plan = {name: value for name, value in asdict(found.plan).items() if name not in ("nonce", "fingerprint")}
    return {**plan, "status": found.status, "next_ms": found.next_ms, "error": found.error or None}


def _fields(found: Schedule) -> dict[str, object]:
    plan = found.plan
    return {
        "schedule": plan.id,
        "status": found.status,
        "graph": plan.graph,
        "cron": f"{plan.cron} ({plan.zone})",
        "thread": f"{plan.thread_id}, busy: {plan.on_busy}" if plan.thread_id else "each run its own",
        "catch up": f"{plan.catch_up}, at the most {plan.most}" if plan.catch_up == "all" else plan.catch_up,
        "until": moment(plan.until_ms),
        "next": moment(found.next_ms),
        **({"error": found.error} if found.error else {}),
    }


def _row(one: Started) -> tuple[object, ...]:
    return moment(one.tick_ms), one.kind, one.status or "-", one.thread_id or "-", one.run_id or "-", one.error or ""


def _ms(at: datetime | None) -> int | None:
    """Return a moment; one without a time zone is in UTC."""
    return None if at is None else round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
