"""What a node can be given beside its name and its function, and the node that comes of it."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict, get_args, get_origin

from .cache_policy import CachePolicy
from .checks import LONGEST_S, is_number, shown
from .commands import Command
from .errors import InvalidGraph
from .node import (
    DEFAULT_HANDLER,
    HANDLER,
    ROLES,
    Node,
    callable_of,
    check_call,
    hints_of,
    injected_parameters,
    input_hint,
    is_async,
    plain_name,
)
from .priority import priority_of
from .retry import Retry, policies_of
from .schema import Schema
from .timeouts import Timeout, timeout_of

#: What a function sees of the state, by the class that it declares.
Seen = Callable[[Any], Schema]

_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(?:/[smh])?")
_QUEUE = re.compile(r"[A-Za-z0-9_.:@/-]{1,128}")


class NodeDefaults(TypedDict, total=False):
    """What all nodes of a graph can be given at once; None is the same as left out."""

    #: The time limit of one attempt: seconds, a timedelta or a TimeoutPolicy.
    timeout: Timeout
    #: When, and how often, a failed attempt is repeated; of several policies the first that covers the error.
    retry: Retry
    #: The same as ``retry``.
    retry_policy: Retry
    #: For how long a result is kept for later steps with the same input; it needs ``compile(cache=...)``.
    cache_policy: CachePolicy | None
    #: What is called with the state when no attempt is left; it may ask for ``error``, a NodeError, and for what nodes
    #: may ask for. What it returns is applied, and it says where to go.
    error_handler: Callable[..., Any] | None


class NodeOptions(NodeDefaults, total=False):
    """What a node can be given beside its name and its function; None is the same as left out."""

    #: The Celery queue whose workers run it.
    queue: str | None
    #: How often it starts at most, on all workers together: "10/s", "100/m", "3/h", or a number a second.
    rate_limit: str | float | None
    #: How urgent its steps are, whatever their run is: from 0 to 9, a higher number goes first.
    priority: int | None
    #: Run only when nothing else is left.
    defer: bool
    metadata: Mapping[str, Any] | None
    #: The keys that the node sees; its annotation's, else the state's, when left out.
    input_schema: Any
    #: Where its Commands may go, for drawings: names, or name -> label; ``Command[Literal["a"]]`` says the same.
    destinations: Sequence[str] | Mapping[str, str] | None


def node_of(name: str, func: Any, options: NodeOptions, seen: Seen) -> Node:
    """Return a node as it was described, before the graph's defaults.

    Raises:
        InvalidGraph: the function cannot be a node, or an option does not fit.
    """
    _check_known(options, NodeOptions.__annotations__, f"add_node({name!r})")
    node = _bare(name, func, seen, options.get("input_schema"))
    return replace(
        node,
        queue=_queue(options.get("queue"), name),
        rate_limit=_rate(options.get("rate_limit")),
        priority=priority_of(options.get("priority"), f"The priority of node {name!r}", InvalidGraph),
        defer=bool(options.get("defer")),
        metadata=_metadata(options.get("metadata"), name),
        destinations=_destinations(options.get("destinations"), hints_of(node.func).get("return")),
        **_policies(options, f"node {name!r}", HANDLER + name, seen),
    )


def defaults_of(options: NodeDefaults, seen: Seen) -> dict[str, Any]:
    """Return a graph's defaults: the fields of its nodes that have one.

    Raises:
        InvalidGraph: an option is not known, or does not fit.
    """
    _check_known(options, NodeDefaults.__annotations__, "set_node_defaults()")
    policies = _policies(options, "nodes by default", DEFAULT_HANDLER, seen)
    return {field: value for field, value in policies.items() if value}


def with_defaults(node: Node, defaults: Mapping[str, Any]) -> Node:
    """Return a node with what it was not given itself.

    Its handler runs where and as urgently as the node runs, has its time limit and retries from the defaults, and no
    handler of its own.
    """
    node = replace(node, **{field: value for field, value in defaults.items() if not getattr(node, field)})
    if node.handler is None:
        return node
    shared = {field: value for field, value in defaults.items() if field in ("timeout", "retry")}
    return replace(node, handler=replace(node.handler, queue=node.queue, priority=node.priority, **shared))


def _bare(name: str, func: Any, seen: Seen, declared: Any = None, roles: Sequence[str] = ROLES) -> Node:
    action = callable_of(func)
    injected = injected_parameters(action, roles)
    check_call(action, injected, f"node {name!r}", roles)
    return Node(name, action, seen(input_hint(action) if declared is None else declared), injected, is_async(action))


def _policies(options: NodeDefaults | NodeOptions, what: str, handler_name: str, seen: Seen) -> dict[str, Any]:
    cache_policy, handler, retry = (
        options.get("cache_policy"),
        options.get("error_handler"),
        options.get("retry_policy"),
    )
    if cache_policy is not None and not isinstance(cache_policy, CachePolicy):
        raise InvalidGraph(f"The cache_policy of {what} must be a CachePolicy, got {shown(cache_policy)}.")
    return {
        "timeout": timeout_of(options.get("timeout"), f"timeout of {what}"),
        "retry": policies_of(options.get("retry") if retry is None else retry),
        "cache_policy": cache_policy,
        "handler": None if handler is None else _bare(handler_name, handler, seen, roles=(*ROLES, "error")),
    }


def _check_known(options: Mapping[str, Any], known: Collection[str], what: str) -> None:
    unknown = options.keys() - set(known)
    if unknown:
        raise InvalidGraph(f"{what} does not know {', '.join(sorted(unknown))}.")


def _rate(rate: Any) -> str | float | None:
    read = _RATE.fullmatch(rate) if isinstance(rate, str) else None
    number = float(read[1]) if read else rate
    if rate is None or (is_number(number) and number >= 1 / LONGEST_S):
        return rate  # type: ignore[no-any-return]
    raise InvalidGraph(f"A rate_limit reads like '10/s', '100/m' or '3/h', or is a number a second, got {shown(rate)}.")


def _queue(queue: Any, node: str) -> str | None:
    if queue is None or (isinstance(queue, str) and _QUEUE.fullmatch(queue)):
        return queue
    raise InvalidGraph(
        f"The queue of node {node!r} is a name of 1 to 128 letters, digits or any of '_-.:@/', got {shown(queue)}: "
        "workers are told its name, as in `treadle worker -Q gpu`."
    )


def _metadata(given: Any, node: str) -> dict[str, Any]:
    if given is not None and not isinstance(given, Mapping):
        raise InvalidGraph(f"The metadata of node {node!r} is a dict, got {shown(given)}.")
    return dict(given or {})


def _destinations(given: Sequence[str] | Mapping[str, str] | None, hint: Any) -> dict[str, str]:
    """Return where a node's Commands may go -> the label of that edge, from its options or its annotation."""
    if given is not None and not isinstance(given, Mapping | list | tuple):
        raise InvalidGraph(
            f"The destinations of a node are a list of names, or a dict of names and labels, got {shown(given)}."
        )
    if isinstance(given, Mapping):
        return {plain_name(name): label for name, label in given.items()}
    targets = [get_args(target) for target in get_args(hint) if get_origin(hint) is Command]
    names = given or [name for literal in targets for name in literal]
    return {plain_name(name): "" for name in names}
