"""Asking a node's conditional edges where to go."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from .commands import END
from .graph import Branch, Graph
from .updates import Update, apply

logger = logging.getLogger(__name__)

#: Calls a function of the user's, plain or async, and returns its value.
Caller = Callable[[Callable[[], Any]], Any]


def route(
    graph: Graph, source: str, values: Mapping[str, Any], offered: Mapping[str, Any], call: Caller
) -> tuple[str, ...]:
    """Return the nodes that the routers after a node choose for a state.

    A name that no node answers to leads nowhere, and is logged.

    Raises:
        InvalidDestination: a router's answer is no name.
        UnmappedAnswer: a router's answer is not in its map.
    """
    chosen: list[str] = []
    for branch in graph.branches.get(source, ()):
        chosen += branch.targets(call(partial(_ask, graph, branch, values, offered)))
    for target in chosen:
        if target not in graph.nodes and target != END:
            logger.warning("router named an unknown node", extra={"graph": graph.name, "node": source, "to": target})
    return tuple(chosen)


def fresh(graph: Graph, values: Mapping[str, Any], updates: tuple[Update, ...]) -> Mapping[str, Any]:
    """Return the state with a step's own writes applied, as its routers see it."""
    return apply(graph.channels, values, updates) if updates else values


def _ask(graph: Graph, branch: Branch, values: Mapping[str, Any], offered: Mapping[str, Any]) -> Any:
    schema = branch.input or graph.state
    return branch.router(schema.view(values), **{name: offered[role] for name, role in branch.injected.items()})
