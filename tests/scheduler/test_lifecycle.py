"""The one table of statuses and events."""

import pytest

from scheduler.lifecycle import ENDING, TABLE, RunStatus, ThreadEvent, ThreadStatus, after_run, allowed_in

FINAL = [status for status in RunStatus if status.is_final]
RESTING = {ThreadStatus.CREATED, ThreadStatus.PAUSED, ThreadStatus.IDLE, ThreadStatus.FAILED, ThreadStatus.CANCELLED}


def test_every_event_can_happen_and_every_status_can_be_reached() -> None:
    assert {event for _, event in TABLE} == set(ThreadEvent)
    assert set(TABLE.values()) == set(ThreadStatus)


def test_every_end_of_a_run_leads_to_a_status_in_which_the_thread_rests() -> None:
    assert set(ENDING) == set(FINAL)
    assert {after_run(status) for status in FINAL} <= RESTING


@pytest.mark.parametrize(
    ("status", "after"),
    [
        ("success", "idle"),
        ("error", "failed"),
        ("timeout", "failed"),
        ("interrupted", "paused"),
        ("cancelled", "cancelled"),
    ],
)
def test_a_run_leaves_its_thread_as(status: str, after: str) -> None:
    assert after_run(RunStatus(status)) == after


def test_a_run_begins_only_where_none_is_active_and_goes_on_only_where_there_is_something() -> None:
    assert set(allowed_in(ThreadEvent.START)) == RESTING
    assert set(allowed_in(ThreadEvent.RESUME)) == RESTING - {ThreadStatus.CREATED}


def test_only_a_thread_that_rests_is_edited_and_waits_for_a_run_after_that() -> None:
    assert set(allowed_in(ThreadEvent.UPDATE)) == RESTING
    assert {TABLE[status, ThreadEvent.UPDATE] for status in RESTING} == {ThreadStatus.PAUSED}


def test_from_a_closed_thread_nothing_leads_back() -> None:
    from_terminated = {event for status, event in TABLE if status is ThreadStatus.TERMINATED}
    from_archived = {event for status, event in TABLE if status is ThreadStatus.ARCHIVED}

    assert from_terminated == {ThreadEvent.ARCHIVE, ThreadEvent.DELETE}
    assert from_archived == {ThreadEvent.DELETE}


def test_a_thread_that_runs_is_not_deleted() -> None:
    assert ThreadStatus.RUNNING not in allowed_in(ThreadEvent.DELETE)


def test_a_run_is_over_unless_it_is_pending_or_running() -> None:
    assert set(RunStatus) - set(FINAL) == {RunStatus.PENDING, RunStatus.RUNNING}
