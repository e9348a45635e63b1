"""Search by meaning: the nearest items of the long-term memory, on fakeredis, a real Redis and a cluster alike."""

import asyncio
import base64
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import pytest
from redis import Redis

from graphs.store import GetOp, PutOp, SearchItem, SearchOp
from scheduler import nearest, vectors
from scheduler.errors import InvalidEmbedding
from scheduler.keys import Keys
from scheduler.memory import InMemoryStore, RedisStore
from scheduler.sealing import PLAIN, new_key, sealing_of
from scheduler.serde import Serde

KEYS = Keys("test")
USER = ("users", "u1")
#: What texts mean here: how much of each they speak about.
SUBJECTS = ("tea", "sea", "bee")


def embed(texts: Sequence[str]) -> list[list[float]]:
    return [[float(text.count(subject)) for subject in SUBJECTS] for text in texts]


class Counting:
    """An embedder that notes its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.calls.append(("documents", texts))
        return embed(texts)

    def embed_query(self, text: str) -> list[float]:
        self.calls.append(("query", text))
        return embed([text])[0]


class Awaited(Counting):
    """An asynchronous one, as LangChain's are."""

    def __init__(self) -> None:
        super().__init__()
        self.loops: set[asyncio.AbstractEventLoop] = set()

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        self.loops.add(asyncio.get_running_loop())
        return self.embed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        await asyncio.sleep(0)
        return self.embed_query(text)


async def embed_later(texts: Sequence[str]) -> list[list[float]]:
    await asyncio.sleep(0)
    return embed(texts)


def opened(redis: Redis, embedder: Any = embed, sealing: Any = PLAIN, **index: Any) -> RedisStore:
    return RedisStore(redis, KEYS, Serde(), sealing, index={"dims": 3, "embed": embedder, **index})


@pytest.fixture
def store(redis: Redis) -> RedisStore:
    return filled(opened(redis, fields=["text"]))


def filled(store: RedisStore) -> RedisStore:
    store.put(USER, "a", {"text": "tea tea sea", "kind": "drink"})
    store.put(USER, "b", {"text": "sea"})
    store.put(USER, "c", {"text": "tea", "kind": "drink"})
    store.put(("others",), "d", {"text": "tea"})
    return store


def scored(items: Sequence[SearchItem]) -> list[tuple[str, float | None]]:
    return [(item.key, item.score and round(item.score, 3)) for item in items]


def keys(items: Sequence[SearchItem]) -> list[str]:
    return [item.key for item in items]


def test_a_query_finds_the_nearest_items_below_the_prefix_first(store: RedisStore) -> None:
    assert scored(store.search(USER, query="tea")) == [("c", 1.0), ("a", 0.894), ("b", 0.0)]
    assert keys(store.search((), query="tea")) == ["d", "c", "a", "b"]


def test_a_query_goes_with_a_filter_a_limit_and_an_offset(store: RedisStore) -> None:
    assert keys(store.search(USER, query="sea", filter={"kind": "drink"})) == ["a", "c"]
    assert keys(store.search(USER, query="tea", limit=1, offset=1)) == ["a"]
    assert keys(store.search(USER, query="tea", offset=3)) == []
    assert store.search(USER, query="tea", limit=0) == []


def test_without_a_query_nothing_is_ranked_and_nothing_has_a_score(store: RedisStore) -> None:
    assert scored(store.search(USER)) == [("a", None), ("b", None), ("c", None)]
    assert scored(store.search(USER, query="")) == [("a", None), ("b", None), ("c", None)]


def test_items_without_vectors_come_last_and_have_no_score(store: RedisStore) -> None:
    store.put(USER, "0", {"text": "tea"}, index=False)
    store.put(USER, "1", {"other": "tea"})

    found = store.search(USER, query="tea")

    assert scored(found)[2:] == [("b", 0.0), ("0", None), ("1", None)]
    assert keys(store.search(USER, query="tea", limit=1, offset=4)) == ["1"]


def test_a_put_names_fields_of_its_own_and_the_nearest_text_counts(store: RedisStore) -> None:
    store.put(USER, "e", {"text": "bee", "notes": [{"t": "tea"}, {"t": "sea"}]}, index=["notes[*].t"])

    assert scored(store.search(USER, query="sea", limit=2)) == [("b", 1.0), ("e", 1.0)]
    assert ("e", 0.0) in scored(store.search(USER, query="bee"))


