"""Traces: one for each run, with a span for each attempt, whichever process makes it."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
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
from scheduler.fake import fake_redis, fake_server
from scheduler.lifecycle import RunStatus
from scheduler.settings import Settings
from scheduler.steps import Steps
from tests.fakes import RecordingDispatcher
from tests.scheduler.stage import claim, line
from treadle.checkpoint.memory import MemorySaver
from treadle.errors import MissingExtra
from treadle.graph import START, StateGraph
from treadle.types import RetryPolicy
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


@dataclass(frozen=True)
class Told:
    progress: Progress
    error: BaseException | None = None
    retry_s: float | None = None
    handled: bool = False
    abandoned: Claim | None = None


def by_name(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


def trace_ids(spans: InMemorySpanExporter) -> set[int]:
    return {span.context.trace_id for span in spans.get_finished_spans() if span.context}


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


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
    assert (said(step, "attempt"), said(step, "outcome")) == (1, "done")
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
    server = fake_server()
    here, there = (
        Client(open_connection(fake_redis(server), Settings(), RecordingDispatcher()), lambda call: call())
        for _ in range(2)
    )
    graph, traced = line("a"), OpenTelemetry()
    started = traced.begin("line", parse({"thread_id": "t"}), lambda config: here.start(graph, config, {}))

    claimed = claim(Steps(there.connection, there.runs, "w2"), started.orders[0].ref)
    traced.attempt(claimed, lambda: Told(Progress(ended=RunStatus.SUCCESS)))

    assert len(trace_ids(spans)) == 1
    assert said(by_name(spans)["line.a"], "worker") == "w2"


def test_a_run_begun_without_a_trace_has_one_all_the_same(spans: InMemorySpanExporter) -> None:
    client = Client(open_connection(fake_redis(fake_server()), Settings(), RecordingDispatcher()), lambda call: call())
    started = client.start(line("a"), parse({"thread_id": "t"}), {})
    claimed = claim(Steps(client.connection, client.runs, "w1"), started.orders[0].ref)

    for _ in range(2):
        OpenTelemetry().attempt(claimed, lambda: Told(Progress()))

    assert len(spans.get_finished_spans()) == 2
    assert len(trace_ids(spans)) == 1


def test_an_attempt_that_is_lost_says_so(spans: InMemorySpanExporter) -> None:
    client = Client(open_connection(fake_redis(fake_server()), Settings(), RecordingDispatcher()), lambda call: call())
    started = client.start(line("a"), parse({"thread_id": "t"}), {})
    claimed = claim(Steps(client.connection, client.runs, "w1"), started.orders[0].ref)

    def loses() -> Told:
        raise KeyError(SECRET)

    with pytest.raises(KeyError):
        OpenTelemetry().attempt(claimed, loses)

    assert said(by_name(spans)["line.a"], "outcome") == "lost"
    assert SECRET not in by_name(spans)["line.a"].to_json()


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
