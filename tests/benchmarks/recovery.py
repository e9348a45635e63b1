"""How long a step waits until it runs again when its worker is gone: ``python -m tests.benchmarks.recovery``."""

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import psutil

from scheduler.log import LogEntry
from tests.system.conftest import Deployment
from tests.system.graphs import compiled
from treadle.checkpoint.redis import RedisSaver

#: How a worker goes: what is sent to whom.
WAYS: dict[str, tuple[signal.Signals, str]] = {
    "whole worker killed": (signal.SIGKILL, "group"),
    "pool process killed": (signal.SIGKILL, "children"),
    "machine gone": (signal.SIGSTOP, "group"),
    "SIGQUIT": (signal.SIGQUIT, "worker"),
}


def wait(condition: Callable[[], object]) -> None:
    """Wait for a condition for a minute at most."""
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come true in a minute")
        time.sleep(0.005)


def entries(saver: RedisSaver, thread_id: str, *kinds: str) -> list[LogEntry]:
    """Return the entries of some kinds."""
    return [entry for entry in saver.client.log.read(thread_id) if entry.kind in kinds]


@contextmanager
def deployed(pool: str, lease_ms: int) -> Iterator[tuple[Deployment, RedisSaver]]:
    """Yield a deployment with a scheduler."""
    deployment = Deployment(Path(tempfile.mkdtemp(prefix="treadle-")))
    deployment.settings |= {"TREADLE_LEASE_MS": str(lease_ms)}
    try:
        deployment.scheduler()
        yield deployment, RedisSaver(deployment.url)
    finally:
        deployment.stop()


def trial(deployment: Deployment, saver: RedisSaver, pool: str, way: str, number: int) -> float:
    """Let a worker go while it runs a step; return after how many milliseconds the step ran again, by Redis' clock."""
    thread_id, options = f"t{number}", ("-P", pool) if pool == "solo" else ("-P", pool, "-c", "2")
    for name in ("one", "two"):
        if name not in deployment.processes or deployment.processes[name].poll() is not None:
            deployment.worker(name, *options)
    handle = compiled("slow", saver).submit({"trail": [120]}, {"thread_id": thread_id})
    wait(lambda: entries(saver, thread_id, "leased"))
    name = str(entries(saver, thread_id, "leased")[0].data["worker"]).partition("@")[0]
    seconds, micros = saver.engine.connection.redis.time()
    how, whom = WAYS[way]
    pid = deployment.processes[name].pid
    if whom == "group":
        deployment.kill(name, how)
    else:
        for process in psutil.Process(pid).children() if whom == "children" else [psutil.Process(pid)]:
            process.send_signal(how)
    wait(lambda: len(entries(saver, thread_id, "leased")) > 1)
    took = entries(saver, thread_id, "leased")[1].at_ms - seconds * 1000 - micros // 1000
    handle.cancel()
    # On other pools than prefork a cancelled node runs on.
    for gone in (name,) if pool == "prefork" else ("one", "two"):
        end(deployment, gone)
    return float(took)


def end(deployment: Deployment, name: str) -> None:
    """Kill a worker, whatever is left of it."""
    with suppress(ProcessLookupError):
        os.killpg(deployment.processes[name].pid, signal.SIGKILL)
    deployment.processes[name].wait()


def main(arguments: Sequence[str]) -> None:
    """Print a row for each way to go."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", default="prefork")
    parser.add_argument("--lease-ms", type=int, default=2_000)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--way", action="append", choices=WAYS)
    options = parser.parse_args(arguments)
    print(f"| {options.pool}, lease {options.lease_ms} ms | trials | p50 ms | max ms |\n|---|---|---|---|")
    for way in options.way or WAYS:
        numbers = count()
        with deployed(options.pool, options.lease_ms) as (deployment, saver):
            took = [trial(deployment, saver, options.pool, way, next(numbers)) for _ in range(options.trials)]
        print(f"| {way} | {len(took)} | {statistics.median(took):.0f} | {max(took):.0f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
