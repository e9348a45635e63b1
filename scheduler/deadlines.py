"""The deadlines of questions: until when each waits, and which answer counts from then on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from graphs.interrupts import Deadline

from .connection import Connection


@dataclass(frozen=True, slots=True)
class Overdue:
    """A question whose deadline has passed."""

    default: Any
    #: The record of the step at the root that waits for the answer, as it was in flight.
    step: Mapping[str, Any]


def deadline_record(question_id: str, deadline: Deadline) -> dict[str, Any]:
    """Return a deadline as the script takes it: a moment, or a time from now by Redis' clock."""
    if isinstance(deadline.at, datetime):
        return {"id": question_id, "at_ms": round(deadline.at.timestamp() * 1000)}
    return {"id": question_id, "after_ms": round(deadline.at.total_seconds() * 1000)}


def default_field(question_id: str) -> str:
    """Return the field that holds the default answer to a question."""
    return f"{question_id} default"


def overdue(connection: Connection, thread_id: str) -> dict[str, Overdue]:
    """Return what of a thread's questions nobody has answered in time, by id; some may not wait any more."""
    key = connection.place(thread_id).keys.deadlines
    noted = connection.redis.hgetall(key)
    if not noted:
        return {}
    now_ms = connection.now_ms()
    known = {id_.decode(): json.loads(record) for id_, record in noted.items() if b" " not in id_}
    return {
        id_: Overdue(connection.restored(noted[default_field(id_).encode()], key, default_field(id_)), record["step"])
        for id_, record in known.items()
        if record["at"] <= now_ms
    }
