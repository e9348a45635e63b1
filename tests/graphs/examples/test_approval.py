"""The approval graph: a decision by a person, or by the clock."""

import pytest
from pydantic import ValidationError

from graphs.examples.approval import Decision, build
from treadle.checkpoint.memory import MemorySaver
from treadle.graph import CompiledStateGraph
from treadle.types import Command

CONFIG = {"thread_id": "chair"}


@pytest.fixture
def graph() -> CompiledStateGraph:
    return build().compile(MemorySaver())


def test_a_person_decides(graph: CompiledStateGraph) -> None:
    (question,) = graph.invoke({"request": "a new chair"}, CONFIG)["__interrupt__"]

    output = graph.invoke(Command(resume={"approved": True, "by": "ada"}), CONFIG)

    assert question.value == "Do you approve a new chair?"
    assert [*question.response_schema["properties"]] == ["approved", "by", "reason"]
    assert output["decision"] == Decision(approved=True, by="ada")


def test_a_decision_without_a_name_is_refused_and_can_be_given_again(graph: CompiledStateGraph) -> None:
    graph.invoke({"request": "a new chair"}, CONFIG)

    with pytest.raises(ValidationError, match="by\n  Field required"):
        graph.invoke(Command(resume={"approved": True}), CONFIG)

    assert graph.invoke(Command(resume={"approved": False, "by": "bo"}), CONFIG)["decision"].by == "bo"


def test_who_says_nothing_in_time_has_declined(graph: CompiledStateGraph) -> None:
    graph.invoke({"request": "a new chair", "wait_s": 0}, CONFIG)

    decision = graph.invoke(None, CONFIG)["decision"]

    assert (decision.approved, decision.by) == (False, "nobody")
