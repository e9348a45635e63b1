"""The command about what a thread may spend."""

from collections.abc import Sequence
from typing import Any

import click

from graphs.spending import left_of
from scheduler.run import Run

from ..desk import Desk
from ..rendering import print_json, print_table
from .arguments import Pair, json_option, thread_argument, with_desk

#: Of how many runs it is shown what each has spent.
_RUNS = 10


@click.command()
@thread_argument
@click.option(
    "--set",
    "limits",
    type=Pair(),
    multiple=True,
    metavar="UNIT=LIMIT",
    help="A limit for all runs of the thread together, for example usd=2.5; UNIT=null takes one away.",
)
@json_option
@with_desk
def budget(desk: Desk, thread_id: str, limits: tuple[tuple[str, Any], ...], as_json: bool) -> None:
    """Show what a thread may spend and has spent, and set its limits.

    "steps", "seconds" (of all attempts together) and "wall_seconds" (that runs have gone on, also asleep) are counted
    by themselves, where a run or its thread has a budget; all else is what nodes report with
    runtime.spend(tokens=1200, usd=0.03). What a run may spend is said by `treadle run --budget`. When a limit is
    reached the run pauses between two steps or tasks, and `treadle resume` goes on with it.

    \b
    Examples:
      treadle budget my-1
      treadle budget my-1 --set tokens=100000 --set usd=2.5
    """
    thread = desk.client.threads.get(thread_id)
    found = desk.client.threads.set_budget(thread_id, dict(limits)) if limits else desk.client.threads.budget(thread_id)
    runs = [run for run in desk.client.runs.recent(thread_id, _RUNS) if run.spent or run.budget]
    if as_json:
        told = {"limits": found.limits, "spent": found.spent, "left": found.left}
        print_json({"thread": thread_id, "status": thread.status, **told, "runs": [*map(_record, runs)]})
        return
    rows: list[Sequence[object]] = [
        ("thread", unit, found.spent.get(unit, 0), found.limits.get(unit, "-"), found.left.get(unit, "-"))
        for unit in sorted({*found.limits, *found.spent})
    ]
    for run in runs:
        rows += [
            (run.id, unit, run.spent.get(unit, 0), run.budget.get(unit, "-"), _left(run, unit))
            for unit in sorted({*run.budget, *run.spent})
        ]
    empty = f"Nothing is counted for thread {thread_id}: it has no budget, and its nodes report nothing."
    print_table(("of", "unit", "spent", "limit", "left"), rows, empty=empty)


def _left(run: Run, unit: str) -> object:
    return left_of(run.budget[unit], run.spent.get(unit, 0)) if unit in run.budget else "-"


def _record(run: Run) -> dict[str, Any]:
    return {"run": run.id, "status": run.status, "limits": run.budget, "spent": run.spent, "reached": run.breach}
