"""The Celery tasks of graphs: one for every node, also of graphs inside, with what the node says of its tempo."""

from typing import TypedDict

import pytest
from billiard.exceptions import WorkerLostError
from celery import Celery
from celery.exceptions import Ignore, Reject, Retry

from graphs.concurrency import Concurrency
from graphs.registry import Registry
from scheduler.admission import Limit
from scheduler.dispatch import StepOrder, StepRef
from scheduler.frame import Frame
from treadle.func import entrypoint
from treadle.graph import START, StateGraph
from workers import messages, tasks
from workers.app import make_app
from workers.node_limits import limits_by_task
from workers.settings import WorkerSettings
from workers.tasks import shown

from .nests import chain, says


class State(TypedDict):
    key: str


def silent(state: State) -> None: ...


def test_the_nodes_of_graphs_inside_are_tasks_named_by_the_way_to_them() -> None:
    app = make_app(WorkerSettings(), "redis://")
    inner = chain(leaf=says("x"))
    graph = chain(top=says("x"), middle=chain(inner=inner, other=says("y"))).graph

    tasks.register(app, Registry([graph]))

    names = {name for name in app.tasks if name.startswith("graph.")}
    assert names == {
        *("graph.top", "graph.middle"),
        *("graph.middle.inner", "graph.middle.other", "graph.middle.inner.leaf"),
    }


def test_the_message_of_a_step_inside_names_its_task() -> None:
    frame = Frame("middle:0123456789abcdef|inner:fedcba9876543210", "fedcba9876543210")

    assert messages.task_name(StepOrder(StepRef("t", "r", "s"), "graph", "leaf", frame, "1-1")) == (
        "graph.middle.inner.leaf"
    )


def test_every_node_and_every_handler_is_a_task_and_keeps_to_its_limits() -> None:
    child = StateGraph(State).add_node("inner", silent, error_handler=silent).add_edge(START, "inner")
    builder = StateGraph(State).add_node("slow", silent, rate_limit="10/m", error_handler=silent)
    builder.add_node("child", child.compile()).add_edge(START, "slow")
    app = Celery(set_as_current=False)

    graphs = Registry([builder.compile(name="parent").graph])
    tasks.register(app, graphs)

    own = {name: task.rate_limit for name, task in app.tasks.items() if name.startswith("parent")}
    assert own == dict.fromkeys(
        (
            "parent.slow",
            "parent.__error_handler__slow",
            "parent.child",
            "parent.child.inner",
            "parent.child.__error_handler__inner",
        )
    )  # Celery's own limit would be one for each worker
    assert limits_by_task(graphs) == {"parent.slow": Limit("parent", "slow", 6000.0)}


def test_the_limit_of_a_graph_is_that_of_all_its_tasks() -> None:
    child = StateGraph(State).add_node("inner", silent).add_edge(START, "inner").compile(max_concurrency=1)
    builder = StateGraph(State).add_node("child", child).add_edge(START, "child")

    limits = limits_by_task(Registry([builder.compile(name="parent", max_concurrency=7).graph]))

    assert {name: limit.concurrency for name, limit in limits.items()} == {
        "parent.child": Concurrency(7),
        "parent.child.inner": Concurrency(7),
    }


def test_an_entrypoint_has_a_limit_as_well() -> None:
    @entrypoint(max_concurrency={"tenant": 2})
    def workflow(text: str) -> str:
        return text

    assert workflow.graph.concurrency == Concurrency(key="tenant", steps_per_key=2)


@pytest.mark.parametrize(
    "error", [MemoryError(), Ignore(), Reject("no", requeue=True), Retry(), WorkerLostError("x"), GeneratorExit()]
)
def test_celery_gets_no_error_that_it_would_take_for_an_order(error: BaseException) -> None:
    assert repr(shown(error)) == repr(RuntimeError(repr(error)))


def test_celery_gets_every_other_error_as_it_is() -> None:
    error = ValueError("bad")

    assert shown(error) is error
