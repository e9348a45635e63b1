"""Values to bytes and back: MessagePack, with an allow-list of classes and nothing that could run code."""

import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath, PurePosixPath
from typing import Any
from uuid import UUID

import ormsgpack

from graphs.commands import Overwrite, Send
from graphs.copies import Handed
from graphs.schema import is_pydantic
from graphs.timeouts import TimeoutPolicy

from .errors import NotSerializable
from .excess import StateTooLarge
from .langchain import LANGCHAIN, langchain_classes
from .mistrust import Unreadable

_OPTIONS = (
    ormsgpack.OPT_PASSTHROUGH_BIG_INT
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_UUID
)
#: The extension type of an instance of an allowed class: (class name, content).
_INSTANCE = 100

#: What bytes raise that no value was made.
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)

#: What the library says of other keys; allowed to, it would make texts of dates and Enum members without a word.
_ODD_KEY = "Dict key must be str"


class _Pairs(list[Any]):
    """The items of a dict whose keys are not all plain strings."""


#: Plain types that MessagePack lacks: type -> (extension type, to plain, from plain). The numbers are for ever.
_PLAIN: Mapping[type, tuple[int, Callable[[Any], Any], Callable[[Any], Any]]] = {
    tuple: (1, list, tuple),
    set: (2, list, set),
    frozenset: (3, list, frozenset),
    datetime: (4, datetime.isoformat, datetime.fromisoformat),
    date: (5, date.isoformat, date.fromisoformat),
    time: (6, time.isoformat, time.fromisoformat),
    timedelta: (7, lambda value: [value.days, value.seconds, value.microseconds], lambda plain: timedelta(*plain)),
    UUID: (8, str, UUID),
    Decimal: (9, str, Decimal),
    int: (10, str, int),
    complex: (11, lambda value: [value.real, value.imag], lambda plain: complex(*plain)),
    deque: (12, lambda value: [list(value), value.maxlen], lambda plain: deque(*plain)),
    PurePosixPath: (14, str, PurePosixPath),
    _Pairs: (15, list, dict),
}
_FROM_PLAIN = {tag: from_plain for tag, _, from_plain in _PLAIN.values()}


@dataclasses.dataclass(frozen=True, slots=True)
class Unknown:
    """Stands for an instance of a class that this process does not allow: its name and its content."""

    class_name: str
    content: Any


class Serde:
    """Encodes and decodes values.

    The messages and documents of langchain_core are allowed without being named.

    Args:
        classes: the dataclasses, pydantic models, named tuples and enums that values may be instances of.
        limit_bytes: the largest encoding that is accepted; None: any.
    """

    def __init__(self, classes: Iterable[type] = (), limit_bytes: int | None = None) -> None:
        self._classes = {class_name(cls): cls for cls in (Overwrite, Send, TimeoutPolicy, *classes)}
        self._limit_bytes = limit_bytes

    def allow(self, classes: Iterable[type]) -> None:
        """Allow instances of further classes, as a rule those that a graph's state names."""
        self._classes.update((class_name(cls), cls) for cls in classes)

    def dumps(self, value: Any, where: str = "The value") -> bytes:
        """Return a value as bytes; ``where`` names it in errors.

        Raises:
            NotSerializable: it holds something that cannot be stored.
            StateTooLarge: it takes more bytes than the limit.
        """
        encoder = _Encoder(self._class)
        try:
            data = encoder.pack(value)
        except (ormsgpack.MsgpackEncodeError, RecursionError) as error:
            type_name, reason = encoder.refused or (type(value).__name__, f"{error}.")
            raise NotSerializable(where, type_name, reason) from error
        if self._limit_bytes is not None and len(data) > self._limit_bytes:
            raise StateTooLarge(where, len(data), self._limit_bytes)
        return data

    def loads(self, data: bytes) -> Any:
        """Return the value that ``dumps`` made the bytes from.

        Instances of classes that are not allowed here come back as ``Unknown``; nothing is imported or run.

        Raises:
            Unreadable: no value was ever made these bytes.
        """
        try:
            return self._loads(data)
        except _MALFORMED as error:
            why = error.__cause__ or error
            raise Unreadable(f"{type(why).__name__}: {why!s:.200}") from error

    def _loads(self, data: bytes) -> Any:
        return ormsgpack.unpackb(data, ext_hook=self._restore)

    def _class(self, name: str) -> type | None:
        """Return an allowed class by its name."""
        if name not in self._classes and name.startswith(LANGCHAIN):
            self.allow(langchain_classes())
        return self._classes.get(name)

    def _restore(self, tag: int, data: bytes) -> Any:
        plain = self._loads(data)
        if tag != _INSTANCE:
            return _FROM_PLAIN[tag](plain)
        name, content = plain
        cls = self._class(name)
        return Unknown(name, content) if cls is None else instance_of(cls, content)


