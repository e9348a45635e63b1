"""Nodes that end the process they run in, each in its own way, and one that only stands by."""

import ctypes
import os
import resource
import signal
import sys
import time
from typing import Any

from tests.system.graphs import Trail
from treadle.checkpoint.redis import RedisSaver
from treadle.graph import CompiledStateGraph, StateGraph


def poison(saver: RedisSaver | None = None) -> CompiledStateGraph:
    """Build a graph of which the trail's first word picks a node; those with "_threads" run on a queue of that name."""
    builder = StateGraph(Trail)
    for name, node in NODES.items():
        builder.add_node(name, node).add_node(f"{name}_threads", node, queue="threads")
    return builder.set_conditional_entry_point(lambda state: state["trail"][0]).compile(saver, name="poison")


def _segfault(state: Trail) -> None:
    ctypes.string_at(0)


def _exit_at_once(state: Trail) -> None:
    os._exit(3)


def _kill(state: Trail) -> None:
    os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when memory is short


def _abort(state: Trail) -> None:
    os.abort()


def _eat_memory(state: Trail) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, hard))
    try:
        while True:
            state["trail"].append(bytearray(1 << 26))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _leave(state: Trail) -> None:
    sys.exit(3)


async def _leave_loop(state: Trail) -> None:
    sys.exit(3)


def _interrupt(state: Trail) -> None:
    raise KeyboardInterrupt


async def _stand_by_loop(state: Trail) -> dict[str, Any]:
    return {"trail": ["alive"]}


def _stand_by(state: Trail) -> dict[str, Any]:
    time.sleep(1)
    return {"trail": ["alive"]}


NODES = {
    "segfault": _segfault,
    "exit": _exit_at_once,
    "kill": _kill,
    "abort": _abort,
    "eat": _eat_memory,
    "leave": _leave,
    "leave_loop": _leave_loop,
    "interrupt": _interrupt,
    "stand_by": _stand_by,
    "stand_by_loop": _stand_by_loop,
}

graph = poison(RedisSaver())
