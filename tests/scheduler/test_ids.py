"""Ids: new ones sort by time, and a thread's are checked at the door."""

import time
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.errors import InvalidThreadId
from scheduler.ids import check_thread_id, created_ms, is_checkpoint_id, new_checkpoint_id, new_run_id


def stream_order(checkpoint_id: str) -> tuple[int, ...]:
    """Return what Redis sorts the id of a stream's entry by."""
    return tuple(map(int, checkpoint_id.split("-")))


def test_a_checkpoint_id_says_when_it_was_made() -> None:
    before_ms = time.time_ns() // 1_000_000

    checkpoint_id = new_checkpoint_id()

    assert before_ms <= created_ms(checkpoint_id) <= time.time_ns() // 1_000_000
    assert is_checkpoint_id(checkpoint_id)


def test_checkpoint_ids_made_one_after_the_other_rise() -> None:
    ids = [new_checkpoint_id()]
    for _ in range(100):
        ids.append(new_checkpoint_id(ids[-1]))

    assert sorted(set(ids)) == ids
    assert sorted(ids, key=stream_order) == ids


def test_a_checkpoint_id_is_later_than_one_from_a_clock_that_is_ahead() -> None:
    ahead = f"{created_ms(new_checkpoint_id()) + 3_600_000}-8999999999999999999"

    after = new_checkpoint_id(ahead)

    assert after > ahead and stream_order(after) > stream_order(ahead)


MOMENTS = st.integers(10**12, 10**13 - 2)  # from 2001 to 2286


@given(MOMENTS, st.integers(10**18, 2**63), MOMENTS)
def test_as_text_checkpoint_ids_sort_as_redis_sorts_them(first_ms: int, sequence: int, second_ms: int) -> None:
    one, other = f"{first_ms}-{sequence}", new_checkpoint_id(f"{second_ms}-{sequence}")

    assert (one < other) == (stream_order(one) < stream_order(other))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1-",
        "-1",
        "1-2-3",
        "1.0-2",
        "+1-2",
        " 1-2",
        "latest",
        "\u0661-2",
        "²-1",
        "1-18446744073709551616",
        "9" * 5_000,
    ],
)
def test_what_redis_would_not_take_as_an_entry_of_a_stream_is_no_checkpoint_id(text: str) -> None:
    assert not is_checkpoint_id(text)


def test_run_ids_differ() -> None:
    assert len({new_run_id() for _ in range(1_000)}) == 1_000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("user-1", "user-1"),
        (7, "7"),
        (UUID(int=1), str(UUID(int=1))),
        ("a b", "a b"),
        ("ä/ü", "ä/ü"),
        ("💡" * 63, "💡" * 63),
    ],
)
def test_a_thread_id_is_any_text_that_can_be_seen(value: Any, text: str) -> None:
    assert check_thread_id(value) == text


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "needs a thread_id"),
        (True, "is a str, an int or a UUID, got bool"),
        (1.5, "got float"),
        (b"x", "got bytes"),
        (["x"], "got list"),
        ("", "is empty"),
        (" ", "is empty"),
        ("a\nb", "unprintable"),
        ("a\x00", "unprintable"),
        ("a\u200bb", "unprintable"),
        ("\ud800", "unprintable"),
        ("x" * 256, "longer than 255 bytes"),
        ("ä" * 128, "longer than 255 bytes"),
    ],
)
def test_a_thread_id_that_is_not_usable_is_refused_with_the_reason(value: Any, why: str) -> None:
    with pytest.raises(InvalidThreadId, match=why):
        check_thread_id(value)
