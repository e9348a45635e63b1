"""Building a graph whose nodes share a state, up to something that can be run."""

from collections.abc import Mapping, Sequence
from typing import Any

from graphs.builder import GraphBuilder
from graphs.cache import BaseCache
from graphs.errors import InvalidGraph
from graphs.graph import DEFAULT_NAME, check_graph_name
from graphs.priority import priority_of
from graphs.spending import limits_of
from graphs.store import BaseStore
from graphs.timeouts import Duration, seconds
from graphs.versioning import Versioning, check_versioning
from scheduler.webhook import webhook_of

from .compiled import CompiledStateGraph
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
            budget: what each of its runs may spend, by unit: ``{"steps": 100, "seconds": 600, "tokens": 50_000}``; the
                config of a call may say otherwise. A run that has reached a limit pauses between two steps.
            priority: of its runs' steps among all that wait for a worker: 0 to 9 (else 5), a higher number goes first.
            ttl: how long a thread of its is kept when nothing happens to it, in seconds or as a timedelta; then a
                scheduler deletes it, unless it waits for a person. What a call's config says (``ttl``) or
                ``threads.create`` counts more.
            debug: accepted for the sake of those who move here; the log is always kept.
            webhook: the URL that is told when a run has ended or asks, unless the call names another one; or
                ``{"url": ..., "include": ["output", "questions", "error"]}``.

        Raises:
            InvalidGraph: an edge or a breakpoint names a node that is not there, nothing leads from START, or the
                versioning or priority is none.
            InvalidBudget: the budget is none.
            TypeError: the checkpointer, store or cache is not one of Treadle's.
            InvalidConfig: the webhook is none.
        """
        name = check_graph_name(DEFAULT_NAME if name is None else name)
        graph = self.build(name, interrupt_before, interrupt_after, check_versioning(versioning))
        return CompiledStateGraph(graph, checkpointer, store, cache, _config(webhook, budget, ttl, priority))


def _config(
    webhook: str | Mapping[str, Any] | None,
    budget: Mapping[str, float] | None,
    ttl: Duration | None,
    priority: int | None,
) -> dict[str, Any]:
    """Return what the config of a call has where that says nothing else."""
    config: dict[str, Any] = {} if webhook_of(webhook) is None else {"webhook": webhook}
    config |= {} if budget is None else {"budget": limits_of(budget)}
    config |= {} if priority is None else {"priority": priority_of(priority, "A graph's priority", InvalidGraph)}
    kept_s = seconds(ttl, "ttl")
    return config if kept_s is None else {**config, "default_ttl": kept_s}
