"""Of a superstep a share of the steps waits in a queue at a time; those that come to workers let the others go."""

from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from redis import Redis

from scheduler.client import Client
from scheduler.connection import Connection
from scheduler.errors import StoreUnavailable
from scheduler.settings import Settings
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher

from .stage import THREAD, Death, begin, claim, expire_lease, fan, finish, record, refs, silent, state, wrote
from .troupe import everything_falls_due

NODES = "abcdefghij"
FAN = fan(*NODES)


@pytest.fixture
def settings() -> Settings:
    return Settings(fair_share=4)


def states(client: Client) -> Counter[str]:
    return Counter(step.state for step in client.threads.pending(THREAD))


def test_the_steps_beyond_the_share_have_no_message_and_no_due_entry(
    client: Client, dispatcher: RecordingDispatcher
) -> None:
    begin(client, FAN, {})

    assert dispatcher.nodes == [*"abcd"]
    assert states(client) == {"queued": 4, "held": 6}
    assert {step.node for step in client.threads.pending(THREAD) if step.due_ms is None} == {*"efghij"}


@pytest.mark.parametrize("many", [1, 3, 4])
def test_a_superstep_within_the_share_is_not_held(client: Client, dispatcher: RecordingDispatcher, many: int) -> None:
    begin(client, fan(*NODES[:many]), {})

    assert dispatcher.nodes == [*NODES[:many]]
    assert not any("behind" in record(client.connection, order.ref) for order in dispatcher.sent)


def test_a_share_that_is_half_taken_is_filled_up(client: Client, steps: Steps, dispatcher: RecordingDispatcher) -> None:
    begin(client, FAN, {})

    seen = []
    for order in dispatcher.sent:  # grows
        claim(steps, order.ref)
        seen.append(states(client)["queued"])

    assert dispatcher.nodes == [*NODES]
    assert seen == [3, 4, 3, 4, 3, 4, 3, 2, 1, 0]


def test_more_run_at_once_than_there_are_in_a_share(
    client: Client, steps: Steps, dispatcher: RecordingDispatcher
) -> None:
    begin(client, FAN, {})

    for order in dispatcher.sent:
        claim(steps, order.ref)

    assert states(client) == {"leased": len(NODES)}


def test_a_lease_that_is_taken_again_lets_no_more_go(
    client: Client, steps: Steps, rival: Steps, connection: Connection, dispatcher: RecordingDispatcher
) -> None:
    at = refs(begin(client, FAN, {}).orders)
    claim(steps, at["b"])
    expire_lease(connection, at["b"])

    claim(rival, at["b"], "again")

    assert dispatcher.nodes == [*"abcdef"]


def test_one_that_ends_makes_up_for_those_whose_messages_were_lost(
    client: Client, steps: Steps, dispatcher: RecordingDispatcher
) -> None:
    at = refs(begin(client, FAN, {}).orders)

    finish(steps, FAN, at["c"], said=["c"])

    assert dispatcher.nodes == [*"abcdef"]


def test_a_store_that_ails_when_steps_are_to_go_costs_the_step_nothing(
    client: Client, steps: Steps, dispatcher: RecordingDispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ailing(*_: object, **__: object) -> Any:
        raise StoreUnavailable("away")

    at = refs(begin(client, FAN, {}).orders)
    with monkeypatch.context() as patched:
        patched.setattr(client.connection.scripts, "let_go_held", ailing)
        claimed = claim(steps, at["b"])
    assert dispatcher.nodes == [*"abcd"]

    steps.commit(claimed, FAN, wrote(claimed, said=["b"]))

    assert dispatcher.nodes == [*"abcdef"]


def test_a_worker_of_a_run_that_is_over_lets_nothing_go(client: Client, steps: Steps) -> None:
    at = refs(begin(client, FAN, {}).orders)
    claimed, place = claim(steps, at["a"]), client.connection.place(THREAD)
    client.runs.cancel(THREAD, claimed.run.id)
    begin(client, FAN)

    step, token = claimed.ref.step_id, place.keys.token
    gone = client.connection.scripts.let_go_held(place, step=step, token=token, fence=claimed.fence, wait_ms=1)

    assert gone == []


def test_an_error_handler_has_the_place_of_the_step_that_failed(
    client: Client, steps: Steps, connection: Connection, dispatcher: RecordingDispatcher
) -> None:
    graph = fan(*NODES, c={"error_handler": silent})
    at = refs(begin(client, graph, {}).orders)
    claimed = claim(steps, at["c"])

    (handler,) = steps.fail(claimed, graph, {"kind": "error", "repr": "no"}).orders

    assert record(connection, handler.ref)["behind"] == record(connection, at["c"])["behind"] == 4


def test_a_max_concurrency_stands_in_the_place_of_the_share(
    client: Client, steps: Steps, dispatcher: RecordingDispatcher
) -> None:
    at = refs(begin(client, FAN, {}, max_concurrency=6).orders)

    for node in "abcdef":
        claim(steps, at[node])

    assert dispatcher.nodes == [*"abcdef"]
    assert states(client) == {"leased": 6, "held": 4}


def test_wherever_a_worker_dies_all_steps_run(
    client: Client, steps: Steps, dispatcher: RecordingDispatcher, mortal: Callable[[int], None], redis: Redis
) -> None:
    heir, watchdog = Steps(client.connection, client.runs, "heir"), Watchdog(client.connection, client.runs)
    for scripts in count():
        redis.flushall()
        dispatcher.sent.clear()
        begin(client, FAN, {})
        mortal(scripts)
        try:
            play(steps, dispatcher)
        except Death:
            while client.threads.get(THREAD).run_id:
                dispatcher.sent.clear()
                everything_falls_due(client.connection)
                assert watchdog.sweep()["dispatched"], "nothing is due, and the run has not ended"
                play(heir, dispatcher)
            assert state(client, FAN)["said"] == [*NODES, "join"]
        else:
            assert scripts > 2 * len(NODES)
            return


def play(steps: Steps, dispatcher: RecordingDispatcher) -> None:
    """Run whatever there are messages of."""
    while dispatcher.sent:
        order = dispatcher.sent.pop(0)
        claimed = steps.claim(order.ref, "delivery")
        if claimed is not None and claimed.verdict == "close":
            steps.close(claimed, FAN)
        elif claimed is not None:
            steps.commit(claimed, FAN, wrote(claimed, said=[order.node]))
