"""A graph and where it runs: what ``compile()`` returns, and all that users do with it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self
from uuid import uuid4

from graphs.builder import GraphBuilder
from graphs.context import CallsGraphs, current
from graphs.graph import DEFAULT_NAME, Graph, check_graph_name
from graphs.runtime import RunControl
from graphs.schema import context_of
from graphs.store import BaseStore
from graphs.timeouts import Duration, seconds
from scheduler.config import RunConfig, check, merged, parse
from scheduler.errors import InvalidConfig
from scheduler.handle import RunHandle
from scheduler.snapshots import StateSnapshot
from scheduler.views import Part, check_modes

from .asynchronous import AsyncFace
from .engine import Engine
from .execution import Execution
from .savers import MemorySaver, Saver

Config = Mapping[str, Any] | None
Names = Sequence[str] | str | None

#: What a call may say for its run alone.
_PER_RUN = frozenset({"interrupt_before", "interrupt_after", "timeout", "on_busy"})
#: What is taken for the sake of those who move here, and changes nothing.
_ACCEPTED = frozenset({"durability", "debug"})


class CompiledStateGraph(AsyncFace):
    """A graph that can be run; which thread a call is about is said by its config."""

    def __init__(
        self, graph: Graph, checkpointer: Saver | bool | None, store: BaseStore | None, config: Config = None
    ) -> None:
        self.graph = graph
        self.checkpointer = checkpointer
        self.store = store
        self.config = dict(config or {})
        #: How long each superstep may take, in seconds or as a timedelta; None: without a limit.
        self.step_timeout: Duration | None = None
        self._saver = checkpointer if isinstance(checkpointer, Saver) else MemorySaver()

    @property
    def name(self) -> str:
        """The graph's name: the first half of its Celery tasks' names."""
        return self.graph.name

    @property
    def threads(self) -> Any:
        """The threads of the checkpointer: create, get, list, terminate, delete."""
        return self._saver.threads

    def with_config(self, config: Config = None, **more: Any) -> Self:
        """Return a copy that adds a config to every call: configurable and metadata merge, tags are joined."""
        made = type(self)(self.graph, self.checkpointer, self.store, merged(self.config, {**(config or {}), **more}))
        made.step_timeout = self.step_timeout
        return made

    def invoke(
        self,
        input: Any,
        config: Config = None,
        *,
        context: Any = None,
        stream_mode: str | Sequence[str] = "values",
        output_keys: str | Sequence[str] | None = None,
        **options: Any,
    ) -> Any:
        """Run the graph on a thread and return its output; None as input goes on from where the thread stands.

        Args:
            input: the first writes to the state; None to go on.
            config: ``{"configurable": {"thread_id": ...}}``, or in short ``{"thread_id": ...}``.
            context: what nodes get as ``runtime.context``.
            stream_mode: with another mode than values, the list of that mode's chunks is returned.
            output_keys: which keys to return; one name returns its bare value.
            **options: ``interrupt_before``, ``interrupt_after``, ``timeout`` (seconds for the run as a whole),
                ``on_busy`` ("reject" or "wait") and ``control``, a RunControl by which the run can be drained.

        Raises:
            GraphDrained: the run was drained, with work left.
            ThreadBusy: another run is active on the thread.
            RunTimeout, RunCancelled, WorkerLost, GraphChanged: the run failed in that way; what a node raised comes
                back as itself (from a worker: where it is an error of Python's own or of Treadle's).
        """
        step = self._calling(config)
        if step is not None:
            return step.call(self.graph, self._keeps, input)
        if stream_mode != "values":
            return list(self.stream(input, config, context=context, stream_mode=stream_mode, **options))
        return self._begin(input, config, context=context, **options).output(output_keys)

    def stream(self, input: Any, config: Config = None, **options: Any) -> Iterator[Any]:
        """Run the graph and yield what happens, live.

        One mode yields bare chunks, a list of modes ``(mode, chunk)``; ``version="v2"`` yields
        ``{"type", "ns", "data", "id"}`` in any case.

        Args:
            input, config: as for ``invoke``.
            **options: ``stream_mode`` (one or several of values, updates (the default), custom, tasks, checkpoints,
                debug), ``version`` ("v1" or "v2"), ``subgraphs`` (whether a namespace comes before every chunk),
                ``output_keys``, and what ``invoke`` takes.

        Raises:
            InvalidConfig: a mode or the version is not known; and all that ``invoke`` raises.
        """
        execution, chunks = self._streamed(input, config, **options)
        try:
            yield from chunks
        except GeneratorExit:
            execution.abandon()
            raise

    def submit(self, input: Any, config: Config = None, **options: Any) -> RunHandle:
        """Begin a run and return at once; the handle follows it from here or from anywhere.

        Args:
            input, config, **options: as for ``invoke``.

        Raises:
            ThreadBusy: another run is active on the thread.
        """
        execution = self._begin(input, config, **options)
        execution.begin()
        return execution.handle

    def run_handle(self, thread_id: str, run_id: str) -> RunHandle:
        """Return a handle on a run that was begun somewhere."""
        return RunHandle(self._engine().client, self.graph, thread_id, run_id)

    def get_state(self, config: Config = None, *, subgraphs: bool = False) -> StateSnapshot:
        """Return where a thread stands, or one of its checkpoints.

        Raises:
            CheckpointNotFound: the thread does not have the config's checkpoint.
        """
        return self._durable().client.snapshots.current(self.graph, self._parsed(config), config)

    def get_state_history(
        self,
        config: Config = None,
        *,
        filter: Mapping[str, Any] | None = None,
        before: Config = None,
        limit: int | None = None,
    ) -> Iterator[StateSnapshot]:
        """Yield a thread's checkpoints, the newest first.

        Args:
            config: which thread.
            filter: metadata that a checkpoint must have.
            before: a config with a checkpoint_id; only older ones are yielded.
            limit: how many at the most.
        """
        older_than = None if before is None else parse(merged(config or {}, before)).checkpoint_id
        snapshots = self._durable().client.snapshots
        yield from snapshots.history(self.graph, self._parsed(config), matching=filter, before=older_than, limit=limit)

    def update_state(self, config: Config, values: Any, as_node: str | None = None) -> dict[str, Any]:
        """Write to a thread's state as if a node had, and return the config of the new checkpoint.

        Raises:
            InvalidUpdateError, UnknownNode: the update does not fit.
            ThreadBusy: a run is active on the thread.
        """
        return self._durable().client.editor.update(self.graph, self._parsed(config), values, as_node)

    def _calling(self, config: Config) -> CallsGraphs | None:
        """Return what runs this graph where a node calls it, on the node's own thread; None for any other call."""
        step = current()
        if step is None or step.graphs is None:
            return None
        own, named = step.config["configurable"]["thread_id"], merged(self.config, check(config))
        thread_id = named.get("thread_id") or named.get("configurable", {}).get("thread_id") or own
        return step.graphs if thread_id == own else None

    @property
    def _keeps(self) -> bool | None:
        return self.checkpointer if isinstance(self.checkpointer, bool) else None

    def _begin(
        self,
        input: Any,
        config: Config,
        *,
        context: Any = None,
        control: RunControl | None = None,
        **options: Any,
    ) -> Execution:
        unknown = options.keys() - _PER_RUN - _ACCEPTED
        if unknown:
            known = ", ".join(sorted(_PER_RUN))
            raise InvalidConfig(f"Unknown options: {', '.join(sorted(unknown))}; a run takes: {known}.")
        engine, ephemeral = self._engine(), not isinstance(self.checkpointer, Saver)
        if ephemeral:  # a thread of its own for every call, that nobody can come back to
            config = merged(check(config), {"thread_id": uuid4().hex})
        run_config = self._parsed(config, **{key: value for key, value in options.items() if key in _PER_RUN})
        control = control or RunControl()
        run_config = replace(run_config, drain_reason=control.drain_reason, step_timeout_s=self._step_timeout_s())
        started = engine.client.start(self.graph, run_config, input, context_of(self.graph.context, context))
        runner = self._saver.runner(self.store) if engine.inline else None
        return Execution(engine.client, self.graph, started, runner, control, ephemeral=ephemeral)

    def _streamed(
        self,
        input: Any,
        config: Config,
        *,
        stream_mode: str | Sequence[str] | None = None,
        version: str = "v1",
        **options: Any,
    ) -> tuple[Execution, Iterator[Any]]:
        modes = check_modes(stream_mode)
        if version not in ("v1", "v2"):
            raise InvalidConfig(f"version is 'v1' or 'v2', got {version!r:.40}.")
        keys, subgraphs = options.pop("output_keys", None), options.pop("subgraphs", False)
        execution = self._begin(input, config, **options)
        execution.begin()
        bare = stream_mode is None or isinstance(stream_mode, str)

        def chunks() -> Iterator[Any]:
            for part in execution.parts(modes, keys):
                yield _shaped(part, bare=bare, version=version, subgraphs=subgraphs)
            execution.output()  # raises what the run ended with

        return execution, chunks()

    def _parsed(self, config: Config, **given: Any) -> RunConfig:
        return parse(merged(self.config, check(config)), **given)

    def _step_timeout_s(self) -> float | None:
        return seconds(self.step_timeout, "step_timeout")

    def _engine(self) -> Engine:
        return self._saver.bind(self.graph)

    def _durable(self) -> Engine:
        if not isinstance(self.checkpointer, Saver):
            raise ValueError("No checkpointer set: compile(checkpointer=...) keeps the state of threads.")
        return self._engine()


