"""Building a graph whose nodes share a state, up to something that can be run."""

from collections.abc import Mapping, Sequence
from typing import Any

from graphs.builder import GraphBuilder
from graphs.cache import BaseCache
from graphs.concurrency import concurrency_of
from graphs.graph import DEFAULT_NAME, check_graph_name
from graphs.store import BaseStore
from graphs.timeouts import Duration
from graphs.versioning import Versioning, check_versioning

from .compiled import CompiledStateGraph
from .run_defaults import run_defaults
from .savers import Saver

Names = Sequence[str] | str | None


class StateGraph(GraphBuilder):
    """Builds a graph whose nodes share a state: name nodes and edges, then ``compile()``."""

    def compile(  # noqa: PLR0913 - the signature that users know
        self,
        checkpointer: Saver | bool | None = None,
        *,
        cache: BaseCache | None = None,
        store: BaseStore | None = None,
        interrupt_before: Names = None,
        interrupt_after: Names = None,
        name: str | None = None,
        ttl: Duration | None = None,
        versioning: Versioning = "park",
        debug: bool = False,
        webhook: str | Mapping[str, Any] | None = None,
        budget: Mapping[str, float] | None = None,
        max_concurrency: int | Mapping[str, int] | None = None,
        priority: int | None = None,
    ) -> CompiledStateGraph:
        """Check the graph and return it, ready to run.

        Args:
            checkpointer: where its threads live and run: a MemorySaver or RedisSaver; None: each call by itself. As a
                part of another graph it lives on that one's thread, and keeps with None the state of each call by
                itself, with True its state over all calls, with False nothing.
            cache: keeps the results of nodes that have a CachePolicy; None: on workers, that Redis does.
            store: the long-term memory that its nodes get.
            interrupt_before, interrupt_after: the nodes (or "*") before and after which a run pauses.
            name: the first half of its Celery tasks' names; give every graph of a deployment its own.
            versioning: what becomes of runs in flight when a new version of the graph is deployed. "park": a worker
                with another version parks them, with the reason; "pinned": their steps go to workers that have the
                version with which they began, and wait for these; "auto_upgrade": newer workers go on with them where
                their nodes and state still exist. Of graphs inside, the one around decides.
            budget: what each of its runs may spend before it pauses: ``{"steps": 100, "seconds": 600, "usd": 1.5}``.
            ttl: how long (seconds or a timedelta) a thread of its is kept when nothing happens to it; then a scheduler
                deletes it, unless it waits for a person. A call's config (``ttl``) or ``threads.create`` counts more.
            max_concurrency: how many of its steps all workers together run at once, as a Concurrency has it.
            priority: of its runs' steps among all that wait for a worker: 0 to 9 (else 5), a higher number goes first.
            debug: accepted for the sake of those who move here; the log is always kept.
            webhook: the URL that is told when a run has ended or asks, unless the call names another one; or
                ``{"url": ..., "include": ["output", "questions", "error"]}``.

        Raises:
            InvalidGraph: an edge or a breakpoint names a node that is not there, nothing leads from START, or the
                versioning, max_concurrency or priority is none.
            TypeError: the checkpointer, store or cache is not one of Treadle's.
            InvalidBudget, InvalidConfig: the budget, or the webhook, is none.
        """
        name = check_graph_name(DEFAULT_NAME if name is None else name)
        chosen = check_versioning(versioning), concurrency_of(max_concurrency)
        graph = self.build(name, interrupt_before, interrupt_after, *chosen)
        return CompiledStateGraph(graph, checkpointer, store, cache, run_defaults(webhook, budget, ttl, priority))
