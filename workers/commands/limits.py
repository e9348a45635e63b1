"""The command that shows the limits of the deployment, and how each stands."""

from dataclasses import asdict

import click

from scheduler.occupancy import Occupancy, occupancies

from ..desk import Desk
from ..node_limits import limits_by_task
from ..rendering import print_json, print_table
from .arguments import json_option, with_desk


@click.command()
@json_option
@with_desk
def limits(desk: Desk, as_json: bool) -> None:
    """Show the limits of the graphs that are known: how much of each is used, and how many steps wait.

    A graph's steps at once, those of each key that has some (a tenant), and how often a node starts.

    \b
    Example:
      treadle limits --json
    """
    rows = list(occupancies(desk.engine.connection, limits_by_task(desk.graphs).values()))
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    columns = ("graph", "limit", "key", "used", "of", "waiting")
    print_table(columns, map(_cells, rows), empty="No graph that is known has limits.")


def _cells(row: Occupancy) -> tuple[object, ...]:
    most = "any number" if row.most is None else f"{row.most:g}" + (" a second" if row.used is None else "")
    return row.graph, row.what, row.key or "-", "-" if row.used is None else row.used, most, row.waiting