class _Encoder:
    """Packs one value, and remembers what it met that cannot be stored: the library's error does not say."""

    def __init__(self, class_of: Callable[[str], type | None]) -> None:
        self._class_of = class_of
        self.refused: tuple[str, str] | None = None

    def pack(self, value: Any) -> bytes:
        try:
            return ormsgpack.packb(value, default=self._extend, option=_OPTIONS)
        except ormsgpack.MsgpackEncodeError as error:
            if str(error) != _ODD_KEY:
                raise
        return ormsgpack.packb(_in_pairs(value), default=self._extend, option=_OPTIONS)

    def _extend(self, value: Any) -> Any:
        if isinstance(value, Handed):
            return _in_pairs([*value])
        known = _PLAIN.get(type(value))
        if known is not None:
            tag, to_plain, _ = known
            return ormsgpack.Ext(tag, self.pack(to_plain(value)))
        if isinstance(value, PurePath):
            return ormsgpack.Ext(_PLAIN[PurePosixPath][0], self.pack(value.as_posix()))
        if isinstance(value, Unknown):  # it goes back as it came: somebody else knows the class
            return ormsgpack.Ext(_INSTANCE, self.pack([value.class_name, value.content]))
        name = class_name(type(value))
        if self._class_of(name) is None:
            self.refused = self.refused or (name.removeprefix("builtins:"), _why_not(value))
            raise TypeError(name)
        return ormsgpack.Ext(_INSTANCE, self.pack([name, content_of(value)]))


def _in_pairs(value: Any) -> Any:
    """Return a value in which every dict that has other keys than plain strings is a list of its items."""
    if type(value) is list:
        return [_in_pairs(item) for item in value]
    if type(value) is not dict:
        return value
    if all(type(key) is str for key in value):
        return {key: _in_pairs(item) for key, item in value.items()}
    return _Pairs([key, item] for key, item in value.items())


def class_name(cls: type) -> str:
    """Return the name under which instances of a class are stored."""
    return f"{cls.__module__}:{cls.__qualname__}"


def content_of(value: Any) -> Any:
    """Return what an instance holds, as plain values."""
    if isinstance(value, Enum):
        return value.value
    if is_pydantic(type(value)):
        return [dict(value), sorted(value.model_fields_set)]
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return list(value)


def instance_of(cls: type, content: Any) -> Any:
    """Return an instance with a content that was stored; nothing of the class's own is run where that can be helped."""
    if issubclass(cls, Enum):
        return cls(content)
    if is_pydantic(cls):
        values, fields_set = content
        return cls.model_construct(set(fields_set), **values)  # type: ignore[attr-defined]
    if dataclasses.is_dataclass(cls):
        made = object.__new__(cls)
        for name, value in content.items():
            object.__setattr__(made, name, value)
        return made
    return cls(*content)


def _why_not(value: Any) -> str:
    if isinstance(value, Enum | tuple) or dataclasses.is_dataclass(value) or is_pydantic(type(value)):
        return "its class is not allowed. Annotate it in the graph's state, or name it in the saver's types=[...]."
    if isinstance(value, dict | list | str | int | float):
        return "it is a subclass of a plain type. Convert it to the plain type."
    return "keep plain data (str, numbers, lists, dicts, dates), dataclasses or pydantic models in the state."
