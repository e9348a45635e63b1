"""What a state class says: its keys, how their writes merge, and the form in which a node sees them."""

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from inspect import get_annotations
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from .channels import MISSING, Channel, Reduced, channel_of
from .checks import shown
from .commands import END, RETURN
from .conversation import channel_of_chat
from .copies import detached, own
from .errors import InvalidGraph, InvalidInput, InvalidUpdateError
from .message_objects import is_message_class
from .messages import add_message_objects, add_messages

#: The one key of a graph's state that is a bare value instead of a mapping.
ROOT = "__root__"
#: The keys under which a bare value lies: of such a state, of an entrypoint's result, of a task's.
BARE: Final = (ROOT, END, RETURN)

Kind = Literal["mapping", "dataclass", "pydantic", "root"]

#: What typing raises for an annotation that cannot be resolved.
UNRESOLVED = (NameError, AttributeError, TypeError, SyntaxError)


@dataclass(frozen=True, slots=True)
class Schema:
    """A state class, taken apart."""

    type: Any
    kind: Kind
    channels: Mapping[str, Channel]
    #: Resolved annotations by key, for finding the classes that a state may hold.
    hints: Mapping[str, Any]

    @property
    def is_root(self) -> bool:
        """Whether the state is one bare value."""
        return self.kind == "root"

    @property
    def key(self) -> str:
        """The one key of a bare value."""
        return next(iter(self.channels))

    def view(self, values: Mapping[str, Any]) -> Any:
        """Return the state as a node with this schema sees it.

        A key's list, dict or set is the node's own copy; what is nested in it is not: a node returns what it changed.

        Raises:
            pydantic.ValidationError: the state does not fit a pydantic schema.
        """
        if self.is_root:
            return own(values.get(self.key))
        present = {key: own(values[key]) for key in self.channels if key in values}
        if self.kind == "mapping":
            return present
        return self.type(**present)

    def read(self, value: Any) -> dict[str, Any]:
        """Return an input as writes; keys that the schema does not know are dropped.

        Raises:
            InvalidInput: the input is of the wrong kind, or none of its keys is known.
            pydantic.ValidationError: the input does not fit a pydantic schema.
        """
        if self.is_root:
            return self.known(value)
        given = as_mapping(value)
        if given is None:
            raise InvalidInput(f"The input must be a dict with keys of {self._named()}, got {type(value).__name__}.")
        known = self.known(given)
        if given and not known:
            has = ", ".join(key if isinstance(key, str) else shown(key) for key in given)
            raise InvalidInput(f"The input has none of the keys of {self._named()}; it has: {has}.")
        if self.kind == "pydantic" and not isinstance(value, self.type):
            self.type(**known)  # refuse it now; what is stored stays as it was given
        return known

    def known(self, given: Any) -> dict[str, Any]:
        """Return what of a mapping, or of a bare value, this schema knows."""
        if self.is_root:
            return {self.key: detached(given)}
        return {key: detached(item) for key, item in (as_mapping(given) or {}).items() if key in self.channels}

    def _named(self) -> str:
        return f"{getattr(self.type, '__name__', 'the state')} ({', '.join(self.channels)})"


def schema_of(cls: Any) -> Schema:
    """Take a state class apart.

    Raises:
        InvalidGraph: it is no usable class, an annotation names what cannot be found, or a reducer does not take
            two arguments.
    """
    if is_state_class(cls):
        hints = field_hints(cls)
        return Schema(cls, _kind(cls), {key: _channel(key, hint) for key, hint in hints.items()}, hints)
    if not isinstance(cls, type) and get_origin(cls) is None:
        raise InvalidGraph(f"Expected a state class or Annotated[type, reducer], got {shown(cls)}.")
    if isinstance(cls, type) and _declares_keys(cls):
        raise InvalidGraph(
            f"{cls.__name__} declares keys, but is not a TypedDict, a dataclass or a pydantic model: make it one."
        )
    return bare(_channel(ROOT, cls), cls)


def bare(channel: Channel, hint: Any) -> Schema:
    """Return the schema of one bare value, which lies in a channel."""
    return Schema(hint, "root", {channel.name: channel}, {channel.name: hint})


def is_state_class(cls: Any) -> bool:
    """Return whether a class declares keys: a TypedDict, a dataclass or a pydantic model."""
    return isinstance(cls, type) and (hasattr(cls, "__total__") or dataclasses.is_dataclass(cls) or is_pydantic(cls))


