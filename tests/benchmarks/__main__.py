"""``python -m tests.benchmarks``: each figure beside a baseline of the same minute; medians, spread and ratios.

The machines that this runs on are noisy, so what is compared runs in turns, and the ratios are what to read.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from statistics import median

import click
from rich.console import Console
from rich.table import Table

from . import chains, inline

Measure = AbstractContextManager[Callable[[], float]]


@click.command()
@click.option("--rounds", default=3, show_default=True, help="How often each is measured.")
def main(rounds: int) -> None:
    """Measure and print a table."""
    console = Console(width=110)
    console.print(
        compared(
            f"steps/s: {chains.THREADS} threads of {chains.STEPS} steps, one prefork worker of 2 processes",
            {
                "bare Celery task, stock settings": partial(chains.bare, stock=True),
                "bare Celery task, our settings": partial(chains.bare, stock=False),
                "Treadle: durable steps": chains.threads,
            },
            rounds,
        )
    )
    console.print(
        compared(
            "µs/step in one process",
            {
                "the scripts alone": inline.scripts_alone,
                "RedisSaver(inline=True)": inline.on_redis,
                "MemorySaver": inline.memory,
            },
            rounds,
        )
    )


def compared(title: str, cases: dict[str, Callable[[], Measure]], rounds: int) -> Table:
    """Measure cases in turns; the first one is the baseline."""
    figures: dict[str, list[float]] = {name: [] for name in cases}
    with ExitStack() as stack:
        measures = {name: stack.enter_context(case()) for name, case in cases.items()}
        for measure in measures.values():  # the first round of each warms it up and does not count
            measure()
        for _ in range(rounds):
            for name, measure in measures.items():
                figures[name].append(measure())
    return _table(title, figures)


def _table(title: str, figures: dict[str, list[float]]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in ("", "median", "min", "max", "ratio to the first"):
        table.add_column(column, justify="left" if not column else "right")
    baseline = median(next(iter(figures.values())))
    for name, values in figures.items():
        middle = median(values)
        table.add_row(name, f"{middle:,.0f}", f"{min(values):,.0f}", f"{max(values):,.0f}", f"{middle / baseline:.2f}")
    return table


if __name__ == "__main__":
    main()
