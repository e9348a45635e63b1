"""What happens next, decided without doing it: from a checkpoint and what was written to the checkpoint that follows.

A superstep closes in one function, ``plan_next``: the writes are applied in the order of the steps' paths (never
in the order in which steps finished), joins count who arrived, and the nodes that edges, routers and full joins
name become the steps of the new checkpoint. Everything here is a function from values to values: ids come in as
arguments, and the same arguments give the same checkpoint in every process.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from functools import reduce
from operator import or_

from .checkpoint import PULL, PUSH, Checkpoint, Result, Step, step_id
from .checks import shown
from .commands import END, START, Send
from .errors import InvalidUpdateError, UnknownNode
from .graph import Graph
from .schema import initial_values
from .timeouts import timeout_of
from .updates import Update, Written, apply

Joins = Mapping[str, frozenset[str]]


def plan_input(graph: Graph, head: Checkpoint | None, checkpoint_id: str, ns: str = "") -> Checkpoint:
    """Return the checkpoint at which an input arrives: the head's state as it was, with START as its one step.

    Steps that were still due at the head are dropped; its state is kept.
    """
    start = Step(step_id(checkpoint_id, ns, START, PULL, START), START, (PULL, START), (START,))
    blank = initial_values(graph.channels)
    if head is None:
        return Checkpoint(checkpoint_id, None, "input", -1, blank, steps=(start,))
    return Checkpoint(
        checkpoint_id,
        head.id,
        "input",
        head.number + 1,
        {**blank, **head.values},  # the graph may have got keys since the head was stored
        joins=_emptied(graph, head.joins, graph.joins_into),
        steps=(start,),
        children=head.children,
    )


def plan_entry(graph: Graph, head: Checkpoint | None, update: Update, checkpoint_id: str, ns: str = "") -> Checkpoint:
    """Return the checkpoint at which an entrypoint's input arrives: its function is due at once."""
    arrived = plan_input(graph, head, checkpoint_id, ns)
    applied = plan_next(graph, arrived, [Result(arrived.steps[0], (update,))], checkpoint_id, ns)
    return replace(applied, parent_id=arrived.parent_id, source="input", number=arrived.number)


def plan_next(
    graph: Graph, checkpoint: Checkpoint, results: Sequence[Result], checkpoint_id: str, ns: str = ""
) -> Checkpoint:
    """Close a superstep: return the checkpoint after all of its steps have finished.

    Raises:
        InvalidUpdateError: the writes of the steps do not go together.
    """
    ordered = sorted(results, key=lambda result: result.step.path)
    ran = [result.step.node for result in ordered]
    arrived = _arrive(graph, _emptied(graph, checkpoint.joins, _started(checkpoint, ordered)), ran)
    pushed = _pushed(graph, ordered, checkpoint_id, ns)
    due, deferred = _due(graph, ordered, arrived, checkpoint.deferred, busy=bool(pushed))
    return Checkpoint(
        checkpoint_id,
        checkpoint.id,
        "loop",
        checkpoint.number + 1,
        apply(graph.channels, checkpoint.values, _updates(ordered)),
        arrived,
        (*(_pull(graph, name, checkpoint_id, ns) for name in due), *pushed),
        deferred,
        tuple(ran),
        reduce(or_, (dict(result.children) for result in ordered), dict(checkpoint.children)),
    )


def plan_update(  # noqa: PLR0913 - what a superstep is planned from, and who wrote which part of it
    graph: Graph,
    checkpoint: Checkpoint,
    results: Sequence[Result],
    checkpoint_id: str,
    *,
    done: Sequence[Result] = (),
    ns: str = "",
) -> Checkpoint:
    """Return the checkpoint after a person wrote to the state as if nodes had: what follows these is due next.

    Args:
        graph: the graph.
        checkpoint: the state that the person saw, with what ``done`` wrote.
        results: what is written, as steps of nodes.
        checkpoint_id: the new id.
        done: the steps of the checkpoint that have finished; what follows them stays due.
        ns: the frame.

    Raises:
        InvalidUpdateError: the state cannot take the update.
    """
    followed = [replace(one, updates=()) for one in done]
    after = plan_next(graph, checkpoint, [*followed, *results], checkpoint_id, ns)
    return replace(after, source="update", writers=tuple(result.step.node for result in results))