def test_a_later_put_forgets_what_the_item_meant(store: RedisStore) -> None:
    store.put(USER, "c", {"text": "bee"})
    store.put(USER, "a", {"text": "tea"}, index=False)

    assert scored(store.search(USER, query="tea")) == [("b", 0.0), ("c", 0.0), ("a", None)]


def test_the_whole_value_is_embedded_unless_fields_are_named(redis: Redis) -> None:
    store = opened(redis)
    store.put(USER, "a", {"x": "tea", "y": ["sea"]})

    assert scored(store.search(USER, query="tea sea")) == [("a", 1.0)]


def test_a_store_without_an_index_searches_on_and_ranks_nothing(redis: Redis) -> None:
    filled(opened(redis))

    assert scored(RedisStore(redis, KEYS, Serde(), PLAIN).search(USER, query="tea", limit=1)) == [("a", None)]


def test_vectors_of_other_dimensions_count_as_none(redis: Redis, store: RedisStore) -> None:
    other = RedisStore(redis, KEYS, Serde(), PLAIN, index={"dims": 2, "embed": lambda texts: [[1, 0] for _ in texts]})
    other.put(USER, "z", {"text": "x"})

    assert scored(other.search(USER, query="tea", limit=2)) == [("z", 1.0), ("a", None)]


def test_a_batch_embeds_all_its_texts_together_and_each_once(redis: Redis) -> None:
    embedder = Counting()
    store = opened(redis, embedder, fields=["text"])
    puts = [PutOp(USER, str(number), {"text": text}) for number, text in enumerate(("tea", "sea", "tea"))]

    store.batch([*puts, SearchOp(USER, query="bee"), SearchOp((), query="bee"), GetOp(USER, "0")])
    store.batch([GetOp(USER, "0"), PutOp(USER, "0", None), SearchOp(USER)])

    assert embedder.calls == [("documents", ["tea", "sea"]), ("query", "bee")]


@pytest.mark.parametrize("kind", (embed, embed_later, Counting, Awaited))
def test_asynchronous_calls_embed_with_whatever_they_were_given(redis: Redis, kind: Any) -> None:
    embedder = kind() if isinstance(kind, type) else kind
    store = opened(redis, embedder, fields=["text"])

    async def lives() -> list[SearchItem]:
        await asyncio.gather(*(store.aput(USER, text, {"text": text}) for text in SUBJECTS))
        if isinstance(embedder, Awaited):
            assert embedder.loops == {asyncio.get_running_loop()}
        return await store.asearch(USER, query="sea", limit=1)

    assert scored(asyncio.run(lives())) == [("sea", 1.0)]


@pytest.mark.parametrize("embedder", (embed_later, lambda texts: embed_later(texts)))
def test_an_asynchronous_embedder_says_where_it_can_be_used(redis: Redis, embedder: Any) -> None:
    with pytest.raises(TypeError, match="asearch, aput"):
        opened(redis, embedder).search(USER, query="tea")


