"""Sealing anew: the old key can be dropped afterwards, also when threads ran meanwhile, and nothing is lost."""

from typing import Any

import pytest
from redis import Redis

from graphs.store import PutOp
from scheduler.cache import default_cache
from scheduler.chunks import SPAN
from scheduler.client import Client
from scheduler.errors import InvalidConfig
from scheduler.failure import describe
from scheduler.memory import RedisStore
from scheduler.mistrust import KeyMissing, SealBroken
from scheduler.resealing import Resealing
from scheduler.sealing import new_key
from scheduler.steps import Steps

from .faults import OF_REDIS, Faults
from .stage import THREAD, Open, begin, claim, everything, line, play, record, refs, state

LINE = line("a")
OLD, NEW = f"old:{new_key()}", f"new:{new_key()}"


def worker(client: Client) -> Steps:
    return Steps(client.connection, client.runs, "w1")


def fill(client: Client) -> dict[str, Any]:
    """Put something into every place, and return what a reader sees of it."""
    steps = worker(client)
    client.threads.create(THREAD, {"about": "tea"})
    for _ in range(SPAN + 2):
        play(steps, LINE, begin(client, LINE, {"said": ["more"]}, metadata={"why": "tea"}).orders)
    begun = begin(client, LINE, {"said": ["no more"]})
    held = claim(steps, begun.orders[0].ref)
    event = [begun.run.id, "s", "a", 1, "shown"]
    steps.publish(held, client.connection.serde.dumps(event))
    client.runs.drain(THREAD, begun.run.id, "deploy")
    steps.fail(held, LINE, describe(ValueError("it broke"), "a"))
    memory(client).batch([PutOp(("people",), "ada", {"likes": "tea"}, ttl=5)])
    default_cache(client.connection).set({(("g", "n"), "k"): ("kept", 60)})
    return seen(client)


def memory(client: Client) -> RedisStore:
    connection = client.connection
    return RedisStore(connection.client, connection.keys, connection.serde, connection.sealing)


def seen(client: Client) -> dict[str, Any]:
    """Return everything that can be read."""
    keys, checkpoints = client.connection.place(THREAD).keys, client.connection.checkpoints
    checkpoints.forget(keys)
    run = client.runs.recent(THREAD, 1)[0]
    return {
        "thread": client.threads.get(THREAD),
        "runs": client.runs.recent(THREAD, 1000),
        "drain": client.runs.drain_reason(THREAD, run.id),
        "state": state(client, LINE),
        "history": checkpoints.history(keys, ""),
        "results": checkpoints.results(keys, "", checkpoints.history(keys, "", limit=1)[0].checkpoint.steps),
        "events": client._follower._read(keys, run.log_start, 1),
        "memory": memory(client).get(("people",), "ada"),
        "cache": default_cache(client.connection).get([(("g", "n"), "k")]),
        "holds": client.log.verify(THREAD),
    }


@pytest.mark.parametrize("before", [OLD, ""], ids=["under the old key", "unsealed"])
def test_afterwards_the_old_key_is_not_needed_and_everything_is_as_it_was(opened: Open, before: str) -> None:
    known = fill(opened(before))

    tally = Resealing(opened(f"{NEW},{OLD}").connection).all()

    kind = "old" if before else ""
    assert tally.resealed == tally.found[kind] > SPAN
    assert known["holds"] is None
    only_new = opened(NEW, strict=True)
    found = seen(only_new)
    events, known_events = found.pop("events"), known.pop("events")
    assert found == known
    assert [one.seq for one in events] == [one.seq for one in known_events]


def test_an_index_of_vectors_in_the_clear_goes(opened: Open, redis: Redis) -> None:
    connection, keys = opened(NEW).connection, opened(NEW).connection.keys
    redis.hset(keys.memory_gathered(), "dims", 3)
    redis.set(keys.memory_vectors(), "what vectors are in")

    Resealing(connection, dry=True).all()
    assert redis.exists(keys.memory_gathered(), keys.memory_vectors()) == 2
    Resealing(connection).all()

    assert redis.exists(keys.memory_gathered(), keys.memory_vectors()) == 0


def test_a_second_time_there_is_nothing_to_do(opened: Open, redis: Redis) -> None:
    fill(opened(OLD))
    Resealing(opened(f"{NEW},{OLD}").connection).all()
    before = everything(redis)

    tally = Resealing(opened(NEW).connection).all()

    assert (tally.resealed, set(tally.found)) == (0, {"new"})
    assert everything(redis) == before


def test_it_can_be_counted_first_what_there_is(opened: Open, redis: Redis) -> None:
    fill(opened(OLD))
    before = everything(redis)

    tally = Resealing(opened(f"{NEW},{OLD}").connection, dry=True).all()

    assert (tally.resealed, set(tally.found)) == (0, {"old"})
    assert everything(redis) == before


