"""What every part of the scheduler works with: one Redis, its key names, its scripts, and the way to the workers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis import Redis

from .bytes_redis import BytesRedis, reading
from .checkpoints import CheckpointStore
from .dispatch import Dispatcher
from .keys import Keys, ThreadKeys
from .scripts import Place, Scripts
from .sealing import Sealing
from .serde import Serde
from .witness import NOBODY, Witness

if TYPE_CHECKING:  # pydantic would be a third of what a client imports, and is needed only once one connects
    from .settings import Settings


@dataclass(frozen=True, slots=True)
class Connection:
    """One store and its dispatcher; built once by a process and handed to everything that works on threads."""

    redis: BytesRedis
    #: The same client, for those who bring their own types.
    client: Redis
    settings: "Settings"
    keys: Keys
    scripts: Scripts
    serde: Serde
    sealing: Sealing
    checkpoints: CheckpointStore
    dispatcher: Dispatcher
    #: Who is told of runs that begin and end.
    witness: Witness = NOBODY

    def place(self, thread_id: str, run_id: str = "", ns: str = "") -> Place:
        """Return the keys of a thread, one of its runs and one of its frames."""
        return Place(self.keys.of_thread(thread_id), run_id, ns)

    def stored(self, value: Any, where: str, key: str, field: str = "") -> bytes:
        """Return a value as it is stored in a key of Redis, and there in a field; ``where`` names it in errors.

        Raises:
            NotSerializable, StateTooLarge: it cannot be stored.
        """
        return self.sealing.seal(self.serde.dumps(value, where), key, field)

    def restored(self, data: bytes, key: str, field: str = "") -> Any:
        """Return a value that was stored there.

        Raises:
            KeyMissing, SealBroken: it cannot be read here, or is not to be trusted.
        """
        return self.serde.loads(self.sealing.open(data, key, field))

    def words(self, keys: ThreadKeys, text: str) -> str | dict[str, str]:
        """Return what an error says as a thread's log keeps it."""
        return self.sealing.seal_words(text, keys.log)

    def now_ms(self) -> int:
        """Return the moment by Redis' clock, which counts for everybody."""
        seconds, micros = self.redis.time()
        return seconds * 1000 + micros // 1000

    def log_end(self, thread_id: str) -> int:
        """Return the sequence number of the last thing that happened to a thread; 0 for none."""
        return int(self.redis.hget(self.keys.of_thread(thread_id).thread, "seq") or 0)


def open_connection(
    client: Redis, settings: "Settings", dispatcher: Dispatcher, witness: Witness = NOBODY
) -> Connection:
    """Return a connection over a Redis client that returns bytes."""
    serde, sealing, reader = Serde(limit_bytes=settings.max_value_bytes), settings.sealing(), reading(client)
    return Connection(
        reader,
        client,
        settings,
        Keys(settings.prefix),
        Scripts(client),
        serde,
        sealing,
        CheckpointStore(reader, serde, sealing, settings.max_state_bytes),
        dispatcher,
        witness,
    )
