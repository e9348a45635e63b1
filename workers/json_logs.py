"""What logs look like: records with the ids that they carry, as text or, with TREADLE_LOG_FORMAT=json, as JSON."""

import json
import logging
import os
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import click

from graphs.context import current

_VARIABLE: Final = "TREADLE_LOG_FORMAT"
#: The names that every record has; what else one has was given to it as ``extra``.
_USUAL: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
#: Whose records carry what belongs to their message; what others carry is for their own handlers.
_OURS: Final = frozenset({"scheduler", "workers"})
#: What a line says itself, which nobody's ``extra`` may overwrite.
_OWN: Final = ("at", "level", "logger", "message", "process", "thread_name", "exception")


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON; what a node logs has the ids of its step."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"at": at, "level": record.levelname, "logger": record.name}
        line["message"] = record.getMessage()
        line |= {"process": record.process, "thread_name": record.threadName} | _step()
        line |= {key: value for key, value in _carried(record).items() if key not in _OWN}
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info))
        elif record.exc_text:
            line["exception"] = record.exc_text
        return _dumped(line)


class TextLines(logging.Formatter):
    """Writes a record as another formatter does, and what one of ours carries behind its message."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Return the text; a traceback has lines of its own."""
        text, carried = self._inner.format(record), _carried(record)
        if not carried or record.name.partition(".")[0] not in _OURS:
            return text
        first, newline, more = text.partition("\n")
        return f"{first} ({', '.join(f'{key}={_shown(value)}' for key, value in carried.items())}){newline}{more}"


def is_json() -> bool:
    """Return whether this process is told to log so; read from the environment, for it is asked before settings are."""
    return os.environ.get(_VARIABLE, "").lower() == "json"


def json_logs_option(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option --json to a process that logs; its own children and the settings, read later, see it too."""

    def tell(ctx: click.Context, param: click.Parameter, as_json: bool) -> None:
        if as_json:
            os.environ[_VARIABLE] = "json"
            set_up("WARNING", "%(message)s")

    told = f"Log in JSON, one object a line, as {_VARIABLE}=json does."
    return click.option("--json", is_flag=True, expose_value=False, callback=tell, help=told)(callback)


def format_handlers(logger: logging.Logger) -> None:
    """Let what a logger's handlers write be JSON, where this process is told so, and else text with what it carries."""
    for handler in logger.handlers:
        if is_json():
            handler.setFormatter(JsonLines())
        elif not isinstance(handler.formatter, TextLines):
            handler.setFormatter(TextLines(handler.formatter or logging.Formatter()))


def set_up(level: str, text: str) -> None:
    """Begin to log to the standard error: as JSON where this process is told so, and else as a text of this form."""
    logging.basicConfig(level=level.upper(), format=text, force=True)  # a command knows better than the group above it
    format_handlers(logging.getLogger())
    logging.captureWarnings(is_json())  # else Python writes them as they are


def _carried(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _USUAL}


def _step() -> dict[str, Any]:
    step = current()
    info = None if step is None else step.runtime.execution_info
    if info is None:
        return {}
    return {
        "thread_id": info.thread_id,
        "run_id": info.run_id,
        "step_id": info.task_id,
        "node": info.checkpoint_ns.rpartition("|")[2].partition(":")[0],
        "attempt": info.node_attempt,
    }


def _dumped(line: dict[str, Any]) -> str:
    try:
        return json.dumps(line, default=_shown, ensure_ascii=True)
    except (TypeError, ValueError, RecursionError):  # keys that are none, or a value that holds itself
        return json.dumps(
            {key: value if isinstance(value, str | int) else _shown(value) for key, value in line.items()}
        )


def _shown(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:  # whatever an object does when it is asked: the rest of the line is logged
        return f"<{type(value).__name__}: {type(error).__name__}>"
