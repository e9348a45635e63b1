"""The tools of the example agent: each is a class whose fields are its arguments and whose docstring is its manual."""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from inspect import getdoc

from pydantic import BaseModel, Field, ValidationError

from .arithmetic import evaluate
from .terms import words


class Tool(BaseModel):
    """A call of a tool, with its arguments checked."""

    @abstractmethod
    def run(self) -> str:
        """Return what the model gets to read.

        Raises:
            ValueError, ArithmeticError: the arguments make no sense; the message is for the model.
        """


class Calculator(Tool):
    """Calculate an arithmetic expression of numbers, brackets and + - * / // % **."""

    expression: str = Field(max_length=200, examples=["(3 + 4) ** 2 / 7"])

    def run(self) -> str:
        """Return the value."""
        return str(evaluate(self.expression))


class WordCount(Tool):
    """Count the words of a text."""

    text: str

    def run(self) -> str:
        """Return the number."""
        return str(len(words(self.text)))


class Now(Tool):
    """Tell the present date and time, in UTC."""

    def run(self) -> str:
        """Return it in ISO format."""
        return datetime.now(UTC).isoformat(timespec="seconds")


TOOLS: Mapping[str, type[Tool]] = {"calculator": Calculator, "now": Now, "word_count": WordCount}


def described() -> list[dict[str, object]]:
    """Return the tools in the form in which a model is told about them."""
    return [
        {
            "type": "function",
            "function": {"name": name, "description": getdoc(tool), "parameters": tool.model_json_schema()},
        }
        for name, tool in TOOLS.items()
    ]


def call(name: str, arguments: str) -> str:
    """Run a tool with arguments as the model wrote them; what is wrong with them comes back as text for the model."""
    if name not in TOOLS:
        return f"Error: there is no tool {name!r}; there are: {', '.join(TOOLS)}."
    try:
        return TOOLS[name].model_validate_json(arguments or "{}").run()
    except ValidationError as error:
        flaws = "; ".join(f"{'.'.join(map(str, flaw['loc'])) or 'arguments'}: {flaw['msg']}" for flaw in error.errors())
        return f"Error: the arguments of {name} do not fit: {flaws}."
    except (ValueError, ArithmeticError) as error:
        return f"Error: {error}"
