"""A function as a graph: one node, which gets the input as it is, and whose value is the output."""

from collections.abc import Callable
from dataclasses import replace
from inspect import isasyncgenfunction, isgeneratorfunction, signature
from typing import Any, Unpack, get_args, get_origin

from .builder import GraphBuilder
from .channels import LastValue
from .commands import END, PREVIOUS, START, Returned
from .graph import Graph, check_graph_name
from .node import callable_of, hints_of, name_of
from .options import NodeOptions
from .schema import bare


def entry_graph(func: Callable[..., Any], context: Any = None, **options: Unpack[NodeOptions]) -> Graph:
    """Return the graph of a function; its node has the function's name, and so has the graph.

    Raises:
        NotImplementedError: the function is a generator.
        InvalidGraph: it takes no input, its name is not usable, or an option does not fit.
    """
    callable_of(func)
    if isgeneratorfunction(func) or isasyncgenfunction(func):
        raise NotImplementedError("A generator cannot be an entrypoint: write to the stream with get_stream_writer().")
    name = check_graph_name(name_of(func))
    graph = GraphBuilder(object, context).add_node(name, func, **options).add_edge(START, name).build(name, None, None)
    hints = hints_of(func)
    returned = hints.get("return", Any)
    shown, saved = get_args(returned) if get_origin(returned) is Returned else (returned, returned)
    given, result = (
        bare(LastValue(START), hints.get(next(iter(signature(func).parameters)), Any)),
        bare(LastValue(END), shown),
    )
    node = replace(graph.nodes[name], input=given)
    channels = {**given.channels, **result.channels, PREVIOUS: LastValue(PREVIOUS)}
    state = replace(result, hints={**result.hints, PREVIOUS: saved})
    return replace(graph, nodes={name: node}, channels=channels, state=state, input=given, output=result)
