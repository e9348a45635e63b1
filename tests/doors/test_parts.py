"""Whatever is wrong about a graph, its memory or its cache is said when it is given, and nothing is written."""

import pytest

from tests.scheduler.stage import everything
from treadle.cache.memory import InMemoryCache
from treadle.store.memory import InMemoryStore

from .parts import BUILDING, CACHE, MEMORY
from .stage import Door, refusals


def named(door: Door) -> str:
    return door.name


@pytest.mark.parametrize("door", MEMORY, ids=named)
def test_the_memory_refuses_what_it_could_not_give_back(store: InMemoryStore, door: Door) -> None:
    before = everything(store._redis)

    assert not refusals(door, store)
    assert everything(store._redis) == before


@pytest.mark.parametrize("door", CACHE, ids=named)
def test_the_cache_refuses_all_of_a_call_of_which_a_part_does_not_fit(cache: InMemoryCache, door: Door) -> None:
    before = everything(cache._redis)

    assert not refusals(door, cache)
    assert everything(cache._redis) == before


@pytest.mark.parametrize("door", BUILDING, ids=named)
def test_a_graph_is_refused_while_it_is_built(door: Door) -> None:
    assert not refusals(door, None)


@pytest.fixture(scope="module")
def store() -> InMemoryStore:
    made = InMemoryStore()
    made.put(("n",), "there", {"a": 1})
    return made


@pytest.fixture(scope="module")
def cache() -> InMemoryCache:
    made = InMemoryCache()
    made.set({(("n",), "there"): (1, None)})
    return made
