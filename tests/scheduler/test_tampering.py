"""Who tampers with a log is found: by the chain itself, or, where they rewrite all of it, by a head kept elsewhere."""

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import ormsgpack
import pytest
from redis import Redis

from scheduler.client import Client
from scheduler.connection import Connection
from scheduler.errors import InvalidConfig, ThreadNotFound
from scheduler.failure import describe
from scheduler.heads import Head
from scheduler.keys import ThreadKeys
from scheduler.log_blocks import SPAN, LogBlocks
from scheduler.log_chain import chain_start, chained
from scheduler.mistrust import LogAltered
from scheduler.scripts import Request
from scheduler.steps import Steps

from .stage import THREAD, begin, claim, line, play

LINE = line("a")
#: Two blocks, and as much apart.
ENTRIES = 4 * SPAN
#: The place of an entry in each of the two, as it is counted from 1.
PACKED, APART = 10, 3 * SPAN + 10


@dataclass(frozen=True)
class Intruder:
    """Somebody who may do with Redis what they want."""

    redis: Redis
    keys: ThreadKeys

    def stream(self) -> list[tuple[bytes, dict[bytes, bytes]]]:
        """Return what lies apart."""
        found: Any = self.redis.xrange(self.keys.log)
        return list(found)

    def put_stream(self, entries: list[Any]) -> None:
        """Put other entries in its place, which a stream itself lets nobody do."""
        self.redis.delete(self.keys.log)
        for id_, fields in entries:
            self.redis.xadd(self.keys.log, fields, id=id_)

    def block(self, number: int = 0) -> list[Any]:
        """Return what is packed: the hash before, that of the last entry, and the entries."""
        packed: Any = self.redis.lindex(self.keys.blocks, number)
        return list(ormsgpack.unpackb(zlib.decompress(packed)))

    def put_block(self, block: list[Any], number: int = 0) -> None:
        """Put another block in its place."""
        self.redis.lset(self.keys.blocks, number, zlib.compress(ormsgpack.packb(block)))  # type: ignore[arg-type]

    def told(self) -> list[tuple[int, bytes]]:
        """Return all entries: numbers and texts."""
        count: Any = self.redis.llen(self.keys.blocks)
        packed = [(seq, text) for number in range(count) for seq, text in self.block(number)[2]]
        return packed + [(int(id_.partition(b"-")[0]), fields[b"entry"]) for id_, fields in self.stream()]

    def rewrite(self, told: list[tuple[int, bytes]]) -> None:
        """Write a log anew, with a chain that holds, and let the thread know its end."""
        hash_, entries = chain_start(self.keys.thread), []
        for seq, text in told:
            hash_ = chained(hash_, b"%d-0" % seq, text)
            entries.append((b"%d-0" % seq, {b"entry": text, b"hash": hash_.encode()}))
        self.redis.delete(self.keys.blocks)
        self.put_stream(entries)
        self.redis.hset(self.keys.thread, mapping={"head": hash_, "seq": told[-1][0]})


def make(client: Client, thread_id: str = THREAD, word: str = "noted") -> Intruder:
    """Make a thread with a log of which half is packed."""
    client.threads.create(thread_id)
    entries = [{"kind": word, "run": f"{thread_id}-{number}"} for number in range(2, ENTRIES + 1)]
    client.connection.scripts.set_status(client.connection.place(thread_id), noting(thread_id, entries))
    LogBlocks(client.connection).pack(thread_id, 3 * SPAN)
    return Intruder(client.connection.client, client.connection.place(thread_id).keys)


def noting(thread_id: str, entries: list[dict[str, Any]]) -> Request:
    body = {"token": thread_id, "nonce": str(len(entries)), "status": "created", "allowed": {"created": True}}
    return Request(body | {"thread_fields": {}, "entries": entries})


def go_on(client: Client) -> None:
    """Let the thread go on."""
    place = client.connection.place(THREAD)
    client.connection.scripts.set_status(place, noting(THREAD, [{"kind": "noted", "run": "later"}]))


@pytest.fixture
def intruder(client: Client) -> Intruder:
    """Somebody who is in, and a thread with a long log."""
    return make(client)


# What the chain itself finds


def altered(word: bytes) -> Callable[[Intruder], None]:
    def packed(intruder: Intruder) -> None:
        block = intruder.block()
        block[2][PACKED - 1][1] = block[2][PACKED - 1][1].replace(word, b"other")
        intruder.put_block(block)

    return packed


