"""Why a process must not go on with a run that it was handed."""

from graphs.frames import Root
from scheduler.claim import Claim


def why_parked(claim: Claim, root: Root | None) -> str:
    """Return why this process must not go on with a run, or nothing."""
    if root is None:
        return (
            f"No graph {claim.run.graph!r} is registered in worker {claim.worker}: name it in TREADLE_GRAPHS, "
            "restart the worker, and go on with invoke(None, config)."
        )
    if not root.ns and root.graph.fingerprint != claim.run.fingerprint:
        return (
            f"Graph {root.graph.name!r} changed since the run began "
            f"({claim.run.fingerprint} -> {root.graph.fingerprint}): "
            "deploy the version it began with, or go on with the new one by invoke(None, config)."
        )
    return ""