def test_one_that_was_cut_short_is_begun_again_and_what_it_left_goes_by_itself(
    opened: Open, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, faults = fill(opened(OLD)), Faults.at_calls(monkeypatch, *OF_REDIS)
    lasting = [key for key in everything(redis) if redis.pttl(key) == -1]

    while faults.strikes(Resealing(opened(f"{NEW},{OLD}").connection).all, at=faults.seen + 17):
        assert [key for key in everything(redis) if redis.pttl(key) == -1] == lasting

    assert seen(opened(f"{NEW},{OLD}"))["state"] == known["state"]
    Resealing(opened(f"{NEW},{OLD}").connection).all()
    assert seen(opened(NEW, strict=True))["state"] == known["state"]


def test_what_a_thread_writes_meanwhile_stays(opened: Open, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(opened(OLD))
    both = opened(f"{NEW},{OLD}")
    resealing = Resealing(both.connection)
    swap = both.connection.scripts.reseal_stream
    running = opened(f"{OLD},{NEW}")  # a process that seals with the old key as yet

    def and_it_goes_on(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(both.connection.scripts, "reseal_stream", swap)
        play(worker(running), LINE, begin(running, LINE, {"said": ["meanwhile"]}).orders)
        return swap(*args, **options)

    monkeypatch.setattr(both.connection.scripts, "reseal_stream", and_it_goes_on)
    resealing.all()
    Resealing(both.connection).all()

    only_new = opened(NEW, strict=True)
    assert state(only_new, LINE)["said"][-2:] == ["meanwhile", "a"]
    assert only_new.log.verify(THREAD) is None


def test_a_value_that_changed_since_it_was_read_is_left_alone(
    opened: Open, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(opened(OLD))
    both = opened(f"{NEW},{OLD}")
    put = both.connection.scripts.reseal_value

    def after_somebody_else(calls: Any) -> Any:
        memory(both).batch([PutOp(("people",), "ada", {"likes": "coffee"}, ttl=5)])
        return put(calls)

    monkeypatch.setattr(both.connection.scripts, "reseal_value", after_somebody_else)
    resealing = Resealing(both.connection)
    resealing._memory()

    item = memory(opened(NEW)).get(("people",), "ada")
    assert resealing.tally.resealed == 0
    assert item is not None
    assert item.value == {"likes": "coffee"}


def test_lifetimes_go_on(opened: Open, redis: Redis) -> None:
    fill(opened(OLD))
    keys = opened(OLD).connection.keys
    places = [keys.memory_item(("people",), "ada"), keys.cache_item(("g", "n"), "k")]

    Resealing(opened(f"{NEW},{OLD}").connection).all()

    assert all(0 < redis.pttl(place) <= 300_000 for place in places)


def test_a_thread_that_was_deleted_meanwhile_does_not_come_back(
    opened: Open, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(opened(OLD))
    both = opened(f"{NEW},{OLD}")
    swap = both.connection.scripts.reseal_stream

    def after_its_end(*args: Any, **options: Any) -> Any:
        both.threads.delete(THREAD)
        return swap(*args, **options)

    monkeypatch.setattr(both.connection.scripts, "reseal_stream", after_its_end)
    Resealing(both.connection).thread(THREAD)

    assert both.threads.find(THREAD) is None
    assert all(b":t:" not in key + b":" for key in everything(redis))


def test_a_value_that_does_not_open_is_told_and_stands_in_nobodys_way(opened: Open, redis: Redis) -> None:
    fill(opened(OLD))
    results = opened(OLD).connection.place(THREAD).keys.results("")
    kept: Any = redis.hgetall(results)
    (name, data), *_ = kept.items()
    redis.hset(results, name, data[:-1] + b"?")

    tally = Resealing(opened(f"{NEW},{OLD}").connection).all()

    assert len(tally.broken) == 1
    assert name.decode() in tally.broken[0]
    assert tally.resealed == tally.found["old"] - 1


def test_without_the_old_key_nothing_is_changed_that_it_has_sealed(opened: Open) -> None:
    known = fill(opened(OLD))

    with pytest.raises(KeyMissing, match="'old'"):
        Resealing(opened(NEW).connection).all()

    assert seen(opened(OLD))["state"] == known["state"]


def test_there_must_be_a_key_to_seal_with(opened: Open) -> None:
    with pytest.raises(InvalidConfig, match="no key"):
        Resealing(opened("").connection)


# What a process does that has not the right key


@pytest.mark.parametrize("keys", ["", NEW], ids=["no key", "another key"])
def test_a_client_without_the_key_says_which_one_and_writes_nothing(opened: Open, redis: Redis, keys: str) -> None:
    fill(opened(OLD))
    before = everything(redis)
    client = opened(keys)

    for attempt in (
        lambda: begin(client, LINE, {"said": ["hi"]}),
        lambda: client.threads.get(THREAD),
        lambda: client.threads.copy(THREAD, "copy"),
        lambda: client.runs.recent(THREAD),
        lambda: memory(client).get(("people",), "ada"),
        lambda: default_cache(client.connection).get([(("g", "n"), "k")]),
    ):
        with pytest.raises(KeyMissing, match="'old', which is not here"):
            attempt()

    assert everything(redis) == before


def test_values_of_two_threads_cannot_change_places(opened: Open, redis: Redis) -> None:
    client = opened(OLD)
    for name in (THREAD, "other"):
        play(worker(client), LINE, begin(client, LINE, {"said": [name]}, name).orders)
    mine, theirs = (client.connection.place(name).keys for name in (THREAD, "other"))

    for here, there in zip(mine.of_frame(""), theirs.of_frame(""), strict=True):
        redis.copy(there, here, replace=True)

    with pytest.raises(SealBroken):
        state(opened(OLD), LINE)


def test_what_nobody_has_sealed_is_read_and_in_strict_mode_refused(opened: Open) -> None:
    known = fill(opened(""))

    assert seen(opened(OLD))["state"] == known["state"]
    with pytest.raises(SealBroken, match="nobody has sealed it"):
        seen(opened(OLD, strict=True))


def test_a_step_in_flight_holds_nothing_but_ids(opened: Open) -> None:
    client = opened(OLD)
    begun = begin(client, LINE, {"said": ["secret"]})

    assert "secret" not in str(record(client.connection, refs(begun.orders)["a"]))
