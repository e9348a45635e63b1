"""The commands about graphs: which there are, and what they look like."""

from pathlib import Path
from typing import Any

import click

from graphs.drawing import drawing
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
      TREADLE_GRAPHS=mygraphs:graph treadle graphs
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
@click.option("--xray", is_flag=True, help="Draw nodes that are graphs with their inside.")
@click.option("--ascii", "as_text", is_flag=True, help="Draw it as text.")
@click.option("--png", type=click.Path(dir_okay=False, path_type=Path), help="Paint it into this file.")
@json_option
def draw(graph: str, xray: bool, as_text: bool, png: Path | None, as_json: bool) -> None:
    """Draw a graph, in Mermaid's language: many editors and code hosts show it as a picture.

    \b
    Examples:
      treadle draw research > research.mmd
      treadle draw research --png research.png
    """
    drawn = drawing(bootstrap.registry(WorkerSettings())[graph], xray)
    if png is not None:
        try:
            drawn.draw_png(png)
        except OSError as error:
            raise click.UsageError(f"{png} cannot be written: {error.strerror}.") from error
        if as_json:
            print_json({"graph": graph, "file": str(png.resolve())})
        return
    picture = drawn.draw_ascii() if as_text else drawn.draw_mermaid()
    print_json({"graph": graph, "drawing": picture}) if as_json else click.echo(picture)


def _record(graph: Graph, settings: WorkerSettings) -> dict[str, Any]:
    nodes = [
        {"name": path, "queue": node.queue or settings.default_queue, "timeout_s": node.timeout_s}
        for path, node in graph.walk()
    ]
    queues = sorted({str(node["queue"]) for node in nodes})
    pauses = {"interrupt_before": graph.interrupt_before, "interrupt_after": graph.interrupt_after}
    return {"name": graph.name, "fingerprint": graph.fingerprint, "queues": queues, "nodes": nodes, **pauses}
