"""What came of it, for people: a table of what went wrong, and one of what came of that."""

from collections import Counter
from collections.abc import Iterator, Mapping

from rich.console import Console, ConsoleRenderable
from rich.table import Table
from rich.text import Text

from .judgement import Judgement

_SHOWN = 5


def tables(judged: Judgement) -> Iterator[ConsoleRenderable]:
    """Yield what is to be printed."""
    yield _faults(judged)
    yield _figures(judged)
    yield _verdicts(judged)
    if judged.tracebacks:
        yield _counted("tracebacks in the processes' logs", judged.tracebacks)


def show(judged: Judgement, console: Console) -> None:
    """Print a judgement."""
    for table in tables(judged):
        console.print(table)


def _faults(judged: Judgement) -> Table:
    plan = judged.plan
    title = f"faults (seed {plan.seed}, {plan.minutes:g} min, {plan.broker}, {plan.fsync})"
    return _counted(title, Counter(str(fault.kind) for fault in judged.injected))


def _figures(judged: Judgement) -> Table:
    table = Table("figure", "value", title="what came of it", title_justify="left")
    figures = {
        "threads": judged.threads,
        "turns played": judged.turns,
        "runs": judged.runs,
        "steps committed": judged.steps,
        "attempts (leases)": judged.attempts,
        "threads lost": judged.lost,
        "double commits": judged.doubled,
        "workers that Celery ended": judged.ended,
        "a step whose worker was lost, until its next lease: p50 / p99 / max": judged.of_steps or "-",
        "a step whose message was dropped, until its next lease: p50 / p99 / max": judged.of_messages or "-",
        "what clients met, and did again": ", ".join(f"{name} {n}" for name, n in judged.met.items()) or "nothing",
    }
    for name, value in figures.items():
        table.add_row(name, str(value))
    return table


def _verdicts(judged: Judgement) -> Table:
    table = Table("check", "", "what it found", title="the promises", title_justify="left")
    for name, wrong in judged.verdicts.items():
        more = f"\n... {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        sign = Text("broken", "bold red") if wrong else Text("holds", "green")
        table.add_row(name, sign, Text("\n".join(wrong[:_SHOWN]) + more))
    return table


def _counted(title: str, counts: Mapping[str, int]) -> Table:
    table = Table("what", "how often", title=title, title_justify="left")
    for name, n in Counter(counts).most_common():
        table.add_row(Text(name[:160]), str(n))
    return table