def apart(change: Callable[[list[Any], int], Any]) -> Callable[[Intruder], None]:
    """Change the list of the entries that lie apart; it is given the place of one in it."""

    def harm(intruder: Intruder) -> None:
        entries = intruder.stream()
        change(entries, APART - 2 * SPAN - 1)
        intruder.put_stream(entries)

    return harm


def packed(change: Callable[[list[Any], int], Any], number: int = 0) -> Callable[[Intruder], None]:
    """Change the list of the entries of a block."""

    def harm(intruder: Intruder) -> None:
        block = intruder.block(number)
        change(block[2], PACKED - 1)
        intruder.put_block(block, number)

    return harm


def with_block(change: Callable[[list[Any]], Any]) -> Callable[[Intruder], None]:
    def harm(intruder: Intruder) -> None:
        block = intruder.block()
        change(block)
        intruder.put_block(block)

    return harm


def field(name: bytes, value: bytes) -> Callable[[list[Any], int], None]:
    return lambda entries, at: entries[at][1].__setitem__(name, value)


def text(word: bytes) -> Callable[[list[Any], int], None]:
    return lambda entries, at: entries[at].__setitem__(1, entries[at][1].replace(word, b"other"))


def swap(entries: list[Any], at: int) -> None:
    """Let two entries change places, each with its text, and with its hash where it has one."""
    (first, told), (second, other) = entries[at], entries[at + 1]
    entries[at], entries[at + 1] = type(entries[at])((first, other)), type(entries[at])((second, told))


def moved_on(entries: list[Any], at: int) -> None:
    """Let the later entries have other places, in the same order, and nothing else."""
    entries[at:] = [(b"%d-0" % (int(id_.split(b"-")[0]) + 7), fields) for id_, fields in entries[at:]]


def drop_block(number: int) -> Callable[[Intruder], None]:
    def harm(intruder: Intruder) -> None:
        found: Any = intruder.redis.lindex(intruder.keys.blocks, number)
        intruder.redis.lrem(intruder.keys.blocks, 1, found)

    return harm


def swap_blocks(intruder: Intruder) -> None:
    first, second = intruder.block(0), intruder.block(1)
    intruder.put_block(second, 0)
    intruder.put_block(first, 1)


def twice_a_block(intruder: Intruder) -> None:
    found: Any = intruder.redis.lindex(intruder.keys.blocks, 0)
    intruder.redis.lpush(intruder.keys.blocks, found)


def shadowed(intruder: Intruder) -> None:
    """Put an entry into the stream where readers of the stream see it, and readers of the blocks do not."""
    intruder.put_stream([(b"5-0", {b"entry": b"{}", b"hash": b"0"}), *intruder.stream()])


def thread_field(name: str, value: str | None) -> Callable[[Intruder], None]:
    def harm(intruder: Intruder) -> None:
        if value is None:
            intruder.redis.hdel(intruder.keys.thread, name)
        else:
            intruder.redis.hset(intruder.keys.thread, name, value)

    return harm


