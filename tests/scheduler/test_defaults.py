"""The deadline of a question that nobody answered: its default goes to the thread once, whoever looks and how often."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis

from graphs.commands import Command, Interrupt
from graphs.graph import Graph
from graphs.interrupts import Deadline, GraphInterrupt, Questions
from scheduler.claim import Progress
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection, open_connection
from scheduler.dispatch import Inline, StepRef
from scheduler.due_entry import DueEntry
from scheduler.errors import AlreadyResumed
from scheduler.settings import Settings
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher

from .stage import THREAD, begin, claim, everything, fan, finish, kinds, line, state

LINE = line("ask", "after", ask={"queue": "people", "timeout": 5})
FAN = fan("a", "b")
NOW = timedelta(0)
LATER = timedelta(hours=1)


@dataclass(frozen=True)
class Form:
    """An answer whose class no scheduler knows."""

    text: str


def ask(steps: Steps, graph: Graph, ref: StepRef, at: timedelta | datetime = NOW, default: Any = "nobody") -> Progress:
    """Claim a step and let it ask with a deadline, as its node does."""
    claimed = claim(steps, ref)
    with pytest.raises(GraphInterrupt) as asked:
        Questions(ref.step_id).ask("?", None, Deadline(at, default))
    return steps.ask(claimed, graph, asked.value)


def question_of(client: Client, graph: Graph) -> Interrupt:
    """Return the one question that waits."""
    (question,) = client.snapshots.current(graph, parse({"thread_id": THREAD}), {}).interrupts
    assert isinstance(question, Interrupt)
    return question


def again(steps: Steps, ref: StepRef) -> None:
    """Let a step that was answered ask once more: the thread waits again, at the same checkpoint."""
    claimed = claim(steps, ref)
    questions = Questions(ref.step_id, claimed.dialogue.answers)
    questions.ask("?")
    with pytest.raises(GraphInterrupt) as asked:
        questions.ask("sure?")
    steps.ask(claimed, LINE, asked.value)


def due_questions(connection: Connection) -> float | None:
    place = connection.place(THREAD)
    (score,) = connection.redis.zmscore(place.keys.due, [place.member("questions")])
    return score


def resumed(client: Client) -> list[Any]:
    """Return by whom the thread's questions were answered, in order."""
    return [entry.data.get("by") for entry in client.log.read(THREAD) if entry.kind == "resumed"]


def test_the_default_answer_begins_a_run_when_the_deadline_has_passed(
    client: Client, steps: Steps, watchdog: Watchdog, dispatcher: RecordingDispatcher
) -> None:
    ask(steps, LINE, begin(client, LINE, {}).orders[0].ref)
    question = question_of(client, LINE)
    dispatcher.sent.clear()

    done = watchdog.sweep()

    (order,) = dispatcher.sent
    claimed = claim(steps, order.ref)
    assert done == {"answered": 1}
    assert (order.node, order.queue, order.soft_ms, order.attempt) == ("ask", "people", 5_000, 1)
    assert claimed.dialogue.answers == {question.id: "nobody"}
    assert resumed(client) == ["deadline"]


def test_the_run_of_a_default_answer_is_like_the_one_that_asked(
    client: Client, steps: Steps, watchdog: Watchdog, dispatcher: RecordingDispatcher
) -> None:
    first = begin(client, LINE, {}, metadata={"customer": "c1"}, timeout=60, recursion_limit=7)
    ask(steps, LINE, first.orders[0].ref)

    watchdog.sweep()

    run = client.runs.recent(THREAD)[0]
    finish(steps, LINE, dispatcher.sent[-1].ref, said=["nobody"])
    assert run.plan() == first.run.plan()
    assert (run.id != first.run.id, run.limit_s) == (True, 60)
    assert state(client, LINE)["said"] == ["nobody"]


def test_a_moment_is_a_deadline_as_well_as_a_time_from_now(
    client: Client, connection: Connection, steps: Steps
) -> None:
    moment = datetime(2100, 1, 1, tzinfo=UTC)
    ask(steps, LINE, begin(client, LINE, {}).orders[0].ref, moment)

    assert due_questions(connection) == moment.timestamp() * 1000


def test_before_the_deadline_nobody_is_answered_for(client: Client, steps: Steps, watchdog: Watchdog) -> None:
    ask(steps, LINE, begin(client, LINE, {}).orders[0].ref, LATER)

    assert not watchdog.sweep()
    assert client.threads.get(THREAD).status == "paused"


