"""A thread as a file: what is written is read, and nothing else is taken for it."""

import gzip
import hashlib
import json
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import ormsgpack
import pytest

import scheduler
from scheduler.absence import ArchiveBroken, ArchiveTooNew
from scheduler.archive import FORMAT, Manifest, broken_log, checked, manifest_of, packed, resealed, unpacked
from scheduler.heads import Head
from scheduler.holdings import KINDS, Part
from scheduler.keys import Keys
from scheduler.log_chain import LogChain, chained
from scheduler.mistrust import KeyMissing, SealBroken
from scheduler.sealing import PLAIN, sealing_of

KEYS = sealing_of(f"one:{'A' * 43}=,two:{'B' * 43}=")
THREAD = Part("thread", "", "hash", [[b"status", b"idle"], [b"graph", b"line"], [b"created", b"7"]])


def log_of(*texts: bytes) -> tuple[Part, Head]:
    """Return a log and its head."""
    chain = LogChain(Keys("treadle").of_thread("t").thread)
    entries = []
    for number, text in enumerate(texts, start=1):
        id_ = b"%d-0" % number
        entry = {b"entry": text, b"hash": chained(chain.hash, id_, text).encode()}
        chain.take((id_, entry))
        entries.append([id_, [[name, value] for name, value in entry.items()]])
    head = Head("t", chain.seq, chain.entries, chain.hash, chain.digest, chain.first, 1)
    return Part("log", "", "stream", entries), head


def written(*more: Part, sealing: Any = PLAIN) -> bytes:
    log, head = log_of(b"{}", b"{}")
    return packed("t", "treadle", [THREAD, log, *more], head, sealing)[1]


def forged(content: Any, **fields: Any) -> bytes:
    """Return a file whose digests are right, whatever it holds."""
    raw = ormsgpack.packb(content)
    payload = gzip.compress(raw)
    known = replace(
        manifest_of("file", written()),
        content_bytes=len(raw),
        content_sha256=hashlib.sha256(raw).hexdigest(),
        payload_bytes=len(payload),
        payload_sha256=hashlib.sha256(payload).hexdigest(),
        **fields,
    ).stamped()
    return known.line() + b"\n" + payload


def test_what_is_written_is_read() -> None:
    runs = Part("runs", "", "list", [b"r2", b"r1"])

    archive = unpacked("file", written(runs), PLAIN)

    assert archive.parts[0] == THREAD
    assert archive.parts[-1] == runs
    assert (archive.manifest.status, archive.manifest.graph, archive.manifest.created_ms) == ("idle", "line", 7)


def test_the_same_content_has_the_same_digest_whatever_seals_it() -> None:
    plain, sealed, other = written(), written(sealing=KEYS), written(Part("runs", "", "list", [b"r"]))

    digests = [manifest_of("file", data).content_sha256 for data in (plain, sealed, other)]

    assert digests[0] == digests[1] != digests[2]
    assert written() == plain


@pytest.mark.parametrize("sealing", [PLAIN, KEYS], ids=["plain", "sealed"])
def test_a_content_of_many_pieces_is_read_and_checked(sealing: Any) -> None:
    large = Part("channels", "", "hash", [[b"x@1.0", random.Random(1).randbytes(300_000)], [b"x@1.1", bytes(900_000)]])
    data = written(large, sealing=sealing)

    assert unpacked("file", data, sealing).parts[-1] == large
    assert checked("file", data, sealing) == manifest_of("file", data)


@pytest.mark.parametrize("told", [0, 70_000, 299_999, 300_001, 10**9])
def test_no_more_is_decompressed_than_a_file_says(told: int) -> None:
    data = written(Part("channels", "", "hash", [[b"x@1.0", random.Random(1).randbytes(300_000)]]))
    manifest = replace(manifest_of("file", data), content_bytes=told, content_sha256="0" * 64).stamped()

    with pytest.raises(ArchiveBroken, match="not the one that was written"):
        checked("file", manifest.line() + data[data.find(b"\n") :], PLAIN)


def test_a_sealed_file_needs_its_key_and_no_other_place() -> None:
    sealed = written(sealing=KEYS)
    line, _, payload = sealed.partition(b"\n")
    moved = replace(Manifest(**json.loads(line)), thread="other").stamped().line() + b"\n" + payload

    with pytest.raises(KeyMissing):
        unpacked("file", sealed, PLAIN)
    with pytest.raises(SealBroken):
        unpacked("file", moved, KEYS)


def test_a_file_is_sealed_anew_with_the_first_key() -> None:
    rotated = sealing_of(f"two:{'B' * 43}=,one:{'A' * 43}=")
    anew = resealed("file", written(sealing=KEYS), rotated)

    assert anew is not None
    assert manifest_of("file", anew).key == "two"
    assert unpacked("file", anew, sealing_of(f"two:{'B' * 43}=")).parts[0] == THREAD
    assert resealed("file", anew, rotated) is None


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"thread": "t", "prefix": "treadle"},
        {"thread": "t", "prefix": "treadle", "parts": [["thread", "", "hash"]]},
        {"thread": "t", "prefix": "treadle", "parts": []},
        {"thread": "t", "prefix": "treadle", "parts": [["thread", "", "hash", []], ["index", "", "set", [b"x"]]]},
        {"thread": "t", "prefix": "treadle", "parts": [["thread", "", "list", []]]},
        {"thread": "other", "prefix": "treadle", "parts": [["thread", "", "hash", []]]},
    ],
)
def test_a_file_that_is_right_and_no_thread_is_refused(content: Any) -> None:
    with pytest.raises(ArchiveBroken):
        unpacked("file", forged(content), PLAIN)


def test_the_form_is_written_down_with_every_part_that_a_file_may_have() -> None:
    table = (Path(scheduler.__file__).parent / "README.md").read_text().partition("| name | of | kind and value |")[2]
    rows = [row.split("|")[1] for row in table.partition("\n\n")[0].splitlines() if row.startswith("| `")]

    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(KINDS)


def test_a_later_form_is_refused_by_its_number() -> None:
    later = forged({}, treadle_archive=FORMAT + 1)

    with pytest.raises(
        ArchiveTooNew, match=f"form {FORMAT + 1}, and this version of Treadle reads forms up to {FORMAT}"
    ):
        unpacked("file", later, PLAIN)


def test_a_log_that_was_rewritten_is_not_the_one_of_the_head() -> None:
    (_, head), (other, _) = log_of(b"{}", b"{}"), log_of(b"{}", b'{"kind":"other"}')
    rewritten = unpacked("file", packed("t", "treadle", [THREAD, other], head, PLAIN)[1], PLAIN)
    shorter = unpacked("file", packed("t", "treadle", [THREAD], head, PLAIN)[1], PLAIN)

    assert broken_log(unpacked("file", written(), PLAIN)) is None
    assert "is not what it was" in (broken_log(rewritten) or "")
    assert "what came after was removed" in (broken_log(shorter) or "")
