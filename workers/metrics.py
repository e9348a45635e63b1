"""What a scheduler tells Prometheus: of its own sweeps, and of the store that all schedulers share.

A figure whose help begins with "Of this scheduler" adds up over schedulers; every other one is read from what they
share, so that the highest counts, or the lowest where the help says so.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from time import monotonic, thread_time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from scheduler.census import CensusTaker
from scheduler.counts import WAIT_BOUNDS_MS, Counts
from scheduler.errors import StoreUnavailable
from scheduler.occupancy import Occupancy
from scheduler.sweep import Sweep

from .readings import Reading

logger = logging.getLogger(__name__)

_LATE_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300)
_SWEEP_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
#: What sweeps do, so that each is there from the beginning with 0.
_DONE = ("dispatched", "left alone", "kept back", "not handled", "answered", "timeout", "superstep", "lost")
_STATUSES = ("created", "running", "paused", "idle", "failed", "cancelled", "terminated", "archived")
#: How much of a processor the census takes; and how long it rests after a round.
_CENSUS_SHARE = 0.05
_CENSUS_REST_S = 5


class Sweeps:
    """Counts what the sweeps of this process do."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._done = Counter(
            "treadle_swept",
            "Of this scheduler, sum: due entries by what was done: dispatched is a step sent again, also after its "
            "pause before a retry; not handled is an error in the log.",
            ["did"],
            registry=registry,
        )
        self._late = Histogram(
            "treadle_due_lag_seconds",
            "Of this scheduler, sum: how late the longest overdue entry of a partition was taken.",
            buckets=_LATE_S,
            registry=registry,
        )
        self._took = Histogram(
            "treadle_sweep_seconds",
            "Of this scheduler, sum: how long sweeps took.",
            buckets=_SWEEP_S,
            registry=registry,
        )
        self._failed = Counter(
            "treadle_sweep_failures",
            "Of this scheduler, sum: sweeps that failed because the store did not answer.",
            registry=registry,
        )
        for did in _DONE:
            self._done.labels(did)

    def watch(self, sweep: Sweep) -> None:
        """Count a sweep."""
        self._took.observe(sweep.took_s)
        self._failed.inc(sweep.failed)
        for late_ms in sweep.late_ms:
            self._late.observe(late_ms / 1000)
        for did, count in sweep.done.items():
            self._done.labels(did).inc(count)


@dataclass(frozen=True, slots=True)
class Sources:
    """What the shared figures are read from."""

    #: Reads the store; raises StoreUnavailable.
    read: Callable[[], Reading]
    #: Returns the lengths of the queues of a broker of its own; None: it does not answer.
    queues: Callable[[], dict[str, int] | None]
    census: CensusTaker
    #: How many writes of this process had fewer copies than wanted; None: none are waited for.
    missed: Callable[[], int | None]
    replicas_wanted: int = 0


class Shared(Collector):
    """The figures that all schedulers read from the same store, when they are asked."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._lock = threading.Lock()

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the store is not asked when this is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every figure; of a store that does not answer, that it does not."""
        with self._lock:
            try:
                reading = self._sources.read()
            except StoreUnavailable as error:
                logger.warning("metrics without the store", extra={"error": str(error)})
                reading = None
            queues = reading and reading.queues
            queues = queues or self._sources.queues()
        yield _gauge("treadle_store_up", "Lowest: whether this scheduler reaches the store.", reading is not None)
        yield _gauge("treadle_broker_up", "Lowest: whether this scheduler reaches the broker.", queues is not None)
        yield _by("treadle_queue_length", "Highest: messages that wait in a queue.", "queue", queues or {})
        if reading is not None:
            yield from _of_counts(reading.counts)
            yield from _of_store(reading, self._sources.replicas_wanted)
            yield from _of_limits(reading.limits)
        yield from self._of_census()
        yield from self._of_copies()

    def _of_census(self) -> Iterator[Metric]:
        census = self._sources.census.census
        if census is None:
            return
        known = dict.fromkeys(_STATUSES, 0) | dict(census.statuses)
        yield _by("treadle_threads", "Highest: threads by status, from the last whole round.", "status", known)
        told = "Lowest: how old the last whole round over the threads is, which treadle_threads is from."
        yield _gauge("treadle_census_age_seconds", told, monotonic() - census.ended_s)
        if census.bytes is not None:
            told = "Highest: what checkpoints and states take in Redis, estimated from some of the threads."
            yield _gauge("treadle_checkpoint_bytes", told, census.bytes)

    def _of_copies(self) -> Iterator[Metric]:
        missed = self._sources.missed()
        if missed is not None:
            told = "Of this scheduler, sum: own writes that had fewer copies than TREADLE_WAIT_REPLICAS says."
            yield CounterMetricFamily("treadle_writes_short_of_replicas", told, missed)


