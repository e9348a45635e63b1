"""The promises of the protocol as conditions on the model's worlds: true in every one that can be reached."""

from collections.abc import Callable, Mapping

from .model import Protocol, World

Promise = Callable[[Protocol, World], bool]


def effects_exactly_once(protocol: Protocol, world: World) -> bool:
    """The state is what the closed supersteps wrote, each step once, in the order of the steps."""
    written = [name.removesuffix("'") for name in world.store.state]
    return written == [name for superstep in protocol.graph[: world.store.cursor] for name in superstep]


def a_lost_lease_commits_nothing(protocol: Protocol, world: World) -> bool:
    """Whatever a step left is of its last lease."""
    return not world.store.stale


def a_finished_step_never_runs_again(protocol: Protocol, world: World) -> bool:
    """A step that wrote is not in flight any more, unless it waits for its superstep to be closed."""
    store = world.store
    ended = {*store.state, *(kept.name for kept in store.results if kept.outcome != "failed")}
    return all(step.state == "done" for step in store.steps if step.name in ended)


def everything_in_flight_is_due(protocol: Protocol, world: World) -> bool:
    """What is open has a due entry, and so has a complete superstep; nothing else has."""
    store = world.store
    in_flight = {step.name for step in store.steps}
    is_open = {step.name for step in store.steps if step.state != "done"}
    return is_open <= store.due <= in_flight and (bool(store.due) or not in_flight)


def a_thread_that_rests_has_nothing_in_flight(protocol: Protocol, world: World) -> bool:
    """At the end of a run nothing is left of it; what is in flight is of the active one."""
    store = world.store
    return all(step.run == store.run for step in store.steps)


def tokens_only_rise(protocol: Protocol, world: World) -> bool:
    """No two leases have the same token."""
    tokens = [worker.token for worker in world.workers if worker.doing in ("runs", "records")]
    return len(tokens) == len({*tokens})


def a_good_lease_is_one_workers(protocol: Protocol, world: World) -> bool:
    """Two workers run the same step only when the lease of the first one ran out, or its run has ended."""
    running = [w for w in world.workers if w.doing == "runs" and w.token not in world.store.lapsed]
    return len(running) == len({(worker.name, worker.run) for worker in running})


def a_message_of_an_ended_run_takes_nothing(protocol: Protocol, world: World) -> bool:
    """Who has the lease on a step runs it for the run that it is of."""
    steps = {step.token: step.run for step in world.store.steps if step.state == "leased"}
    return all(steps.get(worker.token, worker.run) == worker.run for worker in world.workers if worker.token)


def a_step_takes_so_many_workers_down_and_no_more(protocol: Protocol, world: World) -> bool:
    """The leases that ran out while the step's node ran are counted."""
    return all(step.killed <= protocol.max_attempts for step in world.store.steps)


def an_end_has_its_reason(protocol: Protocol, world: World) -> bool:
    """A run succeeds at the end of its graph, fails with a step that failed, and pauses nowhere: nothing asks it to."""
    store = world.store
    due = protocol.graph[store.cursor] if store.cursor < len(protocol.graph) else ()
    failed = any(kept.outcome == "failed" and kept.name.removesuffix("'") in due for kept in store.results)
    reasons = {"idle": store.cursor == len(protocol.graph), "failed": failed, "paused": False}
    return reasons.get(store.status, True)


PROMISES: Mapping[str, Promise] = {
    promise.__name__: promise
    for promise in (
        effects_exactly_once,
        a_lost_lease_commits_nothing,
        a_finished_step_never_runs_again,
        everything_in_flight_is_due,
        a_thread_that_rests_has_nothing_in_flight,
        tokens_only_rise,
        a_good_lease_is_one_workers,
        a_message_of_an_ended_run_takes_nothing,
        a_step_takes_so_many_workers_down_and_no_more,
        an_end_has_its_reason,
    )
}
