"""Every node is a Celery task of its own, also those of graphs inside of graphs."""

from graphs.registry import Registry
from scheduler.dispatch import StepOrder, StepRef
from scheduler.frame import Frame
from workers import messages, tasks
from workers.app import make_app
from workers.settings import WorkerSettings

from .nests import chain, says


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
