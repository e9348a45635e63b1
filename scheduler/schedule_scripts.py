"""The scripts about schedules, one typed method each; called as those of ``scripts.py`` are."""

from collections.abc import Mapping

from .calling import Call
from .keys import ScheduleKeys
from .lua_files import load
from .scripts import Scripts


class ScheduleScripts(Scripts):
    """Runs the scripts about schedules."""

    def put_schedule(self, keys: ScheduleKeys, **args: str | bytes) -> bool:
        """Store a schedule; return whether there was none of its id, or it was to be replaced."""
        return self._on("put_schedule", keys, args)

    def set_schedule(self, keys: ScheduleKeys, **args: str | bytes) -> bool:
        """Pause a schedule, or let it go on; return whether it is there."""
        return self._on("set_schedule", keys, args)

    def advance_schedule(self, keys: ScheduleKeys, **args: str | int | bytes) -> bool:
        """Move a schedule on; return whether nobody else has."""
        return self._on("advance_schedule", keys, args)

    def delete_schedule(self, keys: ScheduleKeys, **args: str | bytes) -> bool:
        """Delete a schedule; return whether it was there."""
        return self._on("delete_schedule", keys, args)

    def _on(self, name: str, keys: ScheduleKeys, args: Mapping[str, str | int | bytes]) -> bool:
        source = load(name)
        named = [str(getattr(keys, key)) for key in source.keys]
        return bool(self._caller.call(Call(name, named, [args[arg] for arg in source.args])))
