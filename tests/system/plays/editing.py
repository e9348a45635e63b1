"""Plays on what a person changes: updates, forks, and runs that begin at an old checkpoint."""

from typing import Any

from tests.system.plays.stage import asks, fan, line, says
from tests.system.scenario import Config, Sights, asked, due, failure, history, ids, scenario, source_and_step, state
from treadle.graph import END, CompiledStateGraph
from treadle.types import Command, StateUpdate

CHAIN = line(a=says("a"), b=says("b"), c=says("c"))


@scenario(CHAIN)
def an_update_is_followed_by_what_follows_its_node(graph: CompiledStateGraph, config: Config) -> Sights:
    graph.invoke({}, config, interrupt_before=["b"])
    written = graph.update_state(config, {"said": ["mine"]}, as_node="b")
    yield sorted(written["configurable"]), ["checkpoint_id", "checkpoint_ns", "thread_id"]
    yield state(graph, config), ({"said": ["a", "mine"]}, ("c",), [])
    yield history(graph, config)[:2], [("update", 2, ("c",)), ("loop", 1, ("b",))]
    yield graph.invoke(None, config), {"said": ["a", "mine", "c"]}


@scenario(CHAIN)
def an_update_is_as_the_node_that_wrote_last(graph: CompiledStateGraph, config: Config) -> Sights:
    graph.invoke({}, config, interrupt_after=["a"])
    graph.update_state(config, {"said": ["mine"]})
    yield state(graph, config), ({"said": ["a", "mine"]}, ("b",), [])
    yield failure(graph.update_state, config, {}, "nobody")[0], "InvalidUpdateError"


@scenario(fan(a=says("a"), b=says("b")))
def an_update_names_its_node_where_several_wrote(graph: CompiledStateGraph, config: Config) -> Sights:
    graph.invoke({}, config)
    kind, message = failure(graph.update_state, config, {"said": ["?"]})
    yield (kind, message.startswith("Ambiguous update, specify as_node")), ("InvalidUpdateError", True)
    graph.update_state(config, {"said": ["mine"]}, as_node="a")
    yield state(graph, config)[0], {"said": ["a", "b", "mine"]}


@scenario(CHAIN)
def an_update_of_an_empty_thread_is_an_input(graph: CompiledStateGraph, config: Config) -> Sights:
    graph.update_state(config, {"said": ["seed"]})
    yield state(graph, config), ({"said": ["seed"]}, ("a",), [])
    yield graph.invoke(None, config), {"said": ["seed", "a", "b", "c"]}


@scenario(CHAIN)
def an_update_without_values_keeps_the_state(graph: CompiledStateGraph, config: Config) -> Sights:
    graph.invoke({}, config, interrupt_before=["b"])
    graph.update_state(config, None, as_node=END)
    yield state(graph, config), ({"said": ["a"]}, (), [])
    yield failure(graph.update_state, config, {"said": ["?"]}, END)[0], "InvalidUpdateError"


@scenario(CHAIN)
def a_copy_stands_beside_its_checkpoint(graph: CompiledStateGraph, config: Config) -> Sights:
    graph.invoke({}, config, interrupt_before=["b"])
    head = graph.get_state(config)
    graph.update_state(config, None, as_node="__copy__")
    copy = graph.get_state(config)
    yield (copy.values, copy.next, copy.parent_config), (head.values, head.next, head.parent_config)
    yield source_and_step(copy), ("fork", 2)
    yield graph.invoke(None, config), {"said": ["a", "b", "c"]}


@scenario(CHAIN)
def supersteps_of_updates_make_a_checkpoint_each(graph: CompiledStateGraph, config: Config) -> Sights:
    supersteps = [
        [StateUpdate({"said": ["go"]}, "__input__")],
        [StateUpdate({"said": ["go"]}, "__start__")],
        [StateUpdate({"said": ["a"]}, "a")],
        [StateUpdate({"said": ["b"]}, "b")],
    ]
    graph.bulk_update_state(config, supersteps)
    yield state(graph, config), ({"said": ["go", "a", "b"]}, ("c",), [])
    yield [due for *_, due in history(graph, config)], [("c",), ("b",), ("a",), ("__start__",)]
    nothing: list[tuple[list[Any], str]] = [([], "No supersteps provided"), ([[]], "No updates provided")]
    for refused, told in nothing:
        kind, message = failure(graph.bulk_update_state, config, refused)
        yield (kind, message[: len(told)]), ("ValueError", told)


@scenario(CHAIN)
def a_run_from_an_old_checkpoint_is_a_branch(graph: CompiledStateGraph, config: Config) -> Sights:
    graph.invoke({}, config)
    old = history(graph, config)
    yield graph.invoke(None, due(graph, config, "b")), {"said": ["a", "b", "c"]}
    yield history(graph, config), [("loop", 4, ()), ("loop", 3, ("c",)), ("fork", 2, ("b",)), *old]

    graph.invoke(None, graph.get_state(config).config)
    yield history(graph, config)[0], ("fork", 5, ())


@scenario(CHAIN)
def an_old_checkpoint_is_changed_and_gone_on_from(graph: CompiledStateGraph, config: Config) -> Sights:
    graph.invoke({}, config)
    branch = graph.update_state(due(graph, config, "b"), {"said": ["other"]}, as_node="b")
    yield graph.invoke(None, branch), {"said": ["a", "other", "c"]}
    yield [source for source, *_ in history(graph, config)], ["loop", "update", "loop", "loop", "loop", "loop", "input"]


@scenario(line(ask=asks("?"), after=says("after")))
def a_branch_asks_again(graph: CompiledStateGraph, config: Config) -> Sights:
    first = graph.invoke({}, config)
    graph.invoke(Command(resume="yes"), config)
    again = graph.invoke(None, due(graph, config, "ask"))
    yield (asked(again), ids(again) != ids(first)), (["?"], True)
    yield graph.invoke(Command(resume="no"), config), {"said": ["no", "after"]}


@scenario(CHAIN)
def a_history_is_narrowed(graph: CompiledStateGraph, config: Config) -> Sights:
    graph.invoke({}, config)
    yield history(graph, config, limit=2), [("loop", 3, ()), ("loop", 2, ("c",))]
    yield history(graph, config, filter={"source": "input"}), [("input", -1, ("__start__",))]
    yield history(graph, config, before=due(graph, config, "b"))[0], ("loop", 0, ("a",))


@scenario(CHAIN)
def a_run_may_leave_one_checkpoint(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({}, config, durability="exit"), {"said": ["a", "b", "c"]}
    graph.invoke({}, config, durability="exit")
    yield [step for _, step, _ in history(graph, config)], [8, 3]


@scenario(CHAIN)
def a_deleted_thread_begins_anew(graph: CompiledStateGraph, config: Config) -> Sights:
    graph.invoke({}, config)
    graph.checkpointer.delete_thread(config["thread_id"])  # type: ignore[union-attr]
    yield (state(graph, config), history(graph, config)), (({}, (), []), [])
    yield graph.invoke({}, config), {"said": ["a", "b", "c"]}