def _shaped(part: Part, *, bare: bool, version: str, subgraphs: bool) -> Any:
    if version == "v2":
        return {"type": part.mode, "ns": part.ns, "data": part.data, "id": part.id}
    chunk = (*((part.ns,) if subgraphs else ()), *(() if bare else (part.mode,)), part.data)
    return chunk[0] if len(chunk) == 1 else chunk


class StateGraph(GraphBuilder):
    """Builds a graph whose nodes share a state: name nodes and edges, then ``compile()``."""

    def compile(  # noqa: PLR0913 - the signature that users know
        self,
        checkpointer: Saver | bool | None = None,
        *,
        store: BaseStore | None = None,
        interrupt_before: Names = None,
        interrupt_after: Names = None,
        name: str | None = None,
        debug: bool = False,
    ) -> CompiledStateGraph:
        """Check the graph and return it, ready to run.

        Args:
            checkpointer: where its threads live and run: a MemorySaver or RedisSaver; None: each call by itself. As a
                part of another graph it lives on that one's thread, and keeps with None the state of each call by
                itself, with True its state over all calls, with False nothing.
            store: the long-term memory that its nodes get.
            interrupt_before: the nodes (or "*") before which a run pauses.
            interrupt_after: the nodes (or "*") after which a run pauses.
            name: the first half of its Celery tasks' names; give every graph of a deployment its own.
            debug: accepted for the sake of those who move here; the log is always kept.

        Raises:
            InvalidGraph: an edge or a breakpoint names a node that is not there, or nothing leads from START.
            TypeError: the checkpointer is not one of Treadle's.
        """
        if checkpointer is not None and not isinstance(checkpointer, Saver | bool):
            raise TypeError(
                f"Invalid checkpointer provided: {type(checkpointer).__name__}. "
                "Use treadle.checkpoint.memory.MemorySaver or treadle.checkpoint.redis.RedisSaver."
            )
        graph = self.build(check_graph_name(name or DEFAULT_NAME), interrupt_before, interrupt_after)
        return CompiledStateGraph(graph, checkpointer, store)
