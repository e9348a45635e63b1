"""The command that shows the pools, and how busy each is."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import click
import kombu.exceptions

from .. import bootstrap
from ..desk import Desk
from ..diagnosis import Workers
from ..examination import ask_workers
from ..pools import Pool, without_pool
from ..rendering import print_json, print_table
from ..version_queues import beside, queues_of, taken
from .arguments import json_option, with_desk


@dataclass(frozen=True, slots=True)
class QueueOfPool:
    """A queue, and how it stands with it."""

    #: None: the graphs need it, and no pool has it.
    pool: str | None
    queue: str
    kind: str | None
    #: Of each worker; None: as many as it has cores.
    concurrency: int | None
    #: How many messages wait in it, and in the queues beside it that are for versions of graphs.
    waiting: int
    workers: list[str]


@click.command()
@json_option
@with_desk
def pools(desk: Desk, as_json: bool) -> None:
    """Show the pools of the file in TREADLE_POOLS: their queues, how much waits in each, and who takes it.

    Without that file, the queues of all graphs that are known. A queue that the graphs need and no pool has comes last.
    A step that sleeps or waits for its next attempt is in no queue.

    \b
    Example:
      TREADLE_POOLS=pools.toml treadle pools
    """
    rows = list(_rows(desk, desk.settings.read_pools()))
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    columns = ("pool", "queue", "kind", "concurrency", "waiting", "workers")
    print_table(columns, map(_cells, rows), empty="There are no queues.")


def _rows(desk: Desk, found: Mapping[str, Pool]) -> Iterator[QueueOfPool]:
    versions = [version for graph in desk.graphs.versions() for version in taken(desk.engine.connection, graph)]
    workers, ask = _workers(desk), bootstrap.dispatcher(desk.settings).waiting

    def row(queue: str, name: str | None = None, pool: Pool | None = None) -> QueueOfPool:
        waiting = sum(map(ask, (queue, *beside([queue], versions))))
        kind, concurrency = (None, None) if pool is None else (pool.kind, pool.concurrency)
        return QueueOfPool(name, queue, kind, concurrency, waiting, sorted(workers.of_queue(queue)))

    for name, pool in found.items():
        yield from (row(queue, name, pool) for queue in pool.queues)
    yield from map(row, without_pool(queues_of(desk.graphs.values(), desk.settings.default_queue), found))


def _workers(desk: Desk) -> Workers:
    try:
        return ask_workers(desk)
    except (kombu.exceptions.OperationalError, OSError) as error:
        raise kombu.exceptions.OperationalError(str(error)) from error


def _cells(row: QueueOfPool) -> tuple[object, ...]:
    many = "cores" if row.pool and row.concurrency is None else row.concurrency or "-"
    return row.pool or "(none)", row.queue, row.kind or "-", many, row.waiting, ", ".join(row.workers) or "(none)"
