"""Signatures on heads: made with a private key, checked with a public one."""

from dataclasses import asdict, replace

import pytest
from pydantic import SecretStr
from redis import Redis

from scheduler.client import Client
from scheduler.connection import open_connection
from scheduler.errors import InvalidConfig
from scheduler.heads import Head, head_of, read_heads
from scheduler.log import Log
from scheduler.mistrust import HeadRefused
from scheduler.settings import Settings
from scheduler.signing import Signer, check_signature
from tests.fakes import RecordingDispatcher

from .stage import THREAD

HEAD = Head(THREAD, 7, 7, "a" * 40, "b" * 64, "c" * 64, 1_700_000_000_000)


def test_a_head_that_was_signed_is_believed_with_the_public_key_alone() -> None:
    signer, _ = Signer.generate()

    check_signature(signer.sign(HEAD), [Signer.generate()[0].public_key, signer.public_key])


@pytest.mark.parametrize("field", ["thread", "seq", "entries", "chain", "digest", "first", "at_ms"])
def test_a_signature_covers_everything_that_a_head_says(field: str) -> None:
    signer, _ = Signer.generate()
    head = signer.sign(HEAD)
    other = {"thread": "u", "chain": "0", "digest": "0", "first": "0"}.get(field, 8)

    with pytest.raises(HeadRefused, match="does not fit"):
        check_signature(replace(head, **{field: other}), [signer.public_key])  # type: ignore[arg-type]


def test_a_head_that_nobody_trusted_has_signed_is_refused() -> None:
    signer, rival = Signer.generate()[0], Signer.generate()[0]

    with pytest.raises(HeadRefused, match="none of those trusted"):
        check_signature(rival.sign(HEAD), [signer.public_key])
    with pytest.raises(HeadRefused, match="nobody has signed"):
        check_signature(HEAD, [signer.public_key])
    with pytest.raises(HeadRefused, match="does not fit"):
        check_signature(replace(rival.sign(HEAD), key=signer.sign(HEAD).key), [signer.public_key])
    with pytest.raises(HeadRefused, match="does not fit"):
        check_signature(replace(signer.sign(HEAD), signature="?"), [signer.public_key])


@pytest.mark.parametrize("key", ["", "short", "ä" * 40, "A" * 40])
def test_a_key_that_is_none_says_how_one_is_made(key: str) -> None:
    with pytest.raises(InvalidConfig, match="keys generate"):
        Signer(key)


def test_a_key_is_told_by_nobody_who_shows_the_settings() -> None:
    _, key = Signer.generate()

    assert key not in repr(Settings(head_key=SecretStr(key)))


def test_heads_are_signed_and_checked_where_the_settings_have_the_keys(
    redis: Redis, client: Client, dispatcher: RecordingDispatcher
) -> None:
    client.threads.create(THREAD)
    signer, key = Signer.generate()
    signing = Log(open_connection(redis, Settings(head_key=SecretStr(key)), dispatcher))
    trusting = Settings(head_public_keys=f"{Signer.generate()[0].public_key}, {signer.public_key}")
    auditor = Log(open_connection(redis, trusting, dispatcher))

    head = signing.head(THREAD)

    assert auditor.verify(THREAD, head) is None
    with pytest.raises(HeadRefused, match="nobody has signed"):
        auditor.verify(THREAD, client.log.head(THREAD))


def test_heads_are_read_as_they_were_written_and_nothing_else_is_taken_for_one() -> None:
    record = asdict(HEAD)

    assert head_of(record) == HEAD
    others: list[object] = [None, [], {}, record | {"more": 1}, record | {"seq": "7"}]
    for other in others:
        with pytest.raises(InvalidConfig, match="is not the head of a log"):
            head_of(other)
    with pytest.raises(InvalidConfig, match="no file of heads"):
        read_heads(["{"])
    assert read_heads(["", "\n"]) == []
