"""What a caller's config says, checked at the door."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Literal, get_args
from uuid import UUID

from graphs.builder import names_of
from graphs.checks import shown, text
from graphs.commands import Durability
from graphs.errors import InvalidGraph
from graphs.priority import DEFAULT_PRIORITY, priority_of
from graphs.spending import limits_of

from .arguments import positive
from .errors import InvalidConfig
from .ids import check_thread_id, is_checkpoint_id
from .webhook import Webhook, webhook_of

#: What a new input does on a busy thread: it is an error, is held by its caller until the thread is free, waits in the
#: thread's own line, stops the active run at its next checkpoint and goes first, or takes the active run back.
OnBusy = Literal["reject", "wait", "enqueue", "interrupt", "rollback"]
#: Those of them that the store holds, whatever becomes of the caller.
QUEUED: frozenset[OnBusy] = frozenset({"enqueue", "interrupt", "rollback"})
OnArchived = Literal["reject", "restore"]

#: The supersteps a run may take when nobody says otherwise.
DEFAULT_RECURSION_LIMIT = 10_007

_RUN_KEYS = (
    "recursion_limit",
    "max_concurrency",
    "interrupt_before",
    "interrupt_after",
    "timeout",
    "on_busy",
    "strict_resume",
    "durability",
    "webhook",
    "budget",
    "priority",
    "on_archived",
    "ttl",
    "default_ttl",
)
#: Where a call is about; the map repeats what the checkpoint's own record says.
_SHORT_KEYS = ("thread_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map")
_OTHER_KEYS = ("configurable", "tags", "metadata", "callbacks", "run_name", "run_id")
_SCALARS = (str, int, float, bool)
_LONGEST_NS = 16_384


@dataclass(frozen=True, slots=True)
class RunConfig:
    """A config, taken apart; ``None`` means: as the graph or the thread says."""

    thread_id: str
    checkpoint_id: str | None = None
    ns: str = ""
    recursion_limit: int = DEFAULT_RECURSION_LIMIT
    max_concurrency: int | None = None
    interrupt_before: tuple[str, ...] | None = None
    interrupt_after: tuple[str, ...] | None = None
    #: Seconds for the run as a whole.
    timeout_s: float | None = None
    on_busy: OnBusy = "reject"
    #: Whether an answer to a question that does not wait is an error.
    strict_resume: bool = False
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    configurable: Mapping[str, Any] = field(default_factory=dict)
    #: "exit": of the checkpoints of a run, its history shows the last one alone.
    durability: Durability = "async"
    #: Whether chat models are heard token by token, for those who follow the run.
    heard: bool = True
    #: Why the run shall not begin to work at all; None: it shall.
    drain_reason: str | None = None
    #: Seconds for each superstep of the root.
    step_timeout_s: float | None = None
    webhook: Webhook | None = None  # private to the caller, and not for nodes
    trace: str | None = None  # its traceparent
    #: What is done where the thread is in a file.
    on_archived: OnArchived = "reject"
    #: Seconds for which the thread is kept when nothing happens to it, and those of a thread that has none of its own.
    ttl_s: float | None = None
    default_ttl_s: float | None = None
    #: The id of the run; None: a new one.
    run_id: str | None = None
    #: What the run may spend, by unit.
    budget: Mapping[str, float] = field(default_factory=dict)
    #: How urgent its steps are: from 0 to 9, a higher number goes first.
    priority: int = DEFAULT_PRIORITY

    def for_nodes(self) -> dict[str, Any]:
        """Return the config as nodes see it, without what is private to the caller."""
        return {
            "configurable": {**self._public, "thread_id": self.thread_id},
            "recursion_limit": self.recursion_limit,
            "max_concurrency": self.max_concurrency,
            "tags": list(self.tags),
            "metadata": dict(self.metadata),
        }

    def checkpoint_metadata(self) -> dict[str, Any]:
        """Return what of it every checkpoint of the run carries: the scalars of metadata and configurable."""
        return {key: value for key, value in {**self._public, **self.metadata}.items() if isinstance(value, _SCALARS)}

    @property
    def _public(self) -> dict[str, Any]:
        return {key: value for key, value in self.configurable.items() if not key.startswith("__")}


def parse(config: Mapping[str, Any] | None, **given: Any) -> RunConfig:
    """Take a config apart: ``{"configurable": {"thread_id": ...}}`` or, in short, ``{"thread_id": ...}``.

    Args:
        config: the caller's config.
        **given: what the call itself says (``interrupt_before``, ``timeout``, ...); it wins where it is not None.

    Raises:
        InvalidThreadId: there is no usable thread id.
        InvalidConfig: a key is not known, or a value does not fit.
    """
    config = check(config)
    _check_kinds(config)
    configurable = _mapping(config, "configurable")
    where = {key: configurable.pop(key, None) for key in _SHORT_KEYS}
    where.update({key: config[key] for key in _SHORT_KEYS if config.get(key) is not None})
    run = {key: config.get(key) for key in _RUN_KEYS}
    run.update({key: value for key, value in given.items() if value is not None})
    return RunConfig(
        check_thread_id(where["thread_id"]),
        _checkpoint_id(where["checkpoint_id"]),
        _namespace(where["checkpoint_ns"]),
        positive(run, "recursion_limit", int) or DEFAULT_RECURSION_LIMIT,
        positive(run, "max_concurrency", int),
        _names(run, "interrupt_before"),
        _names(run, "interrupt_after"),
        positive(run, "timeout", float),
        _one_of(run, "on_busy", get_args(OnBusy)),
        bool(_typed(run, "strict_resume", bool)),
        tuple(_tags(config)),
        _mapping(config, "metadata"),
        configurable,
        _one_of(run, "durability", ("async", "sync", "exit")),
        webhook=webhook_of(run["webhook"]),
        budget=limits_of(run["budget"]),
        priority=_priority(run),
        on_archived=_one_of(run, "on_archived", get_args(OnArchived)),
        ttl_s=positive(run, "ttl", float),
        default_ttl_s=positive(run, "default_ttl", float),
    )


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return two configs as one: configurable and metadata merge, tags are joined, else the second wins.

    Raises:
        InvalidConfig: one of them is no dict, or has a key that nothing reads.
    """
    first, second = check(first), check(second)
    both = {**first, **second}
    for key in ("configurable", "metadata", "budget"):
        if key in both:
            both[key] = {**_mapping(first, key), **_mapping(second, key)}
    if "tags" in both:
        both["tags"] = [*_tags(first), *_tags(second)]
    return both