HARMS: dict[str, Callable[[Intruder], None]] = {
    "a kind, apart": apart(lambda entries, at: field(b"entry", entries[at][1][b"entry"] + b" ")(entries, at)),
    "a hash, apart": apart(field(b"hash", b"0" * 40)),
    "no text, apart": apart(lambda entries, at: entries[at][1].pop(b"entry")),
    "no hash, apart": apart(lambda entries, at: entries[at][1].pop(b"hash")),
    "no JSON, apart": apart(field(b"entry", b"\xff{")),
    "a place, apart": apart(moved_on),
    "a kind, packed": packed(text(b"noted")),
    "a run, packed": packed(text(b"t-10")),
    "a moment, packed": packed(text(b'"at"')),
    "a place, packed": packed(lambda entries, at: entries[at].__setitem__(0, PACKED + 100)),
    "no number, packed": packed(lambda entries, at: entries[at].__setitem__(0, "x")),
    "the hash before a block": with_block(lambda block: block.__setitem__(0, b"0" * 20)),
    "the hash of a block": with_block(lambda block: block.__setitem__(1, b"0" * 20)),
    "no entries in a block": with_block(lambda block: block.__setitem__(2, None)),
    "the first one dropped": packed(lambda entries, at: entries.pop(0)),
    "one dropped, packed": packed(lambda entries, at: entries.pop(at)),
    "the last one of a block dropped": packed(lambda entries, at: entries.pop()),
    "the first one apart dropped": apart(lambda entries, at: entries.pop(0)),
    "one dropped, apart": apart(lambda entries, at: entries.pop(at)),
    "the last one dropped": apart(lambda entries, at: entries.pop()),
    "all apart dropped": apart(lambda entries, at: entries.clear()),
    "the first block dropped": drop_block(0),
    "the last block dropped": drop_block(1),
    "a block twice": twice_a_block,
    "two blocks swapped": swap_blocks,
    "two swapped, apart": apart(swap),
    "two swapped, packed": packed(swap),
    "one inserted, packed": packed(lambda entries, at: entries.insert(at, [PACKED, b'{"kind":"forged"}'])),
    "one inserted, apart": apart(
        lambda entries, at: entries.insert(at + 1, (entries[at][0][:-1] + b"1", entries[at][1]))
    ),
    "one added": apart(lambda entries, at: entries.append((b"%d-0" % (ENTRIES + 1), entries[-1][1]))),
    "one behind the packed ones": shadowed,
    "the thread's head": thread_field("head", "0" * 40),
    "no head": thread_field("head", None),
    "the thread's count": thread_field("seq", "7"),
    "no number for a count": thread_field("seq", "many"),
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_a_harm_is_found_by_the_chain(client: Client, intruder: Intruder, harm: Callable[[Intruder], None]) -> None:
    before = client.log.verify(THREAD)

    harm(intruder)

    assert before is None
    assert client.log.verify(THREAD) is not None
    with pytest.raises(LogAltered):
        client.log.head(THREAD)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (HARMS["a hash, apart"], f"Entry {APART} was altered"),
        (HARMS["one dropped, apart"], f"between {APART - 1} and {APART + 1}"),
        (HARMS["a kind, packed"], f"from 1 to {SPAN}, which are packed together"),
        (HARMS["the last one dropped"], f"ends at entry {ENTRIES - 1}"),
    ],
)
def test_it_is_said_which_entry_is_the_first_wrong_one(
    client: Client, intruder: Intruder, harm: Callable[[Intruder], None], told: str
) -> None:
    harm(intruder)

    assert told in str(client.log.verify(THREAD))


def test_the_log_of_another_thread_is_not_taken_for_this_ones(client: Client, intruder: Intruder, redis: Redis) -> None:
    other = make(client, "other")
    for mine, theirs in ((intruder.keys.log, other.keys.log), (intruder.keys.blocks, other.keys.blocks)):
        redis.delete(mine)
        redis.restore(mine, 0, redis.dump(theirs))  # type: ignore[arg-type]
    known: Any = redis.hmget(other.keys.thread, ["head", "seq"])

    redis.hset(intruder.keys.thread, mapping={"head": known[0], "seq": known[1]})

    assert client.log.verify(THREAD) is not None


# What a head finds that is kept elsewhere


