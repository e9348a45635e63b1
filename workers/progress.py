"""Following a run at a terminal: a line for each thing that happens, and below them the steps as they stand."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from scheduler.client import Client
from scheduler.following import Follower, Happening
from scheduler.lifecycle import RunStatus
from scheduler.log import LogEntry

from .board import Board
from .desk import Desk
from .happenings import line_of, record_of
from .rendering import compact, duration, print_line, styled

#: How often somebody who follows a run looks up, though nothing happens.
TICK_S = 0.5

_MOST_ROWS = 12
_LONGEST_VALUE = 60

OnHappening = Callable[[Happening | None], None]


def ticking(follower: Follower, thread_id: str, run_id: str, after: int) -> Iterator[Happening | None]:
    """Yield what happens to a run until it has ended, and None whenever nothing has happened for a moment."""
    while True:
        try:
            for happening in follower.follow(thread_id, run_id, after, time.monotonic() + TICK_S):
                after = happening.seq
                yield happening
            return
        except TimeoutError:
            yield None


class Progress:
    """Shows a run to a person.

    Args:
        desk: the store.
        out: where it is shown.
        writes: whether what nodes write gets lines too.
        as_json: whether the lines are JSON, for a program.
    """

    def __init__(self, desk: Desk, out: Console, *, writes: bool = True, as_json: bool = False) -> None:
        self._client: Client = desk.client
        self._follower = desk.follower
        self._out = out
        self._writes = writes
        self._as_json = as_json

    def follow(self, thread_id: str, run_id: str, on_happening: OnHappening = lambda _: None) -> RunStatus:
        """Show a run until it has ended, and return how it ended; each thing that happens is handed on as well."""
        board, start = Board(), self._client.runs.get(thread_id, run_id).log_start
        with self._live(board):
            for happening in ticking(self._follower, thread_id, run_id, start):
                if happening is not None:
                    board.see(happening)
                    self._tell(happening)
                if self._is_live:
                    board.expect(self._client.threads.pending(thread_id))
                on_happening(happening)
        return self._client.runs.status(thread_id, run_id)

    def _tell(self, happening: Happening) -> None:
        if not self._writes and not isinstance(happening, LogEntry):
            return
        if self._as_json:
            print_line(record_of(happening))
        else:
            self._out.print(line_of(happening), soft_wrap=True)

    @property
    def _is_live(self) -> bool:
        return self._out.is_terminal and not self._as_json

    def _live(self, board: Board) -> Any:
        if not self._is_live:
            return nullcontext()
        return Live(get_renderable=lambda: table_of(board), console=self._out, transient=True, refresh_per_second=8)


def table_of(board: Board) -> Table | str:
    """Return the steps as a table, of many the last ones; nothing while there are none."""
    if not board.rows:
        return ""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("step", "state", "attempt", "worker", "took", "wrote last"):
        table.add_column(name, no_wrap=True)
    for row in board.rows[-_MOST_ROWS:]:
        wrote = "" if row.wrote is None else compact(row.wrote)[:_LONGEST_VALUE]
        cells = (row.node, row.state, str(row.attempt or ""), row.worker, duration(row.took_ms), wrote)
        table.add_row(*map(styled, cells))
    return table
