"""What a caller gets of a run in version 2: its output, and the parts of its stream."""

from dataclasses import dataclass
from typing import Any, Final, Generic, NotRequired, TypedDict, TypeVar

from .schema import is_state_class

#: The key under which open questions stand beside a state.
INTERRUPT: Final = "__interrupt__"

ValueT = TypeVar("ValueT")


class StreamPart(TypedDict):
    """One thing that a stream shows."""

    #: The stream mode.
    type: str
    #: Where it happened: () in the graph itself, "node:task_id" for each subgraph on the way down.
    ns: tuple[str, ...]
    data: Any
    #: Its place in the run: a later reader goes on after it.
    id: NotRequired[str]
    #: The open questions, in parts of the mode "values".
    interrupts: NotRequired[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class GraphOutput(Generic[ValueT]):
    """What ``invoke`` returns: the output, and the questions that wait for an answer.

    It can be read like the dict of version 1, where the questions stand among the keys.
    """

    value: ValueT
    interrupts: tuple[Any, ...] = ()

    def __getitem__(self, key: Any) -> Any:
        if key == INTERRUPT and self.interrupts:
            return self.interrupts
        if is_state_class(type(self.value)):
            return getattr(self.value, key)
        return self.value[key]  # type: ignore[index]

    def __contains__(self, key: object) -> bool:
        try:
            self[key]
        except (AttributeError, IndexError, KeyError, TypeError):
            return False
        return True
