"""What happens next: from a checkpoint and the results of its steps to the checkpoint that follows."""

import operator
import random
from copy import deepcopy
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs.builder import GraphBuilder
from graphs.checkpoint import PULL, Checkpoint, Result, Step
from graphs.commands import END, START, Overwrite
from graphs.errors import InvalidUpdateError
from graphs.graph import Graph
from graphs.planner import (
    Verdict,
    node_to_write_as,
    plan_fork,
    plan_input,
    plan_next,
    plan_update,
    stops,
    verdict,
    virtual_step,
)


class State(TypedDict):
    log: Annotated[list[str], operator.add]
    name: str


class Grown(State):
    more: Annotated[list[str], operator.add]


def node(state: State) -> None: ...


def graph_of(
    nodes: str, *edges: tuple[str | list[str], str], defer: str = "", name: str = "g", state: Any = State
) -> Graph:
    """Return a graph with one node for each letter; an edge from START to the first."""
    builder = GraphBuilder(state)
    for letter in nodes:
        builder.add_node(letter, node, defer=letter in defer)
    for source, target in ((START, nodes[0]), *edges):
        builder.add_edge(source, target)
    return builder.build(name, None, None)


def at(graph: Graph, *nodes: str, **fields: Any) -> Checkpoint:
    """Return a checkpoint at which these nodes are due."""
    steps = tuple(Step(f"id-{name}", name, (PULL, name), graph.triggers(name)) for name in nodes)
    return Checkpoint("c1", None, "loop", 4, **{"values": {"log": []}, "steps": steps, **fields})


def finish(checkpoint: Checkpoint, **gotos: Any) -> list[Result]:
    """Return the results of all due steps: each logs its name and goes where ``gotos`` says."""
    return [Result(step, ({"log": [step.node]},), tuple(gotos.get(step.node, ()))) for step in checkpoint.steps]


def due(checkpoint: Checkpoint) -> list[str]:
    return [step.node for step in checkpoint.steps]


class TestInput:
    """An input arrives at a checkpoint of its own; step 0 applies it."""

    def test_the_first_input_arrives_before_step_0_with_start_due(self) -> None:
        checkpoint = plan_input(graph_of("a"), None, "c0")

        assert (checkpoint.source, checkpoint.number, checkpoint.parent_id) == ("input", -1, None)
        assert [(step.node, step.path, step.triggers) for step in checkpoint.steps] == [
            (START, (PULL, START), (START,)),
        ]
        assert checkpoint.values == {"log": []}

    def test_step_0_applies_the_input_and_makes_the_first_nodes_due(self) -> None:
        graph = graph_of("ab", (START, "b"))
        checkpoint = plan_input(graph, None, "c0")

        after = plan_next(graph, checkpoint, [Result(checkpoint.steps[0], ({"name": "x"},))], "c1")

        assert (after.source, after.number, after.parent_id) == ("loop", 0, "c0")
        assert after.values == {"log": [], "name": "x"}
        assert due(after) == ["a", "b"]

    def test_a_later_input_keeps_the_state_and_drops_what_was_due(self) -> None:
        graph = graph_of("abc", defer="c")
        head = at(graph, "a", "b", values={"log": ["old"], "name": "x"}, deferred=("c",))

        checkpoint = plan_input(graph, head, "c2")

        assert (checkpoint.number, checkpoint.parent_id) == (5, "c1")
        assert checkpoint.values == {"log": ["old"], "name": "x"}
        assert (due(checkpoint), checkpoint.deferred) == ([START], ())

    def test_a_later_input_drops_full_joins_and_keeps_half_full_ones(self) -> None:
        graph = graph_of("abcd", (["a", "b"], "c"), (["a", "b"], "d"))
        full, half = frozenset("ab"), frozenset("a")
        head = at(graph, "c", joins={"join:a+b:c": full, "join:a+b:d": half})

        assert plan_input(graph, head, "c2").joins == {"join:a+b:d": half}

    def test_a_key_that_the_graph_got_since_starts_empty(self) -> None:
        head = at(graph_of("a"), values={"log": ["old"]})

        checkpoint = plan_input(graph_of("a", state=Grown), head, "c2")

        assert checkpoint.values == {"log": ["old"], "more": []}


