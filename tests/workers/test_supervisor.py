"""What the main process of a worker does when its pool loses a step, or gets one that nobody here knows."""

import operator
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Annotated, Any, TypedDict

import pytest
import redis as redis_py
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import signals
from celery.concurrency.prefork import TaskPool
from celery.worker import state

from scheduler.claim import Claim
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import open_connection
from scheduler.dispatch import StepRef
from scheduler.settings import Settings
from scheduler.steps import Steps
from tests.fakes import RecordingDispatcher
from treadle.graph import StateGraph
from workers.supervisor import Supervisor


class Trail(TypedDict):
    trail: Annotated[list[Any], operator.add]


@dataclass
class Message:
    payload: tuple[Any, Any, Any]


@dataclass
class Scene:
    """A supervisor of worker ``me``, and a step that its pool has claimed as task ``task``."""

    client: Client
    claim: Claim
    kwargs: dict[str, Any] = field(default_factory=dict)

    def state(self) -> str:
        return self.client.threads.pending("t")[0].state

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.client.log.read("t")]


@pytest.fixture
def scene(redis: redis_py.Redis, request: pytest.FixtureRequest) -> Iterator[Scene]:
    connection = open_connection(redis, Settings(), RecordingDispatcher())
    client = Client(connection, lambda call: call())
    mode: Any = getattr(request, "param", "park")
    builder = StateGraph(Trail).add_node("node", lambda state: None).set_entry_point("node")
    graph = builder.compile(name="one", versioning=mode).graph
    ref = client.start(graph, parse({"thread_id": "t"}), {"trail": []}).orders[0].ref
    claim = Steps(connection, client.runs, "me").claim(ref, "task")
    assert claim is not None
    consumer = SimpleNamespace(hostname="me", pool=TaskPool.__new__(TaskPool), is_settled=True)
    supervisor = Supervisor(connection, consumer, "redis://nobody", graphs={})
    supervisor.start()
    yield Scene(client, claim, {"thread": ref.thread_id, "run": ref.run_id, "step": ref.step_id})
    signals.task_failure.disconnect(supervisor._on_failure)
    signals.task_unknown.disconnect(supervisor._on_unknown)


@pytest.mark.parametrize(
    ("error", "kind"),
    [(WorkerLostError("signal 9"), "lost worker"), (TimeLimitExceeded(5), "timed out")],
)
def test_a_step_whose_process_is_gone_is_handed_back_at_once(scene: Scene, error: Exception, kind: str) -> None:
    signals.task_failure.send(sender=None, task_id="task", exception=error, kwargs=scene.kwargs)

    assert scene.state() == "waiting"
    assert scene.kinds()[-1] == kind


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("Worker exited prematurely: signal 9 (SIGKILL) Job: 3.", "signal 9 (SIGKILL)"),
        ("Worker exited prematurely: exitcode 70 Job: 12.", "exitcode 70"),
        ("Worker exited prematurely: exitcode 3.", "exitcode 3"),
        ("Could not start worker processes", "Could not start worker processes"),
    ],
)
def test_how_its_process_ended_is_in_the_log(scene: Scene, told: str, why: str) -> None:
    signals.task_failure.send(sender=None, task_id="task", exception=WorkerLostError(told), kwargs=scene.kwargs)

    assert [*scene.client.log.read("t")][-1].data["why"] == why


def test_it_is_handed_back_once_though_celery_says_so_twice(scene: Scene) -> None:
    for _ in range(2):
        signals.task_failure.send(sender=None, task_id="task", exception=TimeLimitExceeded(5), kwargs=scene.kwargs)

    assert scene.kinds().count("timed out") == 1


@pytest.mark.parametrize("task_id", ["task", "another"])
def test_what_a_node_raises_and_what_is_not_ours_is_left_alone(scene: Scene, task_id: str) -> None:
    error = ValueError() if task_id == "task" else WorkerLostError()

    signals.task_failure.send(sender=None, task_id=task_id, exception=error, kwargs=scene.kwargs)

    assert scene.state() == "leased"


def test_a_task_of_somebody_else_is_none_of_our_business(scene: Scene) -> None:
    signals.task_failure.send(sender=None, task_id="x", exception=WorkerLostError(), kwargs={"a": 1})
    signals.task_unknown.send(sender=None, name="other.task", message=Message(((), {"a": 1}, {})), id="x", exc=None)

    assert scene.state() == "leased"


def test_a_step_of_an_unknown_graph_parks_its_thread_with_the_reason(scene: Scene) -> None:
    signals.task_unknown.send(
        sender=None, name="one.node", message=Message(((), scene.kwargs, {})), id="task", exc=None
    )

    (run,) = scene.client.runs.recent("t")
    assert scene.client.threads.get("t").status == "paused"
    assert run.error is not None
    assert "no task 'one.node'" in run.error["message"]


@pytest.mark.parametrize("scene", ["pinned", "auto_upgrade"], indirect=True)
def test_a_step_that_waits_for_workers_of_its_version_is_left_to_them(scene: Scene) -> None:
    signals.task_unknown.send(
        sender=None, name="one.node", message=Message(((), scene.kwargs, {})), id="task", exc=None
    )

    assert scene.client.threads.get("t").status == "running"


@pytest.mark.parametrize(("is_settled", "signals_sent"), [(True, [signal.SIGKILL]), (False, [])])
def test_a_step_without_a_lease_is_stopped_once_it_is_known_to_run_still(
    redis: redis_py.Redis, monkeypatch: pytest.MonkeyPatch, is_settled: bool, signals_sent: list[signal.Signals]
) -> None:
    sent: list[signal.Signals] = []
    ref = StepRef("t", "run", "step")
    request = SimpleNamespace(id="task", terminate=lambda pool, signal: sent.append(signal))
    monkeypatch.setattr(state, "active_requests", (request,))
    consumer = SimpleNamespace(hostname="me", pool=TaskPool.__new__(TaskPool), is_settled=is_settled)
    connection = open_connection(redis, Settings(), RecordingDispatcher())

    Supervisor(connection, consumer, "redis://nobody", graphs={})._stop(ref, "task")

    assert sent == signals_sent
