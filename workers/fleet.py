"""Child processes that belong together: started, looked after, and stopped with everything that they have started."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

#: Takes the name of a child, and a line.
Tell = Callable[[str, str], None]

_LONGEST_PAUSE_S = 30.0
#: A child that has lived so long has its earlier deaths forgiven.
_HEALTHY_S = 60.0
_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Role:
    """What a child is for."""

    name: str
    #: Of ``treadle``.
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    #: The gentle ways to stop it, and for how many seconds each is waited for; then it is killed.
    stops: tuple[tuple[signal.Signals, float], ...] = ((signal.SIGTERM, 10.0),)
    #: Those of a lower stage are stopped first, and all of one stage together.
    stage: int = 0
    #: Whether another one takes its place when it dies.
    restarts: bool = True


class Child:
    """One process, the leader of a group of its own: Ctrl-C does not reach it, and none of the group is left behind."""

    def __init__(self, role: Role, tell: Tell) -> None:
        self.role = role
        self.started_at = time.monotonic()
        self._is_gone = False
        self._process = subprocess.Popen(
            command(role.arguments),
            stdin=subprocess.PIPE,  # its leash
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(role.environment),
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(tell,), name=f"treadle-{role.name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process id, which is also the id of its group."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """With which code it ended; None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """Stop it in the gentlest way that works."""
        for how, patience_s in self.role.stops:
            if self.code is None:
                self._process.send_signal(how)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(patience_s)
        self.kill()

    def hurry(self) -> None:
        """Ask it to end in the last of the gentle ways; whoever waits in ``stop`` goes on as soon as it has ended."""
        if self.code is None:
            self._process.send_signal(self.role.stops[-1][0])

    def kill(self) -> None:
        """Kill it with its whole group, and what is left of the group of one that is dead."""
        if self._is_gone:
            return  # its number may be somebody else's by now
        with suppress(ProcessLookupError, PermissionError):  # macOS says so of a group of dead processes
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._is_gone = True
        self._reader.join(1.0)  # what it said last
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _read(self, tell: Tell) -> None:
        if self._process.stdout is not None:
            with self._process.stdout as output:
                for line in output:
                    tell(self.role.name, line.rstrip("\n"))


class Fleet:
    """Several children; those that die are replaced, ever later the more often they do.

    Args:
        tell: is given what the children print.
        announce: is given what there is to say about them.
    """

    def __init__(self, tell: Tell, announce: Tell) -> None:
        self._tell = tell
        self._announce = announce
        self._children: list[Child] = []
        self._deaths: dict[str, int] = {}
        #: When the successors of those that died start.
        self._due: list[tuple[float, Role]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def children(self) -> Sequence[Child]:
        """Those that were started and not replaced, in the order of their start."""
        return tuple(self._children)

    def start(self, role: Role) -> Child:
        """Start a child."""
        child = Child(role, self._tell)
        self._children.append(child)
        return child

    def tend(self) -> None:
        """Tell about each child that died, and start its successor when its time has come."""
        for child in [child for child in self._children if child.code is not None]:
            self._bury(child)
        now = time.monotonic()
        ready = [role for at, role in self._due if at <= now]
        self._due = [(at, role) for at, role in self._due if at > now]
        for role in ready:
            self.start(role)

    def kill(self, child: Child) -> None:
        """Kill a child on purpose: nobody takes its place."""
        self._children.remove(child)
        child.kill()

    def stop(self) -> None:
        """Stop all, stage by stage; none is left, also when this is interrupted."""
        self._due.clear()
        with ThreadPoolExecutor(thread_name_prefix="treadle-stop") as pool:
            try:
                for stage in sorted({child.role.stage for child in self._children}):
                    list(pool.map(Child.stop, [child for child in self._children if child.role.stage == stage]))
            finally:
                for child in self._children:
                    child.kill()
                self._children.clear()

    def hurry(self) -> None:
        """Make a stop that has begun quicker."""
        for child in self.children:
            child.hurry()

    def _bury(self, child: Child) -> None:
        self._children.remove(child)
        child.kill()
        role, lived_s = child.role, time.monotonic() - child.started_at
        if not role.restarts:
            self._announce(role.name, f"ended with code {child.code}; the others go on without it")
            return
        deaths = self._deaths[role.name] = 1 if lived_s > _HEALTHY_S else self._deaths.get(role.name, 0) + 1
        pause_s = min(_LONGEST_PAUSE_S, 2.0 ** (deaths - 1))
        self._due.append((time.monotonic() + pause_s, role))
        self._announce(
            role.name, f"ended with code {child.code} after {lived_s:.0f} s; another one starts in {pause_s:g} s"
        )


def command(arguments: Sequence[str]) -> list[str]:
    """Return the command line that runs ``treadle`` with this interpreter."""
    # Without -P, Python would look for "workers" and "graphs" in the current folder first, where a user has such
    # folders of their own; only a checkout that is not installed has to be found there.
    safe = [] if Path.cwd() == _ROOT else ["-P"]
    return [sys.executable, *safe, "-m", "treadle", *arguments]
