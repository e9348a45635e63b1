"""Whatever ends a thread, or moves it, does so to all that it has: each must know every key that ``keys.py`` knows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from scheduler import holdings
from scheduler.archive import broken_log
from scheduler.copying import COPIED_OF_FRAMES
from scheduler.dialogue import Dialogue
from scheduler.errors import InputsWaiting, ThreadBusy, TransitionNotAllowed
from scheduler.keys import Keys
from scheduler.resealing import Resealing
from scheduler.watchdog import Watchdog
from tests.scheduler.stage import everything
from tests.scheduler.stage import kinds as logged
from treadle.types import Command

from .whole import CONFIG, SECRET, THREAD, Deployment, had, kinds, own

pytest.importorskip("cryptography")

OLD, NEW = f"0ld-key:{'A' * 43}=", f"n3w-key:{'B' * 43}="
COPY = "whole/2"
KEYS = Keys().of_thread(THREAD)
#: A file that the first version wrote that wrote any.
GOLDEN = Path(__file__).parent.parent / "scheduler" / "golden" / "format-1-whole.treadle"
#: What a thread has only while it runs, or while a run is to begin on it.
IN_FLIGHT, TO_COME = {"steps", "held"}, {"starts", "inputs"}
#: What changes with each event, also where the thread is what it was.
MOVING = {b"updated", b"nonce", b"seq", b"head"}


@pytest.fixture
def house(redis: Redis) -> Deployment:
    """A deployment with a thread that rests, and has what such a thread may have."""
    deployment = Deployment(redis, OLD)
    deployment.rest()
    return deployment


def rests(house: Deployment) -> None:
    """Leave it as it is."""


def waits(house: Deployment) -> None:
    """Let everything wait on the thread that can."""
    house.wait()


def runs(house: Deployment) -> None:
    """Let a run be active."""
    house.run()


def ran(house: Deployment) -> None:
    """Let a run be cancelled in the middle."""
    house.run()
    thread = house.client.threads.get(THREAD)
    house.client.runs.cancel(THREAD, thread.run_id or "", SECRET)


Stage = Callable[[Deployment], None]


def held(house: Deployment, thread_id: str = THREAD) -> dict[tuple[str, str], Any]:
    """Return everything that a thread holds, opened."""
    parts = holdings.read(house.client.connection, house.client.connection.place(thread_id).keys)
    return {(part.name, part.of): part.value for part in parts}


def told(house: Deployment, thread_id: str = THREAD) -> Any:
    """Return what users see of a thread: its state with the graphs inside, and its history."""
    config = {"thread_id": thread_id}
    return [house.graph.get_state(config, subgraphs=True), *house.graph.get_state_history(config)]


def lasting(parts: Any) -> dict[bytes, bytes]:
    """Return the fields of a thread that do not change with each event."""
    return {name: value for name, value in parts["thread", ""] if name not in MOVING}


def test_together_the_stages_have_every_key_that_a_thread_may_have(redis: Redis, house: Deployment) -> None:
    assert had(redis) == kinds() - IN_FLIGHT - TO_COME
    house.wait()
    assert had(redis) == kinds() - IN_FLIGHT
    redis.flushall()
    Deployment(redis, OLD).rest()
    Deployment(redis, OLD).run()
    assert had(redis) >= IN_FLIGHT


@pytest.mark.parametrize("stage", [rests, waits, runs, ran])
def test_nothing_that_users_put_in_is_read_in_redis(redis: Redis, house: Deployment, stage: Stage) -> None:
    stage(house)

    assert SECRET not in repr(everything(redis))
    assert SECRET in repr(held(house))


@pytest.mark.parametrize("stage", [rests, waits, ran])
def test_a_deleted_thread_leaves_nothing(redis: Redis, house: Deployment, stage: Stage) -> None:
    stage(house)

    house.client.threads.delete(THREAD)

    assert everything(redis) == {}


@pytest.mark.parametrize("stage", [rests, ran])
def test_a_thread_whose_time_is_over_leaves_nothing(redis: Redis, house: Deployment, stage: Stage) -> None:
    stage(house)
    house.client.threads.terminate(THREAD)
    redis.hset(KEYS.thread, "updated", "1")
    redis.zadd(KEYS.due, {f"{KEYS.token} expiry": 1})

    assert Watchdog(house.client.connection, house.client.runs).sweep() == {"expired": 1}

    assert everything(redis) == {}


@pytest.mark.parametrize("stage", [rests, ran])
def test_an_archived_thread_leaves_one_hash_and_its_file_has_the_rest(
    redis: Redis, house: Deployment, tmp_path: Path, stage: Stage
) -> None:
    stage(house)
    before = held(house)

    archived = house.client.archives.put(THREAD, str(tmp_path))

    assert set(everything(redis)) == {KEYS.thread.encode(), KEYS.index.encode()}
    parts = house.client.archives.read(archived.url).parts
    assert {(part.name, part.of): part.value for part in parts} == before


def test_a_file_has_every_key_of_a_thread_that_rests(redis: Redis, house: Deployment) -> None:
    assert {name for name, _ in held(house)} - {"due"} == had(redis)


def test_a_file_of_the_first_form_with_everything_is_still_read_and_brought_back(redis: Redis) -> None:
    reader = Deployment(redis).client

    reader.archives.restore(str(GOLDEN))

    archive = reader.archives.read(str(GOLDEN))
    assert broken_log(archive) is None
    assert archive.manifest.counts == {"runs": 15, "frames": 3, "checkpoints": 147, "events": 15, "entries": 241}
    parts = {(part.name, part.of): part.value for part in archive.parts}
    after = held(Deployment(redis))
    changed = {place for place, value in parts.items() if after[place] != value}
    assert changed == {("thread", ""), ("log", ""), ("due", "")}
    assert lasting(after) == lasting(parts)
    assert reader.log.verify(THREAD) is None
    known = [Dialogue.of(reader.connection.serde.loads(data)) for _, data in after["results", "inner|innermost"]]
    assert [question.value for dialogue in known for question in dialogue.asked] == ["Xq7-secret?"]


def test_a_restored_thread_has_everything_that_it_had(redis: Redis, house: Deployment, tmp_path: Path) -> None:
    before, opened, shown = set(everything(redis)), held(house), told(house)
    house.client.archives.put(THREAD, str(tmp_path))

    house.client.archives.restore(THREAD)

    after = held(house)
    assert set(everything(redis)) == before
    assert {place for place in after if after[place] != opened[place]} == {("thread", ""), ("log", ""), ("due", "")}
    assert lasting(after) == lasting(opened)
    assert told(house) == shown
    assert house.client.log.verify(THREAD) is None
    house.graph.invoke(Command(resume="yes"), CONFIG)
    assert house.graph.get_state(CONFIG).next == ()


def copied(house: Deployment, folder: Path) -> None:
    house.client.threads.copy(THREAD, COPY)


def restored(house: Deployment, folder: Path) -> None:
    house.client.archives.restore(house.client.archives.put(THREAD, str(folder)).url, COPY)


@pytest.mark.parametrize("how", [copied, restored])
def test_a_copy_has_the_frames_of_its_original_and_a_log_of_its_own(
    redis: Redis, house: Deployment, tmp_path: Path, how: Callable[[Deployment, Path], None]
) -> None:
    opened, others = held(house), set(everything(redis))
    shown = [(one.values, one.next, one.interrupts) for one in told(house)]

    how(house, tmp_path)

    of_frames = {place for place in opened if place[0] in COPIED_OF_FRAMES}
    assert set(own(redis, COPY)) == {("thread", ""), ("log", ""), ("frames", "")} | of_frames
    assert {place: held(house, COPY)[place] for place in of_frames} == {place: opened[place] for place in of_frames}
    assert [(one.values, one.next, one.interrupts) for one in told(house, COPY)] == shown
    house.graph.invoke(Command(resume="yes"), {"thread_id": COPY})
    house.client.threads.delete(COPY)
    assert set(everything(redis)) <= others


@pytest.mark.parametrize("stage", [rests, waits, runs, ran])
def test_a_resealed_thread_is_read_with_the_new_keys_alone(redis: Redis, house: Deployment, stage: Stage) -> None:
    stage(house)
    before, opened, shown = set(everything(redis)), held(house), told(house)

    Resealing(Deployment(redis, f"{NEW},{OLD}").client.connection).all()

    after = Deployment(redis, NEW)
    assert set(everything(redis)) == before
    assert {place for place, value in own(redis).items() if "0ld-key" in repr(value)} == set()
    assert held(after) == opened
    assert told(after) == shown
    assert after.client.log.verify(THREAD) is None
    if stage is rests:
        assert after.graph.invoke(Command(resume="yes"), CONFIG)["want"] == "ask"


@pytest.mark.parametrize("stage", [rests, waits, ran])
def test_a_pruned_thread_has_every_kind_of_key_and_says_what_it_said(
    redis: Redis, house: Deployment, stage: Stage
) -> None:
    stage(house)
    before, dues, shown = had(redis), redis.zrange(KEYS.due, 0, -1), told(house)[0]

    assert house.client.pruning.prune(THREAD) > 0

    assert (had(redis), redis.zrange(KEYS.due, 0, -1)) == (before, dues)
    assert told(house)[0] == shown
    assert logged(house.client, THREAD).count("pruned") == 3
    assert house.client.log.verify(THREAD) is None
    if stage is rests:
        assert house.graph.invoke(Command(resume="yes"), CONFIG)["want"] == "ask"


@pytest.mark.parametrize(
    "end",
    [
        lambda house, folder: house.client.threads.delete(THREAD),
        lambda house, folder: house.client.threads.terminate(THREAD),
        lambda house, folder: house.client.threads.copy(THREAD, COPY),
        lambda house, folder: house.client.archives.put(THREAD, folder),
        lambda house, folder: house.client.pruning.prune(THREAD),
    ],
    ids=["delete", "terminate", "copy", "archive", "prune"],
)
def test_to_a_thread_that_runs_nothing_of_it_happens(
    redis: Redis, house: Deployment, tmp_path: Path, end: Callable[[Deployment, str], object]
) -> None:
    house.run()
    before = everything(redis)

    with pytest.raises((ThreadBusy, TransitionNotAllowed)):
        end(house, str(tmp_path))

    assert everything(redis) == before
    assert [*tmp_path.iterdir()] == []


def test_a_thread_to_which_something_is_to_happen_is_not_put_away(
    redis: Redis, house: Deployment, tmp_path: Path
) -> None:
    house.wait()
    before = everything(redis)

    with pytest.raises((InputsWaiting, TransitionNotAllowed)):
        house.client.archives.put(THREAD, str(tmp_path))

    assert everything(redis) == before
