"""A graph and where it runs: what ``compile()`` returns, and all that users do with it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self
from uuid import uuid4

from graphs.cache import BaseCache
from graphs.checks import shown, text
from graphs.context import current
from graphs.drawing import Drawing, drawing
from graphs.graph import Graph
from graphs.outputs import GraphOutput
from graphs.runtime import RunControl
from graphs.schema import context_of
from graphs.store import BaseStore
from graphs.timeouts import Duration, seconds
from scheduler.cache import default_cache
from scheduler.config import RunConfig, check, merged, parse
from scheduler.errors import InvalidConfig
from scheduler.handle import RunHandle
from scheduler.ids import check_thread_id
from scheduler.parts import check_modes, is_v2, retracting, with_interrupts

from .asynchronous import AsyncFace, Streamed
from .batches import Batches
from .caching import namespaces_of
from .engine import Engine
from .execution import Execution
from .loop import apart
from .nesting import BodyExecution
from .savers import MemorySaver, Saver, check_parts
from .times import Times, when_of

Config = Mapping[str, Any] | None
Names = Sequence[str] | str | None

#: What a call may say for its run alone.
_PER_RUN = {"interrupt_before", "interrupt_after", "timeout", "on_busy", "durability", "budget", "webhook", "priority"}
#: What is taken for the sake of those who move here, and changes nothing.
_ACCEPTED = frozenset({"debug"})


class CompiledStateGraph(AsyncFace, Batches, Times):
    """A graph that can be run; which thread a call is about is said by its config."""

    def __init__(
        self,
        graph: Graph,
        checkpointer: Saver | bool | None,
        store: BaseStore | None,
        cache: BaseCache | None = None,
        config: Config = None,
    ) -> None:
        check_parts(checkpointer, store, cache)
        self.graph = graph
        self.checkpointer = checkpointer
        self.store = store
        self.cache = cache
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

    @property
    def archives(self) -> Any:
        """Threads as files: ``put(thread_id, url)``, ``restore(url)``, ``read(url)``."""
        return self._saver.archives

    def with_config(self, config: Config = None, **more: Any) -> Self:
        """Return a copy that adds a config to every call: configurable and metadata merge, tags are joined."""
        joined = merged(self.config, {**check(config), **more})
        made = type(self)(self.graph, self.checkpointer, self.store, self.cache, joined)
        made.step_timeout = self.step_timeout
        return made

    def get_graph(self, *, xray: bool | int = False) -> Drawing:
        """Return the graph as it is drawn: ``draw_mermaid()``, ``draw_ascii()``, ``draw_png()``, nodes and edges.

        Args:
            xray: whether nodes that are graphs are drawn with their inside; a number says how many levels deep.
        """
        return drawing(self.graph, xray)

    def clear_cache(self, nodes: Sequence[str] | None = None) -> None:
        """Forget the kept results of these nodes; None: of all nodes of this graph.

        Raises:
            ValueError: the graph has no cache, or no node of this name.
        """
        self._cache().clear(namespaces_of(self.graph, nodes))

    def copy(self) -> Self:
        """Return a graph of its own that runs as this one does."""
        return self.with_config()

    def get_name(self) -> str:
        """Return the graph's name."""
        return self.name

    def invoke(  # noqa: PLR0913 - the signature that users know
        self,
        input: Any,
        config: Config = None,
        *,
        context: Any = None,
        stream_mode: str | Sequence[str] = "values",
        output_keys: str | Sequence[str] | None = None,
        version: str = "v1",
        **options: Any,
    ) -> Any:
        """Run the graph on a thread and return its output; None as input goes on from where the thread stands.

        Args:
            input: the first writes to the state; None to go on.
            config: ``{"configurable": {"thread_id": ...}}``, or in short ``{"thread_id": ...}``.
            context: what nodes get as ``runtime.context``.
            stream_mode: with another mode than values, the list of that mode's chunks is returned.
            output_keys: which keys to return; one name returns its bare value.
            version: "v1", the output with its open questions under ``__interrupt__``; "v2", a GraphOutput.
            **options: ``interrupt_before``, ``interrupt_after``, ``timeout`` (seconds for the run as a whole),
                ``budget`` (what the run may spend, by unit; when it has, it pauses), ``priority`` (of its steps among
                all that wait for a worker: from 0 to 9, a higher number goes first), ``on_busy`` (on a busy thread:
                "reject" the call, "wait" here, "enqueue" the input in the thread's own line, "interrupt" the active run
                at its next checkpoint, or "rollback": take it back), ``webhook`` (the URL that is told how the run
                ended), ``control``, a RunControl by which the run can be drained, and ``durability``: "sync" and
                "async" are the same, every superstep is stored before the next one begins; with "exit", which is as
                safe, history shows of the run and the graphs inside of it only where it ended.

        Raises:
            GraphDrained: the run was drained, with work left.
            ThreadBusy: another run is active on the thread.
            RunTimeout, RunCancelled, WorkerLost, GraphChanged: the run failed in that way; what a node raised comes
                back as itself (from a worker: where it is an error of Python's own or of Treadle's).
        """
        if stream_mode != "values":
            options |= {"stream_mode": stream_mode, "version": version, "output_keys": output_keys}
            return list(self.stream(input, config, context=context, **options))
        is_v2(version)
        self.graph.check_keys(output_keys)
        output = self._begin(input, config, context=context, heard=False, **options).output(output_keys)
        return self._returned(output, version)

    def stream(self, input: Any, config: Config = None, **options: Any) -> Iterator[Any]:
        """Run the graph and yield what happens, live.

        One mode yields bare chunks, a list of modes ``(mode, chunk)``, each with its namespace before it where
        ``subgraphs`` are asked for. ``version="v2"`` yields ``{"type", "ns", "data", "id"}`` in any case, the state as
        an instance of its class, and ``retract`` where an attempt was cut short that had streamed something.

        Args:
            input, config: as for ``invoke``.
            **options: ``stream_mode`` (one or several of values, updates (the default), custom, tasks, checkpoints,
                messages, debug, retract), ``version`` ("v1" or "v2"), ``subgraphs`` (whether what happens in the
                graphs inside is yielded), ``output_keys``, and what ``invoke`` takes.

        Raises:
            InvalidConfig: the version is not known; and all that ``invoke`` raises.
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
            input, config: as for ``invoke``.
            **options: ``delay`` (seconds or a timedelta; ``after_seconds`` is the same) or ``at`` (a datetime with a
                time zone), for a run on workers that begins later; it leaves its thread to others until then, and when
                the thread is busy, waits for it. And what ``invoke`` takes.

        Raises:
            ThreadBusy: another run is active on the thread.
        """
        when = when_of(options)
        if when is not None:
            return self._submit_later(input, config, when, **options)
        execution = apart(self._begin_run, input, config, **options)
        execution.begin()
        return execution.handle

    def run_handle(self, thread_id: str, run_id: str) -> RunHandle:
        """Return a handle on a run that was begun somewhere.

        Raises:
            InvalidThreadId, InvalidConfig: these cannot be the ids of a thread and a run.
        """
        run_id = text(run_id, "A run's id", InvalidConfig)
        return RunHandle(self._engine().client, self.graph, check_thread_id(thread_id), run_id)

    def _calling(self, config: Config) -> Callable[[Any], BodyExecution] | None:
        """Return what begins this graph where a node calls it, on the node's own thread; None for any other call."""
        step = current()
        if step is None or step.graphs is None:
            return None
        own, named = step.config["configurable"]["thread_id"], merged(self.config, check(config))
        thread_id = named.get("thread_id") or named.get("configurable", {}).get("thread_id") or own
        return step.graphs.next_call(self.graph, self._keeps) if thread_id == own else None

    @property
    def _keeps(self) -> bool | None:
        return self.checkpointer if isinstance(self.checkpointer, bool) else None

    def _begin(self, input: Any, config: Config, **options: Any) -> Execution | BodyExecution:
        """Begin a run; where a node calls this graph on its own thread, a part of its step."""
        called = self._calling(config)
        return self._begin_run(input, config, **options) if called is None else called(input)

    def _begin_run(
        self,
        input: Any,
        config: Config,
        *,
        context: Any = None,
        control: RunControl | None = None,
        heard: bool = True,
        **options: Any,
    ) -> Execution:
        engine, ephemeral = self._engine(), not isinstance(self.checkpointer, Saver)
        if ephemeral:  # a thread of its own for every call, that nobody can come back to
            config = merged(check(config), {"thread_id": uuid4().hex})
        if control is not None and not isinstance(control, RunControl):
            raise InvalidConfig(f"control is a RunControl, by which a run can be drained, got {shown(control)}.")
        control = control or RunControl()
        run_config = replace(self._run_config(config, options), heard=heard, drain_reason=control.drain_reason)
        if run_config.webhook is not None and not engine.durable:
            raise InvalidConfig("A scheduler delivers webhooks, and none looks after a MemorySaver: use a RedisSaver.")
        started = engine.client.start(self.graph, run_config, input, context_of(self.graph.context, context))
        runner = self._saver.runner(self.store, self.cache) if engine.inline else None
        turns = None if runner is None or ephemeral else self._saver.turns(self.graph, runner)
        return Execution(engine.client, self.graph, started, runner, control, turns, ephemeral=ephemeral)

    def _run_config(self, config: Config, options: Mapping[str, Any]) -> RunConfig:
        unknown = options.keys() - _PER_RUN - _ACCEPTED
        if unknown:
            known = ", ".join(sorted(_PER_RUN))
            raise InvalidConfig(f"Unknown options: {', '.join(sorted(unknown))}; a run takes: {known}.")
        run_config = self._parsed(config, **{key: value for key, value in options.items() if key in _PER_RUN})
        return replace(run_config, step_timeout_s=seconds(self.step_timeout, "step_timeout"))

    def _streamed(
        self,
        input: Any,
        config: Config,
        *,
        stream_mode: str | Sequence[str] | None = None,
        version: str = "v1",
        **options: Any,
    ) -> Streamed:
        modes, typed = check_modes(stream_mode), is_v2(version)
        keys, subgraphs = options.pop("output_keys", None), bool(options.pop("subgraphs", False))
        self.graph.check_keys(keys)
        execution = self._begin(input, config, heard="messages" in modes, **options)
        execution.begin()
        bare = stream_mode is None or isinstance(stream_mode, str)
        look = {"output_keys": keys, "subgraphs": subgraphs, "typed": typed}

        def chunks() -> Iterator[Any]:
            for part in execution.parts(retracting(modes) if typed else modes, **look):
                yield part.typed() if typed else part.chunk(bare=bare, subgraphs=subgraphs)
            execution.output()  # raises what the run ended with

        return execution, chunks()

    def _returned(self, output: GraphOutput[Any], version: str) -> Any:
        if is_v2(version):
            return replace(output, value=self.graph.typed_output(output.value))
        return with_interrupts(output.value, output.interrupts, list) if output.interrupts else output.value

    def _parsed(self, config: Config, **given: Any) -> RunConfig:
        return parse(merged(self.config, check(config)), **given)

    def _cache(self) -> BaseCache:
        if self.cache is not None:
            return self.cache
        if not isinstance(self.checkpointer, Saver) or self._engine().inline:
            raise ValueError("No cache is set for this graph: compile(cache=...) keeps the results of nodes.")
        return default_cache(self._engine().connection)

    def _engine(self) -> Engine:
        return self._saver.bind(self.graph)

    def _durable(self) -> Engine:
        if not isinstance(self.checkpointer, Saver):
            raise ValueError("No checkpointer set: compile(checkpointer=...) keeps the state of threads.")
        return self._engine()
