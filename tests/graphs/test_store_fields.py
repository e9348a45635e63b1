"""Fields of an item: which texts stand for it."""

import pytest

from graphs.store_fields import texts_at

VALUE = {
    "text": "tea",
    "n": 7,
    "ok": True,
    "none": None,
    "empty": "",
    "notes": [{"text": "one"}, {"text": "two"}, {"other": "three"}],
    "by": {"name": "Ada", "tags": ["x", "y"]},
}


@pytest.mark.parametrize(
    ("field", "texts"),
    [
        ("text", ["tea"]),
        ("n", ["7"]),
        ("ok", ["True"]),
        ("none", []),
        ("empty", []),
        ("missing", []),
        ("text.deeper", []),
        ("by.name", ["Ada"]),
        ("notes[*].text", ["one", "two"]),
        ("notes[0].text", ["one"]),
        ("notes[-2].text", ["two"]),
        ("notes[9].text", []),
        ("by.tags[*]", ["x", "y"]),
        ("by.*", ["Ada", '["x", "y"]']),
        ("{text,n}", ["tea", "7"]),
        ("by.{name, missing}", ["Ada"]),
        ("by", ['{"name": "Ada", "tags": ["x", "y"]}']),
    ],
)
def test_a_field_names_texts_of_a_value(field: str, texts: list[str]) -> None:
    assert texts_at(VALUE, field) == texts


def test_the_whole_value_is_one_text_whatever_the_order_of_its_keys() -> None:
    assert texts_at({"b": "é", "a": 1}, "$") == texts_at({"a": 1, "b": "é"}, "$") == ['{"a": 1, "b": "é"}']
