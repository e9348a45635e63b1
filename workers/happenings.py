"""How a thing that happened is told: one line for people, one JSON object for programs."""

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from graphs.frames import path_of
from scheduler.following import Happening, LiveEvent

from .rendering import clock, compact, duration, moment, styled

#: Live events by the stream mode that shows them.
_KINDS = {"custom": "writes", "messages": "says", "tasks": "begins"}
_LONGEST_TEXT = 160
_KIND_WIDTH, _NODE_WIDTH = 11, 16


def line_of(happening: Happening) -> Text:
    """Return one line: when, what, which node, and what else is worth knowing."""
    if isinstance(happening, LiveEvent):
        value = happening.value[0] if happening.mode == "messages" else happening.value
        return _line("", _KINDS[happening.mode], _place(happening.ns, happening.node), compact(value))
    node = None if happening.kind == "called" else happening.data.get("node")  # its frame is already the one called
    place = _place(happening.data.get("ns", ""), node)
    return _line(clock(happening.at_ms), happening.kind, place, _details(happening.data))


def record_of(happening: Happening) -> dict[str, Any]:
    """Return it as a dict for JSON."""
    if isinstance(happening, LiveEvent):
        ids = {"run": happening.run_id, "step": happening.step_id, "node": happening.node}
        kind = _KINDS[happening.mode]
        return {"seq": happening.seq, "kind": kind, **ids, "attempt": happening.attempt, "value": happening.value}
    known = {"seq": happening.seq, "kind": happening.kind, "at_ms": happening.at_ms, "run": happening.run_id}
    return {**known, **happening.data, "hash": happening.hash}


def _place(ns: str, node: str | None) -> str:
    """Return a node with the way to it, as its Celery task has it; what is said of a frame has no node."""
    return ".".join((*path_of(ns), *([node] if node else ())))


def _line(at: str, kind: str, node: str, details: str) -> Text:
    short = details if len(details) <= _LONGEST_TEXT else f"{details[:_LONGEST_TEXT]}…"
    short = "".join(char if char.isprintable() else " " for char in short)  # what nodes say must not steer a terminal
    line = Text(f"{at:<12}  ", style="dim")
    line.append_text(styled(kind))
    line.append(" " * max(1, _KIND_WIDTH + 2 - len(kind)), style="default")
    line.append(f"{node:<{_NODE_WIDTH}}", style="bold not dim")
    line.append(f"  {short}", style="default not dim")
    line.rstrip()
    return line


def _details(data: Mapping[str, Any]) -> str:
    found = [
        f"attempt {data['attempt']}" if "attempt" in data else "",
        f"on {data['worker']}" if "worker" in data else "",
        f"after {duration(data['ms'])}" if "ms" in data else "",
        f"again in {duration(data['after_ms'])}" if "after_ms" in data else "",
        f"until {moment(data['until_ms'])}" if "until_ms" in data else "",
        str(data.get("graph", "")),
        str(data.get("on_busy", "")),
        f"place {data['place']}" if "place" in data else "",
        str(data.get("outcome", "")),
        str(data.get("status", "")),
        str(data.get("why", "")),
        str(data.get("error", "")),
    ]
    return ", ".join(text for text in found if text)
