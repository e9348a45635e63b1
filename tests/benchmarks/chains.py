"""Steps a second on workers, beside bare Celery tasks that carry no state."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count

import redis

from treadle.checkpoint.redis import RedisSaver

from .baseline import DONE, HOP, app_for
from .comparison import Comparison, Goal, Measure, Sample
from .deployment import Worker, bare_worker, redis_cpu_s, redis_server, treadle_worker, until
from .graphs import STEPS, chains

THREADS = 20

_RATE = "steps/s"


@contextmanager
def threads(*, events: bool) -> Iterator[Measure]:
    """Yield what measures Treadle's steps."""
    with (
        redis_server() as url,
        treadle_worker(url, events=events) as worker,
        redis.Redis.from_url(url) as client,
    ):
        graph, turns = chains().compile(RedisSaver(url), name="chain"), count()

        def measure() -> Sample:
            turn = next(turns)
            configs = [{"thread_id": f"{turn}-{number}"} for number in range(THREADS)]

            def run() -> None:
                for handle in [graph.submit({"count": 0}, config) for config in configs]:
                    until(lambda handle=handle: handle.status.is_final)  # type: ignore[misc]

            sample = _spent(run, worker, client)
            if any(graph.get_state(config).values != {"count": STEPS} for config in configs):
                raise AssertionError("A thread has counted wrongly.")
            return sample

        yield measure


@contextmanager
def bare(*, stock: bool, events: bool) -> Iterator[Measure]:
    """Yield what measures bare Celery's tasks."""
    with (
        redis_server() as url,
        bare_worker(url, stock=stock, events=events) as worker,
        redis.Redis.from_url(url) as client,
    ):
        app = app_for(url, stock=stock, events=events)

        def run() -> None:
            for _ in range(THREADS):
                app.send_task(HOP, (STEPS - 1,))
            until(lambda: int(client.get(DONE) or 0) == THREADS)

        def measure() -> Sample:
            client.delete(DONE)
            return _spent(run, worker, client)

        yield measure


def _spent(run: Callable[[], None], worker: Worker, client: redis.Redis) -> Sample:
    """Return what THREADS chains cost, from the first submit to the last end."""
    steps = THREADS * STEPS
    began, worker_s, redis_s = time.perf_counter(), worker.cpu_s(), redis_cpu_s(client)
    run()
    took = time.perf_counter() - began
    return {
        _RATE: steps / took,
        "worker CPU µs/step": (worker.cpu_s() - worker_s) / steps * 1e6,
        "Redis CPU µs/step": (redis_cpu_s(client) - redis_s) / steps * 1e6,
    }


def _goals() -> Iterator[Goal]:
    for events in ("", ", events"):
        yield Goal(f"Treadle{events}", _RATE, 2, f"(a) stock Celery{events}", at_least=True)
        yield Goal(f"Treadle{events}", _RATE, 1.1, f"(b) Celery, our settings{events}", at_least=True)


COMPARISONS = [
    Comparison(
        f"chains: {THREADS} threads of {STEPS} steps, one prefork worker of 2 processes",
        {
            "(a) stock Celery": partial(bare, stock=True, events=False),
            "(b) Celery, our settings": partial(bare, stock=False, events=False),
            "Treadle": partial(threads, events=False),
            "(a) stock Celery, events": partial(bare, stock=True, events=True),
            "(b) Celery, our settings, events": partial(bare, stock=False, events=True),
            "Treadle, events": partial(threads, events=True),
        },
        list(_goals()),
    )
]
