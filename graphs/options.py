"""What a node can be given beside its name and its function, and the node that comes of it."""

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from .errors import InvalidGraph
from .node import Node, callable_of, check_call, injected_parameters, input_hint, is_async
from .retry import Retry, policies_of
from .schema import Schema
from .timeouts import Timeout, timeout_of


class NodeOptions(TypedDict, total=False):
    """What a node can be given beside its name and its function; None is the same as left out."""

    #: The Celery queue whose workers run it.
    queue: str | None
    #: The time limit of one attempt: seconds, a timedelta or a TimeoutPolicy.
    timeout: Timeout
    #: When, and how often, a failed attempt is repeated; of several policies the first that covers the error.
    retry: Retry
    #: The same as ``retry``.
    retry_policy: Retry
    #: Run only when nothing else is left.
    defer: bool
    metadata: Mapping[str, Any] | None
    #: The keys that the node sees; its annotation's, else the state's, when left out.
    input_schema: Any


def node_of(name: str, func: Any, options: NodeOptions, seen: Callable[[Any], Schema]) -> Node:
    """Return a node; ``seen`` says what a function sees of the state, by the class that it declares.

    Raises:
        InvalidGraph: the function cannot be a node, or an option does not fit.
    """
    unknown = options.keys() - NodeOptions.__annotations__.keys()
    if unknown:
        raise InvalidGraph(f"add_node({name!r}) does not know {', '.join(sorted(unknown))}.")
    action = callable_of(func)
    injected = injected_parameters(action)
    check_call(action, injected, f"node {name!r}")
    return Node(
        name=name,
        func=action,
        input=seen(options.get("input_schema") or input_hint(action)),
        injected=injected,
        is_async=is_async(action),
        queue=options.get("queue"),
        timeout=timeout_of(options.get("timeout"), f"timeout of node {name!r}"),
        retry=policies_of(options.get("retry_policy") or options.get("retry")),
        defer=bool(options.get("defer")),
        metadata=dict(options.get("metadata") or {}),
    )
