"""The store's methods: which op each hands to the store, and what its user may not write."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from graphs.errors import InvalidNamespaceError
from graphs.store import (
    RESERVED_ROOTS,
    BaseStore,
    GetOp,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchOp,
)


class RecordingStore(BaseStore):
    """Keeps the ops it was given and answers each with an empty list."""

    supports_ttl = True

    def __init__(self) -> None:
        self.ops: list[Op] = []

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        before = len(self.ops)
        self.ops.extend(ops)
        return [[] for _ in self.ops[before:]]

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        return self.batch(ops)


@pytest.fixture
def store() -> RecordingStore:
    return RecordingStore()


CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any], Op]] = [
    ("get", (("n",), "k"), {}, GetOp(("n",), "k")),
    ("get", (("n",), "k"), {"refresh_ttl": False}, GetOp(("n",), "k", refresh_ttl=False)),
    ("put", (("n",), "k", {"a": 1}), {}, PutOp(("n",), "k", {"a": 1})),
    ("put", (("n",), "k", {}, ["a"]), {"ttl": 1.5}, PutOp(("n",), "k", {}, index=["a"], ttl=1.5)),
    ("put", (("n",), "k", None), {}, PutOp(("n",), "k", None)),
    ("delete", (("n",), "k"), {}, PutOp(("n",), "k", None)),
    ("search", (("n",),), {}, SearchOp(("n",), None, 10, 0, None, True)),
    (
        "search",
        (("n",),),
        {"query": "tea", "filter": {"a": 1}, "limit": 3, "offset": 4, "refresh_ttl": False},
        SearchOp(("n",), {"a": 1}, 3, 4, "tea", False),
    ),
    ("list_namespaces", (), {}, ListNamespacesOp((), None, 100, 0)),
    (
        "list_namespaces",
        (),
        {"prefix": ("a", "*"), "suffix": ("z",), "max_depth": 2, "limit": 5, "offset": 6},
        ListNamespacesOp((MatchCondition("prefix", ("a", "*")), MatchCondition("suffix", ("z",))), 2, 5, 6),
    ),
]


@pytest.mark.parametrize(("method", "args", "kwargs", "op"), CALLS)
def test_a_method_hands_its_op_to_batch(
    store: RecordingStore, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], op: Op
) -> None:
    getattr(store, method)(*args, **kwargs)

    assert store.ops == [op]


@pytest.mark.parametrize(("method", "args", "kwargs", "op"), CALLS)
def test_the_async_method_hands_the_same_op_to_abatch(
    store: RecordingStore, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], op: Op
) -> None:
    asyncio.run(getattr(store, f"a{method}")(*args, **kwargs))

    assert store.ops == [op]


def put(store: BaseStore, namespace: tuple[str, ...], value: Any) -> None:
    store.put(namespace, "k", value)


def aput(store: BaseStore, namespace: tuple[str, ...], value: Any) -> None:
    asyncio.run(store.aput(namespace, "k", value))


@pytest.mark.parametrize("put", [put, aput])
@pytest.mark.parametrize("root", sorted(RESERVED_ROOTS))
def test_a_put_below_a_reserved_label_is_refused(store: RecordingStore, put: Callable[..., None], root: str) -> None:
    with pytest.raises(InvalidNamespaceError, match="reserved"):
        put(store, (root, "users"), {})

    assert store.ops == []


@pytest.mark.parametrize("put", [put, aput])
def test_a_reserved_label_is_fine_further_down(store: RecordingStore, put: Callable[..., None]) -> None:
    put(store, ("users", "treadle", "langgraph"), {})

    assert len(store.ops) == 1


def test_a_store_says_how_long_its_items_live_and_a_call_says_it_better(store: RecordingStore) -> None:
    store.ttl_config = {"default_ttl": 5, "refresh_on_read": False}

    store.put(("n",), "k", {})
    store.put(("n",), "k", {}, ttl=None)
    store.put(("n",), "k", {}, ttl=1)
    store.get(("n",), "k")
    store.get(("n",), "k", refresh_ttl=True)
    store.search(("n",))
    asyncio.run(store.aput(("n",), "k", {}))
    asyncio.run(store.asearch(("n",), refresh_ttl=True))

    told = [op.ttl if isinstance(op, PutOp) else getattr(op, "refresh_ttl", None) for op in store.ops]
    assert told == [5, None, 1, False, True, False, 5, True]


def test_a_store_that_lets_nothing_expire_refuses_a_ttl(store: RecordingStore) -> None:
    store.supports_ttl = False

    store.put(("n",), "k", {}, ttl=None)
    with pytest.raises(NotImplementedError, match="RecordingStore lets nothing expire"):
        store.put(("n",), "k", {}, ttl=1)

    assert store.ops == [PutOp(("n",), "k", {})]
