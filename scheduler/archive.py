"""A thread as one file: a line of JSON that says what it is, and below it everything that the thread holds, compressed.

The file can be read years later, without Redis and without the graph. Its content is what Redis held, in the clear;
where there are encryption keys, the compressed whole is sealed with the first of them. docs: scheduler/README.md.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final

import ormsgpack

from .absence import ArchiveBroken, ArchiveTooNew
from .heads import Head, head_of
from .holdings import KINDS, Part, counted
from .keys import Keys
from .log_blocks import SPAN, Block
from .log_chain import LogChain
from .sealing import Sealing

#: The version of the form; a reader refuses a higher one, and reads every lower one.
FORMAT: Final = 1
#: What names of files end with.
SUFFIX: Final = ".treadle"
#: How much of a content is decompressed at a time.
_PIECE: Final = 64 * 1024
#: What the first line begins with.
_BEGINS: Final = b'{"treadle_archive":'


@dataclass(frozen=True, slots=True)
class Manifest:
    """The first line of the file."""

    treadle_archive: int
    thread: str
    #: What its keys began with; with the thread's id this names the key that the log's chain begins with.
    prefix: str
    status: str
    graph: str
    created_ms: int
    updated_ms: int
    #: runs, frames, checkpoints, events, and entries of the log.
    counts: Mapping[str, int]
    #: The head of its log, signed where there was a key.
    head: Mapping[str, Any]
    #: Of what lies below when it is decompressed (MessagePack), and as it lies there.
    content_bytes: int
    content_sha256: str
    payload_bytes: int
    payload_sha256: str
    #: How it is compressed, and the id of the key that it is sealed with; "" where nobody has.
    compression: str = "gzip"
    key: str = ""
    #: SHA-256 over this line without this field.
    sha256: str = ""

    def line(self) -> bytes:
        """Return the line, without its end."""
        return json.dumps(asdict(self), separators=(",", ":"), ensure_ascii=True).encode()

    def stamped(self) -> "Manifest":
        """Return the manifest with its own digest."""
        return replace(self, sha256=self.digest())

    def digest(self) -> str:
        """Return the SHA-256 over the line without its digest."""
        return hashlib.sha256(replace(self, sha256="").line()).hexdigest()


@dataclass(frozen=True, slots=True)
class Archive:
    """A file that was read, and holds what it says."""

    manifest: Manifest
    parts: Sequence[Part]

    @property
    def head(self) -> Head:
        """The head of the thread's log, as it was when the thread was archived."""
        return head_of(dict(self.manifest.head))


def packed(thread_id: str, prefix: str, parts: Sequence[Part], head: Head, sealing: Sealing) -> tuple[Manifest, bytes]:
    """Return a thread as a file, and its manifest; the same content always has the same digest."""
    thread = next(part for part in parts if part.name == "thread").fields()
    rows = [[part.name, part.of, part.kind, part.value] for part in parts]
    compressed, size, digest = _compressed({"thread": thread_id, "prefix": prefix, "parts": rows})
    # The head is not of the content: the moment at which it was taken is another one each time.
    return _sealed(
        Manifest(
            FORMAT,
            thread_id,
            prefix,
            thread["status"].decode(),
            thread.get("graph", b"").decode(),
            int(thread.get("created", b"0")),
            int(thread.get("updated", b"0")),
            {**counted(parts), "entries": head.entries},
            asdict(head),
            size,
            digest,
            0,
            "",
        ),
        compressed,
        sealing,
    )


def unpacked(url: str, data: bytes, sealing: Sealing) -> Archive:
    """Return what a file holds; ``url`` names it in errors.

    Raises:
        ArchiveBroken: it is no archive, or was cut short or altered.
        ArchiveTooNew: it is of a later form.
        KeyMissing: it is sealed with a key that is not here.
        SealBroken: it was altered, or the key is another one.
    """
    manifest, compressed = _opened(url, data, sealing)
    content = bytearray()
    for piece in _inflated(url, manifest, compressed):
        content += piece
    try:
        known = ormsgpack.unpackb(content)
        parts = [Part(*row) for row in known["parts"]]
        strange = [part.name for part in parts if KINDS.get(part.name) != part.kind]
        told = known["thread"], known["prefix"], {**counted(parts), "entries": manifest.head["entries"]}
    except (ValueError, TypeError, KeyError) as error:
        raise ArchiveBroken(url, f"its content cannot be read ({error})") from error
    if strange or sum(part.name == "thread" for part in parts) != 1:
        raise ArchiveBroken(url, f"its content is not that of a thread ({', '.join(map(repr, strange)) or 'none'})")
    if told != (manifest.thread, manifest.prefix, dict(manifest.counts)):
        raise ArchiveBroken(url, "its content is not what its first line says")
    return Archive(manifest, parts)


