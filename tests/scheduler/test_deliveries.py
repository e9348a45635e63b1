"""Webhooks are delivered: each end of a run is told, until somebody takes it, and not for ever."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

import pytest
from redis import Redis

from graphs.builder import GraphBuilder
from graphs.commands import START
from graphs.graph import Graph
from scheduler.client import Client
from scheduler.connection import Connection, open_connection
from scheduler.deliveries import Courier, Deliveries, member_of, pause_ms
from scheduler.delivery_scripts import DeliveryScripts
from scheduler.errors import InvalidConfig, StoreUnavailable
from scheduler.failure import describe
from scheduler.scripts import Place
from scheduler.sealing import new_key
from scheduler.settings import Settings
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog
from scheduler.webhook_failure import WebhookFailed
from scheduler.webhook_post import Answer
from scheduler.webhook_signature import verify_webhook
from tests.fakes import RecordingDispatcher

from .stage import THREAD, begin, claim, line, make_due, now_ms, play
from .test_defaults import ask

LINE = line("a", "b")
URL = "https://hooks.example/runs?key=Xq7"
SECRET = "s3cret"


class Sent(NamedTuple):
    """A message that was sent."""

    url: str
    body: bytes
    headers: Mapping[str, str]


class Receiver:
    """Takes what is sent, and answers in turn as it is told; the last answer stays."""

    def __init__(self, *answers: int | Answer | Exception) -> None:
        self.sent: list[Sent] = []
        self._answers = list(answers or (200,))

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        self.sent.append(Sent(url, body, headers))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return Answer(answer) if isinstance(answer, int) else answer

    def last(self) -> dict[str, Any]:
        sent = self.sent[-1]
        return dict(verify_webhook(sent.body, sent.headers["Treadle-Signature"], SECRET))


@pytest.fixture
def connection(redis: Redis, dispatcher: RecordingDispatcher, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """A store whose schedulers can sign."""
    monkeypatch.setenv("TREADLE_WEBHOOK_SECRET", SECRET)
    return open_connection(redis, Settings(), dispatcher)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def deliveries(connection: Connection, client: Client, receiver: Receiver) -> Deliveries:
    return Deliveries(connection, client.runs, receiver)


def on(redis: Redis, **settings: Any) -> Client:
    """Return a client of a deployment with settings of its own."""
    return Client(open_connection(redis, Settings(**settings), RecordingDispatcher()), lambda call: call())


def delivering(client: Client, *answers: int | Answer | Exception) -> tuple[Deliveries, Receiver]:
    receiver = Receiver(*answers)
    return Deliveries(client.connection, client.runs, receiver), receiver


def run(client: Client, steps: Steps, graph: Graph = LINE, webhook: Any = URL) -> str:
    """Run a graph to its end; return the run's id."""
    started = begin(client, graph, {"answer": 42}, webhook=webhook)
    play(steps, graph, started.orders)
    return started.run.id


def place_of(client: Client, run_id: str) -> Place:
    return client.connection.place(THREAD, run_id)


def due(client: Client, run_id: str) -> float | None:
    place = place_of(client, run_id)
    (score,) = client.connection.redis.zmscore(place.keys.due, [member_of(place)])
    return score


def now_due(client: Client, run_id: str) -> None:
    """Let the pause after an attempt pass, or the time for which it was held."""
    place = place_of(client, run_id)
    client.connection.client.zadd(place.keys.due, {member_of(place): 1})


def test_the_end_of_a_run_is_told_with_its_ids_and_times(
    client: Client, steps: Steps, deliveries: Deliveries, receiver: Receiver
) -> None:
    run_id = run(client, steps)

    assert due(client, run_id) is not None
    assert deliveries.attempt(THREAD, run_id) == "delivered"

    told = receiver.last()
    assert receiver.sent[0].url == URL
    assert receiver.sent[0].headers["Treadle-Delivery"] == told["id"] == told["run_id"] == run_id
    assert (told["type"], told["status"], told["thread_id"], told["graph"]) == ("run.ended", "success", THREAD, "line")
    assert told["started_at"] <= told["ended_at"]
    assert told["checkpoint_id"] == client.runs.get(THREAD, run_id).checkpoint
    assert not {"output", "questions", "error"} & told.keys()