def test_a_run_that_has_not_paused_is_not_answered(
    client: Client, connection: Connection, steps: Steps, watchdog: Watchdog
) -> None:
    refs = {order.node: order.ref for order in begin(client, FAN, {}).orders}
    ask(steps, FAN, refs["a"])

    while_b_runs = (due_questions(connection), watchdog.sweep())
    finish(steps, FAN, refs["b"])

    assert while_b_runs == (None, {})
    assert watchdog.sweep() == {"answered": 1}


def test_of_many_schedulers_one_gives_the_default(
    client: Client, elsewhere: Client, steps: Steps, connection: Connection
) -> None:
    ask(steps, LINE, begin(client, LINE, {}).orders[0].ref)
    entry = DueEntry.of(connection, connection.place(THREAD).member("questions"))
    together = threading.Barrier(4)
    watchdogs = [Watchdog(one.connection, one.runs) for one in (client, elsewhere) * 2]

    def look(watchdog: Watchdog) -> None:
        together.wait(10)
        watchdog._look_at(entry)

    threads = [threading.Thread(target=look, args=(watchdog,)) for watchdog in watchdogs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert resumed(client) == ["deadline"]


def test_a_person_who_is_faster_wins(client: Client, steps: Steps, watchdog: Watchdog) -> None:
    ask(steps, LINE, begin(client, LINE, {}).orders[0].ref)
    (order,) = begin(client, LINE, Command(resume="ada")).orders

    watchdog.sweep()

    assert [*claim(steps, order.ref).dialogue.answers.values()] == ["ada"]
    assert resumed(client) == [None]


def test_a_person_who_answers_while_a_scheduler_looks_wins(
    client: Client, elsewhere: Client, steps: Steps, rival: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(steps, LINE, begin(client, LINE, {}).orders[0].ref)
    watchdog = Watchdog(client.connection, client.runs)
    store = watchdog._defaults.store

    def after_a_person(planned: Any) -> Any:
        again(rival, begin(elsewhere, LINE, Command(resume="ada")).orders[0].ref)
        return store(planned)

    monkeypatch.setattr(watchdog._defaults, "store", after_a_person)
    watchdog.sweep()

    assert resumed(client) == [None]
    assert question_of(client, LINE).value == "sure?"


def test_a_person_who_comes_after_the_deadline_is_told(client: Client, steps: Steps, watchdog: Watchdog) -> None:
    ask(steps, LINE, begin(client, LINE, {}).orders[0].ref)
    question = question_of(client, LINE)
    watchdog.sweep()
    order = client.threads.pending(THREAD)[0]
    finish(steps, LINE, StepRef(THREAD, order.run_id, order.id))
    client.runs.cancel(THREAD, order.run_id)

    with pytest.raises(AlreadyResumed, match=question.id):
        begin(client, LINE, Command(resume={question.id: "late"}))


def test_two_people_who_answer_at_once_do_not_undo_each_other(
    client: Client, elsewhere: Client, steps: Steps, rival: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(steps, LINE, begin(client, LINE, {}).orders[0].ref, LATER)
    question, store, others = question_of(client, LINE), client._starter.store, iter([True])

    def after_another(planned: Any) -> Any:
        if next(others, False):
            again(rival, begin(elsewhere, LINE, Command(resume="first")).orders[0].ref)
        return store(planned)

    monkeypatch.setattr(client._starter, "store", after_another)

    with pytest.raises(AlreadyResumed):
        begin(client, LINE, Command(resume={question.id: "second"}))


def test_what_else_waits_keeps_its_own_deadline(
    client: Client, connection: Connection, steps: Steps, watchdog: Watchdog, dispatcher: RecordingDispatcher
) -> None:
    refs = {order.node: order.ref for order in begin(client, FAN, {}).orders}
    ask(steps, FAN, refs["a"], NOW)
    ask(steps, FAN, refs["b"], LATER)
    watchdog.sweep()
    finish(steps, FAN, dispatcher.sent[-1].ref, said=["a"])

    waiting = client.threads.get(THREAD).status, due_questions(connection)

    assert waiting[0] == "paused"
    assert (waiting[1] or 0) > connection.redis.time()[0] * 1000
    assert question_of(client, FAN).value == "?"


@pytest.mark.parametrize("closed", [False, True])
def test_a_deadline_is_forgotten_with_what_it_was_for(
    client: Client, connection: Connection, steps: Steps, watchdog: Watchdog, closed: bool
) -> None:
    ask(steps, LINE, begin(client, LINE, {}).orders[0].ref)
    if closed:
        client.threads.terminate(THREAD)
    else:
        client.editor.update(LINE, parse({"thread_id": THREAD}), {"said": ["moved"]}, "after")

    assert watchdog.sweep() == {"left alone": 1}
    assert due_questions(connection) is None
    assert connection.redis.hgetall(connection.place(THREAD).keys.deadlines) == {}
    assert resumed(client) == []


def test_a_thread_that_is_deleted_while_it_waits_leaves_nothing_to_look_at(client: Client, steps: Steps) -> None:
    ask(steps, LINE, begin(client, LINE, {}).orders[0].ref, LATER)

    client.threads.delete(THREAD)

    assert everything(client.connection.client) == {}


def test_a_new_input_drops_the_deadline(client: Client, connection: Connection, steps: Steps) -> None:
    ask(steps, LINE, begin(client, LINE, {}).orders[0].ref)

    begin(client, LINE, {"said": ["something else"]})

    assert due_questions(connection) is None


def test_a_scheduler_passes_on_what_it_cannot_read(redis: Redis, dispatcher: RecordingDispatcher) -> None:
    """The classes of answers, questions and contexts are known where graphs are, and a scheduler has none."""
    worker, scheduler = (open_connection(redis, Settings(), dispatcher) for _ in range(2))
    worker.serde.allow([Form])
    client = Client(worker, lambda call: call())
    steps = Steps(worker, client.runs, "w1")
    ref = client.start(LINE, parse({"thread_id": THREAD}), {}, Form("context")).orders[0].ref
    ask(steps, LINE, ref, default=Form("default"))

    Watchdog(scheduler, Client(scheduler, lambda call: call()).runs).sweep()

    claimed = claim(steps, dispatcher.sent[-1].ref)
    assert [*claimed.dialogue.answers.values()] == [Form("default")]
    assert client.runs.recent(THREAD)[0].context == Form("context")


def test_a_scheduler_keeps_nothing_of_a_state_in_mind(client: Client, elsewhere: Client, steps: Steps) -> None:
    ask(steps, LINE, begin(client, LINE, {"said": ["much"]}).orders[0].ref)

    Watchdog(elsewhere.connection, elsewhere.runs).sweep()

    assert not elsewhere.connection.checkpoints._seen


def test_an_inline_thread_is_left_to_whoever_goes_on_with_it(redis: Redis, watchdog: Watchdog) -> None:
    here = Client(open_connection(redis, Settings(), Inline()), lambda call: call())
    steps = Steps(here.connection, here.runs, "inline")
    ask(steps, LINE, begin(here, LINE, {}).orders[0].ref)

    assert due_questions(here.connection) is None
    assert not watchdog.sweep()


@pytest.mark.usefixtures("sent_twice")
def test_a_default_that_is_sent_twice_is_given_once(client: Client, steps: Steps, watchdog: Watchdog) -> None:
    ask(steps, LINE, begin(client, LINE, {}).orders[0].ref)

    assert watchdog._defaults.give(THREAD)

    assert kinds(client).count("resumed") == 1


def test_a_thread_that_was_deleted_is_no_concern(
    client: Client, connection: Connection, steps: Steps, watchdog: Watchdog, redis: Redis
) -> None:
    ask(steps, LINE, begin(client, LINE, {}).orders[0].ref)
    client.threads.delete(THREAD)
    watchdog.sweep()

    assert not everything(redis)


def test_of_many_late_questions_as_many_go_on_as_the_run_may_have_at_a_time(
    client: Client, steps: Steps, watchdog: Watchdog, dispatcher: RecordingDispatcher
) -> None:
    first = begin(client, FAN, {}, max_concurrency=1)
    ask(steps, FAN, first.orders[0].ref)
    ask(steps, FAN, first.orders[1].ref)
    dispatcher.sent.clear()

    watchdog.sweep()

    assert dispatcher.nodes == ["a"]
    assert {step.node: step.state for step in client.threads.pending(THREAD)} == {"a": "queued", "b": "held"}
