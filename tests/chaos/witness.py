"""What ran, told by the nodes themselves: a line in a file for each call, outside of everything that Treadle stores."""

import os
from collections import Counter
from pathlib import Path

from treadle.runtime import Runtime

#: Names the file; without it nobody is told.
FILE = "CHAOS_WITNESS"


def tell(runtime: Runtime[None], node: str) -> None:
    """Add a line on the call of a node; one write, so that lines of many processes never mix."""
    path, info = os.environ.get(FILE), runtime.execution_info
    if not path or info is None:
        return
    line = "\t".join((info.thread_id, info.task_id, node, str(info.node_attempt), str(os.getpid())))
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, f"{line}\n".encode())
    finally:
        os.close(file)


def calls(path: Path) -> Counter[tuple[str, str]]:
    """Return how often each step was called: (thread, step) -> calls."""
    if not path.exists():
        return Counter()
    lines = path.read_text(encoding="utf-8").splitlines()
    return Counter((thread, step) for thread, step, *_ in (line.split("\t") for line in lines))
