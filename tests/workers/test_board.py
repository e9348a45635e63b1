"""What is known of a run's steps from what happened to them."""

from typing import Any

from scheduler.following import LiveEvent
from scheduler.log import LogEntry
from scheduler.thread import PendingStep
from workers.board import Board
from workers.progress import table_of


def entry(kind: str, step: str = "s1", **data: Any) -> LogEntry:
    """Return a log entry about a step."""
    known = {"step": step, "node": "read_1", "attempt": 1, "worker": "w1"}
    return LogEntry(1, kind, 0, "run-1", {**known, **data}, "")


def queued(state: str = "queued") -> PendingStep:
    """Return a step that no worker has."""
    return PendingStep("s1", "read_1", "run-1", state, 0, None, 0, 0)


def states(board: Board) -> list[str]:
    """Return the states of the steps."""
    return [row.state for row in board.rows]


def test_a_step_waits_until_a_worker_takes_it() -> None:
    board = Board()

    board.expect([queued()])

    assert [(row.node, row.state, row.worker) for row in board.rows] == [("read_1", "waiting", "")]


def test_a_leased_step_runs_on_its_worker() -> None:
    board = Board()
    board.expect([queued()])

    board.see(entry("leased"))

    assert [(row.state, row.worker, row.attempt) for row in board.rows] == [("running", "w1", 1)]


def test_a_committed_step_is_done_and_says_how_long_it_took() -> None:
    board = Board()
    board.see(entry("leased"))

    board.see(entry("committed", ms=1200))

    assert [(row.state, row.took_ms) for row in board.rows] == [("done", 1200)]


def test_a_step_that_calls_a_graph_is_inside_of_it_until_it_returns() -> None:
    board = Board()
    board.see(entry("leased"))

    board.see(LogEntry(2, "called", 0, "run-1", {"step": "s1", "node": "read_1", "ns": "read_1:s1"}, ""))
    inside = [(row.state, row.attempt, row.worker) for row in board.rows]
    board.see(entry("leased"))

    assert inside == [("inside", 1, "w1")]
    assert states(board) == ["running"]


def test_a_step_that_asks_says_so() -> None:
    board = Board()
    board.see(entry("leased"))

    board.see(entry("interrupted"))

    assert states(board) == ["asks"]


def test_a_step_that_asks_nothing_has_paused() -> None:
    board = Board()
    board.see(entry("leased"))

    board.see(entry("interrupted", questions=[], why="budget: 2 of 1 usd of the run"))

    assert states(board) == ["paused"]


def test_a_step_whose_worker_was_lost_runs_again() -> None:
    board = Board()
    board.see(entry("leased"))

    board.see(entry("lost worker"))
    lost = states(board)
    board.see(entry("leased", attempt=2, worker="w2"))

    assert lost == ["lost worker"]
    assert [(row.state, row.attempt, row.worker) for row in board.rows] == [("running", 2, "w2")]


def test_a_step_that_waits_for_another_attempt_says_so() -> None:
    board = Board()
    board.see(entry("leased"))
    board.see(entry("retried"))

    board.expect([queued("waiting")])

    assert states(board) == ["waits to retry"]


def test_a_leased_step_in_flight_is_left_to_the_log() -> None:
    board = Board()
    board.see(entry("leased"))

    board.expect([PendingStep("s1", "read_1", "run-1", "leased", 1, "w1", 0, 0)])

    assert states(board) == ["running"]


def test_what_a_node_wrote_last_is_kept_until_its_next_attempt() -> None:
    board = Board()
    board.see(entry("leased"))
    board.see(LiveEvent(2, "run-1", "s1", "read_1", 1, {"done": 1}))
    wrote = board.rows[0].wrote

    board.see(entry("leased", attempt=2))

    assert wrote == {"done": 1}
    assert board.rows[0].wrote is None


def test_what_a_node_says_is_not_what_it_wrote() -> None:
    board = Board()
    board.see(LiveEvent(1, "run-1", "s1", "read_1", 1, {"done": 1}))

    board.see(LiveEvent(2, "run-1", "s1", "read_1", 1, ({"role": "assistant", "content": "hi"}, {}), mode="messages"))

    assert board.rows[0].wrote == {"done": 1}


def test_entries_about_no_step_change_nothing() -> None:
    board = Board()

    board.see(LogEntry(1, "advanced", 0, "run-1", {"checkpoint": "c"}, ""))

    assert board.rows == ()


def test_the_table_shows_the_last_of_many_steps() -> None:
    board = Board()
    for number in range(30):
        board.see(entry("leased", step=f"s{number}"))

    table = table_of(board)

    assert not isinstance(table, str)
    assert table.row_count == 12


def test_an_empty_board_shows_nothing() -> None:
    assert table_of(Board()) == ""