def test_an_embedder_can_be_named_as_langchain_names_it(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("langchain.embeddings")
    monkeypatch.setitem(sys.modules, "langchain", ModuleType("langchain"))
    monkeypatch.setitem(sys.modules, "langchain.embeddings", module)
    monkeypatch.setattr(module, "init_embeddings", {"tea:small": Counting()}.__getitem__, raising=False)

    store = filled(opened(redis, "tea:small", fields=["text"]))

    assert scored(store.search(USER, query="tea", limit=1)) == [("c", 1.0)]


def test_without_langchain_a_named_embedder_says_what_to_install(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain.embeddings", None)

    with pytest.raises(ImportError, match=r"pip install 'treadle\[embeddings\]'"):
        opened(redis, "openai:text-embedding-3-small")
    with pytest.raises(TypeError, match="'provider:model' of LangChain"):
        opened(redis, "text-embedding-3-small")


@pytest.mark.parametrize(
    "broken",
    (lambda texts: None, lambda texts: [], lambda texts: [[1.0]] * len(texts), lambda texts: [["x"] * 3] * len(texts)),
)
def test_an_embedder_that_returns_nonsense_writes_nothing(redis: Redis, broken: Any) -> None:
    with pytest.raises(InvalidEmbedding, match="Nothing was written"):
        opened(redis, broken).batch([PutOp(USER, "a", {"x": 1}), PutOp(USER, "b", {"x": 2}, False)])

    assert redis.dbsize() == 0


def test_an_error_of_the_embedder_is_the_callers_and_writes_nothing(redis: Redis) -> None:
    def fails(texts: Sequence[str]) -> list[list[float]]:
        raise OSError("no model")

    with pytest.raises(OSError, match="no model"):
        opened(redis, fails).put(USER, "a", {"x": 1})

    assert redis.dbsize() == 0


def test_a_field_that_is_none_is_refused_before_anything_is_embedded(store: RedisStore) -> None:
    with pytest.raises(ValueError, match="no field of an item"):
        store.put(USER, "z", {"text": "tea"}, index=["a["])


def test_reading_by_a_query_begins_the_lifetime_of_what_it_found_anew(redis: Redis, store: RedisStore) -> None:
    for key in ("long", "left"):
        store.put(USER, key, {"text": "bee" if key == "long" else "tea"}, ttl=10)
        redis.pexpire(KEYS.memory_item(USER, key), 1_000)

    store.search(USER, query="bee", limit=1, refresh_ttl=False)
    assert redis.pttl(KEYS.memory_item(USER, "long")) <= 1_000
    store.search(USER, query="bee", limit=1)

    assert redis.pttl(KEYS.memory_item(USER, "long")) > 500_000
    assert redis.pttl(KEYS.memory_item(USER, "left")) <= 1_000


def test_an_expired_item_is_not_found_by_a_query(redis: Redis, store: RedisStore) -> None:
    store.put(USER, "gone", {"text": "bee"}, ttl=10)
    redis.delete(KEYS.memory_item(USER, "gone"))  # as Redis does with what has expired

    assert "gone" not in keys(store.search(USER, query="bee"))


def test_many_items_take_few_round_trips_and_are_all_compared(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "_PAGE", 20)
    store = opened(redis, fields=["text"])
    store.batch([PutOp(USER, f"{number:04}", {"text": "sea"}) for number in range(60)])
    store.put(USER, "0055", {"text": "tea"})
    trips: list[int] = []
    read = store._items.fetch_vectors

    def counted(entries: Sequence[bytes]) -> Any:
        trips.append(len(entries))
        return read(entries)

    monkeypatch.setattr(store._items, "fetch_vectors", counted)

    found = store.search(USER, query="tea", limit=2)

    assert keys(found) == ["0055", "0000"]
    assert trips == [20, 20, 20, 0]  # the last page was full, so another one might follow


def test_without_numpy_the_order_is_the_same(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_numpy", lambda: None)

    assert scored(store.search(USER, query="tea")) == [("c", 1.0), ("a", 0.894), ("b", 0.0)]


def test_vectors_are_sealed_for_their_item(redis: Redis) -> None:
    store = filled(opened(redis, sealing=sealing_of(f"k:{new_key()}"), fields=["text"]))
    found: Mapping[bytes, bytes] = redis.hgetall(KEYS.memory_item(USER, "c"))  # type: ignore[assignment]

    assert scored(store.search(USER, query="tea", limit=1)) == [("c", 1.0)]
    assert found[b"vectors"][:1] == b"\xc1", base64.b64encode(found[b"vectors"])


def test_the_store_of_one_process_has_the_same_index() -> None:
    store = InMemoryStore(index={"dims": 3, "embed": embed, "fields": ["text"]})

    assert scored(filled(store).search(USER, query="tea", limit=1)) == [("c", 1.0)]
    assert store.index_config is not None
    assert store.index_config["dims"] == 3


def test_a_store_is_opened_by_its_url_and_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TREADLE_REDIS_URL", raising=False)

    with RedisStore.from_conn_string("redis://localhost:1", index={"dims": 3, "embed": embed}) as store:
        assert store.index_config is not None
    with pytest.raises(ValueError, match="TREADLE_REDIS_URL"):
        RedisStore.from_conn_string()
