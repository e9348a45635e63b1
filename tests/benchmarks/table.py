"""How a comparison is printed: its figures, and beneath them how far its goals are."""

from rich.table import Table

from .comparison import Goal, Measured, Spread


def figures(measured: Measured) -> Table:
    """Return a table with a row for each case and a column for each figure: median, and from least to most."""
    table = Table(title=measured.comparison.title, title_justify="left")
    table.add_column("")
    for figure in measured.figures:
        table.add_column(figure, justify="right")
    for case in measured.samples:
        table.add_row(case, *(_shown(measured.spread(case, figure)) for figure in measured.figures))
    return table


def goals(measured: Measured) -> Table:
    """Return a table with a row for each goal."""
    table = Table(title="goals", title_justify="left")
    for column in ("", "figure", "beside"):
        table.add_column(column)
    for column in ("is", "to reach", ""):
        table.add_column(column, justify="right")
    for goal in measured.comparison.goals:
        found = measured.towards(goal)
        unit, verdict = _unit(goal), "reached" if goal.reached(found.middle) else "missed"
        bound = f"{'≥' if goal.at_least else '≤'} {number(goal.bound)}{unit}"
        table.add_row(goal.case, goal.figure, goal.baseline or "-", _shown(found, unit), bound, verdict)
    return table


def number(value: float) -> str:
    """Return a number with about three digits that count."""
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def _shown(spread: Spread | None, unit: str = "") -> str:
    if spread is None:
        return ""
    middle, least, most = number(spread.middle) + unit, number(spread.least), number(spread.most)
    return middle if least == most else f"{middle} ({least}-{most})"


def _unit(goal: Goal) -> str:
    if not goal.baseline:
        return ""
    return "x" if goal.counted == "times" else " on top"
