"""OpenTelemetry: one trace for each run, with a span for each attempt at a step, whichever process makes it.

What travels with a run is a ``traceparent``, ids alone. A run that was begun by somebody who does not trace has a trace
all the same: its ids follow from the run's.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

from graphs.errors import MissingExtra
from scheduler.claim import Claim, Progress
from scheduler.config import RunConfig
from scheduler.storing import Started

_TRACE_BYTES, _SPAN_BYTES = 16, 8
_NS_PER_MS: Final = 1_000_000


class Told(Protocol):
    """What came of an attempt, as far as a span says it."""

    @property
    def progress(self) -> Progress:
        """What the step made ready, or ended."""

    @property
    def error(self) -> BaseException | None:
        """What the node raised."""

    @property
    def retry_s(self) -> float | None:
        """After how long the step is tried again."""

    @property
    def handled(self) -> bool:
        """Whether an error handler takes over."""

    @property
    def abandoned(self) -> Claim | None:
        """The claim, where nobody waits for it any more."""


T = TypeVar("T", bound=Told)
Start = Callable[[RunConfig], Started]


class Tracing:
    """Without OpenTelemetry: nothing is recorded."""

    def begin(self, graph: str, config: RunConfig, start: Start) -> Started:
        """Begin a run."""
        return start(config)

    def attempt(self, claim: Claim, call: Callable[[], T]) -> T:
        """Make an attempt at a step."""
        return call()


class OpenTelemetry(Tracing):
    """Records spans with whatever provider the process has: the API's own, which does nothing, until one is set."""

    def __init__(self) -> None:
        self._trace = _library()
        self._tracer = self._trace.get_tracer("treadle")

    def begin(self, graph: str, config: RunConfig, start: Start) -> Started:
        """Begin a run: its trace goes on the caller's, where there is one."""
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        known = {"treadle.graph": graph, "treadle.thread": config.thread_id}
        kind = self._trace.SpanKind.PRODUCER
        with self._tracer.start_as_current_span(f"run {graph}", kind=kind, attributes=known, **_SILENT) as span:
            carrier: dict[str, str] = {}
            TraceContextTextMapPropagator().inject(carrier)
            try:
                started = start(replace(config, trace=carrier.get("traceparent")))
            except BaseException as error:
                self._failed(span, error)
                raise
            span.set_attribute("treadle.run", started.run.id)
            return started

    def attempt(self, claim: Claim, call: Callable[[], T]) -> T:
        """Make an attempt at a step, as a child of its run; what its node records is below it."""
        parent, kind = self._parent(claim), self._trace.SpanKind.CONSUMER
        name = f"{claim.run.graph}.{claim.step.node}"
        with self._tracer.start_as_current_span(
            name, context=parent, kind=kind, attributes=_known(claim), **_SILENT
        ) as span:
            try:
                told = call()
            except BaseException as error:
                span.set_attribute("treadle.outcome", "lost")
                self._failed(span, error)
                raise
            span.set_attribute("treadle.outcome", _outcome(told))
            if told.error is not None:
                self._failed(span, told.error)
        if told.progress.ended is not None:
            self._ended(claim, told.progress.ended.value, parent)
        return told

    def _ended(self, claim: Claim, status: str, parent: Any) -> None:
        """Record a whole run, by whoever closed it."""
        known = {"treadle.graph": claim.run.graph, "treadle.thread": claim.ref.thread_id, "treadle.run": claim.run.id}
        began_ns = claim.run.started_ms * _NS_PER_MS if claim.run.started_ms else None
        attributes = {**known, "treadle.status": status}
        self._tracer.start_span(
            f"{claim.run.graph} {status}", context=parent, attributes=attributes, start_time=began_ns
        ).end()

    def _parent(self, claim: Claim) -> Any:
        if claim.run.trace is not None:
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

            return TraceContextTextMapPropagator().extract({"traceparent": claim.run.trace})
        digest = hashlib.sha256(claim.run.id.encode()).digest()
        trace_id, span_id = digest[:_TRACE_BYTES], digest[_TRACE_BYTES : _TRACE_BYTES + _SPAN_BYTES]
        sampled = self._trace.TraceFlags(self._trace.TraceFlags.SAMPLED)
        ids = (int.from_bytes(trace_id, "big"), int.from_bytes(span_id, "big"))
        context = self._trace.SpanContext(*ids, is_remote=True, trace_flags=sampled)
        return self._trace.set_span_in_context(self._trace.NonRecordingSpan(context))

    def _failed(self, span: Any, error: BaseException) -> None:
        """Say that something failed, and of what kind it was; what an error says may be private."""
        span.set_attribute("error.type", type(error).__qualname__)
        span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))


#: Records nothing.
OFF: Final = Tracing()

#: Else OpenTelemetry records what errors say.
_SILENT: Final[Mapping[str, Any]] = {"record_exception": False, "set_status_on_exception": False}


def tracing_of(enabled: bool) -> Tracing:
    """Return what traces, where that is wanted (TREADLE_TRACES).

    Raises:
        MissingExtra: OpenTelemetry is not installed.
    """
    return OpenTelemetry() if enabled else OFF


def _known(claim: Claim) -> dict[str, Any]:
    return {
        "treadle.thread": claim.ref.thread_id,
        "treadle.run": claim.run.id,
        "treadle.graph": claim.run.graph,
        "treadle.node": claim.step.node,
        "treadle.step": claim.ref.step_id,
        "treadle.frame": claim.ns,
        "treadle.attempt": claim.attempt,
        "treadle.worker": claim.worker,
    }


def _outcome(told: Told) -> str:
    if told.abandoned is not None:
        return "abandoned"
    if told.error is None:
        return "done"
    if told.retry_s is not None:
        return "retried"
    return "handed over" if told.handled else "failed"


def _library() -> Any:
    try:
        from opentelemetry import trace
    except ImportError as error:
        raise MissingExtra("opentelemetry", "otel") from error
    return trace