class TestNext:
    """A superstep closes when all of its steps have finished."""

    def test_edges_and_routers_name_the_next_nodes_and_each_runs_once(self) -> None:
        graph = graph_of("abcd", ("a", "c"), ("b", "c"))
        checkpoint = at(graph, "a", "b")

        after = plan_next(graph, checkpoint, finish(checkpoint, a=["d", "c"]), "c2")

        assert due(after) == ["c", "d"]
        assert after.writers == ("a", "b")

    def test_writes_are_applied_in_the_order_of_names(self) -> None:
        checkpoint = at(graph_of("abc"), "a", "b", "c")
        results = list(reversed(finish(checkpoint)))

        after = plan_next(graph_of("abc"), checkpoint, results, "c2")

        assert after.values["log"] == ["a", "b", "c"]

    @pytest.mark.parametrize("goto", [(END,), (), ("unknown",), (END, "unknown")])
    def test_the_end_and_unknown_names_lead_nowhere(self, goto: tuple[str, ...]) -> None:
        graph = graph_of("a", ("a", END))
        checkpoint = at(graph, "a")

        assert plan_next(graph, checkpoint, finish(checkpoint, a=goto), "c2").steps == ()

    def test_a_step_knows_its_path_and_everything_that_can_trigger_it(self) -> None:
        graph = graph_of("abc", (["a", "b"], "c"), ("a", "c"))
        checkpoint = at(graph, "a")

        step = plan_next(graph, checkpoint, finish(checkpoint), "c2").steps[0]

        assert step.path == ("__pregel_pull", "c")
        assert step.triggers == ("branch:to:c", "join:a+b:c")

    def test_two_writers_of_a_plain_key_are_refused(self) -> None:
        graph = graph_of("ab")
        checkpoint = at(graph, "a", "b")
        results = [Result(step, ({"name": step.node},)) for step in checkpoint.steps]

        with pytest.raises(InvalidUpdateError, match=r"^At key 'name'"):
            plan_next(graph, checkpoint, results, "c2")

    def test_an_overwrite_beats_the_writes_of_the_other_steps(self) -> None:
        graph = graph_of("ab")
        checkpoint = at(graph, "a", "b", values={"log": ["old"]})
        one, other = finish(checkpoint)

        after = plan_next(graph, checkpoint, [Result(one.step, ({"log": Overwrite(["new"])},)), other], "c2")

        assert after.values["log"] == ["new"]

    def test_all_batches_of_one_step_are_applied_in_order(self) -> None:
        graph = graph_of("a")
        checkpoint = at(graph, "a")

        after = plan_next(graph, checkpoint, [Result(checkpoint.steps[0], ({"log": ["1"]}, {"log": ["2"]}))], "c2")

        assert after.values["log"] == ["1", "2"]


class TestJoin:
    """A list edge fires once for each round in which all of its sources have finished."""

    GRAPH = graph_of("abcd", (["a", "b"], "c"), ("d", "c"))
    NAME = "join:a+b:c"

    def test_a_join_waits_over_supersteps_for_all_of_its_sources(self) -> None:
        first = at(self.GRAPH, "a")
        half = plan_next(self.GRAPH, first, finish(first, a=["b"]), "c2")
        full = plan_next(self.GRAPH, half, finish(half), "c3")

        assert (due(half), half.joins) == (["b"], {self.NAME: frozenset("a")})
        assert (due(full), full.joins) == (["c"], {self.NAME: frozenset("ab")})

    def test_a_join_that_fired_begins_a_new_round(self) -> None:
        full = at(self.GRAPH, "c", joins={self.NAME: frozenset("ab")})

        after = plan_next(self.GRAPH, full, finish(full, c=["a"]), "c2")

        assert (due(after), after.joins) == (["a"], {})

    def test_a_source_that_runs_beside_the_target_counts_for_the_new_round(self) -> None:
        full = at(self.GRAPH, "a", "c", joins={self.NAME: frozenset("ab")})

        assert plan_next(self.GRAPH, full, finish(full), "c2").joins == {self.NAME: frozenset("a")}

    def test_another_edge_to_the_target_leaves_a_half_full_round_alone(self) -> None:
        half = at(self.GRAPH, "c", joins={self.NAME: frozenset("a")})

        after = plan_next(self.GRAPH, half, finish(half, c=["b"]), "c2")

        assert after.joins == {self.NAME: frozenset("a")}
        assert due(plan_next(self.GRAPH, after, finish(after), "c3")) == ["c"]

    def test_a_round_that_fills_while_the_target_runs_fires_afterwards(self) -> None:
        half = at(self.GRAPH, "b", "c", joins={self.NAME: frozenset("a")})

        assert due(plan_next(self.GRAPH, half, finish(half), "c2")) == ["c"]

    def test_a_join_that_the_graph_no_longer_has_makes_nothing_due(self) -> None:
        checkpoint = at(self.GRAPH, "d", joins={"join:x+y:z": frozenset("xy")})

        assert due(plan_next(self.GRAPH, checkpoint, finish(checkpoint), "c2")) == ["c"]


