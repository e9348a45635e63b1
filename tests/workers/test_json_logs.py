"""Logs as JSON: one line for each record, with the ids that it carries."""

import json
import logging
import os
import subprocess
import sys
from typing import Any

import pytest

from treadle.checkpoint.memory import MemorySaver
from treadle.graph import START, StateGraph
from workers.json_logs import JsonLines, TextLines, format_handlers


def line(message: str = "step given up", *args: Any, **extra: Any) -> dict[str, Any]:
    record = logging.getLogger("treadle.test").makeRecord(
        "treadle.test", logging.WARNING, __file__, 1, message, args, None, extra=extra
    )
    text = JsonLines().format(record)
    assert "\n" not in text
    return dict(json.loads(text))


def test_a_record_is_one_line_with_its_ids() -> None:
    told = line("%s given up\nagain", "step", thread_id="t", attempt=2)

    assert told["message"] == "step given up\nagain"
    assert (told["level"], told["logger"], told["thread_id"], told["attempt"]) == ("WARNING", "treadle.test", "t", 2)
    assert told["at"].endswith("+00:00")
    assert "levelno" not in told


class Broken:
    def __str__(self) -> str:
        raise ValueError("no")


def test_whatever_a_record_carries_the_line_is_written() -> None:
    ring: list[Any] = []
    ring.append(ring)

    assert line(what=Broken())["what"] == "<Broken: ValueError>"
    assert "[[...]]" in line(what=ring)["what"]
    assert line(what={1, 2})["what"] == "{1, 2}"
    assert line(what="\ud800 \u2028")["what"] == "\ud800 \u2028"


def test_a_text_has_what_a_record_of_ours_carries_behind_its_message() -> None:
    record = logging.makeLogRecord({"name": "scheduler.watchdog", "msg": "sweep failed", "error": "it is full"})
    others = logging.makeLogRecord({"name": "celery.app.trace", "msg": "received", "data": {"id": "x"}})

    assert TextLines(logging.Formatter("! %(message)s")).format(record) == "! sweep failed (error=it is full)"
    assert TextLines(logging.Formatter()).format(others) == "received"


def test_a_traceback_stands_below_what_a_record_carries() -> None:
    try:
        raise ValueError("too bad")
    except ValueError:
        told = {"name": "workers", "msg": "failed", "exc_info": sys.exc_info(), "step": "s-1"}

    assert TextLines(logging.Formatter()).format(logging.makeLogRecord(told)).startswith("failed (step=s-1)\nTraceback")


def test_what_a_line_says_itself_nobody_overwrites() -> None:
    assert line(level="x", at="y")["level"] == "WARNING"


def test_an_error_is_part_of_its_line() -> None:
    try:
        raise ValueError("too bad")
    except ValueError:
        record = logging.makeLogRecord({"msg": "failed", "exc_info": sys.exc_info()})

    assert "ValueError: too bad" in json.loads(JsonLines().format(record))["exception"]


def test_what_a_node_logs_has_the_ids_of_its_step() -> None:
    lines: list[str] = []

    def node(state: Any) -> Any:
        lines.append(JsonLines().format(logging.makeLogRecord({"msg": "thinking"})))
        return {"n": 1}

    graph = StateGraph(dict).add_node("think", node).add_edge(START, "think").compile(MemorySaver())
    graph.invoke({"n": 0}, {"thread_id": "t-1"})

    told = json.loads(lines[0])
    assert (told["message"], told["thread_id"], told["node"], told["attempt"]) == ("thinking", "t-1", "think", 1)
    assert told["run_id"]


@pytest.mark.parametrize(("told", "json_lines"), [("json", True), ("text", False), ("", False)])
def test_handlers_write_json_where_the_process_is_told_so(
    monkeypatch: pytest.MonkeyPatch, told: str, json_lines: bool
) -> None:
    monkeypatch.setenv("TREADLE_LOG_FORMAT", told)
    logger = logging.Logger("x")
    logger.addHandler(logging.NullHandler())

    format_handlers(logger)

    assert isinstance(logger.handlers[0].formatter, JsonLines) is json_lines


def test_the_process_beside_a_worker_logs_so_too() -> None:
    code = """import logging, sys
from workers import keeper
keeper.watch = lambda *_: logging.getLogger("scheduler.leases").error("lease not renewed", extra={"thread_id": "t"})
sys.argv = ["keeper", "w@1", "1"]
keeper.main()
"""
    environment = {**os.environ, "TREADLE_LOG_FORMAT": "json", "TREADLE_REDIS_URL": "redis://127.0.0.1:1/0"}

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)

    told = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [(one["message"], one["thread_id"]) for one in told] == [("lease not renewed", "t")]
