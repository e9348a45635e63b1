"""The commands that our scripts call most, straight on fakeredis' own data: they cost less than the way to fakeredis'.

What is here does what fakeredis' command does to the same keys. Whatever is unusual about a call (another command, an
option, a wrong number of arguments, an entry id that does not rise) goes to fakeredis, and so does what it says then.
"""

import re
import time
from collections.abc import Callable
from typing import Any

from fakeredis import _msgs as msgs
from fakeredis._command_args_parsing import Float, Int
from fakeredis._core._database import Item
from fakeredis._helpers import SimpleError
from fakeredis.commands_mixins.scripting_mixin import _convert_redis_arg
from fakeredis.model import Hash, StreamEntryKey, XStream, ZSet

_MANY = 1 << 31
_ENTRY_ID = re.compile(rb"(\d{1,19})-(\d{1,19})")
_FIRST = StreamEntryKey(0, 0)


class Commands:
    """`redis.call` for the scripts of one fake server.

    Args:
        server: the server; what runs on it holds its lock.
        to_table: makes a Lua table of a list.
        otherwise: `redis.call` as fakeredis has it: a socket, the name of the command, its arguments.
    """

    def __init__(self, server: Any, to_table: Callable[[list[Any]], Any], otherwise: Callable[..., Any]) -> None:
        self._server = server
        self._table = to_table
        self._otherwise = otherwise
        # By name: the command, and how many arguments it takes here.
        self._all: dict[bytes, tuple[Callable[..., Any], range]] = {
            b"DEL": (self._del, range(1, _MANY)),
            b"HDEL": (self._hdel, range(2, _MANY)),
            b"HEXISTS": (self._hexists, range(2, 3)),
            b"HGET": (self._hget, range(2, 3)),
            b"HINCRBY": (self._hincrby, range(3, 4)),
            b"HMGET": (self._hmget, range(2, _MANY)),
            b"HSET": (self._hset, range(3, _MANY, 2)),
            b"HSETNX": (self._hsetnx, range(3, 4)),
            b"HSTRLEN": (self._hstrlen, range(2, 3)),
            b"HVALS": (self._hvals, range(1, 2)),
            b"LPUSH": (self._lpush, range(2, _MANY)),
            b"RPUSH": (self._rpush, range(2, _MANY)),
            b"TIME": (self._time, range(1)),
            b"XADD": (self._xadd, range(4, _MANY, 2)),
            b"ZADD": (self._zadd, range(3, 4)),
            b"ZREM": (self._zrem, range(2, _MANY)),
        }
        self._own: dict[bytes, tuple[Callable[..., Any], range]] = {}

    def begin(self, socket: Any) -> None:
        """Work for this socket from now on, as a script does that begins."""
        server, self._socket = self._server, socket
        self._db = database = socket._db
        self._items = database._dict
        # Nobody can begin to watch before the script has ended: that takes the server's lock.
        self._watched = bool(database._watches or database.condition._waiters or database._change_callbacks)
        # Whoever subscribed may have asked for what happens to keys, which only fakeredis tells.
        heard = any(server.subscribers.values()) or any(server.psubscribers.values())
        self._own = {} if heard else self._all

    def call(self, name: bytes, *args: Any) -> Any:
        """Run a command and return its reply, as Lua sees it."""
        command, lengths = self._own.get(name, _FOREIGN)
        if len(args) not in lengths:
            return self._hand_over(name, *args)
        for arg in args:
            if type(arg) is not bytes:
                args = tuple(map(_convert_redis_arg, args))
                break
        return command(*args)

    def _hand_over(self, name: bytes, *args: Any) -> Any:
        try:
            return self._otherwise(self._socket, name, *args)
        finally:
            if self._socket._db is not self._db:  # the command was SELECT
                self.begin(self._socket)

    def _value(self, key: bytes, kind: type[Any]) -> Any:
        """Return what a key holds; None when there is no such key."""
        item = self._items.get(key)
        if item is None:
            return None
        if item.expireat is not None and self._db.expired(item):
            del self._items[key]
            return None
        if type(item.value) is not kind:
            raise SimpleError(msgs.WRONGTYPE_MSG)
        if kind is Hash and item.value._expiry_heap:
            item.value._expire_keys()
        return item.value

    def _made(self, key: bytes, kind: type[Any]) -> Any:
        """Return what a key holds, for a command that puts something there."""
        value = self._value(key, kind)
        if value is None:
            value = kind()
            self._items[key] = Item(value)
        return value

    def _changed(self, key: bytes, value: object = True) -> None:
        """Wake those who wait for a key; it is gone when its value has become empty."""
        if not value:
            del self._items[key]
        if self._watched:
            self._db.notify_watch(key)

    def _fields(self, key: bytes) -> dict[bytes, bytes]:
        value = self._value(key, Hash)
        return _NOTHING if value is None else value._values

    def _del(self, *keys: bytes) -> int:
        deleted = 0
        for key in keys:
            item = self._items.pop(key, None)
            if item is not None and not self._db.expired(item):
                self._changed(key)
                deleted += 1
        return deleted

    def _hdel(self, key: bytes, *fields: bytes) -> int:
        value = self._value(key, Hash)
        known = [] if value is None else [field for field in dict.fromkeys(fields) if field in value._values]
        for field in known:
            del value[field]
        if known:
            self._changed(key, value._values)
        return len(known)

    def _hexists(self, key: bytes, field: bytes) -> int:
        return int(field in self._fields(key))

    def _hget(self, key: bytes, field: bytes) -> bytes | bool:
        return self._fields(key).get(field, False)

    def _hincrby(self, key: bytes, field: bytes, amount: bytes) -> int:
        fields, step = self._fields(key), Int.decode(amount)
        total = Int.decode(fields.get(field, b"0"), decode_error=msgs.INVALID_HASH_MSG) + step
        written = Int.encode(total)
        self._made(key, Hash)._values[field] = written
        self._changed(key)
        return total

    def _hmget(self, key: bytes, *fields: bytes) -> Any:
        known = self._fields(key)
        return self._table([known.get(field, False) for field in fields])

    def _hset(self, key: bytes, *pairs: bytes) -> int:
        value = self._made(key, Hash)
        before = len(value._values)
        fields = pairs[::2]
        value._values.update(zip(fields, pairs[1::2], strict=True))
        if value._expirations:
            for field in fields:
                value.clear_key_expireat(field)
        self._changed(key)
        return len(value._values) - before

    def _hsetnx(self, key: bytes, field: bytes, value: bytes) -> int:
        return 0 if field in self._fields(key) else self._hset(key, field, value)

    def _hstrlen(self, key: bytes, field: bytes) -> int:
        return len(self._fields(key).get(field, b""))

    def _hvals(self, key: bytes) -> Any:
        return self._table([*self._fields(key).values()])

    def _lpush(self, key: bytes, *values: bytes) -> int:
        entries = self._made(key, list)
        entries[:0] = values[::-1]
        self._changed(key)
        return len(entries)

    def _rpush(self, key: bytes, *values: bytes) -> int:
        entries = self._made(key, list)
        entries.extend(values)
        self._changed(key)
        return len(entries)

    def _time(self) -> Any:
        seconds, micros = divmod(round(time.time() * 1_000_000), 1_000_000)
        return self._table([b"%d" % seconds, b"%d" % micros])

    def _xadd(self, key: bytes, entry: bytes, *fields: bytes) -> Any:
        numbers = _ENTRY_ID.fullmatch(entry)
        stream = self._value(key, XStream) if numbers else None
        last = _FIRST if stream is None else stream.last_id
        wanted = StreamEntryKey(int(numbers[1]), int(numbers[2])) if numbers else _FIRST
        if wanted <= last:  # an option, an id that Redis makes, or one that it refuses
            return self._hand_over(b"XADD", key, entry, *fields)
        stream = self._made(key, XStream)
        stream.add(fields, wanted, *self._socket._stream_node_limits())
        self._changed(key)
        return wanted.encode()

    def _zadd(self, key: bytes, score: bytes, member: bytes) -> int:
        self._value(key, ZSet)
        number = 0.0 + Float.decode(score)
        members = self._made(key, ZSet)
        before = len(members)
        if members.add(member, number):
            self._changed(key)
        return len(members) - before

    def _zrem(self, key: bytes, *members: bytes) -> int:
        known = self._value(key, ZSet)
        if known is None:
            return 0
        before = len(known)
        for member in members:
            known.discard(member)
        deleted = before - len(known)
        if deleted:
            self._changed(key, known)
        return deleted


def _foreign() -> None:
    raise NotImplementedError


_FOREIGN: tuple[Callable[..., Any], range] = (_foreign, range(0))
_NOTHING: dict[bytes, bytes] = {}
