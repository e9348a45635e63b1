"""What can be wrong with a Redis: told from the errors of redis-py, with what to do about it."""

import re
from dataclasses import dataclass

from redis import exceptions


@dataclass(frozen=True, slots=True)
class Ailment:
    """One thing that keeps a Redis from doing its work."""

    #: What is wrong, after "because".
    told: str
    remedy: str
    #: Whether it passes, so that asking again is worth the while.
    passes: bool = True
    #: Whether another server may have its place by now, so that a connection is to be opened anew.
    moved: bool = False


UNREACHABLE = Ailment("it does not answer", "Is it running, and is TREADLE_REDIS_URL its address?")

_BY_CODE = {
    "OOM": Ailment("it is full", "Raise its maxmemory, or make room with `treadle delete THREAD`."),
    "READONLY": Ailment(
        "it is a replica, which takes no writes",
        "After a fail-over TREADLE_REDIS_URL has to lead to the new primary; sentinel:// and cluster:// find it.",
        moved=True,
    ),
    "MASTERDOWN": Ailment("it is a replica that lost its primary", "Bring the primary back, or fail over.", moved=True),
    "LOADING": Ailment("it still loads its data", "It answers once it has."),
    "CLUSTERDOWN": Ailment("a part of the cluster has no primary", "Look at `redis-cli cluster info`."),
    "TRYAGAIN": Ailment("the cluster moves a part of its data", "It goes on once that has moved."),
    "BUSY": Ailment("a script keeps it busy", "`redis-cli slowlog get` shows it, `script kill` ends it."),
    "MISCONF": Ailment("it cannot write to its disk", "Make room on the disk, and look at its log."),
    "NOREPLICAS": Ailment("it has fewer replicas than min-replicas-to-write", "Bring its replicas back."),
    "MOVED": Ailment("it is a node of a cluster", "Write cluster:// in TREADLE_REDIS_URL.", passes=False),
    "WRONGPASS": Ailment("it refuses the login", "Put user and password into TREADLE_REDIS_URL.", passes=False),
}
#: The first that an error is an instance of decides.
_BY_TYPE: tuple[tuple[type[Exception], Ailment], ...] = (
    (exceptions.AuthenticationError, _BY_CODE["WRONGPASS"]),
    (exceptions.BusyLoadingError, _BY_CODE["LOADING"]),
    (exceptions.OutOfMemoryError, _BY_CODE["OOM"]),
    (exceptions.ReadOnlyError, _BY_CODE["READONLY"]),
    (exceptions.MasterDownError, _BY_CODE["MASTERDOWN"]),
    (exceptions.ClusterDownError, _BY_CODE["CLUSTERDOWN"]),
    (exceptions.TryAgainError, _BY_CODE["TRYAGAIN"]),
    (exceptions.AskError, _BY_CODE["MOVED"]),  # MovedError is one of them
    (exceptions.ConnectionError, UNREACHABLE),
    (exceptions.TimeoutError, UNREACHABLE),
)
#: The code of an error, also where a server before Redis 7 tells what a script met: "... @user_script: 9: -OOM ...".
_CODE = re.compile(rf"(?:^|[ :]-)({'|'.join(_BY_CODE)}) ")


def ailment_of(error: object) -> Ailment | None:
    """Return what is wrong with a Redis that answered with an error, or not at all; None: it does its work."""
    if not isinstance(error, exceptions.RedisError):
        return None
    found = next((ailment for kind, ailment in _BY_TYPE if isinstance(error, kind)), None)
    code = None if found or not isinstance(error, exceptions.ResponseError) else _CODE.search(str(error))
    return _BY_CODE[code[1]] if code else found
