"""What a worker does with a step that another version of its graph may have opened."""

from collections.abc import Callable
from dataclasses import dataclass

from graphs.frames import Root
from graphs.graph import Graph
from graphs.upgrades import why_unfit
from scheduler.claim import Claim
from scheduler.connection import Connection
from scheduler.run import Run
from scheduler.versions import Versions

#: Returns whether this process's version of a graph came after the one that a run is on.
IsNewer = Callable[[Graph, Run], bool]


def never(graph: Graph, run: Run) -> bool:
    """Return False: where runs stay in one process, they keep their graph."""
    return False


def newer_here(connection: Connection) -> IsNewer:
    """Return how the versions of this process are compared; those that came after it began do not matter to it."""
    known: dict[tuple[str, str], frozenset[str]] = {}

    def is_newer(graph: Graph, run: Run) -> bool:
        key = graph.name, graph.fingerprint
        if key not in known:
            known[key] = frozenset(Versions(connection).older(*key))
        return run.fingerprint in known[key]

    return is_newer


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be done with a step before its node may run; nothing in particular, as a rule."""

    #: Why the run is parked.
    parked: str = ""
    #: Whether the step goes back, for workers that have the version which its run is on.
    passed_on: bool = False
    #: Whether the run goes on with this process's version.
    upgrades: bool = False


def judged(claim: Claim, root: Root | None, is_newer: IsNewer) -> Judgement:
    """Judge whether this process may go on with a run, by what the author of its graph has chosen."""
    run = claim.run
    if root is not None and (root.ns or root.graph.fingerprint == run.fingerprint):
        return _GO_ON
    if run.versioning == "park":
        return Judgement(parked=_unknown(claim) if root is None else _changed(root.graph, run))
    if root is None or run.versioning == "pinned" or not is_newer(root.graph, run):
        return Judgement(passed_on=True)
    lacking = why_unfit(root.at(claim.ns), claim.stored.checkpoint)
    return (
        Judgement(parked=_changed(root.graph, run, f", and the new version lacks {lacking}")) if lacking else _UPGRADE
    )


_GO_ON, _UPGRADE = Judgement(), Judgement(upgrades=True)


def _unknown(claim: Claim) -> str:
    return (
        f"No graph {claim.run.graph!r} is registered in worker {claim.worker}: name it in TREADLE_GRAPHS, "
        "restart the worker, and go on with invoke(None, config)."
    )


def _changed(graph: Graph, run: Run, more: str = "") -> str:
    return (
        f"Graph {graph.name!r} changed since the run began ({run.fingerprint} -> {graph.fingerprint}){more}: "
        "deploy the version it began with, or go on with the new one by invoke(None, config)."
    )
