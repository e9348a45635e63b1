"""Questions with a deadline on real workers, with two schedulers."""

import threading
from contextlib import suppress

import pytest
from pydantic import ValidationError

from graphs.examples.approval import Decision, build
from tests.system.conftest import Deployment, until
from treadle.checkpoint.redis import RedisSaver
from treadle.errors import AlreadyResumed, ThreadBusy, is_invalid_resume
from treadle.graph import CompiledStateGraph
from treadle.types import Command

pytestmark = pytest.mark.system

THREADS = 20
YES = {"approved": True, "by": "ada"}


@pytest.fixture
def graph(deployment: Deployment, saver: RedisSaver) -> CompiledStateGraph:
    """The approval graph, on a worker and two schedulers."""
    deployment.worker("one", graphs="graphs.examples.approval:graph")
    deployment.scheduler("first")
    deployment.scheduler("second")
    return build().compile(saver, name="approval")


def answers(saver: RedisSaver, thread_id: str) -> list[str | None]:
    """Return by whom a thread's question was answered, as the log has it."""
    return [entry.data.get("by") for entry in saver.client.log.read(thread_id) if entry.kind == "resumed"]


def decided(graph: CompiledStateGraph, thread_id: str) -> bool:
    return "decision" in graph.get_state({"thread_id": thread_id}).values


def test_when_nobody_answers_in_time_the_default_is_given_once(graph: CompiledStateGraph, saver: RedisSaver) -> None:
    names = [f"t{number}" for number in range(THREADS)]
    for name in names:
        graph.invoke({"request": name, "wait_s": 1}, {"thread_id": name})

    until(lambda: all(decided(graph, name) for name in names), "every question has its answer")

    assert [answers(saver, name) for name in names] == [["deadline"]] * THREADS
    assert {graph.get_state({"thread_id": name}).values["decision"].by for name in names} == {"nobody"}
    assert [saver.client.log.verify(name) for name in names] == [None] * THREADS


def test_a_person_who_answers_first_wins(graph: CompiledStateGraph, saver: RedisSaver) -> None:
    config = {"thread_id": "t", "metadata": {"user": "ada"}}
    graph.invoke({"request": "a chair", "wait_s": 1}, config)
    output = graph.invoke(Command(resume=YES), config)

    graph.invoke({"request": "a table", "wait_s": 1}, {"thread_id": "clock"})
    until(lambda: decided(graph, "clock"), "a later deadline has passed")

    assert output["decision"] == Decision(approved=True, by="ada")
    assert answers(saver, "t") == ["ada"]


def test_whoever_is_first_at_the_deadline_itself_answers_alone(graph: CompiledStateGraph, saver: RedisSaver) -> None:
    names = [f"t{number}" for number in range(THREADS)]
    for name in names:
        graph.invoke({"request": name, "wait_s": 0.5}, {"thread_id": name})

    def answer(name: str) -> None:
        with suppress(AlreadyResumed, ThreadBusy):  # the schedulers were faster
            graph.invoke(Command(resume={**YES, "by": name}), {"thread_id": name, "metadata": {"user": name}})

    people = [threading.Timer(0.5, answer, [name]) for name in names]
    for person in people:
        person.start()
    for person in people:
        person.join()
    until(lambda: all(decided(graph, name) for name in names), "every question has its answer")

    for name in names:
        (by,) = answers(saver, name)
        decision = graph.get_state({"thread_id": name}).values["decision"]
        assert decision.by == ("nobody" if by == "deadline" else name)


def test_an_answer_of_another_form_comes_back_to_who_gave_it(graph: CompiledStateGraph, deployment: Deployment) -> None:
    config = {"thread_id": "t"}
    graph.invoke({"request": "a chair"}, config)

    with pytest.raises(ValidationError, match="by\n  Field required") as refused:
        graph.invoke(Command(resume={"approved": True}), config)

    assert is_invalid_resume(refused.value)
    assert graph.invoke(Command(resume=YES), config)["decision"] == Decision(approved=True, by="ada")
    until(lambda: deployment.output("one").count("succeeded in") == 3, "no task has failed: the node did nothing wrong")
