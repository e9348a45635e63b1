"""Closing a superstep: the script's own guards, should whoever calls it be wrong about what it has read."""

from redis import Redis

from graphs.builder import GraphBuilder
from graphs.checkpoint import Result
from graphs.commands import START
from graphs.graph import Graph
from scheduler.claim import Claim, Progress
from scheduler.client import Client
from scheduler.steps import Steps

from ..stage import State, begin, claim, everything, fan, refs, silent, wrote

FAN = fan("a", "b")


def test_a_superstep_is_not_closed_while_a_step_of_it_runs(client: Client, steps: Steps, redis: Redis) -> None:
    due = refs(begin(client, FAN, {}).orders)
    held = [claim(steps, due[node]) for node in "ab"]
    steps.commit(held[0], FAN, wrote(held[0], said=["a"]))
    before = everything(redis)

    progress = steps._advance(held[0], FAN, [wrote(one) for one in held], single=False)

    assert progress == Progress()
    assert everything(redis) == before


def test_a_superstep_is_closed_once(client: Client, steps: Steps, redis: Redis) -> None:
    due = refs(begin(client, FAN, {}).orders)
    held = [claim(steps, due[node]) for node in "ab"]
    for one in held:
        steps.commit(one, FAN, wrote(one))
    before = everything(redis)

    progress = steps._advance(held[0], FAN, [Result(one.step) for one in held], single=False)

    assert progress == Progress()
    assert everything(redis) == before


def test_a_superstep_is_closed_once_also_when_the_next_one_waits_to_be_closed_too(
    client: Client, steps: Steps, redis: Redis
) -> None:
    twice = two_fans()
    due = refs(begin(client, twice, {}).orders)
    first = [claim(steps, due[node]) for node in "ab"]
    steps.commit(first[0], twice, wrote(first[0]))
    opened = refs(steps.commit(first[1], twice, wrote(first[1])).orders)
    for node in "cd":
        held = claim(steps, opened[node])
        put_result(client, held)
    before = everything(redis)

    progress = steps._advance(first[0], twice, [Result(one.step) for one in first], single=False)

    assert progress == Progress()
    assert everything(redis) == before


def two_fans() -> Graph:
    """Return a graph of two supersteps with two steps each."""
    builder = GraphBuilder(State)
    for node in "abcd":
        builder.add_node(node, silent)
    for node, after in zip("ab", "cd", strict=True):
        builder.add_edge(START, node).add_edge(["a", "b"], after)
    return builder.build("twice", None, None)


def put_result(client: Client, held: Claim) -> None:
    """Store what a step wrote, as a worker that dies before it closes the superstep."""
    place = client.connection.place(held.ref.thread_id, held.ref.run_id)
    client.connection.scripts.put_result(
        place,
        step=held.ref.step_id,
        token=place.keys.token,
        member=place.member(held.ref.step_id),
        fence=held.fence,
        close_ms=1_000,
        wait_ms=1_000,
        entry='{"kind":"committed"}',
        result=client.connection.checkpoints.encode_result(wrote(held)),
        deadline="",
        default=b"",
        breach="",
        spending=b"",
    )
