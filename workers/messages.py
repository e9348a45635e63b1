"""The Celery message of a step: what a worker executes and what a person reads in Flower."""

import json
import re
from base64 import b64encode
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import uuid4

from celery import Celery
from kombu.serialization import dumps

from graphs.frames import path_of
from scheduler.dispatch import StepOrder

_ID_TAIL = 8

_to_json = json.JSONEncoder().encode


def task_name(order: StepOrder) -> str:
    """Return the name of the node's Celery task: the graph, the way down to the node's own one, and the node."""
    return ".".join((order.graph, *path_of(order.frame.ns), order.node))


def task_id(order: StepOrder) -> str:
    """Return the Celery task id: readable, and another for every attempt and sending."""
    short = f"{order.ref.step_id[:_ID_TAIL]}-{uuid4().hex[:_ID_TAIL]}"
    return f"{order.ref.thread_id}:{order.node}:{order.attempt}:{short}"


def arguments(order: StepOrder) -> dict[str, Any]:
    """Return the keyword arguments: ids, and never state."""
    return {
        "thread": order.ref.thread_id,
        "run": order.ref.run_id,
        "step": order.ref.step_id,
        "attempt": order.attempt,
        "checkpoint": order.checkpoint_id,
        "frame": order.frame.ns,
    }


def options(order: StepOrder) -> dict[str, Any]:
    """Return the options with which Celery would publish the step."""
    return {**_ids(order), **_limits(order.soft_ms, order.hard_ms), "argsrepr": "()", "ignore_result": True}


def envelope(app: Celery, order: StepOrder, queue: str) -> bytes:
    """Return the bytes that kombu's Redis transport would push for this step."""
    template = _template(app, task_name(order), queue, order.soft_ms, order.hard_ms)
    body = _to_json([(), arguments(order), template.embed])
    filled = {**_ids(order), "body": b64encode(body.encode()).decode(), "delivery_tag": str(uuid4())}
    return (template.text % {slot: _to_json(value) for slot, value in filled.items()}).encode()


def _ids(order: StepOrder) -> dict[str, str]:
    """Return the options that differ from step to step."""
    return {
        "task_id": task_id(order),
        "root_id": order.ref.run_id,
        # A small dict literal, so that Flower's search finds kwargs:thread=ID.
        "kwargsrepr": repr({"thread": order.ref.thread_id, "run": order.ref.run_id, "attempt": order.attempt}),
    }


def _limits(soft_ms: int | None, hard_ms: int | None) -> dict[str, float]:
    if soft_ms is None or hard_ms is None:
        return {}
    return {"soft_time_limit": soft_ms / 1000, "time_limit": hard_ms / 1000}


class _Template(NamedTuple):
    """The messages of one node, which differ in their ids alone."""

    #: The JSON, as a format with a named slot for each of what differs.
    text: str
    #: What Celery adds to the arguments.
    embed: Any


@lru_cache(maxsize=1024)
def _template(app: Celery, name: str, queue: str, soft_ms: int | None, hard_ms: int | None) -> _Template:
    slots = {slot: f"<slot {slot}>" for slot in ("task_id", "root_id", "kwargsrepr", "body", "delivery_tag")}
    given = {slot: slots[slot] for slot in ("task_id", "root_id", "kwargsrepr")}
    message = app.amqp.as_task_v2(
        name=name, args=(), kwargs={}, argsrepr="()", ignore_result=True, **given, **_limits(soft_ms, hard_ms)
    )
    content_type, encoding, _ = dumps(message.body, serializer="json")
    properties = {
        **message.properties,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": queue},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": slots["delivery_tag"],
    }
    text = json.dumps(
        {
            "body": slots["body"],
            "content-encoding": encoding,
            "content-type": content_type,
            "headers": message.headers,
            "properties": properties,
        }
    )
    return _Template(re.sub(r'"<slot (\w+)>"', r"%(\1)s", text.replace("%", "%%")), message.body[2])
