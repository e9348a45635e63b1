"""Whether a new version of a graph can go on where an older one stands."""

from .checkpoint import Checkpoint
from .graph import Graph


def why_unfit(graph: Graph, checkpoint: Checkpoint) -> str:
    """Return what a graph lacks to go on from a checkpoint that another version of it made, or nothing."""
    nodes = {*graph.nodes, *graph.handlers}
    lacking = [
        *(f"node {step.node!r}" for step in checkpoint.steps if step.node not in nodes),
        *(f"node {name!r}" for name in checkpoint.deferred if name not in nodes),
        *(f"key {name!r}" for name in checkpoint.values if name not in graph.channels),
        *(
            f"edge {name!r}"
            for name, arrived in checkpoint.joins.items()
            if arrived and name not in graph.joins_by_name
        ),
    ]
    return ", ".join(dict.fromkeys(lacking))