def test_a_delivery_is_made_once_and_leaves_the_due_set(
    client: Client, steps: Steps, deliveries: Deliveries, receiver: Receiver
) -> None:
    run_id = run(client, steps)
    deliveries.attempt(THREAD, run_id)
    now_due(client, run_id)

    assert deliveries.attempt(THREAD, run_id) == ""

    assert len(receiver.sent) == 1
    assert due(client, run_id) is None
    (record,) = deliveries.of_thread(THREAD)
    assert (record.run_id, record.state, record.attempts, record.status) == (run_id, "delivered", 1, 200)


def test_a_run_without_a_webhook_leaves_nothing(client: Client, steps: Steps, deliveries: Deliveries) -> None:
    run_id = run(client, steps, webhook=None)

    assert due(client, run_id) is None
    assert deliveries.of_thread(THREAD) == []
    assert not deliveries.again(THREAD, run_id)
    assert deliveries.attempt(THREAD, run_id) == ""


def test_an_active_run_is_not_told(client: Client, deliveries: Deliveries, receiver: Receiver) -> None:
    run_id = begin(client, LINE, {}, webhook=URL).run.id
    deliveries.again(THREAD, run_id)

    assert deliveries.attempt(THREAD, run_id) == ""
    assert receiver.sent == []


def cancelled(client: Client, steps: Steps, run_id: str) -> None:
    client.runs.cancel(THREAD, run_id)


def failed(client: Client, steps: Steps, run_id: str) -> None:
    (order,) = client.connection.dispatcher.sent  # type: ignore[attr-defined]
    steps.end(claim(steps, order.ref), describe(ValueError("too bad")))


@pytest.mark.parametrize(("end", "status"), [(cancelled, "cancelled"), (failed, "error")])
def test_other_ends_are_told_as_well(
    client: Client, steps: Steps, end: Callable[[Client, Steps, str], None], status: str
) -> None:
    deliveries, receiver = delivering(client)
    run_id = begin(client, LINE, {}, webhook={"url": URL, "include": ["error"]}).run.id
    end(client, steps, run_id)

    assert deliveries.attempt(THREAD, run_id) == "delivered"
    assert receiver.last()["status"] == status
    assert receiver.last()["error"]


def test_a_question_is_told_and_its_default_answer_too(
    client: Client, steps: Steps, watchdog: Watchdog, deliveries: Deliveries, receiver: Receiver
) -> None:
    started = begin(client, LINE, {}, webhook={"url": URL, "include": ["questions"]})
    ask(steps, LINE, started.orders[0].ref)
    deliveries.attempt(THREAD, started.run.id)

    told = receiver.last()
    assert (told["type"], told["status"]) == ("run.interrupted", "interrupted")
    (question,) = told["questions"]
    assert question["value"] == "?"

    place = client.connection.place(THREAD)
    client.connection.client.zadd(place.keys.due, {place.member("questions"): 1})
    watchdog.sweep()
    (later, _) = client.runs.recent(THREAD)
    assert later.webhook == {"url": URL, "include": ["questions"], "keys": ["said", "answer"]}


def test_the_output_is_told_where_it_is_asked_for(
    client: Client, steps: Steps, deliveries: Deliveries, receiver: Receiver
) -> None:
    run_id = run(client, steps, webhook={"url": URL, "include": ["output", "questions", "error"]})

    deliveries.attempt(THREAD, run_id)

    told = receiver.last()
    assert told["output"] == {"said": ["a", "b"], "answer": 42}
    assert (told["questions"], told["error"]) == ([], None)


@dataclass
class Form:
    """What a state holds, whose class no scheduler knows."""

    text: str


class Forms(TypedDict):
    forms: list[Form]


def test_a_class_that_no_scheduler_knows_is_told_as_what_it_holds(client: Client, elsewhere: Client) -> None:
    graph = GraphBuilder(Forms).add_node("a", lambda state: None).add_edge(START, "a").build("forms", None, None)
    client.connection.serde.allow(graph.classes)
    webhook = {"url": URL, "include": ["output"]}
    run_id = begin(client, graph, {"forms": [Form("filled")]}, webhook=webhook).run.id
    client.runs.cancel(THREAD, run_id)
    deliveries, receiver = delivering(elsewhere)

    deliveries.attempt(THREAD, run_id)

    assert receiver.last()["output"] == {"forms": [{"text": "filled"}]}