def plan_command(graph: Graph, checkpoint: Checkpoint, said: Written, checkpoint_id: str, ns: str = "") -> Checkpoint:
    """Return the checkpoint after a caller's Command: its writes applied, and its targets due beside what was.

    The steps that were due come first and in their order; they stay the same steps, and their questions the same
    questions.

    Raises:
        InvalidUpdateError: the state cannot take the update.
        UnknownNode: a target is none of the graph's nodes.
    """
    for target in said.goto:
        name = target.node if isinstance(target, Send) else target
        if name != END and name not in graph.nodes:
            raise UnknownNode(name, graph.name, graph.nodes)
    sent = Result(virtual_step(checkpoint, START, ns), said.updates, said.goto)
    named = {target for target in said.goto if isinstance(target, str) and target in graph.nodes}
    added = named.difference(step.node for step in checkpoint.steps)
    first = sum(step.path[0] == PUSH for step in checkpoint.steps)
    pushed = _pushed(graph, [sent], checkpoint_id, ns, first)
    return replace(
        checkpoint,
        id=checkpoint_id,
        parent_id=checkpoint.id,
        source="update",
        number=checkpoint.number + 1,
        values=apply(graph.channels, checkpoint.values, said.updates),
        steps=(*checkpoint.steps, *(_pull(graph, name, checkpoint_id, ns) for name in sorted(added)), *pushed),
    )


def plan_fork(checkpoint: Checkpoint, checkpoint_id: str, ns: str = "") -> Checkpoint:
    """Return a copy of an old checkpoint from which a new branch of history goes on; all of its steps run again."""
    steps = tuple(replace(step, id=step_id(checkpoint_id, ns, step.node, *step.path)) for step in checkpoint.steps)
    return replace(
        checkpoint,
        id=checkpoint_id,
        parent_id=checkpoint.id,
        source="fork",
        number=checkpoint.number + 1,
        steps=steps,
    )


def virtual_step(checkpoint: Checkpoint, node: str, ns: str = "") -> Step:
    """Return the step as which a person's update writes: a node's, though the node does not run."""
    return Step(step_id(checkpoint.id, ns, node, "update", node), node, (PULL, node), ())


def node_to_write_as(graph: Graph, checkpoint: Checkpoint | None, as_node: str | None) -> str:
    """Return the node as which an update writes: the one named, else the only one there is, or the last that wrote.

    Raises:
        InvalidUpdateError: the graph has no such node, or none is named and several nodes wrote last.
    """
    known = isinstance(as_node, str) and (as_node == START or as_node in graph.nodes)
    if as_node is not None and not known:
        names = ", ".join(graph.nodes)
        raise InvalidUpdateError(f"Node {shown(as_node)} does not exist; an update is as one of: {names}.")
    if as_node is not None:
        return as_node
    if graph.is_entrypoint:
        return next(iter(graph.nodes))
    writers = checkpoint.writers if checkpoint is not None else ()
    if not writers:
        return START
    if len(writers) > 1:
        raise InvalidUpdateError(f"Ambiguous update, specify as_node: {', '.join(writers)} wrote last.")
    return writers[0]


class Verdict(Enum):
    """Whether a run goes on from a checkpoint; the values are the log's words."""

    GO_ON = "go on"
    FINISHED = "finished"
    PAUSE_BEFORE = "breakpoint before"
    PAUSE_AFTER = "breakpoint after"
    OUT_OF_STEPS = "recursion limit"
    #: Somebody asked for it: of that a checkpoint knows nothing, so ``verdict`` never says this.
    DRAINED = "drained"
    #: A limit of what it may spend is reached, of which a checkpoint knows nothing either.
    SPENT = "budget"