def reword(told: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    return [(seq, told_.replace(b"noted", b"never")) if seq == PACKED else (seq, told_) for seq, told_ in told]


def insert(told: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    return [*told[:PACKED], (PACKED + 1, b"{}"), *((seq + 1, text) for seq, text in told[PACKED:])]


REWRITES: dict[str, tuple[Callable[[list[tuple[int, bytes]]], list[tuple[int, bytes]]], str]] = {
    "one altered": (reword, "is not what it was"),
    "the first one altered": (lambda told: [(1, b'{"kind":"created"}'), *told[1:]], "does not begin"),
    "the first one dropped": (lambda told: told[1:], "does not begin"),
    "one dropped": (lambda told: told[:PACKED] + told[PACKED + 1 :], "is not what it was"),
    "one inserted": (insert, "is not what it was"),
    "the tail": (lambda told: told[:-1], f"ends at entry {ENTRIES - 1}"),
    "a place": (lambda told: [*told[:-1], (ENTRIES + 5, told[-1][1])], "is not what it was"),
    "all of it": (lambda told: [(seq, b"{}") for seq, _ in told], "does not begin"),
}


@pytest.mark.parametrize(("change", "told"), REWRITES.values(), ids=REWRITES)
def test_a_log_rewritten_with_its_chain_and_its_end_is_found_by_a_head_alone(
    client: Client, intruder: Intruder, change: Callable[[Any], Any], told: str
) -> None:
    head = client.log.head(THREAD)

    intruder.rewrite(change(intruder.told()))

    assert client.log.verify(THREAD) is None  # the chain holds: nothing inside of Redis could say more
    assert told in str(client.log.verify(THREAD, head))


def test_another_threads_log_written_as_this_ones_is_found_by_a_head(client: Client, intruder: Intruder) -> None:
    head = client.log.head(THREAD)

    intruder.rewrite(make(client, "other").told())

    assert client.log.verify(THREAD) is None
    assert "does not begin" in str(client.log.verify(THREAD, head))


def test_what_came_after_a_head_is_no_contradiction(client: Client, intruder: Intruder, connection: Connection) -> None:
    heads = [client.log.head(THREAD)]
    go_on(client)
    heads.append(client.log.head(THREAD))
    go_on(client)
    LogBlocks(connection).pack(THREAD, ENTRIES + 2)

    assert client.log.verify(THREAD, heads) is None
    assert [(head.seq, head.entries) for head in heads] == [(ENTRIES, ENTRIES), (ENTRIES + 1, ENTRIES + 1)]


def test_of_several_heads_the_first_that_does_not_fit_says_where(client: Client, intruder: Intruder) -> None:
    older = client.log.head(THREAD)
    go_on(client)
    newer = client.log.head(THREAD)

    intruder.rewrite([*intruder.told()[:-1], (ENTRIES + 1, b"{}")])

    assert client.log.verify(THREAD, older) is None
    assert f"up to entry {ENTRIES + 1} is not" in str(client.log.verify(THREAD, [newer, older]))


def test_two_texts_of_one_sha1_would_be_told_apart_by_the_digest(client: Client, intruder: Intruder) -> None:
    head = client.log.head(THREAD)

    collision = replace(head, digest="0" * 64)

    assert "is not what it was" in str(client.log.verify(THREAD, collision))


def test_a_thread_that_was_deleted_is_gone_and_one_created_again_is_another_one(
    client: Client, intruder: Intruder
) -> None:
    head = client.log.head(THREAD)
    client.threads.delete(THREAD)

    with pytest.raises(ThreadNotFound):
        client.log.verify(THREAD, head)
    make(client)

    assert client.log.verify(THREAD) is None
    assert "deleted and created again" in str(client.log.verify(THREAD, head))


def test_a_copy_has_a_log_of_its_own_and_the_head_of_its_original_says_nothing_of_it(
    client: Client, intruder: Intruder
) -> None:
    head = client.log.head(THREAD)
    client.threads.copy(THREAD, "copy")

    with pytest.raises(InvalidConfig, match="says nothing of thread 'copy'"):
        client.log.verify("copy", head)
    assert client.log.verify("copy", client.log.head("copy")) is None
    assert [
        json.loads(told)["kind"] for _, told in Intruder(intruder.redis, client.connection.place("copy").keys).told()
    ] == ["copied"]


def test_a_head_says_when_it_was_taken_and_nobody_has_signed_it(client: Client, intruder: Intruder) -> None:
    head = client.log.head(THREAD)

    assert (head.thread, head.key, head.signature) == (THREAD, "", "")
    assert head.at.endswith("+00:00")
    assert isinstance(head, Head)


def test_a_thread_that_was_put_back_to_an_older_state_is_found(client: Client, steps: Steps, redis: Redis) -> None:
    for _ in range(2):
        play(steps, LINE, begin(client, LINE, {}).orders)
    older = client.connection.checkpoints.history(client.connection.place(THREAD).keys, "")[1]
    before = client.log.verify(THREAD)

    redis.hset(client.connection.place(THREAD).keys.frame(""), "cursor", older.checkpoint.id)

    assert before is None
    assert f"but it stands on {older.checkpoint.id}" in str(client.log.verify(THREAD))


def test_what_errors_say_puts_no_thread_anywhere(client: Client, steps: Steps) -> None:
    claimed = claim(steps, begin(client, LINE, {}).orders[0].ref)

    steps.fail(claimed, LINE, describe(ValueError('{"checkpoint":"1-1"} "checkpoint":'), "a"))

    assert client.log.verify(THREAD) is None
