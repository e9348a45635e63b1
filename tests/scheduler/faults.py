"""The end of a process at one of its calls of Redis, or of anything else outside of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from fakeredis._socket._base import BaseFakeSocket

from scheduler.fake_client import LocalRedis

#: Where what is asked of a fake Redis comes by.
OF_REDIS: tuple[tuple[Any, str], ...] = ((BaseFakeSocket, "_process_command"), (LocalRedis, "_answer_script"))


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Faults:
    """Ends the process at one of its calls: before that has happened, or after."""

    at: int = 0
    after: bool = False
    seen: int = 0

    @classmethod
    def at_calls(cls, monkeypatch: pytest.MonkeyPatch, *calls: tuple[Any, str]) -> "Faults":
        """Return what may strike at calls: each is an attribute of something."""
        faults = cls()
        for owner, name in calls:
            monkeypatch.setattr(owner, name, faults._around(getattr(owner, name)))
        return faults

    def strikes(self, act: Callable[[], object], at: int, *, after: bool = False) -> bool:
        """Let an act die at its so many-th call; return whether it had that many."""
        self.at, self.after, self.seen = at, after, 0
        try:
            act()
        except Killed:
            return True
        finally:
            self.at = 0
        return False

    def _around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **options: Any) -> Any:
            self.seen += 1
            dies = self.seen == self.at
            if dies and not self.after:
                raise Killed
            answer = call(*args, **options)
            if dies:
                raise Killed
            return answer

        return called
