"""What a webhook says of a run that has ended: ids, status and times, and by choice its output, questions and error."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pydantic_core import to_json

from graphs.copies import handed
from graphs.errors import TreadleError
from graphs.schema import BARE

from .checkpoints import StoredCheckpoint
from .connection import Connection
from .lifecycle import RunStatus
from .openings import pending
from .run import Run
from .serde import Unknown

_STEP: Final = "run.interrupted"
_END: Final = "run.ended"


def body_of(connection: Connection, run: Run, most_bytes: int) -> bytes:
    """Return the message on a run's end, as JSON.

    Args:
        connection: the store.
        run: the run.
        most_bytes: what is chosen and would make it larger is left out, and named under ``left_out``.
    """
    message = _facts(run)
    left_out = []
    size = len(_json(message))
    for name, value in _chosen(connection, run).items():
        added = _json({name: value})
        size += len(added)
        if size > most_bytes:
            left_out.append(name)
            size -= len(added)
        else:
            message[name] = value
    return _json({**message, "left_out": left_out} if left_out else message)


def _facts(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "type": _STEP if run.status is RunStatus.INTERRUPTED else _END,
        "thread_id": run.thread_id,
        "run_id": run.id,
        "graph": run.graph,
        "status": run.status.value,
        "checkpoint_id": run.checkpoint,
        "started_at": _moment(run.started_ms),
        "ended_at": _moment(run.ended_ms),
    }


def _chosen(connection: Connection, run: Run) -> dict[str, Any]:
    include, keys = run.webhook["include"] if run.webhook else [], connection.place(run.thread_id).keys
    chosen: dict[str, Any] = {}
    if "error" in include:
        chosen["error"] = None if run.error is None else run.error["repr"]
    if run.checkpoint is None or not {"output", "questions"} & {*include}:
        return chosen
    try:
        stored = connection.checkpoints.load(keys, "", run.checkpoint, run.thread_id)
        if "output" in include:
            chosen["output"] = _known(_output(stored.checkpoint.values, run.webhook["keys"] if run.webhook else None))
        if "questions" in include:
            chosen["questions"] = _questions(connection, run, stored)
    except TreadleError as error:  # a key is missing, a class is not known here: the end itself is told all the same
        chosen["unreadable"] = type(error).__name__
    return chosen


def _output(values: Mapping[str, Any], keys: list[str] | None) -> Any:
    if keys is not None and len(keys) == 1 and keys[0] in BARE:
        return handed(values.get(keys[0]))
    return {key: handed(value) for key, value in values.items() if keys is None or key in keys}


def _questions(connection: Connection, run: Run, stored: StoredCheckpoint) -> list[dict[str, Any]]:
    keys = connection.place(run.thread_id).keys
    known = connection.checkpoints.results(keys, "", stored.checkpoint.steps, stored.checkpoint.id)
    return [
        {"id": question.id, "value": _known(question.value), "response_schema": question.response_schema}
        for question in (pending(known) if run.status is RunStatus.INTERRUPTED else [])
    ]


def _moment(at_ms: int | None) -> str | None:
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _known(value: Any) -> Any:
    """Return a value in which what stands for an instance of a class that no scheduler knows is what that holds."""
    if isinstance(value, Unknown):
        return _known(value.content)
    if isinstance(value, dict):
        return {key: _known(item) for key, item in value.items()}
    return [_known(item) for item in value] if isinstance(value, list | tuple) else value


def _json(value: Any) -> bytes:
    # By way of its text: only there does it have a name for the numbers that JSON lacks.
    text = to_json(value, serialize_unknown=True, bytes_mode="base64", inf_nan_mode="strings")
    return json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":")).encode()
