"""The supervisor graph: agents that are graphs, control that goes to and fro, a person who is asked."""

from typing import Any

import pytest

from graphs.examples import supervisor
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.checkpoint.memory import MemorySaver
from treadle.graph import CompiledStateGraph
from treadle.types import Command

CONFIG = {"thread_id": "t"}

LEASE, FENCE = supervisor.LIBRARY["lease"], supervisor.LIBRARY["fence"]
QUESTION = {"question": "What is a lease?"}


@pytest.fixture
def graph() -> CompiledStateGraph:
    """The graph in this process's memory."""
    return supervisor.build().compile(MemorySaver())


def asked(output: dict[str, Any]) -> list[Any]:
    """Return the drafts that a person is asked about."""
    return [question.value["draft"] for question in output["__interrupt__"]]


def looked_up(graph: CompiledStateGraph, question: str) -> list[str]:
    """Run the graph until it asks, and return what it did not know before."""
    events = graph.stream({"question": question}, CONFIG, stream_mode="custom", subgraphs=True)
    return [event["looks_up"] for _, event in events]


def test_a_draft_is_written_revised_and_approved(saver: BaseCheckpointSaver) -> None:
    graph = supervisor.build().compile(saver)

    first = graph.invoke(QUESTION, CONFIG)
    second = graph.invoke(Command(resume="Shorter."), CONFIG)
    output = graph.invoke(Command(resume=True), CONFIG)

    draft = f"What is a lease? {LEASE}"
    assert asked(first) == [draft]
    assert asked(second) == [f"{draft} [Revised: Shorter.]"]
    assert (output["draft"], output["approved"]) == (f"{draft} [Revised: Shorter.]", True)


def test_the_writer_hands_its_draft_to_the_reviewer_past_the_supervisor(graph: CompiledStateGraph) -> None:
    updates = list(graph.stream(QUESTION, CONFIG))

    assert [node for update in updates for node in update] == [
        "begin",
        "supervisor",
        "researcher",
        "supervisor",
        "writer",
        "__interrupt__",
    ]
    assert graph.get_state(CONFIG).next == ("reviewer",)


def test_the_researcher_remembers_what_it_has_looked_up_on_the_thread(graph: CompiledStateGraph) -> None:
    first = looked_up(graph, "What is a lease?")
    graph.invoke(Command(resume=True), CONFIG)

    second = looked_up(graph, "What is a lease, and what is a fence?")

    assert (first, second) == (["lease"], ["fence"])
    assert graph.get_state(CONFIG).values["notes"] == [FENCE, LEASE]


def test_another_thread_has_another_researcher(graph: CompiledStateGraph) -> None:
    graph.invoke(QUESTION, {"thread_id": "other"})

    assert looked_up(graph, "What is a lease?") == ["lease"]


@pytest.mark.parametrize("answer", ["true", 1, {"approved": True}])
def test_only_a_plain_true_approves(graph: CompiledStateGraph, answer: Any) -> None:
    graph.invoke(QUESTION, CONFIG)

    output = graph.invoke(Command(resume=answer), CONFIG)

    assert output["approved"] is False
    assert asked(output)


def test_a_new_question_on_the_thread_has_a_draft_and_an_approval_of_its_own(graph: CompiledStateGraph) -> None:
    graph.invoke(QUESTION, CONFIG)
    graph.invoke(Command(resume=True), CONFIG)

    output = graph.invoke({"question": "What is rain?"}, CONFIG)

    assert asked(output) == ["What is rain? The library has nothing on it."]
    assert output["approved"] is False
