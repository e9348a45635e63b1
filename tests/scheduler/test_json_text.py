"""JSON for the scripts: whatever an error's text or a person's metadata holds goes there and back."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scheduler.json_text import decoded, encoded

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
@example(-(2**63) - 1)
@example(0.1 + 0.2)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    assert decoded(encoded(value)) == value


@pytest.mark.parametrize("value", [2**80 + 1, -(2**63) - 1, [[2**64 + 1]], "\ud800", {"k": ["\udfff"]}], ids=repr)
def test_what_the_fast_library_refuses_is_written_by_pythons_own(value: Any) -> None:
    assert decoded(encoded(value)) == json.loads(encoded(value)) == value


def test_a_value_as_deep_as_python_reads_comes_back() -> None:
    value: Any = None
    for _ in range(400):
        value = [value]
    assert decoded(encoded(value)) == value


def test_what_is_no_json_is_an_error() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        decoded(b"{")
