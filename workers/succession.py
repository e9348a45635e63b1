"""Inputs that wait for their turn where steps run in this process: begun here, one after the other."""

import logging
import threading
from collections.abc import Mapping

from graphs.frames import Root
from graphs.graph import Graph
from graphs.runtime import RunControl
from scheduler.aside import begin_aside
from scheduler.client import Client
from scheduler.delayed import DelayedRuns
from scheduler.inputs import Inputs

from .attempt import Local
from .inline import InlineRunner

logger = logging.getLogger(__name__)


class Succession:
    """Runs, on threads of their own, what waits on the threads that this process has run.

    Args:
        client: the store's.
        homes: the graphs that this process runs, and what executes each.
    """

    def __init__(self, client: Client, homes: Mapping[str, tuple[Graph, InlineRunner]]) -> None:
        self._client = client
        self._homes = homes
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    def go_on(self, thread_id: str) -> None:
        """Begin what waits on a thread, where it is free, without waiting for that."""
        if len(Inputs(self._client.connection, thread_id)) == 0:
            return
        with self._lock:
            if thread_id in self._busy:
                return
            self._busy.add(thread_id)
        begin_aside(self._drain, thread_id)

    def _drain(self, thread_id: str) -> None:
        try:
            while self._run_next(thread_id) or self._leave(thread_id):
                pass
        except Exception:
            logger.exception("input not begun", extra={"thread_id": thread_id})
            with self._lock:
                self._busy.discard(thread_id)

    def _leave(self, thread_id: str) -> bool:
        """Stop looking after a thread; return whether to go on, since an input came to wait in the last moment."""
        with self._lock:
            self._busy.discard(thread_id)
        run_id = Inputs(self._client.connection, thread_id).next()
        if run_id is None or run_id not in self._known(thread_id):
            return False
        with self._lock:
            taken = thread_id in self._busy
            self._busy.add(thread_id)
        return not taken

    def _known(self, thread_id: str) -> frozenset[str]:
        inputs = Inputs(self._client.connection, thread_id).list()
        return frozenset(one.run_id for one in inputs if one.graph in self._homes)

    def _run_next(self, thread_id: str) -> bool:
        """Run the input whose turn it is; return whether there was one, of a graph that this process runs."""
        run_id = Inputs(self._client.connection, thread_id).next()
        if run_id is None or run_id not in self._known(thread_id):
            return False
        graphs = {name: graph for name, (graph, _) in self._homes.items()}
        started = DelayedRuns(self._client).begin_here(thread_id, run_id, graphs)
        if isinstance(started, str):
            return started == "failed"
        graph, runner = self._homes[started.run.graph]
        runner.run(Root(graph), started, Local(RunControl()))
        return True
