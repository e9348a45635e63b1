"""The commands about graphs: which there are, and what they look like."""

from typing import Any

import click

from graphs.drawing import mermaid
from graphs.graph import Graph

from .. import bootstrap
from ..rendering import print_json, print_table
from ..settings import WorkerSettings
from .arguments import json_option


@click.command()
@json_option
def graphs(as_json: bool) -> None:
    """List the graphs that this process knows: those of TREADLE_GRAPHS, of installed packages, and the examples.

    The fingerprint is of a graph's shape: workers with another one leave a run alone.

    \b
    Example:
      TREADLE_GRAPHS=shop.support:graph treadle graphs
    """
    settings = WorkerSettings()
    found = [_record(graph, settings) for graph in bootstrap.registry(settings).values()]
    if as_json:
        print_json(found)
        return
    rows = [
        (one["name"], one["fingerprint"], ", ".join(one["queues"]), ", ".join(node["name"] for node in one["nodes"]))
        for one in found
    ]
    columns = ("graph", "fingerprint", "queues", "nodes")
    print_table(columns, rows, empty="No graph is known: name some in TREADLE_GRAPHS='package.module:attribute'.")


@click.command()
@click.argument("graph", metavar="GRAPH")
def draw(graph: str) -> None:
    """Draw a graph, in Mermaid's language: many editors and code hosts show it as a picture.

    \b
    Example:
      treadle draw research > research.mmd
    """
    click.echo(mermaid(bootstrap.registry(WorkerSettings())[graph]))


def _record(graph: Graph, settings: WorkerSettings) -> dict[str, Any]:
    nodes = [
        {"name": node.name, "queue": node.queue or settings.default_queue, "timeout_s": node.timeout_s}
        for node in graph.nodes.values()
    ]
    queues = sorted({str(node["queue"]) for node in nodes})
    pauses = {"interrupt_before": graph.interrupt_before, "interrupt_after": graph.interrupt_after}
    return {"name": graph.name, "fingerprint": graph.fingerprint, "queues": queues, "nodes": nodes, **pauses}
