"""A place of its own for a whole deployment: where it runs, where its data lies, and which processes are its own."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

_ROOT = Path(__file__).parent.parent.parent


class Home:
    """An empty folder to run in, and a data folder by which every process of the deployment is known."""

    def __init__(self, folder: Path) -> None:
        self.work, self.data = folder / "work", folder / "data"
        self.work.mkdir()
        others = {name: value for name, value in os.environ.items() if not name.startswith("TREADLE_")}
        self.environment = {**others, "TREADLE_DATA": str(self.data), "PYTHONPATH": str(_ROOT)}

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, without a terminal."""
        return subprocess.run(
            command, cwd=self.work, env=self.environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """Start a command."""
        return subprocess.Popen(
            command,
            cwd=self.work,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def processes(self) -> list[psutil.Process]:
        """Return the processes that know the data folder."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def left(self) -> list[str]:
        """Return their command lines."""
        found = []
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):  # it has ended since it was seen, and may still be a zombie
                found.append(" ".join(process.cmdline()))
        return found

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            told = " ".join([*process.cmdline(), *process.environ().values()])
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            return False
        return str(self.data) in told
