"""The messages mode: what nodes and the models they call say, each message once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphs.checkpoint import Checkpoint, Step
from graphs.frames import step_ns
from graphs.graph import Graph
from graphs.messages import id_of, messages_said

from .run import Run
from .step_metadata import step_metadata

#: A message, or a chunk of one, and where it comes from.
Said = tuple[Any, dict[str, Any]]


@dataclass
class Chat:
    """Tells messages as they come, and remembers them, so that a message told in chunks is not told again."""

    graph: Graph
    run: Run
    #: The frame of the graph.
    ns: str = ""
    #: The ids of the run's messages -> the steps that said them.
    told: dict[Any, str] = field(default_factory=dict)

    def live(self, value: tuple[Any, Mapping[str, Any]], step: Step, number: int, attempt: int) -> Said:
        """Return a message that a step said while it ran."""
        message, more = value
        self.told[id_of(message)] = step.id
        return message, {**self._metadata(step, number, attempt), **more}

    def forget(self, step_id: str) -> None:
        """Forget what an attempt at a step has said: it was taken back."""
        for message_id in [message_id for message_id, teller in self.told.items() if teller == step_id]:
            del self.told[message_id]

    def finished(
        self, updates: Sequence[Mapping[str, Any]], step: Step, before: Checkpoint, attempt: int
    ) -> Iterator[Said]:
        """Yield what a step's writes say that neither its stream nor the state before it did."""
        for key, value in (item for update in updates for item in update.items()):
            for message in self._new(key, value, before.values.get(key)):
                self.told[id_of(message)] = step.id
                yield message, self._metadata(step, before.number + 1, attempt)

    def _new(self, key: str, value: Any, before: Any) -> list[Any]:
        reducer = getattr(self.graph.channels.get(key), "reducer", None)
        said = messages_said(value, before, reducer)
        known = self.told.keys() | set(map(id_of, messages_said(before, before, reducer))) if said else set()
        return [message for message in said if id_of(message) is None or id_of(message) not in known]

    def _metadata(self, step: Step, number: int, attempt: int) -> dict[str, Any]:
        ns = step_ns(self.ns, step.node, step.id)
        ids = {"checkpoint_ns": ns, "run_id": self.run.id, "step_id": step.id, "attempt": attempt}
        return {**step_metadata(self.run.config, step, number, ns), **ids}
