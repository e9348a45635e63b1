"""Who may do what in Redis: a user for each role, with the commands, keys and channels that it needs and no others.

What the scripts send is read from them: Redis checks the commands inside of a script as those of whoever calls it.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from scheduler import lua_files
from scheduler.keys import Keys

from .app import queue_prefix
from .exits import Refused
from .flower import PASSWORD as FLOWER_LOGIN
from .settings import WorkerSettings

_PASSWORD = "TREADLE_REDIS_PASSWORD_"  # nosec B105  # how names of variables begin
_PASSWORD_BYTES = 24

#: What only a scheduler does.
_OF_SCHEDULERS = (
    "take_due", "redispatch_step", "look_at_run", "look_at_start", "take_delivery", "expire_thread",
)  # fmt: skip
_BY_SCHEDULERS = (
    *_OF_SCHEDULERS,
    "look_at_inputs",
    "look_at_thread",
    "start_run",
    "end_run",
    "forget_deadlines",
    "pack_log",
    "pack_chunks",
    "put_delivery",
    "put_start",
    "advance_schedule",
)
#: What closes, copies, archives, prunes, seals anew and deletes threads, and what starts them by the clock: no node's
#: business.
_CLOSING = (
    "delete_thread", "set_status", "free_thread", "restore_thread", "prune_frame", "reseal_stream", "reseal_value",
    "put_schedule", "set_schedule", "advance_schedule", "delete_schedule",
)  # fmt: skip

#: Nobody logs in as it, for it is off. It has all rights, because Redis loads its append-only file with those of this
#: user: what they do not allow of a script's writes (MULTI ... EXEC there) is dropped, and Redis starts without it.
_DEFAULT = "user default reset off ~* &* +@all"

# No more of a connection than to open it: not to see those of others, or to close them.
_TO_CONNECT = ("+@connection", "-@dangerous", "-@admin")
_TO_RUN_SCRIPTS = ("eval", "evalsha", "script|load", "script|exists", "time", "wait")
_TO_READ_THREADS = (
    "hget", "hgetall", "hkeys", "hmget", "hvals", "hstrlen", "lindex", "llen", "lrange", "smembers", "xrange",
    "xrevrange", "xread", "zrange", "zcount", "zmscore", "multi", "exec",
)  # fmt: skip
_TO_SHARE = (
    "get", "hmget", "sadd", "smembers", "unlink", "vcard", "vsim", "zlexcount", "zrem", "zrange", "zrangebylex",
    "multi", "exec",
)  # fmt: skip
#: What an index of the memory's vectors takes. A server without vector sets refuses a file that names it.
_OF_VECTOR_SETS = frozenset({"vadd", "vcard", "vgetattr", "vrem", "vsim"})
_TO_PUBLISH = ("lpush", "sadd", "smembers", "publish", "multi", "exec")
_TO_ASK_WORKERS = (
    "brpop", "del", "llen", "multi", "exec", "pexpire", "publish", "sadd", "smembers", "srem",
    # what kombu's own scripts send, which forget the queues for replies
    "evalsha", "exists", "script|load", "script|exists", "time", "zadd", "zrangebyscore", "zrem",
)  # fmt: skip
_TO_CONSUME = (
    *_TO_ASK_WORKERS, "lpush", "psubscribe", "punsubscribe", "subscribe", "unsubscribe",
    # with TREADLE_ACK_EMULATION alone
    "hdel", "hget", "hset", "rpush", "set", "unwatch", "watch", "zadd", "zrange", "zrem",
)  # fmt: skip
_TO_MEASURE = ("info", "memory|usage", "zcard", "zscan")
#: What KEDA sends: a script, for which Redis asks for all rights on the key, and which may then only look.
_TO_COUNT = ("eval", "evalsha", "llen", "type")
#: What `treadle reseal` sends beside its scripts.
_TO_RESEAL = ("get", "hscan", "zscan", "zscore")
_TO_COPY_THREADS = ("dump", "restore", "type", "hset", "pexpire", "rpush", "sadd", "unlink", "xadd")


@dataclass(frozen=True, slots=True)
class Role:
    """What one kind of process may do."""

    name: str
    commands: tuple[str, ...]
    #: Patterns of the keys that it reads and writes, only reads, and only writes; and of channels.
    keys: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    #: Further rights: a command, and a pattern of the keys that are read with that command alone.
    selectors: tuple[tuple[str, str], ...] = ()

    def line(self, password: str, *, vector_sets: bool = False) -> str:
        """Return the role's line of an ACL file; it has the hash of the password alone.

        ``vector_sets``: whether it is for a server that has them.
        """
        commands = {*self.commands, *(command for name in self.scripts for command in lua_files.commands(name))}
        if not vector_sets:
            commands -= _OF_VECTOR_SETS
        rules = (
            "reset",
            "on",
            f"#{hashlib.sha256(password.encode()).hexdigest()}",
            *(f"~{pattern}" for pattern in self.keys),
            *(f"%R~{pattern}" for pattern in self.reads),
            *(f"%W~{pattern}" for pattern in self.writes),
            *(f"&{pattern}" for pattern in self.channels),
            *_TO_CONNECT,
            *(f"+{command}" for command in sorted(commands)),
            *(f"(+{command} %R~{pattern})" for command, pattern in self.selectors),
        )
        return " ".join(("user", self.name, *rules))


#: The names of the roles, and what each is for.
ROLES: Final[Mapping[str, str]] = {
    "worker": "runs steps",
    "scheduler": "sends on what fell due",
    "client": "an application: begins runs, reads and changes threads, takes no step from a queue",
    "operator": "the command line: a client that may ask the workers, for `treadle doctor`",
    "flower": "sees the workers' events and how long the queues are, and no thread",
    "scaler": "an autoscaler (KEDA): sees how long the queues are, and nothing else",
    "backup": "copies the whole of Redis (redis-cli --rdb), and changes nothing",
}


def roles(settings: WorkerSettings, database: int = 0) -> Iterator[Role]:
    """Yield the roles of a deployment, in the order of ROLES.

    Args:
        settings: whose prefix the keys have.
        database: the number of the database that the broker uses, which its channels name.
    """
    keys, broker = Keys(settings.prefix), queue_prefix(settings)
    threads, shared = keys.glob_of_threads(), (keys.glob_of_memory(), *keys.globs_of_cache())
    schedules, limits = keys.glob_of_schedules(), keys.glob_of_limits()
    bindings, replies = f"{broker}_kombu.binding*", f"{broker}*.reply.celery.pidbox*"
    events, control = f"{broker}/{database}.celeryev/*", f"{broker}/{database}.celery.pidbox"
    gossip = f"{broker}/{database}.celeryev/worker.*"
    every = tuple(lua_files.names())
    by_clients = tuple(name for name in every if name not in _OF_SCHEDULERS)
    by_workers = tuple(name for name in by_clients if name not in _CLOSING)
    use_threads = (*_TO_RUN_SCRIPTS, *_TO_READ_THREADS, *_TO_PUBLISH)
    use = (*use_threads, *_TO_SHARE)
    for_clients = (*use, *_TO_COPY_THREADS)
    queues = f"{broker}*"
    by_steps, heard = (threads, limits, *shared, queues), (events, gossip, control)
    yield Role("worker", (*use, *_TO_CONSUME), by_steps, (), (), heard, by_workers)
    reads = (("llen", queues),)  # how long queues are, and nothing of what is in them
    of_scheduler, theirs = (*use_threads, *_TO_MEASURE), (threads, schedules, bindings)
    yield Role("scheduler", of_scheduler, theirs, (limits,), (queues,), (events,), _BY_SCHEDULERS, reads)
    yield Role("client", for_clients, (threads, schedules, *shared, bindings), (), (queues,), (events,), by_clients)
    yield Role(
        "operator",
        (*for_clients, *_TO_ASK_WORKERS, *_TO_RESEAL, "acl|whoami", "info"),
        (threads, schedules, *shared, bindings, replies),
        (limits,),
        (queues,),
        (events, control),
        by_clients,
    )
    yield Role(
        "flower",
        (*_TO_ASK_WORKERS, "psubscribe", "punsubscribe"),
        (bindings, replies),
        (queues,),
        (),
        (events, control),
    )
    yield Role("scaler", _TO_COUNT, (queues,))
    yield Role("backup", ("psync", "sync", "replconf"))


def lines(settings: WorkerSettings, database: int = 0, *, vector_sets: bool = False) -> Iterator[str]:
    """Yield the lines of the ACL file; the passwords are those of the environment.

    Args:
        settings: whose prefix the keys have.
        database: the number of the database that the broker uses.
        vector_sets: whether the server has vector sets, which only those may name that have them.

    Raises:
        Refused: the environment lacks the password of a role.
    """
    missing = [variable for name in ROLES if not os.environ.get(variable := variable_of(name))]
    if missing:
        raise Refused(
            f"{', '.join(missing)} are not set, and there are no default passwords: "
            "`treadle acl --new-passwords >> .env` makes some, and `set -a; . ./.env` sets them."
        )
    yield _DEFAULT
    for role in roles(settings, database):
        yield role.line(os.environ[variable_of(role.name)], vector_sets=vector_sets)


def new_passwords() -> Iterator[str]:
    """Yield a line NAME=VALUE for the password of every role, and for the login of Flower; safe inside of URLs."""
    for variable in (*map(variable_of, ROLES), FLOWER_LOGIN):
        yield f"{variable}={secrets.token_urlsafe(_PASSWORD_BYTES)}"


def variable_of(role: str) -> str:
    """Return the name of the environment variable with a role's password."""
    return f"{_PASSWORD}{role.upper()}"
