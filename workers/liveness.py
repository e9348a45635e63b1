"""How a Celery worker gives its sign of life: its main loop turns, or it has a reason not to."""

from typing import Any

from celery import Celery, bootsteps, signals
from celery.concurrency.solo import TaskPool as SoloPool
from celery.worker import state

from . import pulse
from .pulse import Pulse


def install(app: Celery, beats: Pulse) -> None:
    """Let the workers of an app write what ``treadle health`` reads.

    The loop is what takes messages and replaces processes that died, so it must turn; not while the worker looks for a
    broker that is away, which no restart would bring back, and not in a solo pool, whose loop is what runs the node.
    """

    class Beating(bootsteps.StartStopStep):  # type: ignore[misc]
        """Begins when the pool has its processes: none of them is forked from a process that writes."""

        requires = ("celery.worker.components:Pool",)

        def start(self, parent: Any) -> None:
            beats.start(lambda: isinstance(parent.pool, SoloPool) and bool(state.active_requests))

    class Turning(bootsteps.StartStopStep):  # type: ignore[misc]
        """Looks whether the loop turns, from when the worker consumes until it has lost its broker."""

        requires = ("celery.worker.consumer.tasks:Tasks",)

        def __init__(self, parent: Any, **options: Any) -> None:
            super().__init__(parent, **options)
            self._timer: Any = None

        def start(self, parent: Any) -> None:
            beats.turn()
            self._timer = parent.timer.call_repeatedly(pulse.INTERVAL_S, beats.turn)
            beats.beat()

        def stop(self, parent: Any) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
                beats.rest(pulse.WAITING)

        shutdown = stop

    app.steps["worker"].add(Beating)
    app.steps["consumer"].add(Turning)
    signals.worker_shutting_down.connect(lambda **_: _leave(beats), weak=False)
    signals.worker_shutdown.connect(lambda **_: beats.end(), weak=False)


def _leave(beats: Pulse) -> None:
    beats.rest(pulse.STOPPING)