def verdict(checkpoint: Checkpoint, breakpoints: tuple[Sequence[str], Sequence[str]], last_number: int) -> Verdict:
    """Return whether a run goes on from a checkpoint it has just reached.

    Args:
        checkpoint: where the run stands.
        breakpoints: the nodes before which, and after which, it pauses.
        last_number: the number of the last checkpoint that it may reach with steps still due.
    """
    before, after = breakpoints
    if stops(after, checkpoint.writers):
        return Verdict.PAUSE_AFTER
    if not checkpoint.steps:
        return Verdict.FINISHED
    if stops(before, (step.node for step in checkpoint.steps)):
        return Verdict.PAUSE_BEFORE
    return Verdict.OUT_OF_STEPS if checkpoint.number >= last_number else Verdict.GO_ON


def stops(names: Sequence[str], nodes: Iterable[str]) -> bool:
    """Return whether a breakpoint covers one of the nodes; "*" covers all but START, which is none."""
    return any(node in names or ("*" in names and node != START) for node in nodes)


def _updates(results: Iterable[Result]) -> Iterable[Update]:
    return (update for result in results for update in result.updates)


def _due(
    graph: Graph, results: Sequence[Result], joins: Joins, waiting: Iterable[str], *, busy: bool
) -> tuple[list[str], tuple[str, ...]]:
    """Return the nodes that are due next, and those that wait until nothing else is; ``busy``: Sends are due too."""
    named = set(waiting).difference(result.step.node for result in results)
    for result in results:
        named.update(graph.edges.get(result.step.node, ()), (name for name in result.goto if isinstance(name, str)))
    for name, arrived in joins.items():
        join = graph.joins_by_name.get(name)
        if join is not None and join.is_full(arrived):
            named.add(join.target)
    named.intersection_update(graph.nodes)  # END is none; a name that nothing answers to leads nowhere
    deferred = {name for name in named if graph.nodes[name].defer}
    ready = named - deferred
    return (sorted(ready), tuple(sorted(deferred))) if ready or busy else (sorted(deferred), ())


def _pushed(graph: Graph, results: Sequence[Result], checkpoint_id: str, ns: str, first: int = 0) -> list[Step]:
    """Return a step for every Send, in the order in which they were sent; ``first`` numbers the first one."""
    sends = [send for result in results for send in result.goto if isinstance(send, Send) and send.node in graph.nodes]
    return [
        Step(
            step_id(checkpoint_id, ns, send.node, PUSH, index),
            send.node,
            (PUSH, index, False),
            (PUSH,),
            send.arg,
            timeout_of(send.timeout, "timeout of a Send"),
        )
        for index, send in enumerate(sends, first)
    ]


def _pull(graph: Graph, name: str, checkpoint_id: str, ns: str) -> Step:
    return Step(step_id(checkpoint_id, ns, name, PULL, name), name, (PULL, name), graph.triggers(name))


def _started(checkpoint: Checkpoint, results: Iterable[Result]) -> list[str]:
    """Return the nodes that were due: where an error handler has finished, the one that failed."""
    due = {step.id: step.node for step in checkpoint.steps}
    return [due.get(result.step.handles or result.step.id, result.step.node) for result in results]


def _arrive(graph: Graph, joins: Joins, finished: Iterable[str]) -> Joins:
    after = dict(joins)
    for node in finished:
        for join in graph.joins_from.get(node, ()):
            after[join.name] = after.get(join.name, frozenset()) | {node}
    return after


def _emptied(graph: Graph, joins: Joins, ran: Iterable[str]) -> Joins:
    """Return the joins without the full ones whose target ran; a round that is half full goes on."""
    into = [join for node in ran for join in graph.joins_into.get(node, ())]
    fired = {join.name for join in into if join.is_full(joins.get(join.name, frozenset()))}
    return {name: arrived for name, arrived in joins.items() if name not in fired}