class TestDefer:
    """A deferred node waits until nothing else is left."""

    GRAPH = graph_of("abcz", ("a", "b"), ("a", "z"), ("b", "c"), (["a", "c"], "z"), defer="z")

    def test_a_deferred_node_waits_while_others_are_due(self) -> None:
        first = at(self.GRAPH, "a")
        second = plan_next(self.GRAPH, first, finish(first), "c2")
        third = plan_next(self.GRAPH, second, finish(second), "c3")
        fourth = plan_next(self.GRAPH, third, finish(third), "c4")

        assert [(due(one), one.deferred) for one in (second, third, fourth)] == [
            (["b"], ("z",)),
            (["c"], ("z",)),
            (["z"], ()),
        ]

    def test_a_deferred_node_runs_once_for_all_that_triggered_it(self) -> None:
        checkpoint = at(self.GRAPH, "z", joins={"join:a+c:z": frozenset("ac")})

        after = plan_next(self.GRAPH, checkpoint, finish(checkpoint), "c2")

        assert (after.steps, after.deferred, after.joins) == ((), (), {})

    def test_all_deferred_nodes_run_together(self) -> None:
        graph = graph_of("ayz", ("a", "y"), ("a", "z"), defer="yz")
        checkpoint = at(graph, "a")

        assert due(plan_next(graph, checkpoint, finish(checkpoint), "c2")) == ["y", "z"]

    def test_a_deferred_node_that_the_graph_no_longer_has_is_forgotten(self) -> None:
        checkpoint = at(self.GRAPH, "c", deferred=("gone",))

        after = plan_next(graph_of("abc"), checkpoint, finish(checkpoint), "c2")

        assert (after.steps, after.deferred) == ((), ())


