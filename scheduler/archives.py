"""Threads out of the store and back: each one as a file, and the store freed once that is safely there.

A thread is read, its file written and read again, and only then freed, by a script that does nothing where anything
has happened to the thread since it was read. So whatever dies in between leaves the thread whole in the store, and a
file more at the most, of the same name the next time.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from . import depot, holdings
from .absence import ArchiveBroken, ArchiveUnavailable
from .archive import SUFFIX, Archive, Manifest, broken_log, checked, packed, resealed, unpacked
from .connection import Connection
from .copying import COPIED_FIELDS, COPIED_OF_FRAMES
from .deliveries import telling
from .ending_scripts import EndingScripts
from .errors import InputsWaiting, InvalidConfig, ThreadBusy, ThreadNotFound, TransitionNotAllowed
from .holdings import Part
from .ids import check_thread_id
from .lifecycle import ThreadEvent, ThreadStatus
from .log import Log
from .scripts import Request
from .sealing import Sealing
from .thread import Thread
from .threads import ThreadStore

#: What stays of a thread in the store, beside where it is.
_KEPT: Final = ("created", "graph", "metadata", "seq", "head")
#: What must be as it was read when the thread is freed; each event changes one of them.
_SEEN: Final = ("status", "seq", "head", "updated", "nonce")
_LONGEST_NAME: Final = 150
_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Archived:
    """A thread that is in a file."""

    thread: str
    url: str
    #: SHA-256 over the content: the same whatever key seals it.
    digest: str
    #: The size of the file; 0 where it was there already.
    size: int = 0


class ArchiveStore:
    """Archives threads, and brings them back.

    Args:
        connection: the store.
        threads: the store's threads.
    """

    def __init__(self, connection: Connection, threads: ThreadStore) -> None:
        self._connection, self._threads = connection, threads
        self._scripts = EndingScripts(connection.client)

    def put(self, thread_id: str, url: str) -> Archived:
        """Write a thread that rests to a file, and free the store of it.

        One that is archived already stays where it is. A call that was cut short is repeated.

        Args:
            thread_id: the thread.
            url: a folder, in which the file is named after the thread and its content; or, ending with ``.treadle``,
                the file. A path, or any URL of fsspec's.

        Raises:
            ThreadNotFound: there is no such thread.
            ThreadBusy: a run is active on it.
            TransitionNotAllowed: a run is to begin on it later, or a webhook is still to be told how one ended.
            InputsWaiting: inputs wait for their turn on it.
            LogAltered: the chain of its log does not hold.
            ArchiveUnavailable: the file cannot be written, or is there already and is another one.
        """
        thread_id = check_thread_id(thread_id)
        while True:
            thread = self._threads.get(thread_id)
            if thread.archive is not None:
                return Archived(thread_id, thread.archive, thread.archive_digest or "")
            self._check_rest(thread)
            if (archived := self._put_once(thread_id, url)) is not None:
                return archived

    def restore(self, source: str, as_id: str | None = None) -> str:
        """Bring a thread back and return its id; the file stays where it is.

        Under its own id it is what it was, with its runs and its log, which goes on; under another one it is a copy,
        as ``threads.copy`` makes them. What was restored before, and has its thread in the store, is refused.

        Args:
            source: the id of a thread that is archived, or the URL of a file.
            as_id: another id for it.

        Raises:
            ThreadNotFound, ArchiveUnavailable, ArchiveBroken, ArchiveTooNew: it cannot be read.
            TransitionNotAllowed: there is a thread of this id.
        """
        url, digest = self.whereabouts(source)
        archive = self.read(url)
        if digest is not None and archive.manifest.content_sha256 != digest:
            raise ArchiveBroken(url, f"it is another one than thread {source!r} was put into")
        broken = broken_log(archive)
        if broken is not None:
            raise ArchiveBroken(url, broken)
        origin, target = archive.manifest.thread, check_thread_id(as_id or archive.manifest.thread)
        parts = archive.parts if target == origin else _as_copy(archive.parts)
        return self._restore(archive.manifest, url, target, parts)

    def read(self, url: str) -> Archive:
        """Return what a file holds.

        Raises:
            ArchiveUnavailable, ArchiveBroken, ArchiveTooNew, KeyMissing, SealBroken: it cannot be read, or is not to be
                trusted.
        """
        return unpacked(url, depot.read(url), self._connection.sealing)

    def whereabouts(self, source: str) -> tuple[str, str | None]:
        """Return the file that a URL or the id of an archived thread means, and the digest that the store knows of it.

        Raises:
            ThreadNotFound: it is neither.
            TransitionNotAllowed: it is a thread that is not archived.
        """
        if source.endswith(SUFFIX):
            return source, None
        thread = self._threads.get(source)
        if thread.archive is None:
            raise TransitionNotAllowed(source, thread.status, "be restored")
        return thread.archive, thread.archive_digest

    def idle(self, idle_ms: int, waiting: bool = False) -> list[str]:
        """Return the threads to which nothing has happened for some time, by Redis' clock, the oldest first.

        Those on which a run is to begin, or a webhook is to be told of one, are left out, and those that wait for a
        person, unless ``waiting`` asks for them.
        """
        before, pipeline = self._connection.now_ms() - idle_ms, self._connection.redis.pipeline(transaction=False)
        for key in self._connection.keys.thread_indexes():
            pipeline.zrange(key, "-inf", before, byscore=True, withscores=True)
        scored = sorted((pair for pairs in pipeline.execute() for pair in pairs), key=lambda pair: pair[1])
        names = [unquote(token.decode()) for token, _ in scored]
        return [name for name in names if self._rests(name, before, waiting)]

    def is_idle(self, thread_id: str, idle_ms: int, waiting: bool = False) -> bool:
        """Return whether a thread is one of those that ``idle`` finds, as it is now."""
        return self._rests(thread_id, self._connection.now_ms() - idle_ms, waiting)

    def _rests(self, thread_id: str, before_ms: int, waiting: bool) -> bool:
        thread = self._threads.find(thread_id)
        if thread is None or thread.archive is not None or thread.updated_ms > before_ms:
            return False
        if thread.status is ThreadStatus.PAUSED and not waiting:
            return False
        try:
            self._check_rest(thread)
        except (ThreadBusy, InputsWaiting, TransitionNotAllowed):
            return False
        return True

    def _check_rest(self, thread: Thread) -> None:
        """Refuse a thread that runs, or to which something is still to happen by itself."""
        redis, keys = self._connection.redis, self._connection.place(thread.id).keys
        if thread.run_id is not None:
            raise self._threads.busy(thread.id, thread.run_id, thread.since_ms or 0)
        if redis.zrange(keys.starts, 0, 0):
            raise TransitionNotAllowed(thread.id, "about to begin a run later", ThreadEvent.ARCHIVE)
        if redis.zrange(keys.inputs, 0, 0):
            raise InputsWaiting(thread.id)
        if telling(self._connection, thread.id):
            raise TransitionNotAllowed(thread.id, "still telling a webhook how a run ended", ThreadEvent.ARCHIVE)

    def _put_once(self, thread_id: str, url: str) -> Archived | None:
        """Archive a thread as it is now; None where something has happened to it meanwhile."""
        connection, place = self._connection, self._connection.place(thread_id)
        head, parts = Log(connection).head(thread_id), holdings.read(connection, place.keys)
        fields = next((part.fields() for part in parts if part.name == "thread"), {})
        if not fields:
            raise ThreadNotFound(thread_id)
        if fields.get("run") or int(fields.get("seq", b"0")) != head.seq:
            return None
        manifest, data = packed(thread_id, connection.settings.prefix, parts, head, connection.sealing)
        file = _file(url, manifest)
        self._write(file, manifest, data)
        runs = [part.of for part in parts if part.name == "run"]
        request = Request(
            {
                "token": place.keys.token,
                "url": file,
                "digest": manifest.content_sha256,
                "kept": _KEPT,
                "seen": {name: fields[name].decode() for name in _SEEN if name in fields},
                "runs": runs,
            }
        )
        frames = [ns.decode() for part in parts if part.name == "frames" for ns in part.value]
        answer = self._scripts.free_thread(place, request, runs, frames)
        if answer[0] == "busy":
            raise self._threads.busy(thread_id, answer[1], int(answer[2]))
        if answer[0] != "freed":
            return None
        connection.checkpoints.forget(place.keys)
        return Archived(thread_id, file, manifest.content_sha256, len(data))

    def _write(self, file: str, manifest: Manifest, data: bytes) -> None:
        """Write a file, and read it: only what can be read again is safely there."""
        if depot.exists(file):
            found = depot.read(file)
            try:
                if self._holds(file, found, manifest):
                    return
            except ArchiveBroken:  # what nobody can read is no loss, if it has our name
                if not _is_named(file, manifest):
                    raise
            else:
                raise ArchiveUnavailable(file, "it is there already, and holds something else")
        depot.write(file, data)
        if not self._holds(file, depot.read(file), manifest):
            raise ArchiveBroken(file, "it is not what was written")

    def _holds(self, file: str, data: bytes, manifest: Manifest) -> bool:
        """Return whether a file holds the content; it is decompressed to know."""
        return checked(file, data, self._connection.sealing).content_sha256 == manifest.content_sha256

    def _restore(self, manifest: Manifest, url: str, thread_id: str, parts: Sequence[Part]) -> str:
        place = self._connection.place(thread_id)
        if manifest.prefix != self._connection.settings.prefix and thread_id == manifest.thread:
            raise InvalidConfig(
                f"Thread {thread_id!r} was archived with TREADLE_PREFIX={manifest.prefix}, with which its log begins: "
                "restore it there, or under another id."
            )
        came = {"from": manifest.thread} if thread_id != manifest.thread else {}
        entry = {"kind": "restored", **came, "archive": url, "digest": manifest.content_sha256}
        request = Request(
            {
                "token": place.keys.token,
                "nonce": secrets.token_hex(8),
                "digest": manifest.content_sha256 if thread_id == manifest.thread else "",
                "due": {what: at for part in parts if part.name == "due" for what, at in part.value},
                "entries": [entry],
            }
        )
        pairs = holdings.stage(self._connection, place.keys, [part for part in parts if part.name != "due"])
        answer = self._scripts.restore_thread(place, request, pairs)
        if answer[0] == "refused":
            self._connection.client.unlink(*pairs[::2])
            raise TransitionNotAllowed(thread_id, answer[1], "be restored: there is a thread of this id")
        self._connection.checkpoints.forget(place.keys)
        return thread_id


def reseal(url: str, sealing: Sealing) -> bool:
    """Seal a file with the first key; return whether it was sealed with another one, or not at all.

    Raises:
        ArchiveUnavailable, ArchiveBroken, ArchiveTooNew, KeyMissing, SealBroken: it cannot be read, or is not to be
            trusted.
        InvalidConfig: there is no key to seal with.
    """
    sealing.require_key()
    data = resealed(url, depot.read(url), sealing)
    if data is not None:
        depot.write(url, data)
    return data is not None


def _as_copy(parts: Sequence[Part]) -> list[Part]:
    """Return the parts of a copy: no runs, and no log."""
    thread = next(part for part in parts if part.name == "thread")
    fields = [[name, value] for name, value in thread.value if name.decode() in {"status", *COPIED_FIELDS}]
    return [Part("thread", "", "hash", fields), *(part for part in parts if part.name in ("frames", *COPIED_OF_FRAMES))]


def _file(url: str, manifest: Manifest) -> str:
    """Return the URL of a thread's file: what is archived again has another name, unless nothing has happened to it."""
    return depot.joined(url, _name(manifest)) if not url.endswith(SUFFIX) else depot.absolute(url)


def _name(manifest: Manifest) -> str:
    return f"{quote(manifest.thread, safe='')[:_LONGEST_NAME]}.{manifest.content_sha256[:_DIGITS]}{SUFFIX}"


def _is_named(file: str, manifest: Manifest) -> bool:
    return file.rpartition("/")[2] == _name(manifest)
