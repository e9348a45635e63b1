"""Every script touches one slot of a cluster, and the threads are spread over its nodes."""

from collections import Counter

import pytest
from redis import Redis
from redis.crc import key_slot

from scheduler.keys import Keys
from scheduler.lua_files import load, names
from scheduler.memory_scripts import MemoryScripts
from scheduler.namespaces import to_entry
from scheduler.scripts import Place

KEYS = Keys("test")
#: Those whose keys are no thread's, or are chosen by their callers.
OF_NO_THREAD = (
    "cache_put", "take_due", "memory_", "reseal_",
    "advance_schedule", "delete_schedule", "put_schedule", "set_schedule", "admit_step", "leave_slot", "renew_slot",
)  # fmt: skip


def slots(*keys: str) -> set[int]:
    return {key_slot(key.encode()) for key in keys}


@pytest.mark.parametrize("thread_id", ["t", "a b", "{p1}", "}{", "ü"])
@pytest.mark.parametrize("name", [name for name in names() if not name.startswith(OF_NO_THREAD)])
def test_the_keys_of_a_script_lie_in_one_slot_whatever_the_thread_is_called(name: str, thread_id: str) -> None:
    place = Place(KEYS.of_thread(thread_id), "run{p3}", "outer|{p4}")
    more = [KEYS.of_thread(thread_id).staged("nonce").frames, *KEYS.of_thread(thread_id).of_frame("in{p2}ner")]

    assert len(slots(*(place.named(key) for key in load(name).keys), *more)) == 1


def test_the_long_term_memory_lies_in_one_slot(redis: Redis) -> None:
    scripts = MemoryScripts(redis, KEYS)
    calls = [scripts.put(to_entry(("{a}", "b"), key), b"", None) for key in ("k", "{p1}")]

    assert len(slots(*(key for call in calls for key in call.keys))) == 1


@pytest.mark.parametrize("name", [name for name in names() if name.endswith("_schedule")])
def test_the_schedules_lie_in_one_slot(name: str) -> None:
    keys = [KEYS.of_schedule(schedule_id) for schedule_id in ("s", "{p1}", "}{")]

    assert len(slots(*(getattr(one, key) for one in keys for key in load(name).keys))) == 1


@pytest.mark.parametrize("graph", ["g", "}{"])
@pytest.mark.parametrize("name", ["admit_step", "leave_slot", "renew_slot"])
def test_the_limits_of_a_graph_lie_in_one_slot(name: str, graph: str) -> None:
    keys = [KEYS.of_limits(graph, node) for node in ("n", "{p1}", "a.b")]

    assert len(slots(*(one.named(key) for one in keys for key in load(name).keys))) == 1


def test_a_namespace_of_the_cache_lies_in_one_slot() -> None:
    assert len(slots(KEYS.cache_index(("a", "{b}")), KEYS.cache_item(("a", "{b}"), "{p1}"))) == 1


def test_three_nodes_have_a_part_of_the_partitions_each() -> None:
    nodes = Counter(min(2, key_slot(key.encode()) * 3 // 16_384) for key in Keys().due_sets())

    assert sorted(nodes) == [0, 1, 2]
    assert min(nodes.values()) >= 15