class TestUpdateAndFork:
    """A person writes as if a node had, or begins again from an old checkpoint."""

    GRAPH = graph_of("abcd", ("a", "b"), (["a", "b"], "c"), ("c", "d"), defer="d")

    def test_an_update_makes_due_what_follows_the_node_it_is_written_as(self) -> None:
        head = at(self.GRAPH, "c", values={"log": ["old"]})
        result = Result(virtual_step(head, "a"), ({"log": ["new"]},))

        after = plan_update(self.GRAPH, head, [result], "c2")

        assert (after.source, after.number, after.parent_id, after.writers) == ("update", 5, "c1", ("a",))
        assert after.values["log"] == ["old", "new"]
        assert due(after) == ["b"]

    def test_an_update_as_a_source_of_a_full_join_leaves_its_target_due(self) -> None:
        head = at(self.GRAPH, "c", joins={"join:a+b:c": frozenset("ab")})

        assert due(plan_update(self.GRAPH, head, [Result(virtual_step(head, "b"))], "c2")) == ["c"]

    def test_a_join_target_written_by_hand_is_not_due_once_more(self) -> None:
        head = at(self.GRAPH, "c", joins={"join:a+b:c": frozenset("ab")})

        after = plan_update(self.GRAPH, head, [Result(virtual_step(head, "c"))], "c2")

        assert (due(after), after.joins) == (["d"], {})

    def test_a_deferred_node_written_by_hand_waits_no_longer(self) -> None:
        head = at(self.GRAPH, "b", deferred=("d",))

        after = plan_update(self.GRAPH, head, [Result(virtual_step(head, "d"))], "c2")

        assert (after.steps, after.deferred) == ((), ())

    def test_a_fork_is_a_copy_whose_steps_are_new(self) -> None:
        old = at(self.GRAPH, "a", "b", joins={"join:a+b:c": frozenset("a")}, deferred=("d",), writers=("c",))

        fork = plan_fork(old, "c2")

        assert (fork.source, fork.number, fork.parent_id) == ("fork", 5, "c1")
        assert (fork.values, fork.joins, fork.deferred, fork.writers) == (
            old.values,
            old.joins,
            old.deferred,
            old.writers,
        )
        assert [(step.node, step.path, step.triggers) for step in fork.steps] == [
            (step.node, step.path, step.triggers) for step in old.steps
        ]
        assert not {step.id for step in fork.steps} & {step.id for step in old.steps}

    @pytest.mark.parametrize(
        ("writers", "as_node", "expected"),
        [((), None, START), (("a",), None, "a"), (("a", "b"), "b", "b"), (("a",), START, START)],
    )
    def test_an_update_is_written_as_the_named_or_the_last_writer(
        self, writers: tuple[str, ...], as_node: str | None, expected: str
    ) -> None:
        assert node_to_write_as(self.GRAPH, at(self.GRAPH, writers=writers), as_node) == expected

    def test_an_update_of_an_empty_thread_is_written_as_an_input(self) -> None:
        assert node_to_write_as(self.GRAPH, None, None) == START

    def test_two_last_writers_are_ambiguous(self) -> None:
        with pytest.raises(InvalidUpdateError, match=r"^Ambiguous update, specify as_node"):
            node_to_write_as(self.GRAPH, at(self.GRAPH, writers=("a", "b")), None)

    def test_an_unknown_node_to_write_as_is_refused(self) -> None:
        with pytest.raises(
            InvalidUpdateError, match="Node 'nobody' does not exist; an update is as one of: a, b, c, d"
        ):
            node_to_write_as(self.GRAPH, None, "nobody")


@pytest.mark.parametrize(
    ("names", "nodes", "expected"),
    [
        ((), ["a"], False),
        (("a",), ["a", "b"], True),
        (("c",), ["a", "b"], False),
        (("*",), ["a"], True),
        (("*",), [], False),
        (("*",), [START], False),
    ],
)
def test_a_breakpoint_stops_at_its_nodes_or_at_all(names: tuple[str, ...], nodes: list[str], expected: bool) -> None:
    assert stops(names, nodes) is expected


@pytest.mark.parametrize(
    ("nodes", "breakpoints", "last", "expected"),
    [
        ("a", ((), ()), 9, Verdict.GO_ON),
        ("", ((), ()), 9, Verdict.FINISHED),
        ("a", (("a",), ()), 9, Verdict.PAUSE_BEFORE),
        ("a", (("b",), ()), 9, Verdict.GO_ON),
        ("a", (("a",), ("b",)), 9, Verdict.PAUSE_AFTER),
        ("", ((), ("*",)), 9, Verdict.PAUSE_AFTER),
        ("a", ((), ()), 5, Verdict.GO_ON),
        ("a", ((), ()), 4, Verdict.OUT_OF_STEPS),
        ("a", (("a",), ()), 4, Verdict.PAUSE_BEFORE),
        ("", ((), ()), 4, Verdict.FINISHED),
    ],
)
def test_whether_a_run_goes_on_follows_from_the_checkpoint_it_has_reached(
    nodes: str, breakpoints: tuple[tuple[str, ...], tuple[str, ...]], last: int, expected: Verdict
) -> None:
    """The checkpoint, number 4, was written by node b."""
    checkpoint = at(graph_of("ab"), *nodes, writers=("b",))

    assert verdict(checkpoint, breakpoints, last) is expected


#: Enough to find what goes wrong, and few enough for the whole folder to run after every change.
few = settings(max_examples=25, deadline=None)

