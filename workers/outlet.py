"""The messages that one attempt at a step lets out while it runs: of the models it calls, and those it pushes."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from graphs.copies import detached
from graphs.message_objects import with_ids

#: A node can call a chat model of LangChain only if somebody has imported it: treadle never does.
_CHAT_MODELS = "langchain_core.language_models.chat_models"


class Outlet:
    """Shows messages in the run's messages stream.

    Args:
        publish: publishes one live event.
        step_id: what the ids of messages without one follow from.
    """

    def __init__(self, publish: Callable[[Any], None], step_id: str) -> None:
        self._publish = publish
        self._step_id = step_id
        self._pushed: list[Mapping[str, Any]] = []

    def show(self, message: Any, metadata: Mapping[str, Any]) -> None:
        """Show a message, or a chunk of one, with what is known of it beside what is known of its step."""
        self._publish((message, dict(metadata)))

    def push(self, message: Any, state_key: str | None) -> None:
        """Show a message, and keep it for a state key."""
        self.show(message, {})
        if state_key is not None:
            self._pushed.append({state_key: detached(message)})

    def updates(self, said: Iterable[Mapping[str, Any]], keys: Iterable[str]) -> tuple[Mapping[str, Any], ...]:
        """Return what the step writes to the state's keys: what it pushed, then what its node said."""
        pushed = [update for update in self._pushed if update.keys() <= set(keys)]
        return tuple(with_ids(update, f"{self._step_id}|{index}") for index, update in enumerate([*pushed, *said]))


@contextmanager
def heard(config: dict[str, Any], outlet: Outlet, *, wanted: bool) -> Iterator[dict[str, Any]]:
    """Let an outlet hear the chat models that are called in here, with the config yielded or without any."""
    if not wanted or _CHAT_MODELS not in sys.modules:
        yield config
        return
    from .tokens import listening

    with listening(config, outlet.show) as config_heard:
        yield config_heard
