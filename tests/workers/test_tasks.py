"""The Celery tasks of graphs: one for every node, with what the node says of its tempo."""

from typing import TypedDict

from celery import Celery

from graphs.registry import Registry
from treadle.graph import START, StateGraph
from workers.tasks import register


class State(TypedDict):
    key: str


def silent(state: State) -> None: ...


def test_every_node_and_every_handler_is_a_task_with_its_rate_limit() -> None:
    child = StateGraph(State).add_node("inner", silent, error_handler=silent).add_edge(START, "inner")
    builder = StateGraph(State).add_node("slow", silent, rate_limit="10/m", error_handler=silent)
    builder.add_node("child", child.compile()).add_edge(START, "slow")
    app = Celery(set_as_current=False)

    register(app, Registry([builder.compile(name="parent").graph]))

    own = {name: task.rate_limit for name, task in app.tasks.items() if name.startswith("parent")}
    assert own == {
        "parent.slow": "10/m",
        "parent.__error_handler__slow": None,
        "parent.child": None,
        "parent.child.inner": None,
        "parent.child.__error_handler__inner": None,
    }
