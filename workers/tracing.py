"""OpenTelemetry: one trace for each run, with a span for each attempt at a step, whichever process makes it.

What travels with a run is a ``traceparent``, ids alone. A run that was begun by somebody who does not trace has a trace
all the same: its ids follow from the run's.
"""

import hashlib
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from graphs.errors import MissingExtra
from scheduler.claim import Claim
from scheduler.errors import SchedulerError
from scheduler.lifecycle import RunStatus
from scheduler.log import LogEntry
from scheduler.run import Run
from scheduler.witness import Begun, Witness

logger = logging.getLogger(__name__)

_TRACE_BYTES, _SPAN_BYTES = 16, 8
_NS_PER_MS: Final = 1_000_000
_FAILED: Final = (RunStatus.ERROR, RunStatus.TIMEOUT)
#: How long what was recorded may take to leave a process that ends.
_FLUSH_MS = 5_000


class Told(Protocol):
    """What came of an attempt, as far as a span says it."""

    @property
    def word(self) -> str:
        """What came of it where it did not fail."""

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
B = TypeVar("B", bound=Begun)
A = TypeVar("A")
#: Returns how the attempt before a claim ended, where its worker did not say that itself.
CutShort = Callable[[Claim], LogEntry | None]


class Tracing(Witness):
    """Without OpenTelemetry: nothing is recorded."""

    def attempt(self, claim: Claim, call: Callable[[], T], cut_short: CutShort) -> T:
        """Make an attempt at a step."""
        return call()

    def given_up(self, claim: Claim, cut_short: CutShort) -> None:
        """Hear that there is no further attempt at a step."""


class OpenTelemetry(Tracing):
    """Records spans with whatever provider the process has: the API's own, which does nothing, until one is set."""

    def __init__(self) -> None:
        self._trace = _library()
        self._tracer = self._trace.get_tracer("treadle")

    def begin(
        self, graph: str, thread_id: str, start: Callable[[str | None], B], before: Callable[[B], Run | None]
    ) -> B:
        """Begin a run: its trace goes on the caller's, where there is one, and links to that of the run before it."""
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        known = {"treadle.graph": graph, "treadle.thread": thread_id}
        kind = self._trace.SpanKind.PRODUCER
        with self._tracer.start_as_current_span(f"run {graph}", kind=kind, attributes=known, **_SILENT) as span:
            carrier: dict[str, str] = {}
            TraceContextTextMapPropagator().inject(carrier)
            try:
                started = start(carrier.get("traceparent"))
            except BaseException as error:
                self._failed(span, error)
                raise
            span.set_attribute("treadle.run", started.run.id)
            earlier = _told(lambda: before(started)) if span.is_recording() else None
            if earlier is not None:
                context = self._trace.get_current_span(self._of_run(earlier)).get_span_context()
                span.add_link(context, {"treadle.run": earlier.id})
            return started

    def attempt(self, claim: Claim, call: Callable[[], T], cut_short: CutShort) -> T:
        """Make an attempt at a step, as a child of its run; what its node records is below it."""
        parent, kind = self._of_run(claim.run), self._trace.SpanKind.CONSUMER
        links = self._cut_short(claim, cut_short)
        with self._tracer.start_as_current_span(
            _name(claim), context=parent, kind=kind, attributes=_known(claim), links=links, **_SILENT
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
        return told

    def given_up(self, claim: Claim, cut_short: CutShort) -> None:
        """Record the last attempt at a step, which took its worker with it, or overran its time with it."""
        self._cut_short(claim, cut_short)

    def ended(self, run: Callable[[], Run], status: RunStatus) -> None:
        """Record a whole run, by whoever ended it."""
        over = _told(run)
        if over is None:
            return
        known = {"treadle.graph": over.graph, "treadle.thread": over.thread_id, "treadle.run": over.id}
        began_ns = over.started_ms * _NS_PER_MS if over.started_ms else None
        span = self._tracer.start_span(
            f"{over.graph} {status}",
            context=self._of_run(over),
            attributes={**known, "treadle.status": str(status)},
            start_time=began_ns,
        )
        if status in _FAILED:
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))
        span.end()

    def _cut_short(self, claim: Claim, cut_short: CutShort) -> Sequence[Any]:
        """Record an attempt whose own process may never have said how it ended; return a link to it."""
        entry = _told(lambda: cut_short(claim))
        if entry is None:
            return ()
        at_ns, data = entry.at_ms * _NS_PER_MS, entry.data
        span = self._tracer.start_span(
            f"{_name(claim)} {entry.kind}",
            context=self._of_run(claim.run),
            attributes={
                **_known(claim),
                **{f"treadle.{name}": data[name] for name in ("attempt", "worker", "why") if name in data},
                "treadle.outcome": entry.kind,
            },
            start_time=at_ns - int(data.get("ms", 0)) * _NS_PER_MS,
        )
        if entry.kind != "released":
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))
        span.end(at_ns)
        return (self._trace.Link(span.get_span_context()),)

    def _of_run(self, run: Run) -> Any:
        """Return the context of a run: that of the span with which it began."""
        if run.trace is not None:
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

            return TraceContextTextMapPropagator().extract({"traceparent": run.trace})
        digest = hashlib.sha256(run.id.encode()).digest()
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


def flush() -> None:
    """Let what this process has recorded leave it before it ends in a way that no exporter notices."""
    trace = sys.modules.get("opentelemetry.trace")
    force_flush = None if trace is None else getattr(trace.get_tracer_provider(), "force_flush", None)
    if force_flush is not None:  # the SDK's
        force_flush(_FLUSH_MS)


def _told(ask: Callable[[], A | None]) -> A | None:
    """Return what the store says, or nothing: a run goes on as it would if nobody watched."""
    try:
        return ask()
    except SchedulerError as error:
        logger.warning("not traced", extra={"error": str(error)})
        return None


def _name(claim: Claim) -> str:
    return f"{claim.run.graph}.{claim.step.node}"


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
        return told.word
    if told.retry_s is not None:
        return "retried"
    return "handed over" if told.handled else "failed"


def _library() -> Any:
    try:
        from opentelemetry import trace
    except ImportError as error:
        raise MissingExtra("opentelemetry", "otel") from error
    return trace
