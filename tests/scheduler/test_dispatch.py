"""The message of a step: what it says, and that an order outlives being stored."""

import json

from scheduler.client import Client
from scheduler.connection import Connection
from scheduler.dispatch import Inline, StepOrder, StepRef
from scheduler.frame import Frame

from .stage import begin, line, record

ORDER = StepOrder(StepRef("t", "r", "s"), "graph", "node", Frame("outer", "c", 3), "1-1", 1, "gpu", 5_000, 8_000)


def test_a_reference_is_read_from_a_message_whatever_else_it_says() -> None:
    message = {"thread": "t", "run": "r", "step": "s", "attempt": 3, "checkpoint": "1-1", "frame": ""}

    assert StepRef.from_message(message) == StepRef("t", "r", "s")


def test_an_order_comes_back_from_its_record_as_it_was() -> None:
    stored = json.loads(json.dumps(ORDER.record()))

    assert StepOrder.from_record("t", stored) == ORDER


def test_an_order_without_limits_and_queue_keeps_no_room_for_them() -> None:
    plain = StepOrder(StepRef("t", "r", "s"), "graph", "node", Frame(), "1-1")

    assert plain.record().keys().isdisjoint({"queue", "soft_ms", "hard_ms"})
    assert StepOrder.from_record("t", plain.record()) == plain


def test_the_next_order_asks_for_the_next_attempt() -> None:
    assert StepOrder.from_record("t", ORDER.record() | {"attempt": 2}).attempt == 3


def test_a_step_begins_its_life_in_a_queue_unless_only_its_superstep_waits_to_be_closed() -> None:
    done = StepOrder(StepRef("t", "r", "s"), "graph", "node", Frame(), "1-1", done=True)

    assert (ORDER.record()["state"], done.record()["state"]) == ("queued", "done")


def test_what_is_stored_of_a_step_is_its_order(client: Client, connection: Connection) -> None:
    (order,) = begin(client, line("a", a={"queue": "gpu", "timeout": 1}), {}).orders

    assert StepOrder.from_record("t", record(connection, order.ref)) == order


def test_of_state_nothing_is_in_a_record(client: Client, connection: Connection) -> None:
    (order,) = begin(client, line("a"), {"answer": "secret", "said": ["secret"]}, metadata={"x": "secret"}).orders

    assert "secret" not in json.dumps(record(connection, order.ref))


def test_inline_nothing_travels() -> None:
    dispatcher = Inline()

    dispatcher.send([ORDER])

    assert dispatcher.inline and dispatcher.envelope(ORDER) is None
