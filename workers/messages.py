"""The Celery message of a step: what a worker executes and what a person reads in Flower."""

import json
from base64 import b64encode
from typing import Any
from uuid import uuid4

from celery import Celery
from kombu.serialization import dumps

from graphs.frames import path_of
from scheduler.dispatch import StepOrder

_ID_TAIL = 8


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
    found: dict[str, Any] = {
        "task_id": task_id(order),
        "root_id": order.ref.run_id,
        # A small dict literal, so that Flower's search finds kwargs:thread=ID.
        "kwargsrepr": repr({"thread": order.ref.thread_id, "run": order.ref.run_id, "attempt": order.attempt}),
        "argsrepr": "()",
        "ignore_result": True,
    }
    if order.soft_ms is not None and order.hard_ms is not None:
        found["soft_time_limit"], found["time_limit"] = order.soft_ms / 1000, order.hard_ms / 1000
    return found


def envelope(app: Celery, order: StepOrder, queue: str) -> bytes:
    """Return the bytes that kombu's Redis transport would push for this step."""
    given = options(order)
    message = app.amqp.as_task_v2(name=task_name(order), args=(), kwargs=arguments(order), **given)
    content_type, encoding, body = dumps(message.body, serializer="json")
    properties = {
        **message.properties,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": queue},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": str(uuid4()),
    }
    return json.dumps(
        {
            "body": b64encode(body.encode()).decode(),
            "content-encoding": encoding,
            "content-type": content_type,
            "headers": message.headers,
            "properties": properties,
        }
    ).encode()
