"""Threads that have grown long, made shorter."""

import json
from collections.abc import Sequence

import pytest
from redis import Redis

from graphs.commands import Command
from graphs.interrupts import GraphInterrupt, Questions
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection
from scheduler.errors import InvalidConfig, ThreadBusy, ThreadNotFound
from scheduler.snapshots import StateSnapshot
from scheduler.steps import Steps
from scheduler.storing import Started
from scheduler.webhook_body import body_of

from .stage import THREAD, begin, claim, finish, kinds, line, play, state

GRAPH = line("a", "b")


def turns(client: Client, steps: Steps, count: int) -> None:
    for number in range(count):
        play(steps, GRAPH, begin(client, GRAPH, {"said": [f"turn {number}"], "answer": number}).orders)


def history(client: Client) -> Sequence[StateSnapshot]:
    return client.snapshots.history(GRAPH, parse({"thread_id": THREAD}))


def ids(client: Client) -> list[str]:
    return [one.config["configurable"]["checkpoint_id"] for one in history(client)]


def fields(connection: Connection) -> int:
    return int(connection.client.hlen(connection.place(THREAD).keys.channels("")))


def test_the_newest_checkpoints_stay_and_so_does_the_state(client: Client, steps: Steps, elsewhere: Client) -> None:
    turns(client, steps, 5)
    before, seen = state(client, GRAPH), history(client)

    dropped = client.pruning.prune(THREAD, 4)

    assert dropped == len(seen) - 4
    for reader in (client, elsewhere):
        assert state(reader, GRAPH) == before
        assert history(reader) == seen[:4]


def test_values_that_nothing_refers_to_are_freed(client: Client, steps: Steps, connection: Connection) -> None:
    turns(client, steps, 20)
    before = fields(connection)

    client.pruning.prune(THREAD, 1)

    # what was said grows in one piece; the answer of each turn was a value of its own
    assert before - fields(connection) == 19
    assert state(client, GRAPH)["answer"] == 19


def test_a_pruned_thread_goes_on(client: Client, steps: Steps) -> None:
    turns(client, steps, 3)
    client.pruning.prune(THREAD)

    turns(client, steps, 1)

    assert state(client, GRAPH)["said"].count("turn 0") == 2
    assert len(history(client)) == 5


def test_the_log_stays_and_says_what_went(client: Client, steps: Steps) -> None:
    turns(client, steps, 3)
    told = kinds(client)

    dropped = client.pruning.prune(THREAD, 2)

    assert kinds(client) == [*told, "pruned"]
    assert [*client.log.read(THREAD)][-1].data["count"] == dropped
    assert client.log.verify(THREAD) is None


def test_a_thread_that_is_short_already_is_left_alone(client: Client, steps: Steps) -> None:
    turns(client, steps, 1)
    told = kinds(client)

    assert client.pruning.prune(THREAD, 4) == 0
    assert kinds(client) == told


def test_a_checkpoint_at_which_a_person_was_asked_stays_with_what_came_of_it(client: Client, steps: Steps) -> None:
    asking = ask(client, steps)
    answer = client.start(GRAPH, parse({"thread_id": THREAD}), Command(resume="yes"))
    play(steps, GRAPH, answer.orders)
    asked = next(one for one in history(client) if one.interrupts)
    turns(client, steps, 5)

    client.pruning.prune(THREAD)

    found = next(one for one in history(client) if one.interrupts)
    assert found == asked
    assert found.interrupts[0].value == "Really?"
    assert asking.run.id in {run.id for run in client.runs.recent(THREAD)}


def test_a_question_that_waits_is_still_answered(client: Client, steps: Steps) -> None:
    turns(client, steps, 3)
    ask(client, steps)

    client.pruning.prune(THREAD)

    answer = client.start(GRAPH, parse({"thread_id": THREAD}), Command(resume="yes"))
    play(steps, GRAPH, answer.orders)
    assert state(client, GRAPH)["said"][-2:] == ["a", "b"]


def ask(client: Client, steps: Steps) -> Started:
    started = begin(client, GRAPH, {"said": ["careful"]})
    claimed = claim(steps, started.orders[0].ref)
    with pytest.raises(GraphInterrupt) as asked:
        Questions(started.orders[0].ref.step_id).ask("Really?")
    steps.ask(claimed, GRAPH, asked.value)
    return started


def test_the_parent_of_a_branch_stays(client: Client, steps: Steps) -> None:
    turns(client, steps, 3)
    old = ids(client)[-2]
    play(steps, GRAPH, begin(client, GRAPH, None, checkpoint_id=old).orders)
    fork = next(one for one in history(client) if (one.metadata or {})["source"] == "fork")
    newest = ids(client).index(fork.config["configurable"]["checkpoint_id"]) + 1

    client.pruning.prune(THREAD, newest)

    assert old in ids(client)
    assert len(ids(client)) == newest + 1


def test_where_the_next_run_begins_after_one_was_taken_back_stays(client: Client, steps: Steps) -> None:
    turns(client, steps, 1)
    wrong = begin(client, GRAPH, {"said": ["wrong"]})
    finish(steps, GRAPH, wrong.orders[0].ref, said=["wrong too"])
    begin(client, GRAPH, {"said": ["instead"]}, on_busy="rollback")
    client.threads.inputs(THREAD).clear()

    client.pruning.prune(THREAD)

    play(steps, GRAPH, begin(client, GRAPH, {"said": ["right"]}).orders)
    assert state(client, GRAPH)["said"] == ["turn 0", "a", "b", "right", "a", "b"]


def test_what_a_webhook_is_still_to_tell_stays(client: Client, steps: Steps) -> None:
    told = {"url": "https://hooks.example", "include": ["output"]}
    first = begin(client, GRAPH, {"said": ["first"]}, webhook=told)
    play(steps, GRAPH, first.orders)
    turns(client, steps, 2)

    client.pruning.prune(THREAD)

    body = body_of(client.connection, client.runs.get(THREAD, first.run.id), 10_000)
    assert json.loads(body)["output"]["said"] == ["first", "a", "b"]


def test_a_thread_that_runs_is_not_pruned(client: Client) -> None:
    begin(client, GRAPH, {"said": ["hi"]})

    with pytest.raises(ThreadBusy):
        client.pruning.prune(THREAD)


def test_a_thread_that_is_not_there_is_said_not_to_be(client: Client) -> None:
    with pytest.raises(ThreadNotFound):
        client.pruning.prune(THREAD)


@pytest.mark.parametrize("keep", [0, -1, True, "1"])
def test_at_least_one_checkpoint_stays(client: Client, keep: int) -> None:
    with pytest.raises(InvalidConfig):
        client.pruning.prune(THREAD, keep)


def test_pruning_that_is_sent_twice_happens_once(client: Client, steps: Steps, redis: Redis, sent_twice: None) -> None:
    turns(client, steps, 2)

    client.pruning.prune(THREAD)

    assert kinds(client).count("pruned") == 1
    assert client.log.verify(THREAD) is None


def test_an_exit_run_names_its_parent_also_when_that_is_gone(client: Client, steps: Steps) -> None:
    for number in range(3):
        play(steps, GRAPH, begin(client, GRAPH, {"answer": number}, durability="exit").orders)
    client.pruning.prune(THREAD)

    (found,) = history(client)

    assert found.values["answer"] == 2
