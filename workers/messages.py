"""The Celery message of a step: what a worker executes and what a person reads in Flower."""

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from secrets import token_hex
from typing import Any, NamedTuple

from celery import Celery
from kombu.serialization import dumps

from graphs.frames import path_of
from graphs.priority import DEFAULT_PRIORITY, HIGHEST_PRIORITY
from scheduler.dispatch import StepOrder, version_queue

#: The Celery task that begins a run; no node has such a name.
START = "treadle:start"

_ID_TAIL = 8
#: As random as the UUID that kombu makes, and five times as fast.
_TAG_BYTES = 16

_quoted = json.encoder.encode_basestring_ascii

#: What a task is called with.
_ARGUMENTS = ("thread", "run", "step", "attempt", "checkpoint", "frame")


def task_name(order: StepOrder) -> str:
    """Return the name of the node's Celery task: the graph, the way down to the node's own one, and the node."""
    return ".".join((order.graph, *path_of(order.frame.ns), order.node))


def queue_of(order: StepOrder, default_queue: str) -> str:
    """Return the queue of a step: its node's, or that of the workers there which have its version of the graph."""
    queue = order.queue or default_queue
    return queue if order.version is None else version_queue(queue, order.version)


def task_id(order: StepOrder) -> str:
    """Return the Celery task id: readable, and another for every attempt and sending.

    Long names are cut: other brokers than Redis take 255 bytes. The arguments have the whole thread id.
    """
    short = f"{order.ref.step_id[:_ID_TAIL]}-{token_hex(_ID_TAIL // 2)}"
    return f"{_cut(order.ref.thread_id, 128)}:{_cut(order.node, 64)}:{order.attempt}:{short}"


def _cut(text: str, limit: int) -> str:
    """Return as much of a text as fits into so many bytes."""
    return text if len(text) * 4 <= limit else text.encode()[:limit].decode(errors="ignore")


def arguments(order: StepOrder) -> dict[str, Any]:
    """Return the keyword arguments: ids, and never state."""
    ref = order.ref
    values = (ref.thread_id, ref.run_id, ref.step_id, order.attempt, order.checkpoint_id, order.frame.ns)
    return dict(zip(_ARGUMENTS, values, strict=True))


def options(order: StepOrder) -> dict[str, Any]:
    """Return the options with which Celery would publish the step."""
    return {**_ids(order), **_limits(order.soft_ms, order.hard_ms), "argsrepr": "()", "ignore_result": True}


def first_is_0(priority: int) -> int:
    """Return a priority as kombu's Redis transport counts: there a lower number goes first."""
    return HIGHEST_PRIORITY - priority


def envelope(app: Celery, order: StepOrder, queue: str) -> bytes:
    """Return the bytes that kombu's Redis transport would push for this step."""
    priority = first_is_0(order.priority)
    template = _template(app, task_name(order), queue, priority, order.soft_ms, order.hard_ms)
    body = _filled(template.body, arguments(order))
    varying = {**_ids(order), "body": b64encode(body.encode()).decode(), "delivery_tag": token_hex(_TAG_BYTES)}
    return _filled(template.text, varying).encode()


def _ids(order: StepOrder) -> dict[str, str]:
    """Return the options that differ from step to step."""
    return {
        "task_id": task_id(order),
        "root_id": order.ref.run_id,
        # A small dict literal, so that Flower's search finds kwargs:thread=ID.
        "kwargsrepr": repr(
            {
                "thread": order.ref.thread_id,
                "run": order.ref.run_id,
                "step": order.ref.step_id[:_ID_TAIL],
                "attempt": order.attempt,
                **({} if order.priority == DEFAULT_PRIORITY else {"priority": order.priority}),
            }
        ),
    }


def _limits(soft_ms: int | None, hard_ms: int | None) -> dict[str, float]:
    if soft_ms is None or hard_ms is None:
        return {}
    return {"soft_time_limit": soft_ms / 1000, "time_limit": hard_ms / 1000}


class _Template(NamedTuple):
    """The messages of one node, which differ in their ids alone: JSON with a named slot for each of what differs."""

    text: str
    #: What the message's body is before it is encoded.
    body: str


@lru_cache(maxsize=1024)
def _template(  # noqa: PLR0913, PLR0917 - what the messages of a node differ in
    app: Celery, name: str, queue: str, priority: int, soft_ms: int | None, hard_ms: int | None
) -> _Template:
    given = {slot: f"<slot {slot}>" for slot in ("task_id", "root_id", "kwargsrepr")}
    kwargs = {slot: f"<slot {slot}>" for slot in _ARGUMENTS}
    message = app.amqp.as_task_v2(
        name=name, args=(), kwargs=kwargs, argsrepr="()", ignore_result=True, **given, **_limits(soft_ms, hard_ms)
    )
    content_type, encoding, body = dumps(message.body, serializer="json")
    properties = {
        **message.properties,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": queue},
        "priority": priority,
        "body_encoding": "base64",
        "delivery_tag": "<slot delivery_tag>",
    }
    text = json.dumps(
        {
            "body": "<slot body>",
            "content-encoding": encoding,
            "content-type": content_type,
            "headers": message.headers,
            "properties": properties,
        }
    )
    return _Template(_with_slots(text), _with_slots(body))


def _with_slots(text: str) -> str:
    return re.sub(r'"<slot (\w+)>"', r"%(\1)s", text.replace("%", "%%"))


def _filled(template: str, values: Mapping[str, str | int]) -> str:
    return template % {slot: _quoted(value) if isinstance(value, str) else value for slot, value in values.items()}
