"""The decorator that makes a function a graph of its own: what ``treadle.func.entrypoint`` is."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias, Unpack

from graphs.cache import BaseCache
from graphs.commands import Returned
from graphs.concurrency import concurrency_of
from graphs.entry import entry_graph
from graphs.options import NodeOptions
from graphs.store import BaseStore
from graphs.timeouts import Duration

from .compiled import CompiledStateGraph
from .run_defaults import run_defaults
from .savers import Saver


class entrypoint:
    """Makes a function a graph with one node: ``@entrypoint(checkpointer=...)`` over ``def workflow(input): ...``.

    The function's first parameter is the input, whatever that is; it may ask for ``previous`` (what the thread's last
    run returned, or saved by ``entrypoint.final``), and for ``config``, ``runtime``, ``store`` and ``writer`` as nodes
    do. What it returns is the output. The tasks that it calls are steps of their own.

    Args:
        checkpointer: where its threads live and run; as for ``compile``.
        store: the long-term memory.
        cache: keeps the results of functions that have a ``cache_policy``.
        context_schema: the class of ``context=``.
        webhook: the URL that is told when a run has ended or asks; as for ``compile``.
        ttl: how long a thread of its is kept; as for ``compile``.
        max_concurrency: how many of its runs work at once in the deployment; as for ``compile``.
        budget: what each of its runs may spend; as for ``compile``.
        **options: ``retry_policy``, ``timeout``, ``queue``, ``priority`` ...: see NodeOptions.
    """

    #: What the function returns where the result is not what is saved: ``entrypoint.final(value=..., save=...)``.
    final: TypeAlias = Returned

    def __init__(  # noqa: PLR0913, PLR0917 - the signature that users know
        self,
        checkpointer: Saver | bool | None = None,
        store: BaseStore | None = None,
        cache: BaseCache | None = None,
        context_schema: Any = None,
        webhook: str | Mapping[str, Any] | None = None,
        ttl: Duration | None = None,
        max_concurrency: int | Mapping[str, int] | None = None,
        budget: Mapping[str, float] | None = None,
        **options: Unpack[NodeOptions],
    ) -> None:
        self._checkpointer = checkpointer
        self._store = store
        self._cache = cache
        self._context = context_schema
        self._config = run_defaults(webhook, budget, ttl)
        self._concurrency = concurrency_of(max_concurrency)
        self._options = options

    def __call__(self, func: Callable[..., Any]) -> CompiledStateGraph:
        """Return the function as a graph that can be run.

        Raises:
            NotImplementedError: the function is a generator.
            InvalidGraph: it takes no input, its name is not usable, or an option does not fit.
        """
        graph = entry_graph(func, self._context, **self._options)
        graph = replace(graph, concurrency=self._concurrency)
        return CompiledStateGraph(graph, self._checkpointer, self._store, self._cache, self._config)
