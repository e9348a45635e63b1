"""``python -m tests.benchmarks``: each figure beside a baseline of the same minute; medians, spread and ratios.

The machines that this runs on are noisy, so what is compared runs in turns, and the ratios are what to read.
"""

import signal
import sys

import click
from rich.console import Console

from . import (
    backlog,
    chains,
    chat,
    fairness,
    footprint,
    inline,
    meaning,
    scaling,
    scripts,
    sends,
    starts,
    sweeps,
    table,
    waiting,
)

ROWS = {
    "chains": chains.COMPARISONS,
    "inline": inline.COMPARISONS,
    "chat": chat.COMPARISONS,
    "starts": starts.COMPARISONS,
    "sends": sends.COMPARISONS,
    "fairness": fairness.COMPARISONS,
    "waiting": waiting.COMPARISONS,
    "footprint": footprint.COMPARISONS,
    "sweeps": sweeps.COMPARISONS,
    "backlog": backlog.COMPARISONS,
    "scripts": scripts.COMPARISONS,
    "scaling": scaling.COMPARISONS,
    "meaning": meaning.COMPARISONS,
}


@click.command()
@click.argument("rows", nargs=-1, type=click.Choice(list(ROWS)))
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="How often each is measured.")
def main(rows: tuple[str, ...], rounds: int) -> None:
    """Measure ROWS, or all of them, and print their tables."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # through the blocks that stop workers and servers
    console = Console(width=140)
    for row in rows or ROWS:
        for comparison in ROWS[row]:
            measured = comparison.measured(rounds)
            console.print(table.figures(measured))
            if comparison.goals:
                console.print(table.goals(measured))


if __name__ == "__main__":
    main()
