"""Two versions of graphs, for a deployment that replaces its workers one by one."""

import time
from collections.abc import Callable
from typing import Any

from tests.system.graphs import Trail
from treadle.checkpoint.redis import RedisSaver
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.types import Command

MODES = ("park", "pinned", "auto_upgrade")
LENGTH = 4


def rolling(version: int, mode: Any, saver: RedisSaver | None = None) -> CompiledStateGraph:
    """Build a chain that ends in a fan-out; in version 2 a branch leads further, and so does the end."""
    builder = StateGraph(Trail).add_node("left", _left(version)).add_node("right", _stamp("right", version))
    builder.add_node("join", _stamp("join", version)).add_edge(["left", "right"], "join")
    for number in range(LENGTH):
        builder.add_node(f"step_{number}", _stamp(f"step_{number}", version))
        builder.add_edge(f"step_{number - 1}" if number else START, f"step_{number}")
    builder.add_edge(f"step_{LENGTH - 1}", "left").add_edge(f"step_{LENGTH - 1}", "right")
    if version == 2:
        builder.add_node("bonus", _stamp("bonus", version)).add_node("extra", _stamp("extra", version))
        builder.add_edge("join", "extra")
    return builder.compile(saver, name=mode, versioning=mode)


def _stamp(name: str, version: int) -> Callable[[Trail], dict[str, Any]]:
    def node(state: Trail) -> dict[str, Any]:
        time.sleep(0.1)
        return {"trail": [[name, version]]}

    return node


def _left(version: int) -> Callable[[Trail], Any]:
    def node(state: Trail) -> Any:
        time.sleep(0.1)
        return Command(update={"trail": [["left", version]]}, goto="bonus" if version == 2 else ())

    return node


_saver = RedisSaver()
first = [rolling(1, mode, _saver) for mode in MODES]
second = [rolling(2, mode, _saver) for mode in MODES]
#: The old version beside the new one, for the runs that are pinned to it.
first_pinned = first[1]
