"""The leash: a child ends with its parent, however that ended."""

import signal
import subprocess
import sys

CHILD = """
import signal, threading
from workers.leash import follow_parent
stopped = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopped.set())
follow_parent()
print("ready", flush=True)
while not stopped.wait(0.05): pass
print("asked to end", flush=True)
"""
FORKING = "import os, sys; from workers.leash import follow_parent; follow_parent(); pid = os.fork()\n" + (
    "if pid == 0: sys.stdin.close(); os._exit(7)\nprint(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
)


def start(script: str) -> "subprocess.Popen[str]":
    """Start a leashed child."""
    return subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_child_is_asked_to_end_when_its_parent_is_gone() -> None:
    with start(CHILD) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"

        output, _ = child.communicate()  # closes the pipe, as the end of the parent does

    assert output == "asked to end\n"
    assert child.returncode == 0


def test_a_child_goes_on_while_its_parent_lives() -> None:
    with start(CHILD) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"

        assert child.poll() is None

        child.send_signal(signal.SIGTERM)


def test_a_process_that_is_forked_meanwhile_can_close_its_input() -> None:
    with start(FORKING) as child:
        assert child.stdout is not None

        assert child.stdout.readline() == "7\n"