def is_pydantic(cls: Any) -> bool:
    """Return whether a class is a pydantic model, without importing pydantic for those who do not use it."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(cls, type) and issubclass(cls, pydantic.BaseModel)


def as_mapping(value: Any) -> Mapping[str, Any] | None:
    """Return an update as a mapping, or None when it is of another kind.

    Of a pydantic object only the fields that somebody set or changed count, of a dataclass all.
    """
    if isinstance(value, Mapping):
        return value
    if is_pydantic(type(value)):
        return {key: getattr(value, key) for key in type(value).model_fields if _is_touched(value, key)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def expect_mapping(value: Any) -> Mapping[str, Any]:
    """Return an update as a mapping.

    Raises:
        InvalidUpdateError: it is not a dict, a dataclass or a pydantic object.
    """
    mapping = as_mapping(value)
    if mapping is None:
        raise InvalidUpdateError(f"Expected dict, got {shown(value)}")
    return mapping


def field_hints(cls: Any) -> dict[str, Any]:
    """Return the resolved annotations of a state class's keys: what its constructor takes.

    Raises:
        InvalidGraph: an annotation names something that cannot be found from the module of its class.
    """
    try:
        if is_pydantic(cls):
            cls.model_rebuild()  # does nothing unless a forward reference is still open
            return {key: field.rebuild_annotation() for key, field in cls.model_fields.items()}
        hints = get_type_hints(cls, include_extras=True)
    except UNRESOLVED as error:
        raise InvalidGraph(
            f"The annotation of {cls.__name__}.{_first_unresolved(cls)} cannot be resolved: {error}. "
            f"Define what it names at the top level of {cls.__module__}, or, for a class inside of a function, "
            "leave out `from __future__ import annotations` there."
        ) from error
    if dataclasses.is_dataclass(cls):
        return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}
    return hints


def classes_in(hint: Any) -> Iterator[type]:
    """Yield every class that an annotation names, those of nested fields included."""
    seen: set[type] = set()
    pending = [hint]
    while pending:
        current = pending.pop()
        if get_origin(current) is not None:
            pending.extend(_parts(current))
        elif not isinstance(current, type):
            pending.extend(_aliased(current))
        elif current is not Any and current not in seen:
            seen.add(current)
            yield current
            pending.extend(_nested(current))


def initial_values(channels: Mapping[str, Channel]) -> dict[str, Any]:
    """Return the values of a state that nobody has written yet."""
    starts = {name: channel.initial() for name, channel in channels.items()}
    return {name: value for name, value in starts.items() if value is not MISSING}


def context_of(schema: Any, value: Any) -> Any:
    """Return what nodes get as their context: a dict becomes an instance where the schema is a class with fields.

    Raises:
        TypeError, pydantic.ValidationError: the dict does not fit the schema.
    """
    has_fields = isinstance(schema, type) and (dataclasses.is_dataclass(schema) or is_pydantic(schema))
    return schema(**value) if has_fields and isinstance(value, Mapping) else value


def _channel(key: str, hint: Any) -> Channel:
    """Return a key's channel; ``add_messages`` over an annotation that names message objects makes all of them such."""
    channel = channel_of(key, hint)
    if (
        isinstance(channel, Reduced)
        and channel.reducer is add_messages
        and any(map(is_message_class, classes_in(hint)))
    ):
        channel = dataclasses.replace(channel, reducer=add_message_objects)
    return channel_of_chat(channel)


def _kind(cls: type) -> Kind:
    if is_pydantic(cls):
        return "pydantic"
    return "dataclass" if dataclasses.is_dataclass(cls) else "mapping"


def _declares_keys(cls: type) -> bool:
    return any(get_annotations(base) for base in cls.__mro__)


def _is_touched(model: Any, key: str) -> bool:
    """Return whether a field was given, assigned, or changed in place (as when a default list is appended to)."""
    if key in model.model_fields_set:
        return True
    default = type(model).model_fields[key].get_default(call_default_factory=True, validated_data=model.__dict__)
    return bool(getattr(model, key) != default)


def _first_unresolved(cls: type) -> str:
    for base in reversed(cls.__mro__):
        names = vars(sys.modules[base.__module__])
        for key, hint in get_annotations(base).items():
            try:
                get_type_hints(type(key, (), {"__annotations__": {key: hint}}), dict(vars(base)), names)
            except UNRESOLVED:
                return str(key)
    return "__annotations__"


def _parts(hint: Any) -> list[Any]:
    """Return what a subscripted annotation is made of; of Annotated only the type, of Literal its values' classes."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return [args[0]]
    if origin is Literal:
        return [type(value) for value in args]
    return list(args) if origin in (Union, UnionType) else [origin, *args]


def _aliased(hint: Any) -> list[Any]:
    """Return what a NewType or a ``type`` statement stands for."""
    return [getattr(hint, name) for name in ("__supertype__", "__value__") if hasattr(hint, name)]


def _nested(cls: type) -> list[Any]:
    if not is_state_class(cls) and not hasattr(cls, "_fields"):
        return []
    try:
        return list(field_hints(cls).values())
    except InvalidGraph:  # a library's class may name what only type checkers import; its own name still counts
        return []