LETTERS = "abcde"
names = st.sampled_from(LETTERS)
#: Any of the nodes, drawn as one number, which is much faster than drawing a set.
some = st.integers(0, 2 ** len(LETTERS) - 1).map(lambda bits: [x for i, x in enumerate(LETTERS) if bits >> i & 1])


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Any graph of five nodes: edges, joins and deferred nodes at will."""
    edges: list[tuple[str | list[str], str]] = [(source, target) for source in LETTERS for target in draw(some)]
    edges += [
        (sources, target) for sources, target in [(draw(some), draw(names)), (draw(some), draw(names))] if sources
    ]
    return graph_of(LETTERS, *edges, defer="".join(draw(some)))


@st.composite
def supersteps(draw: st.DrawFn) -> tuple[Graph, Checkpoint, list[Result]]:
    """A superstep of any graph that is about to close."""
    graph = draw(graphs())
    joins = {join.name: frozenset(draw(some)).intersection(join.sources) for join in graph.joins}
    waiting = tuple(name for name in draw(some) if graph.nodes[name].defer)
    checkpoint = at(graph, *(draw(some) or LETTERS), joins=joins, deferred=waiting)
    return graph, checkpoint, finish(checkpoint, **{step.node: draw(some) for step in checkpoint.steps})


@few
@given(supersteps(), st.integers())
def test_the_order_in_which_steps_finish_changes_nothing(
    superstep: tuple[Graph, Checkpoint, list[Result]], seed: int
) -> None:
    graph, checkpoint, results = superstep
    shuffled = random.Random(seed).sample(results, len(results))

    assert plan_next(graph, checkpoint, shuffled, "c2") == plan_next(graph, checkpoint, results, "c2")


@few
@given(supersteps())
def test_planning_changes_neither_the_checkpoint_nor_the_results(
    superstep: tuple[Graph, Checkpoint, list[Result]],
) -> None:
    graph, checkpoint, results = superstep
    before = deepcopy((checkpoint, results))

    plan_next(graph, checkpoint, results, "c2")

    assert (checkpoint, results) == before


@few
@given(supersteps())
def test_deferred_nodes_are_due_only_when_nothing_else_is(superstep: tuple[Graph, Checkpoint, list[Result]]) -> None:
    graph, checkpoint, results = superstep

    after = plan_next(graph, checkpoint, results, "c2")

    assert len({graph.nodes[name].defer for name in due(after)}) <= 1
    assert not (after.deferred and not after.steps)
    assert all(graph.nodes[name].defer for name in after.deferred)
    assert not set(after.deferred) & set(due(after))


@few
@given(supersteps())
def test_step_ids_are_stable_and_unique_over_nodes_checkpoints_and_namespaces(
    superstep: tuple[Graph, Checkpoint, list[Result]],
) -> None:
    graph, checkpoint, results = superstep

    planned = {
        (checkpoint_id, ns): plan_next(graph, checkpoint, results, checkpoint_id, ns)
        for checkpoint_id in ("c2", "c3")
        for ns in ("", "outer:1", "outer:1|inner:2")
    }

    ids = [step.id for after in planned.values() for step in after.steps]
    again = [step.id for (made, ns) in planned for step in plan_next(graph, checkpoint, results, made, ns).steps]
    assert ids == again
    assert len(set(ids)) == len(ids)


JOINED = graph_of("dabcm", (["a", "b", "c"], "m"), ("d", "d"))


@few
@given(st.lists(st.integers(0, 15).map(lambda bits: {x for i, x in enumerate("abcm") if bits >> i & 1}), max_size=14))
def test_a_join_fires_exactly_once_for_each_full_round(plan: list[set[str]]) -> None:
    """``plan``: for each superstep the sources that run in it, and, by another edge, the target ``m``."""
    checkpoint = at(JOINED, "d")
    fired, expected = [], []
    arrived: set[str] = set()

    for goto in [*plan, set(), set()]:
        checkpoint = plan_next(JOINED, checkpoint, finish(checkpoint, d=goto), "next")
        fired.append("m" in due(checkpoint))
        # the nodes named now run in the superstep that closes next, so their round is full one superstep later
        expected.append("m" in goto or arrived == set("abc"))
        arrived = (set() if arrived == set("abc") else arrived) | (goto - {"m"})

    assert fired == expected
