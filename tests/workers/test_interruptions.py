"""Whatever the graph, a run that was interrupted anywhere ends as one that was not."""

import operator
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypedDict

from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.checkpoint.memory import MemorySaver
from treadle.graph import START, StateGraph
from treadle.types import Command, Send, interrupt

CONFIG = {"thread_id": "t"}

#: What a graph consists of, one after the other: what the stage is, and of how many steps.
Stages = list[tuple[str, int]]
stages = st.lists(st.tuples(st.sampled_from(["branch", "join", "sends"]), st.integers(1, 3)), min_size=1, max_size=3)
several = settings(max_examples=15, deadline=None)


class State(TypedDict):
    said: Annotated[list[Any], operator.add]


def says(name: str, asker: str | None, seen: Any) -> dict[str, Any]:
    """Say what a node has seen, and ask before if it is the one that does."""
    if name == asker:
        interrupt(name)
    return {"said": [[name, seen if isinstance(seen, int) else len(seen["said"])]]}


def built(stages: Stages, asker: str | None = None) -> StateGraph:
    """Build a graph of stages, each of which comes together in a node of its own."""
    builder, before = StateGraph(State), START
    for number, (shape, width) in enumerate(stages):
        names = [f"{shape}_{number}_{index}" for index in range(1 if shape == "sends" else width)]
        end = f"end_{number}"
        for name in [*names, end]:
            builder.add_node(name, partial(says, name, asker))
        if shape == "join":
            for name in names:
                builder.add_edge(before, name)
            builder.add_edge(names, end)
        else:
            builder.add_conditional_edges(before, router(shape, names, width), names)
            for name in names:
                builder.add_edge(name, end)
        before = end
    return builder


def router(shape: str, names: list[str], width: int) -> Callable[[State], Any]:
    """Return what sends items to a node, or chooses one of several by the state."""
    if shape == "sends":
        return lambda state: [Send(names[0], item) for item in range(width)]
    return lambda state: names[len(state["said"]) % width]


@several
@given(stages, st.data())
def test_a_run_that_asked_somewhere_ends_as_one_that_did_not(stages: Stages, data: st.DataObject) -> None:
    expected = built(stages).compile(MemorySaver()).invoke({}, CONFIG)
    graph = built(stages, data.draw(st.sampled_from([*built(stages).nodes]))).compile(MemorySaver())

    output = graph.invoke({}, CONFIG)
    while "__interrupt__" in output:
        ids = [question.id for question in output["__interrupt__"]]
        answered = data.draw(st.sets(st.sampled_from(ids), min_size=1))
        output = graph.invoke(Command(resume=dict.fromkeys(answered, True)), CONFIG)

    assert output == expected


@several
@given(stages, st.sampled_from(["interrupt_before", "interrupt_after"]), st.data())
def test_a_run_that_paused_somewhere_ends_as_one_that_did_not(stages: Stages, when: str, data: st.DataObject) -> None:
    expected = built(stages).compile(MemorySaver()).invoke({}, CONFIG)
    at: Any = {when: [data.draw(st.sampled_from([*built(stages).nodes]))]}
    graph = built(stages).compile(MemorySaver(), **at)

    output = graph.invoke({}, CONFIG)
    while graph.get_state(CONFIG).next:
        output = graph.invoke(None, CONFIG)

    assert output == expected