def resealed(url: str, data: bytes, sealing: Sealing) -> bytes | None:
    """Return a file sealed with the key that seals now; None where it is already.

    Raises:
        ArchiveBroken, ArchiveTooNew, KeyMissing, SealBroken: as ``unpacked`` does.
    """
    manifest = checked(url, data, sealing)
    if manifest.key == sealing.key_id:
        return None
    return _sealed(manifest, bytes(_opened(url, data, sealing)[1]), sealing)[1]


def checked(url: str, data: bytes, sealing: Sealing) -> Manifest:
    """Return the first line of a file whose content is the one that was written: it is read, and nothing of it kept.

    Raises:
        ArchiveBroken, ArchiveTooNew, KeyMissing, SealBroken: as ``unpacked`` does.
    """
    manifest, compressed = _opened(url, data, sealing)
    for _ in _inflated(url, manifest, compressed):
        pass
    return manifest


def manifest_of(url: str, data: bytes) -> Manifest:
    """Return the first line of a file, for which no key is needed.

    Raises:
        ArchiveBroken: it is none, or was altered.
        ArchiveTooNew: it is of a later form.
    """
    line = data.partition(b"\n")[0]
    if not line.startswith(_BEGINS):
        raise ArchiveBroken(url, "it is no archive of a thread")
    try:
        known = json.loads(line)
        if known["treadle_archive"] > FORMAT:
            raise ArchiveTooNew(url, known["treadle_archive"], FORMAT)
        manifest = Manifest(**{field.name: known[field.name] for field in fields(Manifest)})
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveBroken(url, f"its first line cannot be read ({error})") from error
    if manifest.digest() != manifest.sha256:
        raise ArchiveBroken(url, "its first line was altered")
    return manifest


def broken_log(archive: Archive) -> str | None:
    """Return what is wrong first with the log in an archive; None: its chain holds, and ends as the head says."""
    by_name = {part.name: part.value for part in archive.parts if not part.of}
    chain = LogChain(Keys(archive.manifest.prefix).of_thread(archive.manifest.thread).thread)
    try:
        entries = [entry for block in by_name.get("blocks", ()) for entry in Block.read(block).entries]
    except ValueError as error:
        return str(error)
    entries += [(id_, dict(entry)) for id_, entry in by_name.get("log", ())]
    for entry in entries:
        seen = chain.seq
        if not chain.take(entry):
            return f"Entry {chain.seq} was altered, or an entry between {seen} and {chain.seq} was removed."
    if len(by_name.get("blocks", ())) * SPAN > chain.seq:
        return "The log ends before what is packed of it does."
    return archive.head.denied_by(chain)


def _sealed(manifest: Manifest, compressed: bytes, sealing: Sealing) -> tuple[Manifest, bytes]:
    payload = sealing.seal(compressed, _place(manifest))
    stamped = replace(
        manifest,
        payload_bytes=len(payload),
        payload_sha256=hashlib.sha256(payload).hexdigest(),
        key=sealing.key_id,
    ).stamped()
    return stamped, stamped.line() + b"\n" + payload


def _opened(url: str, data: bytes, sealing: Sealing) -> tuple[Manifest, bytes | memoryview]:
    """Return the manifest of a file, and its content, compressed."""
    manifest = manifest_of(url, data)
    payload = memoryview(data)[data.find(b"\n") + 1 :]
    if len(payload) != manifest.payload_bytes:
        raise ArchiveBroken(url, f"it has {len(payload)} bytes below its first line, and not {manifest.payload_bytes}")
    if hashlib.sha256(payload).hexdigest() != manifest.payload_sha256:
        raise ArchiveBroken(url, "what lies below its first line was altered")
    return manifest, sealing.unsealed(bytes(payload), _place(manifest)) if manifest.key else payload


def _compressed(content: Any) -> tuple[bytes, int, str]:
    """Return a content compressed, and its size and digest when it is not."""
    raw = ormsgpack.packb(content)
    return gzip.compress(raw, mtime=0), len(raw), hashlib.sha256(raw).hexdigest()


def _inflated(url: str, manifest: Manifest, compressed: bytes | memoryview) -> Iterator[bytes]:
    """Yield a content a piece at a time; whoever has the last one has what was written."""
    inflater, digest, left = zlib.decompressobj(wbits=31), hashlib.sha256(), manifest.content_bytes
    for start in range(0, len(compressed), _PIECE):
        try:
            piece = inflater.decompress(compressed[start : start + _PIECE], left + 1)
        except zlib.error as error:
            raise ArchiveBroken(url, f"its content cannot be decompressed ({error})") from error
        digest.update(piece)
        left -= len(piece)
        if left < 0 or inflater.unconsumed_tail:  # never more than it says, whatever it is
            break
        yield piece
    if digest.hexdigest() != manifest.content_sha256:
        raise ArchiveBroken(url, "its content is not the one that was written")


def _place(manifest: Manifest) -> str:
    """Return what a sealed content is bound to: the thread, and the very content."""
    return f"archive {manifest.prefix} {manifest.thread} {manifest.content_sha256}"