def serve(registry: CollectorRegistry, port: int, address: str) -> Any:
    """Answer Prometheus on a port, in threads of their own; return what has the port."""
    server, _ = start_http_server(port, address, registry)
    return server


def keep_counting(census: CensusTaker, stop: threading.Event) -> threading.Thread:
    """Go round the threads until stopped, in a thread of its own."""

    def go_round() -> None:
        pause_s = 0.0
        while not stop.wait(pause_s):
            before, began_s, worked_s = census.census, monotonic(), thread_time()
            try:
                census.step()
                # A store that takes its time is asked no more than half of the time.
                pause_s = max(monotonic() - began_s, (thread_time() - worked_s) / _CENSUS_SHARE)
                pause_s = pause_s if census.census is before else _CENSUS_REST_S
            except StoreUnavailable:  # the sweeps say so
                stop.wait(1)
            except Exception:  # a figure less is no reason to end
                logger.exception("census not taken")
                stop.wait(60)

    thread = threading.Thread(target=go_round, name="census", daemon=True)
    thread.start()
    return thread


def _of_counts(counts: Counts) -> Iterator[Metric]:
    ended = CounterMetricFamily("treadle_runs_ended", "Highest: runs that ended.", labels=["graph", "status"])
    for (graph, status), count in sorted(counts.ended.items()):
        ended.add_metric([graph, status], count)
    yield ended
    told = "Highest: leases that ended before their step: its worker was killed or silent, or it overran its time."
    lapsed = CounterMetricFamily("treadle_leases_lapsed", told, labels=["why"])
    for why in ("lost worker", "timed out"):
        lapsed.add_metric([why], counts.lapsed.get(why, 0))
    yield lapsed
    bounds = ["+Inf" if bound == "inf" else f"{int(bound) / 1000:g}" for bound in WAIT_BOUNDS_MS]
    told = "Highest: how long steps were ready before a worker first leased them."
    buckets = list(zip(bounds, accumulate(counts.waits), strict=True))
    yield HistogramMetricFamily("treadle_queue_wait_seconds", told, buckets, counts.waited_ms / 1000)


def _of_store(reading: Reading, replicas_wanted: int) -> Iterator[Metric]:
    yield _gauge("treadle_threads_known", "Highest: threads of every status.", reading.threads)
    yield _gauge("treadle_due_entries", "Highest: steps, runs and questions somebody looks after.", reading.in_flight)
    told = "Highest: how late the longest overdue entry is."
    yield _gauge("treadle_oldest_overdue_seconds", told, reading.oldest_overdue_ms / 1000)
    if reading.server is not None:
        told = "Highest: what Redis uses."
        yield _gauge("treadle_store_memory_bytes", told, reading.server.memory)
        told = "Highest: what Redis may use (maxmemory); 0: as much as there is."
        yield _gauge("treadle_store_memory_limit_bytes", told, reading.server.memory_limit)
        yield _gauge("treadle_replicas", "Lowest: the fewest replicas that a primary has.", reading.server.replicas)
    yield _gauge("treadle_replicas_wanted", "Highest: TREADLE_WAIT_REPLICAS of this scheduler.", replicas_wanted)


def _of_limits(limits: Iterable[Occupancy]) -> Iterator[Metric]:
    told = "Highest: slots that are taken, of a graph that may run so many steps at once."
    used = GaugeMetricFamily("treadle_limit_used", told, labels=["graph", "limit"])
    told = "Highest: steps that wait for a slot of their graph, or for their turn by the pace of a node."
    waiting = GaugeMetricFamily("treadle_limit_waiting", told, labels=["graph", "limit"])
    for limit in limits:
        waiting.add_metric([limit.graph, limit.what], limit.waiting)
        if limit.used is not None:
            used.add_metric([limit.graph, limit.what], limit.used)
    yield from (used, waiting)


def _gauge(name: str, told: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, told, value)


def _by(name: str, told: str, label: str, values: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, told, labels=[label])
    for value, count in sorted(values.items()):
        family.add_metric([value], count)
    return family
