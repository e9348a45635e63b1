"""Closing a superstep: the script's own guards, should whoever calls it be wrong about what it has read."""

from redis import Redis

from graphs.checkpoint import Result
from scheduler.claim import Progress
from scheduler.client import Client
from scheduler.steps import Steps

from ..stage import begin, claim, everything, fan, refs, wrote

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