def test_what_is_too_large_is_left_out_and_named(redis: Redis, connection: Connection, client: Client) -> None:
    client = Client(
        open_connection(redis, Settings(webhook_max_bytes=4096), RecordingDispatcher()), lambda call: call()
    )
    run_id = begin(client, LINE, {"answer": "x" * 5_000}, webhook={"url": URL, "include": ["output", "error"]}).run.id
    client.runs.cancel(THREAD, run_id)
    deliveries, receiver = delivering(client)

    deliveries.attempt(THREAD, run_id)

    told = receiver.last()
    assert told["left_out"] == ["output"]
    assert "output" not in told
    assert "error" in told
    assert len(receiver.sent[0].body) < 4096


@pytest.mark.parametrize("answer", (500, 302, 404, WebhookFailed("nobody answered in time")))
def test_what_nobody_took_is_sent_again_after_ever_longer_pauses(
    client: Client, steps: Steps, answer: int | Exception
) -> None:
    run_id = run(client, steps)
    deliveries, receiver = delivering(client, answer, answer, 204)

    for attempts in (1, 2):
        now_due(client, run_id)
        assert deliveries.attempt(THREAD, run_id) == "waiting"
        again = (due(client, run_id) or 0) - now_ms(client.connection)
        assert pause_ms(attempts) - 1_000 < again <= pause_ms(attempts)
        (record,) = deliveries.of_thread(THREAD)
        assert (record.state, record.attempts) == ("waiting", attempts)
        assert record.error
        assert URL not in record.error
    now_due(client, run_id)
    assert deliveries.attempt(THREAD, run_id) == "delivered"

    assert len({sent.headers["Treadle-Delivery"] for sent in receiver.sent}) == 1


@pytest.mark.parametrize(
    ("answer", "pause_s"),
    [
        (Answer(429, 90), 90), (Answer(503, 90), 90), (Answer(429, 1), 5), (Answer(429, 1e9), 3600), (Answer(429), 5),
        (Answer(500, 90), 5), (Answer(302, 90), 5),
    ],
)  # fmt: skip
def test_a_receiver_that_has_too_much_to_do_is_left_alone_for_as_long_as_it_says(
    client: Client, steps: Steps, answer: Answer, pause_s: int
) -> None:
    run_id = run(client, steps)
    deliveries, _ = delivering(client, answer)

    assert deliveries.attempt(THREAD, run_id) == "waiting"

    again = (due(client, run_id) or 0) - now_ms(client.connection)
    assert pause_s * 1000 - 1_000 < again <= pause_s * 1000


