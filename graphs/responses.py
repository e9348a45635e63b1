"""The form that an answer must have: shown as JSON schema to whoever is asked, checked when the answer is there."""

from collections.abc import Mapping
from typing import Any

from .errors import InvalidQuestion


def shown(schema: Any) -> Any:
    """Return a response schema as it is shown: a dict as it is, a type as JSON schema, None for any form.

    Raises:
        InvalidQuestion: pydantic cannot say what fits the type.
    """
    if schema is None or isinstance(schema, Mapping):
        return schema
    from pydantic.errors import PydanticUserError

    try:
        return _adapter(schema).json_schema()
    except PydanticUserError as error:
        raise InvalidQuestion(f"{schema!r:.80} is no response schema: {error}") from error


def fitting(schema: Any, answer: Any) -> Any:
    """Return an answer as an instance of a question's response schema; a dict only shows a form, and checks nothing.

    Raises:
        pydantic.ValidationError: it does not fit.
    """
    return answer if schema is None or isinstance(schema, Mapping) else _adapter(schema).validate_python(answer)


def _adapter(schema: Any) -> Any:
    from pydantic import TypeAdapter  # by those who use it: most nodes ask without a schema

    return TypeAdapter(schema)
