"""What tasks returned: kept once, under the lease of the step that called them."""

import pytest

from graphs.channels import MISSING
from graphs.checkpoint import PUSH, Step
from scheduler.claim import Claim
from scheduler.client import Client
from scheduler.connection import Connection
from scheduler.errors import LeaseLost, NotSerializable
from scheduler.leases import Leases
from scheduler.records import Records
from scheduler.steps import Steps
from tests.scheduler.stage import THREAD, begin, line

GRAPH = line("a")
TASK = Step("f" * 32, "work", (PUSH, 0), (PUSH,))


@pytest.fixture
def records(connection: Connection) -> Records:
    return Records(connection)


def claimed(client: Client, steps: Leases) -> Claim:
    claim = steps.claim(begin(client, GRAPH, {}).orders[0].ref, "first")
    assert claim is not None
    return claim


def again(steps: Leases, claim: Claim) -> Claim:
    steps.release(claim.ref, claim.delivery, "released")
    second = steps.claim(claim.ref, "second")
    assert second is not None
    return second


def test_the_next_attempt_at_the_step_finds_what_a_task_returned(
    client: Client, steps: Steps, records: Records
) -> None:
    first = claimed(client, steps)
    records.put(first, TASK, {"a": (1, 2)}, 5)

    second = again(steps, first)

    assert (first.tried, second.tried) == (False, True)
    assert records.find(second, TASK) == {"a": (1, 2)}


def test_a_first_attempt_looks_for_nothing(client: Client, steps: Steps, records: Records) -> None:
    first = claimed(client, steps)
    records.put(first, TASK, 1, 5)

    assert records.find(first, TASK) is MISSING


def test_what_was_not_kept_is_missing(client: Client, steps: Steps, records: Records) -> None:
    first = claimed(client, steps)
    records.put(first, Step("e" * 32, "other", (PUSH, 1), (PUSH,)), None, 5)

    assert records.find(again(steps, first), TASK) is MISSING


def test_keeping_it_twice_keeps_the_first_and_says_so_once(client: Client, steps: Steps, records: Records) -> None:
    first = claimed(client, steps)
    for value in ("first", "second"):
        records.put(first, TASK, value, 5)

    assert records.find(again(steps, first), TASK) == "first"
    assert [entry.kind for entry in client.log.read(THREAD)].count("task") == 1
    assert client.log.verify(THREAD) is None


def test_a_worker_that_lost_its_lease_keeps_nothing(client: Client, steps: Steps, records: Records) -> None:
    first = claimed(client, steps)
    second = again(steps, first)

    with pytest.raises(LeaseLost):
        records.put(first, TASK, "late", 5)

    assert records.find(second, TASK) is MISSING


def test_a_value_that_cannot_be_stored_is_refused_by_the_name_of_its_task(
    client: Client, steps: Steps, records: Records
) -> None:
    with pytest.raises(NotSerializable, match="'work'"):
        records.put(claimed(client, steps), TASK, object(), 5)