def test_pauses_grow_up_to_an_hour() -> None:
    assert [pause_ms(attempts) // 1000 for attempts in (1, 2, 3, 10, 11, 1_000)] == [5, 10, 20, 2560, 3600, 3600]


@pytest.mark.parametrize(("answer", "most"), [(410, 16), (500, 1)])
def test_a_delivery_ends_when_nobody_wants_it_or_after_the_last_attempt(
    redis: Redis, connection: Connection, answer: int, most: int
) -> None:
    client = on(redis, webhook_attempts=most)
    run_id = begin(client, LINE, {}, webhook=URL).run.id
    client.runs.cancel(THREAD, run_id)
    deliveries, _ = delivering(client, answer, 200)

    assert deliveries.attempt(THREAD, run_id) == "given up"
    assert due(client, run_id) is None
    assert deliveries.again(THREAD, run_id)
    assert deliveries.attempt(THREAD, run_id) == "delivered"


def test_two_schedulers_make_one_attempt_and_a_lost_one_is_made_again(
    redis: Redis, client: Client, steps: Steps, elsewhere: Client
) -> None:
    run_id = run(client, steps)
    lost, other = delivering(client, StoreUnavailable("gone"))[0], delivering(elsewhere)[0]
    with pytest.raises(StoreUnavailable):
        lost.attempt(THREAD, run_id)

    assert other.attempt(THREAD, run_id) == ""  # it is held by the one that was lost
    assert (due(client, run_id) or 0) > now_ms(client.connection)
    key = place_of(client, run_id).named("run")
    redis.hset(key, "hook", json.dumps(json.loads(redis.hget(key, "hook") or b"") | {"held": 1}))

    assert other.attempt(THREAD, run_id) == "delivered"
    assert other.of_thread(THREAD)[0].attempts == 2


def test_what_a_slow_attempt_says_later_counts_no_more(client: Client, steps: Steps, deliveries: Deliveries) -> None:
    run_id = run(client, steps)
    place = place_of(client, run_id)
    DeliveryScripts(client.connection.client).take_delivery(place, member=member_of(place), hold_ms=0)
    deliveries.attempt(THREAD, run_id)

    late: dict[str, Any] = {"member": member_of(place), "attempt": 1, "record": b'{"state":"waiting"}', "again_ms": 0}

    assert not DeliveryScripts(client.connection.client).put_delivery(place, **late)
    assert deliveries.of_thread(THREAD)[0].state == "delivered"


def test_every_end_is_told_also_when_each_script_is_sent_twice(
    client: Client, steps: Steps, deliveries: Deliveries, receiver: Receiver, sent_twice: None
) -> None:
    run_id = run(client, steps)

    assert due(client, run_id) is not None


def test_of_a_deleted_thread_nothing_is_told(client: Client, steps: Steps, deliveries: Deliveries) -> None:
    run_id = run(client, steps)
    assert due(client, run_id) is not None

    client.threads.delete(THREAD)

    assert due(client, run_id) is None
    assert deliveries.attempt(THREAD, run_id) == ""


def test_without_a_secret_nothing_is_sent(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TREADLE_WEBHOOK_SECRET", raising=False)
    client = on(redis)
    run_id = begin(client, LINE, {}, webhook=URL).run.id
    client.runs.cancel(THREAD, run_id)
    deliveries, receiver = delivering(client)

    assert deliveries.attempt(THREAD, run_id) == "waiting"
    assert receiver.sent == []
    assert "TREADLE_WEBHOOK_SECRET" in (deliveries.of_thread(THREAD)[0].error or "")


def test_http_is_refused_at_the_door_unless_it_is_allowed(redis: Redis, client: Client) -> None:
    with pytest.raises(InvalidConfig, match="ALLOW_HTTP"):
        begin(client, LINE, {}, webhook="http://hooks.example/")

    lenient = Client(
        open_connection(redis, Settings(webhook_allow_http=True), RecordingDispatcher()), lambda call: call()
    )
    begin(lenient, LINE, {}, webhook="http://hooks.example/")


def test_where_there_are_keys_the_url_can_be_read_nowhere(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREADLE_ENCRYPTION_KEYS", f"k:{new_key()}")
    monkeypatch.setenv("TREADLE_WEBHOOK_SECRET", SECRET)
    client = on(redis)
    run_id = begin(client, LINE, {}, webhook={"url": URL, "include": ["output"]}).run.id
    client.runs.cancel(THREAD, run_id)
    deliveries, receiver = delivering(client)

    stored = client.connection.redis.hgetall(place_of(client, run_id).named("run"))

    assert b"Xq7" not in b"".join(stored.values())
    assert deliveries.attempt(THREAD, run_id) == "delivered"
    assert receiver.last()["output"] == {"said": []}


def test_a_sweep_hands_them_to_the_courier_and_waits_for_nobody(
    connection: Connection, client: Client, steps: Steps
) -> None:
    run_id = run(client, steps)
    now_due(client, run_id)
    asked, answered = threading.Event(), threading.Event()

    def slow(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        asked.set()
        assert answered.wait(20)
        return Answer(200)

    courier = Courier(Deliveries(connection, client.runs, slow))
    (lost,) = begin(client, LINE, {}, "other").orders
    make_due(connection, lost.ref)

    done = Watchdog(connection, client.runs, courier).sweep()

    assert done == {"webhook": 1, "dispatched": 1}
    assert asked.wait(20)
    answered.set()
    courier.close()
    assert Deliveries(connection, client.runs, slow).of_thread(THREAD)[0].state == "delivered"


def test_a_scheduler_without_a_courier_leaves_them_to_others(client: Client, steps: Steps, watchdog: Watchdog) -> None:
    run_id = run(client, steps)
    now_due(client, run_id)

    assert watchdog.sweep() == {"left alone": 1}
    assert due(client, run_id) is not None
