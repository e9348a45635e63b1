"""Asking a node's conditional edges where to go."""

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from .commands import END, Send
from .graph import Branch, Graph
from .updates import Update, apply

logger = logging.getLogger(__name__)

#: Calls a function of the user's, plain or async, and returns its value.
Caller = Callable[[Callable[[], Any]], Any]


def route(
    graph: Graph, source: str, values: Mapping[str, Any], offered: Mapping[str, Any], call: Caller
) -> tuple[str | Send, ...]:
    """Return the nodes and Sends that the routers after a node choose for a state.

    A name that no node answers to leads nowhere, and is logged.

    Raises:
        InvalidDestination: a router's answer is no name.
        UnmappedAnswer: a router's answer is not in its map.
    """
    chosen: list[str | Send] = []
    for branch in graph.branches.get(source, ()):
        chosen += branch.targets(call(partial(_ask, graph, branch, values, offered)))
    warn_of_unknown(graph, source, chosen)
    return tuple(chosen)


def warn_of_unknown(graph: Graph, source: str, targets: Iterable[str | Send]) -> None:
    """Log the targets that no node answers to: they lead nowhere."""
    for target in targets:
        name = target.node if isinstance(target, Send) else target
        if name not in graph.nodes and name != END:
            logger.warning("unknown node named", extra={"graph": graph.name, "node": source, "to": name})


def outside_of_steps(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is offered to a router that is asked where no step runs: on an input, or on a person's update."""
    return {"config": config, "runtime": None, "store": None, "writer": None, "previous": None}


def fresh(graph: Graph, values: Mapping[str, Any], updates: tuple[Update, ...]) -> Mapping[str, Any]:
    """Return the state with a step's own writes applied, as its routers see it."""
    return apply(graph.channels, values, updates) if updates else values


def _ask(graph: Graph, branch: Branch, values: Mapping[str, Any], offered: Mapping[str, Any]) -> Any:
    schema = branch.input or graph.state
    return branch.router(schema.view(values), **{name: offered[role] for name, role in branch.injected.items()})
