"""A thread that has everything that a thread may have, and what of it lies where in Redis."""

import inspect
import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, TypedDict

from pydantic import SecretStr
from redis import Redis

from graphs.sleeping import Asleep
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection, open_connection
from scheduler.delayed import DelayedRuns, Start
from scheduler.dispatch import Inline
from scheduler.keys import Keys, ThreadKeys
from scheduler.settings import Settings
from scheduler.steps import Steps
from tests.fakes import RecordingDispatcher
from tests.scheduler.stage import claim, everything
from treadle import StateGraph, interrupt
from treadle.graph import START, CompiledStateGraph
from treadle.runtime import Runtime
from treadle.types import Send
from workers.engine import Engine, open_engine
from workers.savers import Saver

THREAD: str = "whole/1"
CONFIG: Any = {"thread_id": THREAD}
#: More turns than a block of the log has entries.
TURNS = 14
#: What is in everything that users put in.
SECRET = "Xq7-secret"
#: When what sleeps wakes up.
LATE_MS = 4_000_000_000_000
HOOK = {"url": f"https://hooks.example/{SECRET}", "include": ["output"]}


class State(TypedDict, total=False):
    said: Annotated[list[str], operator.add]
    want: str


class Inner(TypedDict, total=False):
    want: str
    answer: str


def says(state: State, runtime: Runtime[Any]) -> dict[str, Any]:
    runtime.spend(usd=0.01)
    runtime.stream_writer({"shown": SECRET})
    return {"said": [SECRET]}


def asks(state: Inner) -> dict[str, Any]:
    return {"answer": interrupt(f"{SECRET}?", deadline=3600, default=SECRET) if state["want"] == "ask" else "nothing"}


def begins(state: State) -> list[Send]:
    return [Send("takes", {})] * 3 if state["want"] == "spread" else [Send("says", state)]


def takes(state: State) -> dict[str, Any]:
    return {"said": ["takes"]}


@dataclass
class Deployment:
    """Everything that works on one Redis, under some keys: in this process, and as workers elsewhere."""

    redis: Redis
    keys: str = ""

    def _open(self, dispatcher: Any) -> Connection:
        settings = Settings(encryption_keys=SecretStr(self.keys), encryption_strict=bool(self.keys))
        return open_connection(self.redis, settings, dispatcher)

    @cached_property
    def graph(self) -> CompiledStateGraph:
        """A graph with graphs inside that keep their state; its steps run in this process."""
        innermost = StateGraph(Inner).add_node("asks", asks).set_entry_point("asks").compile(checkpointer=True)
        inner = StateGraph(Inner).add_node("innermost", innermost).set_entry_point("innermost")
        builder = StateGraph(State).add_node("says", says).add_node("inner", inner.compile(checkpointer=True))
        builder.add_node("takes", takes).add_conditional_edges(START, begins).add_edge("says", "inner")
        return builder.compile(checkpointer=_Here(self._open(Inline())), name="whole")

    @cached_property
    def client(self) -> Client:
        """A client whose runs are for workers elsewhere, which never come."""
        return Client(self._open(RecordingDispatcher()), lambda function: function())

    def say(self, want: str, **config: Any) -> Any:
        """Run the graph in this process."""
        return [*self.graph.stream({"said": [SECRET], "want": want}, CONFIG | config, stream_mode=["custom", "values"])]

    def rest(self) -> None:
        """Make the thread; in the end it rests, and waits for a person."""
        limits = {"budget": {"usd": 9}, "timeout_s": 600.0, "ttl_s": 3600.0}
        self.graph.threads.create(THREAD, {"case": SECRET}, **limits)
        for number in range(TURNS):
            self.say(f"turn {number}")
        self.say("ask")

    def wait(self) -> None:
        """Let inputs wait on it, a run that begins later, and a webhook that is to be told."""
        self.say("told", webhook=HOOK)
        self.say("ask")
        config = parse({**CONFIG, "on_busy": "enqueue"})
        assert self.client.start(self.graph.graph, config, {"want": "in line", "said": [SECRET]}).queued
        later = parse({**CONFIG, "on_busy": "wait"})
        DelayedRuns(self.client).put(Start(self.graph.graph, later, {"want": "later", "said": [SECRET]}, at=3600))

    def run(self) -> None:
        """Let a run be active on it, whose steps go one by one; the first one sleeps."""
        config = parse({**CONFIG, "max_concurrency": 1})
        order, *_ = self.client.start(self.graph.graph, config, {"want": "spread", "said": [SECRET]}).orders
        steps = Steps(self.client.connection, self.client.runs, "w1")
        steps.sleep(claim(steps, order.ref), Asleep(LATE_MS, {"1a": LATE_MS}))


class _Here(Saver):
    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def _open(self) -> Engine:
        return open_engine(self._connection, durable=True)


def kinds() -> frozenset[str]:
    """Return the kinds of keys that are a thread's own, by the names that ``keys.py`` gives them."""
    one, other, members = ThreadKeys("a", "r"), ThreadKeys("b", "r"), vars(ThreadKeys).items()
    names = [name for name, member in members if isinstance(member, cached_property) and name != "at_root"]
    parts = [name for name, member in members if inspect.isfunction(member) and _names_a_part(member)]
    return frozenset([*parts, *(name for name in names if getattr(one, name) != getattr(other, name))])


def _names_a_part(method: Callable[..., object]) -> bool:
    """Return whether a method of ``ThreadKeys`` names the key of a run or a frame."""
    return inspect.get_annotations(method).get("return") is str and len(inspect.signature(method).parameters) == 2


def own(redis: Redis, thread_id: str = THREAD) -> dict[tuple[str, str], Any]:
    """Return what the keys of a thread hold, by kind, and the run or frame; the kinds are those that it has."""
    keys = Keys().of_thread(thread_id)
    held = {key.decode(): value for key, value in everything(redis).items()}
    places = {(kind, key.partition(f":{kind}:{keys.token}")) for kind in kinds() for key in held}
    return {
        (kind, rest.removeprefix(":")): held[before + middle + rest]
        for kind, (before, middle, rest) in places
        if middle and before == keys.root and rest[:1] in ("", ":")
    }


def had(redis: Redis, thread_id: str = THREAD) -> set[str]:
    """Return the kinds of keys that a thread has."""
    return {kind for kind, _ in own(redis, thread_id)}
