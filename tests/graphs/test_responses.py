"""The form of an answer: shown as JSON schema, and checked where a type was given."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from typing_extensions import TypedDict

from graphs.errors import InvalidQuestion
from graphs.responses import fitting, shown


class Model(BaseModel):
    number: int


class Dict(TypedDict):
    number: int


@pytest.mark.parametrize("schema", [Model, Dict])
def test_a_type_is_shown_as_json_schema(schema: Any) -> None:
    assert shown(schema)["properties"]["number"]["type"] == "integer"
    assert shown(list[schema])["type"] == "array"


@pytest.mark.parametrize("schema", [None, {"type": "integer"}])
def test_no_form_and_a_dict_are_shown_as_they_are_and_check_nothing(schema: Any) -> None:
    assert shown(schema) is schema
    assert fitting(schema, "anything") == "anything"


def test_an_answer_becomes_what_was_asked_for() -> None:
    assert fitting(Model, {"number": "7"}) == Model(number=7)
    assert fitting(Dict, {"number": "7"}) == {"number": 7}


def test_an_answer_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValidationError):
        fitting(Model, {"number": "many"})


def test_a_type_that_pydantic_does_not_know_is_no_form() -> None:
    with pytest.raises(InvalidQuestion, match="is no response schema"):
        shown(type("Plain", (), {}))
