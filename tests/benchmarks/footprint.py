"""What an idle worker takes of memory, and a client of time to be imported, beside Celery alone."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from statistics import median

from .comparison import Comparison, Goal, Measure, Sample
from .deployment import Worker, bare_worker, redis_server, treadle_worker

_SETTLED_S = 1.5
_IMPORTS = 5
_IMPORT = """
import json, sys, time
began = time.perf_counter()
{statement}
took = time.perf_counter() - began
print(json.dumps([took, *(name in sys.modules for name in ("celery", "flower", "rich", "pydantic"))]))
"""
_MAIN, _CHILD, _TIME, _HEAVY = "main RSS MB", "child RSS MB", "ms", "of Celery, Flower and rich"


@contextmanager
def idle(worker: Callable[[str], AbstractContextManager[Worker]]) -> Iterator[Measure]:
    """Yield what measures a worker that has just started."""

    def measure() -> Sample:
        with redis_server() as url, worker(url) as running:
            time.sleep(_SETTLED_S)
            main = running.main.memory_full_info()
            children = [child.memory_full_info() for child in running.children]
            sample = {
                _MAIN: main.rss,
                "main USS MB": main.uss,
                "PSS MB of all": main.pss + sum(c.pss for c in children),
            }
            if children:
                sample |= {_CHILD: max(c.rss for c in children), "child USS MB": max(c.uss for c in children)}
            return {name: size / 1e6 for name, size in sample.items()}

    yield measure


@contextmanager
def imported(statement: str) -> Iterator[Measure]:
    """Yield what measures an import in a new interpreter, and tells what came with it."""

    def measure() -> Sample:
        command = [sys.executable, "-c", _IMPORT.format(statement=statement)]
        runs = [json.loads(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(_IMPORTS)]
        _, celery, flower, rich, pydantic = runs[0]
        return {
            _TIME: median(run[0] for run in runs) * 1000,
            _HEAVY: celery + flower + rich,
            "of pydantic": int(pydantic),
        }

    yield measure


_PREFORK, _THREADS = ("-c", "2"), ("-P", "threads", "-c", "10")
_CELERY, _TREADLE, _GRAPH = "from celery import Celery", "import treadle", "from treadle.graph import StateGraph"

COMPARISONS = [
    Comparison(
        "footprint: memory of an idle worker",
        {
            "stock Celery, prefork 2": partial(idle, lambda url: bare_worker(url, *_PREFORK, stock=True)),
            "Treadle, prefork 2": partial(idle, lambda url: treadle_worker(url, *_PREFORK)),
            "stock Celery, threads 10": partial(idle, lambda url: bare_worker(url, *_THREADS, stock=True)),
            "Treadle, threads 10": partial(idle, lambda url: treadle_worker(url, *_THREADS)),
        },
        [
            Goal("Treadle, prefork 2", _MAIN, 30, "stock Celery, prefork 2", "on top"),
            Goal("Treadle, prefork 2", _CHILD, 30, "stock Celery, prefork 2", "on top"),
            Goal("Treadle, threads 10", _MAIN, 30, "stock Celery, threads 10", "on top"),
        ],
        warm=False,
    ),
    Comparison(
        "footprint: an import in a new interpreter, and what came with it",
        {statement: partial(imported, statement) for statement in (_CELERY, _TREADLE, _GRAPH)},
        [
            Goal(_TREADLE, _TIME, 300),
            Goal(_GRAPH, _TIME, 300),
            Goal(_TREADLE, _HEAVY, 0),
            Goal(_GRAPH, _HEAVY, 0),
        ],
    ),
]
