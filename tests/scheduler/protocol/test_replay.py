"""The model is true: whatever may happen in it, the scripts answer the same, and leave the same behind."""

import random

import pytest
from redis import Redis

from .explorer import Explorer, Trace
from .model import Move, Protocol, World
from .replay import Replay, expected
from .test_model import GRAPHS, LARGE


def walk(protocol: Protocol, seed: int, length: int) -> Trace:
    """Return moves taken at random, one after the other."""
    chance, world = random.Random(seed), World()
    trace: list[tuple[Move, World]] = []
    while len(trace) < length:
        choices = [*protocol.moves(world)]
        if not choices:
            break
        move, world = chance.choice(choices)
        trace.append((move, world))
    return tuple(trace)


def check(protocol: Protocol, redis: Redis, trace: Trace) -> None:
    """Replay a trace, and compare each answer and what it left behind."""
    redis.flushall()
    replay, story = Replay(protocol, redis), []
    for move, world in trace:
        answer = replay.play(move)
        story.append(f"{move.script} {move.name} -> {answer}")

        assert answer == move.answer, "\n".join(story)
        assert replay.seen() == expected(protocol, world.store), "\n".join(story)


@pytest.mark.parametrize("name", GRAPHS)
def test_the_scripts_answer_in_every_way_as_the_model_says(redis: Redis, name: str, thorough: int) -> None:
    """Each script, with each of its answers, to each kind of caller: by the shortest traces that lead there."""
    explorer = Explorer(GRAPHS[name], {}, limit=None if thorough else 1_000)
    explorer.explore()

    for trace in explorer.traces():
        check(GRAPHS[name], redis, trace)


@pytest.mark.parametrize("name", [*GRAPHS, *LARGE])
def test_the_scripts_go_with_the_model_wherever_chance_leads(redis: Redis, name: str, thorough: int) -> None:
    for seed in range(thorough or 3):
        check((GRAPHS | LARGE)[name], redis, walk((GRAPHS | LARGE)[name], seed, 25 if not thorough else 60))
