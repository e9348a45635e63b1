"""Traces: one for each run, with a span for each attempt, whichever process makes it."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from scheduler.claim import Claim, Progress
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import open_connection
from scheduler.errors import StoreUnavailable
from scheduler.fake import fake_redis, fake_server
from scheduler.lifecycle import RunStatus
from scheduler.settings import Settings
from scheduler.steps import Steps
from scheduler.storing import Started
from scheduler.witness import NOBODY, Witness
from tests.fakes import RecordingDispatcher
from tests.scheduler.stage import claim, line
from treadle.checkpoint.memory import MemorySaver
from treadle.errors import MissingExtra
from treadle.graph import START, StateGraph
from treadle.types import Command, RetryPolicy, interrupt
from workers.bootstrap import set_up_traces
from workers.outcome import Outcome
from workers.settings import WorkerSettings
from workers.tracing import OFF, OpenTelemetry, tracing_of

EXPORTER = InMemorySpanExporter()
SECRET = "Xq7-secret"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What is recorded; the API takes one provider for the whole process."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(EXPORTER))
        trace.set_tracer_provider(provider)
    monkeypatch.setenv("TREADLE_TRACES", "true")
    EXPORTER.clear()
    yield EXPORTER
    EXPORTER.clear()


def clients(count: int, witness: Witness | None = None) -> list[Client]:
    server, witness = fake_server(), witness or OpenTelemetry()
    return [
        Client(open_connection(fake_redis(server), Settings(), RecordingDispatcher(), witness), lambda call: call())
        for _ in range(count)
    ]


def claimed(client: Client, started: Started, worker: str) -> Claim:
    return claim(Steps(client.connection, client.runs, worker), started.orders[0].ref)


def make_attempt(client: Client, started: Started, call: Callable[[], Outcome], worker: str = "w1") -> None:
    steps = Steps(client.connection, client.runs, worker)
    OpenTelemetry().attempt(claim(steps, started.orders[0].ref), call, steps.cut_short)


def by_name(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


def trace_ids(spans: InMemorySpanExporter) -> set[int]:
    return {span.context.trace_id for span in spans.get_finished_spans() if span.context}


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def began(span: ReadableSpan) -> int:
    return span.start_time or 0


def said(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {}).get(f"treadle.{name}")


def graph_of(**nodes: Any) -> Any:
    builder = StateGraph(dict)
    for name, node in nodes.items():
        builder.add_node(name, node, retry=RetryPolicy(initial_interval=0.001, max_attempts=2, retry_on=OSError))
        builder.add_edge(START, name)
    return builder.compile(MemorySaver(), name="g")


def test_a_run_is_one_trace_with_a_span_for_each_step(spans: InMemorySpanExporter) -> None:
    def think(state: Any) -> Any:
        with trace.get_tracer("user").start_as_current_span("model"):
            return {"n": 1}

    graph_of(think=think).invoke({"n": 0}, {"thread_id": "t"})

    found = by_name(spans)
    run, step, model, whole = found["run g"], found["g.think"], found["model"], found["g success"]
    assert len(trace_ids(spans)) == 1
    assert run.context is not None and step.context is not None
    assert run.parent is None
    assert parent_of(step) == parent_of(whole) == run.context.span_id
    assert parent_of(model) == step.context.span_id
    assert (said(step, "thread"), said(step, "graph"), said(step, "node")) == ("t", "g", "think")
    assert (said(step, "attempt"), said(step, "outcome")) == (1, "committed")
    assert said(step, "run") == said(run, "run") == said(whole, "run")
    assert said(whole, "status") == "success"
    assert (whole.start_time or 0) <= (step.end_time or 0)


def test_a_run_goes_on_the_trace_of_who_begins_it(spans: InMemorySpanExporter) -> None:
    with trace.get_tracer("user").start_as_current_span("request") as request:
        graph_of(a=lambda state: {"n": 1}).invoke({"n": 0}, {"thread_id": "t"})

    assert trace_ids(spans) == {request.get_span_context().trace_id}


def test_every_attempt_has_a_span_and_none_tells_what_an_error_says(spans: InMemorySpanExporter) -> None:
    tries: list[int] = []

    def fails(state: Any) -> Any:
        tries.append(1)
        raise OSError(SECRET) if len(tries) == 1 else ValueError(SECRET)

    with pytest.raises(ValueError, match=SECRET):
        graph_of(fails=fails).invoke({"n": 0}, {"thread_id": "t"})

    attempts = [span for span in spans.get_finished_spans() if span.name == "g.fails"]
    assert [(said(span, "attempt"), said(span, "outcome")) for span in attempts] == [(1, "retried"), (2, "failed")]
    assert [(span.attributes or {})["error.type"] for span in attempts] == ["OSError", "ValueError"]
    assert all(span.status.status_code is trace.StatusCode.ERROR for span in attempts)
    assert SECRET not in "".join(span.to_json() for span in spans.get_finished_spans())


def test_another_process_goes_on_with_the_trace(spans: InMemorySpanExporter) -> None:
    here, there = clients(2)
    started = here.start(line("a"), parse({"thread_id": "t"}), {})

    make_attempt(there, started, lambda: Outcome(Progress()))

    assert len(trace_ids(spans)) == 1
    assert said(by_name(spans)["line.a"], "worker") == "w1"


def test_a_run_begun_without_a_trace_has_one_all_the_same(spans: InMemorySpanExporter) -> None:
    (client,) = clients(1, NOBODY)
    started = client.start(line("a"), parse({"thread_id": "t"}), {})

    make_attempt(client, started, lambda: Outcome(Progress()))
    OpenTelemetry().ended(lambda: client.runs.get("t", started.run.id), RunStatus.SUCCESS)

    assert len(spans.get_finished_spans()) == 2
    assert len(trace_ids(spans)) == 1


def test_an_attempt_that_is_lost_says_so(spans: InMemorySpanExporter) -> None:
    (client,) = clients(1)
    started = client.start(line("a"), parse({"thread_id": "t"}), {})

    def loses() -> Outcome:
        raise KeyError(SECRET)

    with pytest.raises(KeyError):
        make_attempt(client, started, loses)

    assert said(by_name(spans)["line.a"], "outcome") == "lost"
    assert SECRET not in by_name(spans)["line.a"].to_json()


@pytest.mark.parametrize("kind", ["lost worker", "timed out", "released"])
def test_an_attempt_whose_process_said_nothing_is_recorded_by_the_next_one(
    spans: InMemorySpanExporter, kind: str
) -> None:
    (client,) = clients(1)
    started = client.start(line("a"), parse({"thread_id": "t"}), {})
    first, until = claimed(client, started, "w1"), time.monotonic() + 0.01
    while time.monotonic() < until:  # two leases in one millisecond count as one
        time.sleep(0.001)

    Steps(client.connection, client.runs, "w1").release(first.ref, first.delivery, kind, "signal 9 (SIGKILL)")
    make_attempt(client, started, lambda: Outcome(Progress()), "w2")

    cut, next_one = by_name(spans)[f"line.a {kind}"], by_name(spans)["line.a"]
    assert len(trace_ids(spans)) == 1
    assert (said(cut, "worker"), said(cut, "attempt"), said(cut, "outcome")) == ("w1", 1, kind)
    assert said(cut, "why") == "signal 9 (SIGKILL)"
    assert cut.start_time and cut.end_time and cut.end_time - cut.start_time >= 10_000_000
    assert cut.status.is_ok == (kind == "released")
    assert [link.context for link in next_one.links] == [cut.context]


def test_what_the_store_does_not_say_costs_a_run_nothing(spans: InMemorySpanExporter) -> None:
    (client,) = clients(1, NOBODY)

    def away(*_: Any) -> Any:
        raise StoreUnavailable("it is away")

    started = OpenTelemetry().begin("line", "t", lambda _: client.start(line("a"), parse({"thread_id": "t"}), {}), away)
    OpenTelemetry().ended(away, RunStatus.SUCCESS)
    outcome = OpenTelemetry().attempt(claimed(client, started, "w1"), lambda: Outcome(Progress()), away)

    assert outcome == Outcome(Progress())
    assert set(by_name(spans)) == {"run line", "line.a"}


def test_an_answer_links_to_the_question(spans: InMemorySpanExporter) -> None:
    def ask(state: Any) -> Any:
        return {"n": interrupt("Send it?")}

    graph = graph_of(ask=ask)
    for value in ({"n": 0}, Command(resume="yes")):
        graph.invoke(value, {"thread_id": "t"})

    first, second = sorted((span for span in spans.get_finished_spans() if span.name == "run g"), key=began)
    assert len(trace_ids(spans)) == 2
    assert first.links == ()
    assert first.context is not None
    assert [link.context.span_id for link in second.links] == [first.context.span_id]


def test_a_second_attempt_after_one_that_said_how_it_ended_takes_nothing_over(spans: InMemorySpanExporter) -> None:
    tries: list[int] = []

    def fails(state: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            raise OSError
        return {"n": 1}

    graph_of(fails=fails).invoke({"n": 0}, {"thread_id": "t"})

    names = sorted(span.name for span in spans.get_finished_spans())
    assert names == ["g success", "g.fails", "g.fails", "run g"]


def test_nothing_is_recorded_or_needed_unless_it_is_wanted() -> None:
    assert tracing_of(False) is OFF
    code = """import sys
sys.modules["opentelemetry"] = None
from treadle.checkpoint.memory import MemorySaver
from treadle.graph import START, StateGraph
graph = StateGraph(dict).add_node("a", lambda state: {"n": 1}).add_edge(START, "a").compile(MemorySaver())
print(graph.invoke({"n": 0}, {"thread_id": "t"}))
"""

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert printed.strip() == "{'n': 1}"


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    with pytest.raises(MissingExtra, match="otel"):
        tracing_of(True)


@pytest.mark.parametrize("enabled", [True, False])
def test_a_process_that_traces_imports_what_may_say_where_spans_go(
    enabled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sets_up_traces.py").write_text("graph = []\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sets_up_traces", raising=False)

    set_up_traces(WorkerSettings(traces=enabled, graphs="sets_up_traces:graph", examples=False))

    assert ("sets_up_traces" in sys.modules) == enabled


def test_graphs_that_are_not_there_keep_no_scheduler_from_its_work(caplog: pytest.LogCaptureFixture) -> None:
    set_up_traces(WorkerSettings(traces=True, graphs="nowhere.to.be:found", examples=False))

    assert "graphs not known" in caplog.text
