"""What a caller gets of a run in version 2."""

from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from graphs.commands import Interrupt
from graphs.outputs import GraphOutput

ASKED = (Interrupt("Really?", "1"),)


@dataclass
class Record:
    name: str


class Model(BaseModel):
    name: str


@pytest.mark.parametrize("value", [{"name": "x"}, Record("x"), Model(name="x")])
def test_the_keys_of_an_output_can_be_read_whatever_its_form(value: Any) -> None:
    output = GraphOutput(value)

    assert output["name"] == "x"
    assert "name" in output
    assert "other" not in output


@pytest.mark.parametrize("value", [3, "text", None, ["name"]])
def test_a_bare_value_has_no_keys(value: Any) -> None:
    assert "name" not in GraphOutput(value)


def test_open_questions_stand_among_the_keys() -> None:
    output = GraphOutput({"name": "x"}, ASKED)

    assert "__interrupt__" in output
    assert output["__interrupt__"] == output.interrupts == ASKED


def test_without_an_open_question_there_is_no_such_key() -> None:
    output = GraphOutput({"name": "x"})

    assert "__interrupt__" not in output

    with pytest.raises(KeyError):
        output["__interrupt__"]
