"""A deployment whose workers are replaced one by one, by workers with another version of the graphs, under load."""

import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.system.conftest import Deployment, until
from tests.system.versions import LENGTH, MODES, rolling
from treadle.checkpoint.redis import RedisSaver
from treadle.errors import GraphChanged
from workers.diagnosis import RunningThread, Workers, of_threads

pytestmark = pytest.mark.system

_ONE, _TWO = "tests.system.versions:first", "tests.system.versions:second"
_SIDE_BY_SIDE = f"{_TWO},tests.system.versions:first_pinned"
_CHAIN = [f"step_{number}" for number in range(LENGTH)]
_POOL = ("-P", "threads", "-c", "8")
_PAUSE_S = 0.15

Trail = list[tuple[str, int]]


class Clients:
    """Clients of the versions that are in use, who begin runs of every graph until they are told to stop."""

    def __init__(self, saver: RedisSaver) -> None:
        self.versions = [1]
        self.begun: list[tuple[str, int, Any]] = []
        self._saver = saver
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._begin)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no more runs."""
        self._stop.set()
        self._thread.join()

    def of(self, *about: tuple[str, int]) -> list[str]:
        """Return the threads of some graphs and versions."""
        return [handle.thread_id for mode, version, handle in self.begun if (mode, version) in about]

    def _begin(self) -> None:
        graphs = {(mode, version): rolling(version, mode, self._saver) for mode in MODES for version in (1, 2)}
        number = 0
        while not self._stop.wait(_PAUSE_S):
            for version in tuple(self.versions):
                for mode in MODES:
                    number += 1
                    config = {"thread_id": f"{mode}-{version}-{number}"}
                    handle = graphs[mode, version].submit({"trail": []}, config)
                    self.begun.append((mode, version, handle))


def test_workers_replaced_one_by_one_give_every_thread_what_its_graph_promises(
    deployment: Deployment, saver: RedisSaver
) -> None:
    deployment.scheduler()
    _start(deployment, ["old-a", "old-b"], _ONE)
    clients = Clients(saver)
    clients.start()

    try:
        _start(deployment, ["new-a", "new-b"], _TWO)
        clients.versions = [1, 2]
        for name in ("old-a", "old-b"):
            _end(deployment, name)
    finally:
        clients.stop()
    others = [(mode, version) for mode in MODES for version in (1, 2) if (mode, version) != ("pinned", 1)]
    _until_all_rest(saver, clients.of(*others))
    waiting = [id_ for id_ in clients.of(("pinned", 1)) if saver.threads.get(id_).status == "running"]
    told = _diagnosis(saver, waiting)
    _start(deployment, ["both"], _SIDE_BY_SIDE)
    _until_all_rest(saver, waiting)

    assert waiting
    assert all("which no worker takes: it is for workers with that version" in line for line in told)
    with ThreadPoolExecutor(8) as pool:
        trails = list(pool.map(lambda begun: _finished(saver, begun[0], begun[2]), clients.begun))
    for (mode, version, _), trail in zip(clients.begun, trails, strict=True):
        _check(mode, version, trail)
    happened = Counter(
        (mode, version, kind) for mode, version, handle in clients.begun for kind in _kinds(saver, handle)
    )
    assert {about for about in happened if about[2] == "upgraded"} == {("auto_upgrade", 1, "upgraded")}
    assert happened["park", 1, "resumed"]


def _start(deployment: Deployment, names: list[str], graphs: str) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: deployment.worker(name, *_POOL, graphs=graphs), names))


def _end(deployment: Deployment, name: str) -> None:
    process = deployment.processes[name]
    process.send_signal(signal.SIGTERM)
    until(lambda: process.poll() is not None, f"{name} has ended", 40)


def _until_all_rest(saver: RedisSaver, ids: list[str]) -> None:
    until(lambda: all(saver.threads.get(id_).status != "running" for id_ in ids), "all threads rest", 60)


def _diagnosis(saver: RedisSaver, ids: list[str]) -> list[str]:
    workers = Workers({"some": frozenset({"treadle"})})
    running = [RunningThread(id_, saver.threads.pending(id_)) for id_ in ids]
    return [finding.told for finding in of_threads(running, workers, "treadle", 2**53)[:5] if finding.level == "fail"]


def _kinds(saver: RedisSaver, handle: Any) -> set[str]:
    return {entry.kind for entry in saver.client.log.read(handle.thread_id)}


def _finished(saver: RedisSaver, mode: str, handle: Any) -> Trail:
    """Return what a thread has done; one that was parked goes on with the new version."""
    try:
        trail = handle.result()["trail"]
    except GraphChanged:
        assert mode == "park"
        trail = rolling(2, mode, saver).invoke(None, {"thread_id": handle.thread_id})["trail"]
    return [(name, version) for name, version in trail]


def _check(mode: str, version: int, trail: Trail) -> None:
    """Check that every node that the versions promise ran once, in its order, and by which version."""
    by_version = dict(trail)
    after_chain = {"left", "right", "join", *(["bonus"] if by_version["left"] == 2 else [])}
    after_chain |= {"extra"} if by_version["join"] == 2 else set()
    one_by_one = [one for name, one in trail if name not in ("left", "right")]

    assert [name for name, _ in trail][:LENGTH] == _CHAIN
    assert Counter(name for name, _ in trail[LENGTH:]) == Counter(after_chain)
    assert one_by_one == sorted(one_by_one)  # what went on with the new version never went back
    if mode == "pinned" or version == 2:
        assert set(by_version.values()) == {version}