def check(config: Any) -> Mapping[str, Any]:
    """Return a config whose keys are all known.

    Raises:
        InvalidConfig: it is not a dict, or has a key that nothing reads.
    """
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise InvalidConfig(f"The config is a dict, got {type(config).__name__}.")
    known = (*_SHORT_KEYS, *_RUN_KEYS, *_OTHER_KEYS)
    unknown = [key if isinstance(key, str) else shown(key) for key in config if key not in known]
    if unknown:
        raise InvalidConfig(
            f"The config has unknown keys: {', '.join(unknown)}. It takes: {', '.join(known)}; "
            "values of your own go into 'configurable' or 'metadata'."
        )
    return config


def _typed(config: Mapping[str, Any], key: str, kind: Any) -> Any:
    value = config.get(key)
    if value is not None and (not isinstance(value, kind) or isinstance(value, str)):
        raise InvalidConfig(f"The config's {key!r} is a {kind.__name__.lower()}, got {shown(value)}.")
    return value


def _check_kinds(config: Mapping[str, Any]) -> None:
    """Check what is taken for the sake of those who move here, and steers nothing."""
    _typed(config, "checkpoint_map", Mapping)
    if config.get("run_name") is not None:
        text(config["run_name"], "The config's 'run_name'", InvalidConfig)
    if not isinstance(config.get("run_id"), str | UUID | None):
        raise InvalidConfig(f"The config's 'run_id' is a UUID or a str, got {shown(config['run_id'])}.")


def _tags(config: Mapping[str, Any]) -> list[str]:
    tags = config.get("tags")
    if tags is not None and not isinstance(tags, list | tuple | Set):
        raise InvalidConfig(f"The config's 'tags' is a list of strings, got {shown(tags)}.")
    return [text(tag, "Each of the config's tags", InvalidConfig) for tag in tags or ()]


def _namespace(value: Any) -> str:
    if value is None:
        return ""
    ns = text(value, "The config's 'checkpoint_ns'", InvalidConfig)
    if not ns.isprintable() or len(ns) > _LONGEST_NS:
        raise InvalidConfig(
            f"{shown(ns)} is not a checkpoint_ns; the tasks of get_state() say in their state which there are."
        )
    return ns


def _mapping(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = dict(_typed(config, key, Mapping) or {})
    for name in value:
        text(name, f"A key of the config's {key!r}", InvalidConfig)
    return value


def _names(run: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    value = run.get(key)
    if value is None:
        return None
    try:
        return names_of(value)
    except (InvalidGraph, TypeError) as error:
        raise InvalidConfig(f"{key!r} is a list of node names or '*', got {shown(value)}.") from error


def _one_of(run: Mapping[str, Any], key: str, words: tuple[Any, ...]) -> Any:
    """Return a word, the first one where none is given."""
    value = run.get(key)
    if value is not None and not (isinstance(value, str) and value in words):
        raise InvalidConfig(f"{key} is {' or '.join(map(repr, words))}, got {shown(value)}.")
    return run.get(key) or words[0]


def _priority(run: Mapping[str, Any]) -> int:
    given = priority_of(run["priority"], "'priority'", InvalidConfig)
    return DEFAULT_PRIORITY if given is None else given


def _checkpoint_id(value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and is_checkpoint_id(value)):
        raise InvalidConfig(f"{shown(value)} is not a checkpoint id; get_state_history() lists the ones a thread has.")
    return None if value is None else str(value)
