"""The tools of the example agent, and what they answer to nonsense."""

from datetime import UTC, datetime, timedelta

import pytest

from graphs.examples.arithmetic import evaluate
from graphs.examples.tools import TOOLS, call, described


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2 * (3 + 4) ** 2", 98),
        ("-7 // 2", -4),
        ("7 % 4 - +1", 2),
        ("1 / 8", 0.125),
        ("2 ** -1", 0.5),
        (" 1_000 ", 1000),
    ],
)
def test_an_expression_comes_to_its_value(expression: str, value: float) -> None:
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').getcwd()",
        "(1).__class__",
        "[1, 2]",
        "x + 1",
        "True + 1",
        "'a' * 3",
        "1 if 2 else 3",
        "1 << 9",
        "1 +",
        "",
        "1j",
        "(-8) ** 0.5",
        "9 ** 9 ** 9",
        "1\0",
    ],
)
def test_what_is_no_arithmetic_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        evaluate(expression)


@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("calculator", '{"expression": "6 * 7"}', "42"),
        ("word_count", '{"text": "three short words"}', "3"),
        ("word_count", '{"text": ""}', "0"),
    ],
)
def test_a_tool_answers_with_its_result(name: str, arguments: str, answer: str) -> None:
    assert call(name, arguments) == answer


@pytest.mark.parametrize("arguments", ["", "{}"])
def test_the_clock_needs_no_arguments(arguments: str) -> None:
    told = datetime.fromisoformat(call("now", arguments))

    assert abs(datetime.now(UTC) - told) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("name", "arguments", "complaint"),
    [
        ("shell", "{}", "Error: there is no tool 'shell'; there are: calculator, now, word_count."),
        ("calculator", "{not json", "Error: the arguments of calculator do not fit: arguments: Invalid JSON"),
        ("calculator", "{}", "Error: the arguments of calculator do not fit: expression: Field required"),
        ("calculator", "[]", "Error: the arguments of calculator do not fit: arguments: Input should be an object"),
        (
            "calculator",
            '{"expression": 5}',
            "Error: the arguments of calculator do not fit: expression: Input should be",
        ),
        ("calculator", f'{{"expression": "{"1" * 201}"}}', "Error: the arguments of calculator do not fit: expression"),
        ("calculator", '{"expression": "1 / 0"}', "Error: division by zero"),
        ("calculator", '{"expression": "10.0 ** 999"}', "Error: "),
        ("calculator", '{"expression": "9 ** 999 * 9 ** 999 * 9 ** 999 * 9 ** 999 * 9 ** 999"}', "Error: "),
    ],
)
def test_a_bad_call_comes_back_as_text_for_the_model(name: str, arguments: str, complaint: str) -> None:
    assert call(name, arguments).startswith(complaint)


def test_the_model_is_told_of_every_tool_with_its_manual_and_its_arguments() -> None:
    told = {tool["function"]["name"]: tool["function"] for tool in described() if isinstance(tool["function"], dict)}

    assert told.keys() == TOOLS.keys()
    assert told["calculator"]["description"].startswith("Calculate an arithmetic expression")
    assert told["calculator"]["parameters"]["required"] == ["expression"]
