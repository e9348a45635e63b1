"""A store with keys: nothing that users put in can be read in it, and everything comes back out."""

import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from operator import add
from typing import Annotated, Any, TypedDict

import pytest
from redis import Redis

from graphs.commands import Interrupt
from graphs.frames import Root
from scheduler.chunks import SPAN
from scheduler.config import parse
from scheduler.sealing import new_key
from tests.conftest import RealRedis
from tests.scheduler.stage import everything
from treadle.cache.redis import RedisCache
from treadle.checkpoint.redis import RedisSaver
from treadle.errors import GraphDrained
from treadle.func import entrypoint, task
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.runtime import Runtime
from treadle.types import CachePolicy, Command, RetryPolicy, Send, interrupt

#: What must be seen nowhere.
SECRET = "Xq7-secret"
#: What a key has beside its kind.
KIND = re.compile(r"^treadle:\{(p\d+\}:)?|(?<=[a-z])[:}].*")


class State(TypedDict, total=False):
    said: Annotated[list[str], add]
    word: str


class Context(TypedDict):
    who: str


def says(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    runtime.stream_writer({"shown": SECRET})
    assert runtime.store is not None
    runtime.store.put(("people", "ada"), "name", {"name": SECRET}, ttl=60)
    return {"said": [f"{SECRET} {len(state['said'])}"]}


def fails(state: State) -> None:
    raise ValueError(f"{SECRET} broke")


def asks(state: State) -> dict[str, Any]:
    answer = interrupt({"question": SECRET}, deadline=3600, default=f"{SECRET} default")
    return {"said": [answer]}


def stops(state: State, runtime: Runtime[Any]) -> dict[str, Any]:
    assert runtime.control is not None
    runtime.control.request_drain(f"{SECRET} drains")
    return {"said": [SECRET]}


def spreads(state: State) -> list[Send]:
    return [Send("takes", {"word": f"{SECRET} {number}"}) for number in range(2)]


@task
def told(word: str) -> str:
    return f"{word} told"


def graph_of(saver: Any, name: str, node: Any, *more: Any, cache: Any = None, **options: Any) -> CompiledStateGraph:
    builder = StateGraph(State, context_schema=Context)
    builder.add_node("node", node, **options).add_edge(START, "node")
    for number, one in enumerate(more):
        builder.add_node(f"n{number}", one).add_edge("node", f"n{number}")
    return builder.compile(saver, name=name, cache=cache)


def config(thread_id: str) -> dict[str, Any]:
    own = {"thread_id": thread_id, "token": SECRET}
    return {"configurable": own, "tags": [SECRET], "metadata": {"why": SECRET}}


def play(saver: Any) -> list[Any]:
    """Put the secret into every place there is, and return what came back of it."""
    said, word = {"said": [SECRET], "word": SECRET}, {"word": SECRET}
    cache = RedisCache(saver.engine.connection.client)
    graph = graph_of(saver, "talk", says, cache=cache, cache_policy=CachePolicy())
    graph.threads.create("talk", {"about": SECRET})
    for _ in range(SPAN + 6):
        graph.invoke(said, config("talk"), context={"who": SECRET})
    graph.update_state(config("talk"), word)
    graph.threads.copy("talk", "copy")
    out = [graph.get_state(config("talk")).values, graph.get_state(config("copy")).values]
    out += [[one.values for one in graph.get_state_history(config("copy"))]]
    listed = [thread.id for thread in graph.threads.list(metadata={"about": SECRET})]
    out += [graph.threads.get("copy").metadata, listed, *play_badly(saver, said)]

    @entrypoint(checkpointer=saver, store=None)
    def flow(word: str) -> str:
        return told(word).result() + str(interrupt(SECRET))

    asked: Any = flow.invoke(SECRET, config("flow"))
    out += [asked["__interrupt__"][0].value, flow.invoke(Command(resume=SECRET), config("flow"))]
    store: Any = saver.runner(None)._executor._means.store
    return [*out, [item.value for item in store.search(("people",), filter={"name": SECRET})]]


def play_badly(saver: Any, said: Any) -> list[Any]:
    """Let things go wrong, wait, and be told to stop."""
    out: list[Any] = []
    inner = graph_of(None, "inner", fails, says)
    broken = {
        "fails": graph_of(saver, "fails", fails, says, retry=RetryPolicy(max_attempts=2, initial_interval=0)),
        "within": graph_of(saver, "within", inner, says),
        "stops": graph_of(saver, "stops", stops, asks),
    }
    for name, graph in broken.items():
        with suppress(ValueError, GraphDrained):
            graph.invoke(said, config(name))
        errors = [entry.data["error"] for entry in saver.client.log.read(name) if "error" in entry.data]
        out.append([error.count(SECRET) for error in errors])
    asking = graph_of(saver, "asks", asks, says, asks)
    asking.invoke(said, config("asks"))
    cancelled = asking.submit(said, config("gone"))
    cancelled.cancel(SECRET)
    waits: list[Interrupt] = [*asking.get_state(config("asks")).interrupts]
    asking.invoke(Command(resume={waits[0].id: SECRET}), config("asks"))
    builder = StateGraph(State).add_node("takes", lambda state: {"said": [state["word"]]}).add_node("asks", asks)
    builder.add_conditional_edges(START, spreads).add_edge("takes", "asks")
    spread = builder.compile(saver, name="spread")
    spread.invoke(said, config("spread"))
    return [*out, [one.value for one in waits], spread.get_state(config("spread")).values]


def readable(value: Any) -> Iterator[bytes]:
    """Yield all bytes in what a key holds, unpacked where they can be."""
    if isinstance(value, bytes):
        yield value
        with suppress(zlib.error):
            yield zlib.decompress(value)
    elif isinstance(value, dict):
        yield from readable([*value.keys(), *value.values()])
    elif isinstance(value, list | tuple):
        for one in value:
            yield from readable(one)


def kinds_with_the_secret(redis: Redis) -> set[str]:
    """Return the kinds of the keys in which the secret can be read, or whose names have it."""
    found = everything(redis)
    secret = SECRET.encode()
    seen = {key for key, value in found.items() if secret in key or any(secret in one for one in readable(value))}
    return {KIND.sub("", key.decode()) for key in seen}


@pytest.fixture
def store(real_redis: RealRedis) -> Iterator[Redis]:
    """An empty Redis."""
    real_redis.flush()
    with Redis.from_url(real_redis.url) as client:
        yield client


def test_what_users_put_in_is_read_nowhere_and_comes_back(
    store: Redis, real_redis: RealRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = play(RedisSaver(real_redis.url, inline=True))
    unsealed = kinds_with_the_secret(store)
    store.flushall()
    monkeypatch.setenv("TREADLE_ENCRYPTION_KEYS", f"k1:{new_key()}")
    monkeypatch.setenv("TREADLE_ENCRYPTION_STRICT", "true")

    sealed = play(RedisSaver(real_redis.url, inline=True))

    of_threads = {"channels", "results", "checkpoints", "run", "thread", "events", "log", "deadlines", "frame"}
    assert unsealed == of_threads | {"memory", "cache"}  # else this test would prove less than it says
    assert kinds_with_the_secret(store) == set()
    assert str(sealed) == str(plain)


def test_a_worker_without_the_key_parks_the_run_and_one_with_it_goes_on(
    store: Redis, real_redis: RealRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyless = RedisSaver(real_redis.url, inline=True)
    executor: Any = keyless.runner(None)._executor
    monkeypatch.setenv("TREADLE_ENCRYPTION_KEYS", f"k1:{new_key()}")
    saver = RedisSaver(real_redis.url, inline=True)
    graph = StateGraph(State).add_node("node", lambda state: {"word": "said"}).add_edge(START, "node").compile(saver)
    begun = saver.client.start(graph.graph, parse({"thread_id": "t"}), {"said": ["hi"]})

    outcome = executor.run(begun.orders[0].ref, "delivery", lambda run: Root(graph.graph))

    run = saver.client.runs.get("t", begun.run.id)
    assert (outcome, run.status) == (None, "interrupted")
    assert "sealed with key 'k1', which is not here" in str(run.error)
    assert [entry.kind for entry in saver.client.log.read("t")] == ["created", "started", "leased", "finished"]
    assert graph.invoke(None, {"thread_id": "t"}) == {"said": ["hi"], "word": "said"}
