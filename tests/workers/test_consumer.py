"""Events in bunches: each is published soon, none is lost at the end, and a lost connection does not stop them."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker.consumer import Consumer

from scheduler.settings import Settings
from workers.app import make_app
from workers.consumer import PAUSE_S, BunchingConsumer
from workers.settings import WorkerSettings


class Hub:
    """An event loop's timers."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> None:
        self.timers.append((delay_s, callback))


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A consumer that is connected to nothing; ``flushed`` counts its publications."""
    for name in ("on_close", "shutdown"):
        monkeypatch.setattr(Consumer, name, lambda _: None)
    made = BunchingConsumer.__new__(BunchingConsumer)
    made.hub, made._is_flush_due, made.flushed = Hub(), False, []
    made.event_dispatcher = SimpleNamespace(flush=lambda: made.flushed.append(1))
    made.connection_errors = made.channel_errors = ()
    made.connection = SimpleNamespace(connection_errors=(), channel_errors=())
    return made


def test_the_events_of_a_moment_are_published_once(consumer: Any) -> None:
    for _ in range(5):
        consumer.on_send_event_buffered()
    ((delay_s, publish),) = consumer.hub.timers
    publish()

    assert (delay_s, len(consumer.flushed)) == (PAUSE_S, 1)


def test_a_bunch_holds_what_comes_in_a_moment_and_not_only_what_celery_bunches(consumer: Any) -> None:
    consumer.on_send_event_buffered()

    assert consumer.event_dispatcher.buffer_limit > 1_000 * PAUSE_S * 3  # three events for each of 1,000 steps a second


def test_after_a_bunch_comes_the_next_one(consumer: Any) -> None:
    consumer.on_send_event_buffered()
    consumer.hub.timers.pop()[1]()
    consumer.on_send_event_buffered()

    assert len(consumer.hub.timers) == 1


def test_a_lost_connection_takes_its_timer_along_and_the_next_event_sets_another(consumer: Any) -> None:
    consumer.on_send_event_buffered()
    consumer.hub.timers.clear()
    consumer.on_close()

    consumer.on_send_event_buffered()

    assert len(consumer.hub.timers) == 1


def test_what_waits_at_the_end_is_published(consumer: Any) -> None:
    consumer.on_send_event_buffered()

    consumer.shutdown()

    assert len(consumer.flushed) == 1


def test_a_pool_without_an_event_loop_bunches_nothing(consumer: Any) -> None:
    consumer.hub = None

    consumer.on_send_event_buffered()

    assert not consumer.flushed


def test_a_pool_process_whose_death_was_heard_of_is_watched_anew_after_reconnecting(consumer: Any) -> None:
    dead, alive, new = SimpleNamespace(_sentinel_poll=None), SimpleNamespace(_sentinel_poll=7), SimpleNamespace()
    consumer.pool = SimpleNamespace(_pool=SimpleNamespace(_pool=[dead, alive, new]))
    seen: list[dict[str, Any]] = []
    consumer._loop = lambda: seen.extend([vars(dead), vars(alive), vars(new)])

    consumer._keep_looping()

    assert seen == [{}, {"_sentinel_poll": 7}, {}]


def test_what_runs_is_known_after_a_while_in_the_event_loop(consumer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, told = iter([100.0, 100.5, 102.0]), list[bool]()
    monkeypatch.setattr("workers.consumer.time", SimpleNamespace(monotonic=lambda: next(clock)))
    consumer.pool, consumer._loop = None, lambda: told.extend(consumer.is_settled for _ in range(2))

    consumer._keep_looping()

    assert (told, consumer.is_settled) == ([False, True], False)


def test_workers_use_it() -> None:
    app = make_app(WorkerSettings(**Settings().model_dump()), "redis://localhost:1/0")

    assert app.conf.worker_consumer == f"{BunchingConsumer.__module__}:{BunchingConsumer.__name__}"
