"""The end of a thread that has rested for as long as it is kept: by Redis' clock, and as a whole."""

from .connection import Connection
from .ending_scripts import EndingScripts


class Expiry:
    """Deletes threads whose time is over."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._scripts = EndingScripts(connection.client)

    def look_at(self, thread_id: str) -> bool:
        """Delete a thread if its time is over; return whether it was.

        One that runs, or waits for a person, stays: with its next run, or its end, its time begins anew.
        """
        place, answer = self._connection.place(thread_id), "more"
        while answer == "more":
            run_ids = [run.decode() for run in self._connection.redis.lrange(place.keys.runs, 0, -1)]
            frames = [ns.decode() for ns in self._connection.redis.smembers(place.keys.frames)]
            answer = self._scripts.expire_thread(place, run_ids, frames)
        if answer == "expired":
            self._connection.checkpoints.forget(place.keys)
        return answer == "expired"
