"""The same thing done with each of many threads: what goes wrong with one keeps no other one from it."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from graphs.errors import TreadleError
from scheduler.absence import ArchiveUnavailable
from scheduler.errors import StoreUnavailable

from ..exits import ExitCode
from ..rendering import print_line

#: After so many threads in a row whose file could not be written, the others are not tried: it is not about them.
_VAIN: Final = 5


@dataclass
class Many:
    """What became of many threads so far.

    Args:
        act: does it with one, and returns what is told of that; nothing where it is not to be done any more.
        told: puts that into words.
        as_json: whether it is told as JSON instead, a line for each thread.
    """

    act: Callable[[str], dict[str, Any] | None]
    told: Callable[[dict[str, Any]], str]
    as_json: bool
    done: int = 0
    left_alone: int = 0
    failed: int = 0
    _vain: int = 0

    def do(self, names: Sequence[str]) -> ExitCode:
        """Do it with each, and return with which code the command ends.

        How far it has come is shown on a terminal; anywhere else a summary is told only where something failed.

        Raises:
            StoreUnavailable: Redis does not answer.
            ArchiveUnavailable: several files in a row could not be read or written.
        """
        try:
            for name in self._shown(names):
                self._one(name)
        finally:
            if self.failed or sys.stderr.isatty():
                rest = f"{self.failed} failed, {self.left_alone} left alone as something has happened to them"
                click.echo(f"{self.done} of {len(names)} threads done; {rest}.", err=True)
        return ExitCode.FAILED if self.failed else ExitCode.OK

    def _one(self, name: str) -> None:
        try:
            answer = self.act(name)
        except StoreUnavailable:
            raise
        except TreadleError as error:
            self._note(name, error)
            return
        self._vain = 0
        if answer is None:
            self.left_alone += 1
            return
        self.done += 1
        print_line(answer) if self.as_json else click.echo(self.told(answer))

    def _note(self, name: str, error: TreadleError) -> None:
        self.failed += 1
        click.echo(f"{name}: {error}", err=True)
        self._vain = self._vain + 1 if isinstance(error, ArchiveUnavailable) else 0
        if self._vain == _VAIN:
            raise error

    @staticmethod
    def _shown(names: Sequence[str]) -> Sequence[str] | Any:
        """Return the names, with a bar on a terminal that shows no lines of its own."""
        if sys.stdout.isatty() or not sys.stderr.isatty():
            return names
        from rich.console import Console
        from rich.progress import track

        return track(names, "threads", console=Console(stderr=True))
