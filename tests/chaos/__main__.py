"""``python -m tests.chaos``: break everything around a graph for some minutes, and see whether the promises hold."""

import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Any

import click
from rich.console import Console

from graphs.errors import InvalidGraph
from scheduler.errors import InvalidSettings
from workers import bootstrap
from workers.settings import WorkerSettings

from . import report
from .plan import Plan
from .show import perform


@click.command()
@click.option("--graph", metavar="MODULE:ATTRIBUTE", help="A compiled graph of yours; left out: the chaos' own graphs.")
@click.option(
    "--input", "inputs", multiple=True, metavar="JSON", help="What its runs get; several: its threads in turn."
)
@click.option("--answer", metavar="JSON", help="What a client answers to every question; left out: nobody answers.")
@click.option("--compare", is_flag=True, help="Compare the states with those of a run that nothing disturbs.")
@click.option("--minutes", type=float, default=1.0, show_default=True, help="For how long things go wrong.")
@click.option("--seed", type=int, default=1, show_default=True, help="What goes wrong, and when, follows from it.")
@click.option("--workers", type=click.IntRange(min=2), default=3, show_default=True)
@click.option("--schedulers", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=300, show_default=True)
@click.option("--turns", type=click.IntRange(min=1), default=3, show_default=True, help="How many runs a thread gets.")
@click.option("--at-once", type=click.IntRange(min=1), default=40, show_default=True, help="Runs followed at a time.")
@click.option("--broker", type=click.Choice(["redis", "redis2", "amqp"]), default="redis", show_default=True)
@click.option("--fsync", type=click.Choice(["always", "everysec"]), default="always", show_default=True)
@click.option("--power-cuts", is_flag=True, help="Let the store lose the last second as well; with everysec only.")
@click.option("--every", "every_s", type=float, default=3.0, show_default=True, help="Seconds between two faults.")
@click.option("--lease-ms", type=int, default=2_000, show_default=True)
@click.option("--queue-wait-ms", type=int, default=3_000, show_default=True)
@click.option("--print-faults", is_flag=True, help="Print the schedule of faults, and do nothing.")
@click.option("--keep", is_flag=True, help="Keep the folder with the logs also when all promises hold.")
def main(print_faults: bool, keep: bool, inputs: tuple[str, ...], answer: str | None, **options: Any) -> None:
    """Break everything around a graph for some minutes, and see whether the promises hold.

    Exits with 1 when one does not, and says where the logs are.
    """
    signal.signal(signal.SIGTERM, _leave)
    if options["power_cuts"] and options["fsync"] == "always":
        raise click.UsageError("With appendfsync always a power cut takes nothing: use --fsync everysec.")
    if options["graph"] is not None:
        try:
            bootstrap.registry(WorkerSettings(graphs=options["graph"]))
        except (InvalidGraph, InvalidSettings) as error:
            raise click.UsageError(f"--graph: {error}") from error
    console = Console(width=140)
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    said = [json.loads(given) for given in inputs or ("{}",)]
    plan = Plan(folder=folder, inputs=said, answer=json.loads(answer or "null"), **options)
    if print_faults:
        console.print("\n".join(map(str, plan.faults)), highlight=False)
        folder.rmdir()
        return
    judged = perform(plan, lambda line: console.print(line, highlight=False, style="dim"))
    report.show(judged, console)
    if judged.holds and not keep:
        shutil.rmtree(folder)
    else:
        console.print(f"Logs, and the store's files: {folder}")
    sys.exit(0 if judged.holds else 1)


def _leave(number: int, frame: FrameType | None) -> None:
    """Leave through the blocks that stop processes, which a second signal must not interrupt."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(1)


if __name__ == "__main__":
    main()
