"""The scripts about the end of a thread's life, one typed method each; called as those of ``scripts.py`` are."""

from collections.abc import Sequence
from typing import Any

from .json_text import encoded
from .scripts import Place, Request, Scripts


class EndingScripts(Scripts):
    """Runs the scripts that free, restore, expire and prune threads."""

    def free_thread(self, place: Place, request: Request, run_ids: Sequence[str], frames: Sequence[str]) -> list[Any]:
        """Free what an archived thread holds; return freed, busy (by which run, since when), unknown or moved."""
        return self._strings(self._run("free_thread", place, request.args(), self._owned(place, run_ids, frames)))

    def restore_thread(self, place: Place, request: Request, becoming: Sequence[str]) -> list[Any]:
        """Let a thread appear that was put together elsewhere; return restored, or refused and the thread's status."""
        return self._strings(self._run("restore_thread", place, request.args(), becoming))

    def expire_thread(self, place: Place, run_ids: Sequence[str], frames: Sequence[str]) -> str:
        """Delete a thread whose time is over; return expired, more, or nothing."""
        args = {"token": place.keys.token, "runs": encoded([*run_ids])}
        return str(self._run("expire_thread", place, args, self._owned(place, run_ids, frames)).decode())

    def prune_frame(self, place: Place, request: Request) -> list[Any]:
        """Drop old checkpoints of a frame; return pruned and the log's new end, or moved, busy or refused."""
        return self._strings(self._run("prune_frame", place, request.args()))
