"""The scripts about runs that are to begin, one typed method each; called as those of ``scripts.py`` are."""

from .scripts import Place, Scripts


class StartScripts(Scripts):
    """Runs the scripts about runs that are to begin."""

    def put_start(self, place: Place, **args: str | int | bytes) -> bool:
        """Note a run that is to begin; return whether it was new."""
        return bool(self._run("put_start", place, args))

    def look_at_start(self, place: Place, **args: str | int) -> str | None:
        """Look at a run that is to begin; return the queue of the message about it, or None for nothing to do."""
        queue = self._run("look_at_start", place, args)
        return None if queue is None else str(queue.decode())

    def put_off_start(self, place: Place, **args: str | int) -> bool:
        """Let a run begin later; return whether it still waits."""
        return bool(self._run("put_off_start", place, args))

    def settle_start(self, place: Place, **args: str | bytes) -> bool:
        """Forget that a run was to begin; return whether it never will."""
        return bool(self._run("settle_start", place, args))
