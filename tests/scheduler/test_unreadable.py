"""What lies in the store is read as data, whoever wrote it: nothing is run, nothing grows without end."""

import builtins
import zlib
from contextlib import suppress
from typing import Any

import ormsgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scheduler.chunks import unpacked_block
from scheduler.errors import NodeFailed
from scheduler.failure import describe, revived
from scheduler.inflating import inflated
from scheduler.log_blocks import Block
from scheduler.mistrust import Unreadable
from scheduler.serde import Serde, Unknown

pack = ormsgpack.packb
#: The extension type of an instance of a class.
INSTANCE = 100


def extension(tag: int, value: Any) -> bytes:
    return pack(ormsgpack.Ext(tag, pack(value)))


def inside(depth: int, tag: int) -> bytes:
    """Return values inside of each other."""
    data = pack([])
    for _ in range(depth):
        data = pack(ormsgpack.Ext(tag, data))
    return data


@pytest.mark.parametrize(
    "name", ["os:system", "builtins:eval", "builtins:exec", "subprocess:Popen", "scheduler.serde:Serde"]
)
def test_a_class_that_nobody_allowed_is_named_and_neither_imported_nor_called(name: str) -> None:
    assert Serde().loads(extension(INSTANCE, [name, ["raise SystemExit"]])) == Unknown(name, ["raise SystemExit"])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 100_000 + b"\x90",
        extension(99, 1),
        extension(7, ["x"]),
        extension(7, [10**18, 0, 0]),
        extension(10, "9" * 100_000),
        extension(4, "tomorrow"),
        extension(8, "no uuid"),
        extension(12, [1, 2, 3]),
        extension(15, [[[1], 2]]),
        extension(INSTANCE, "os:system"),
        extension(INSTANCE, ["graphs.commands:Send", [1, 2]]),
        extension(INSTANCE, ["graphs.commands:Send", {"__class__": 1}]),
        inside(3_000, 1),
        inside(3_000, 2),
    ],
)
def test_bytes_that_no_value_was_made_of_are_an_error_that_says_so(data: bytes) -> None:
    with pytest.raises(Unreadable, match=r"A stored value cannot be read: .*nothing of it was run"):
        Serde().loads(data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
@example(b"\xd6\x64\x92\xa1a\xa1")
def test_any_bytes_at_all_are_a_value_or_that_error(data: bytes) -> None:
    with suppress(Unreadable):
        Serde().loads(data)


BOMB = zlib.compress(bytes(200 * 1024 * 1024), 9)


def test_a_compressed_bomb_is_not_blown_up() -> None:
    assert len(BOMB) < 300_000

    with pytest.raises(ValueError, match="larger than 67108864 bytes"):
        Block.read(BOMB)
    with pytest.raises(Unreadable, match="larger than 131072 bytes"):
        unpacked_block(BOMB)


@pytest.mark.parametrize(
    "data", [b"", b"x", zlib.compress(b"abc")[:-1], zlib.compress(pack("text")), zlib.compress(pack([1]))]
)
def test_a_block_of_the_log_that_is_none_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="A block of the log cannot be read"):
        Block.read(data)


def test_what_is_compressed_comes_back_up_to_the_very_limit() -> None:
    assert inflated(zlib.compress(b"x" * 100), 100) == b"x" * 100
    with pytest.raises(ValueError, match="larger than 99 bytes"):
        inflated(zlib.compress(b"x" * 100), 99)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("builtins", "SystemExit"),
        ("builtins", "KeyboardInterrupt"),
        ("builtins", "type"),
        ("subprocess", "CalledProcessError"),
        ("scheduler.errors", "Iterable"),
        ("scheduler.errors", "__builtins__"),
        ("graphs.errors", "dataclass"),
        ("", ""),
    ],
)
def test_an_error_comes_back_as_itself_only_where_it_is_one_of_pythons_or_treadles(module: str, name: str) -> None:
    record = describe(ValueError("print(1)"), "a") | {"module": module, "type": name}

    error = revived(record, "t", "r")

    assert type(error) is NodeFailed and name in str(error)
    assert not hasattr(builtins, "run_by_accident")
