"""The scripts about runs that are to begin, one typed method each; called as those of ``scripts.py`` are."""

from .scripts import Place, Request, Scripts


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

    def put_input(self, place: Place, request: Request, waiting: str) -> str:
        """Let an input wait for its turn, as the run that has this key; return waits, ended, free or moved."""
        return str(self._run("put_input", place, request.args(), [waiting]).decode())

    def look_at_inputs(self, place: Place, **args: str | int) -> str | None:
        """Look at the inputs of a thread that wait; return the run that is to begin, or None."""
        run_id = self._run("look_at_inputs", place, args)
        return None if run_id is None else str(run_id.decode())

    def move_input(self, place: Place, **args: str | int) -> bool:
        """Give an input another place in line; return whether it waits."""
        return bool(self._run("move_input", place, args))

    def release_inputs(self, place: Place, **args: str) -> bool:
        """Let inputs have their turn although a person is asked; return whether they waited for that."""
        return bool(self._run("release_inputs", place, args))

    def settle_start(self, place: Place, active: str, **args: str | bytes) -> bool:
        """Forget that a run was to begin; return whether it never will.

        Args:
            place: where it is.
            active: the key of the run that its thread is busy with.
            args: what the script takes.
        """
        return bool(self._run("settle_start", place, args, [active]))
