"""The chain over a thread's log: each entry's hash covers its place, its text and the hash of the entry before it."""

import hashlib
import json
from dataclasses import dataclass, field

from .bytes_redis import StreamEntry


@dataclass(slots=True)
class LogChain:
    """A log gone through from its first entry on: what the scripts' chain says of it, and a stronger one beside it.

    Redis' scripts offer SHA-1, and whoever writes texts of their own into a log may one day find two of which it says
    the same. The digest is SHA-256 over the same things, for heads that are kept elsewhere.
    """

    #: The key of the thread, with which both chains begin: a log is that of one thread.
    thread_key: str
    hash: str = field(init=False)
    #: The SHA-256 after the last entry, and after the first one.
    digest: str = field(init=False)
    first: str = ""
    #: The last entry, and how many there were.
    seq: int = 0
    entries: int = 0
    #: The last entry that says where the root of the thread stands.
    placing: bytes = b""

    def __post_init__(self) -> None:
        self.hash = chain_start(self.thread_key)
        self.digest = hashlib.sha256(self.thread_key.encode()).hexdigest()

    def take(self, entry: StreamEntry) -> bool:
        """Take the next entry; return whether its own hash is the one that it must have."""
        id_, fields = entry
        text = fields.get(b"entry", b"")
        self.hash = chained(self.hash, id_, text)
        self.digest = hashlib.sha256(self.digest.encode() + id_ + text).hexdigest()
        self.first = self.first or self.digest
        self.seq, self.entries = sequence(id_), self.entries + 1
        if b'"checkpoint":' in text and b'"ns":' not in text:  # keys of the entry: inside of a text, quotes are escaped
            self.placing = text
        return fields.get(b"hash") == self.hash.encode()

    @property
    def cursor(self) -> str | None:
        """The checkpoint on which the root of the thread stands, as far as the log says so."""
        known = json.loads(self.placing) if self.placing else None
        return known.get("checkpoint") if isinstance(known, dict) else None


def chain_start(thread_key: str) -> str:
    """Return the hash that the first entry of a thread's log goes on from."""
    return hashlib.sha1(thread_key.encode(), usedforsecurity=False).hexdigest()


def chained(before: str, id_: bytes, text: bytes) -> str:
    """Return the hash of an entry, which covers its place and the hash of the entry before it."""
    return hashlib.sha1(before.encode() + id_ + text, usedforsecurity=False).hexdigest()


def sequence(stream_id: bytes) -> int:
    """Return the sequence number of a stream entry."""
    return int(stream_id.partition(b"-")[0])
