"""Plays on what fails: retries, what a failure leaves behind, and how a thread goes on after it."""

from tests.system.plays.stage import State, fan, line, says
from tests.system.scenario import Config, Sights, failure, history, scenario, state
from treadle.config import get_config
from treadle.graph import CompiledStateGraph
from treadle.runtime import Runtime
from treadle.store.base import BaseStore
from treadle.store.memory import InMemoryStore
from treadle.types import RetryPolicy

SOON = RetryPolicy(initial_interval=0.01, jitter=False, max_attempts=3, retry_on=ValueError)


def _third_time(state: State, runtime: Runtime[None]) -> State:
    if runtime.attempt < 3:
        raise ValueError(f"attempt {runtime.attempt}")
    return {"said": [runtime.attempt]}


def _never(state: State, runtime: Runtime[None]) -> State:
    raise ValueError(f"attempt {runtime.attempt}")


def _second_run(state: State, store: BaseStore) -> State:
    """Fail in the first run of a thread."""
    thread_id = get_config()["configurable"]["thread_id"]
    if store.get(("failed",), thread_id) is None:
        store.put(("failed",), thread_id, {})
        raise RuntimeError("not yet")
    return {"said": ["mended"]}


@scenario(line(before=says("before")).add_node("flaky", _third_time, retry_policy=SOON).add_edge("before", "flaky"))
def a_node_succeeds_at_its_third_attempt(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({}, config), {"said": ["before", 3]}


@scenario(line(before=says("before")).add_node("never", _never, retry_policy=SOON).add_edge("before", "never"))
def a_node_fails_after_its_last_attempt(graph: CompiledStateGraph, config: Config) -> Sights:
    yield failure(graph.invoke, {}, config), ("ValueError", "attempt 3")
    yield state(graph, config), ({"said": ["before"]}, ("never",), [])
    yield [task.error for task in graph.get_state(config).tasks], ["ValueError('attempt 3')"]


@scenario(fan(work=says("work"), fail=_second_run).add_node("join", says("join")).add_edge(["work", "fail"], "join"),
          store=InMemoryStore)  # fmt: skip
def a_sibling_that_finished_is_kept_for_the_next_run(graph: CompiledStateGraph, config: Config) -> Sights:
    yield failure(graph.invoke, {}, config), ("RuntimeError", "not yet")
    yield history(graph, config)[0], ("loop", 0, ("work", "fail"))
    yield graph.invoke(None, config), {"said": ["mended", "work", "join"]}


@scenario(line(a=says("a"), fail=_second_run, c=says("c")), store=InMemoryStore)
def a_new_input_drops_what_failed(graph: CompiledStateGraph, config: Config) -> Sights:
    yield failure(graph.invoke, {"said": ["one"]}, config), ("RuntimeError", "not yet")
    yield graph.invoke({"said": ["two"]}, config), {"said": ["one", "a", "two", "a", "mended", "c"]}


@scenario(line(a=says("a"), inside=line(x=says("x"), fail=_second_run).compile()), store=InMemoryStore)
def a_failure_inside_is_one_of_the_graph_around(graph: CompiledStateGraph, config: Config) -> Sights:
    yield failure(graph.invoke, {}, config), ("RuntimeError", "not yet")
    yield state(graph, config), ({"said": ["a"]}, ("inside",), [])
    yield graph.invoke(None, config), {"said": ["a", "a", "x", "mended"]}


@scenario(line(a=says("a"), b=says("b"), c=says("c")))
def a_run_ends_at_its_recursion_limit(graph: CompiledStateGraph, config: Config) -> Sights:
    kind, message = failure(graph.invoke, {}, {**config, "recursion_limit": 2})
    yield (kind, message.startswith("Recursion limit of 2 reached")), ("GraphRecursionError", True)
    yield state(graph, config), ({"said": ["a", "b"]}, ("c",), [])
    yield graph.invoke(None, config), {"said": ["a", "b", "c"]}
    yield failure(graph.invoke, {}, {**config, "recursion_limit": 0})[0] in ("ValueError", "InvalidConfig"), True
