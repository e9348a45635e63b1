"""The right to run one step, and what came of using it."""

from dataclasses import dataclass, field
from typing import Any

from graphs.checkpoint import Step

from .checkpoints import StoredCheckpoint
from .dialogue import Dialogue
from .dispatch import StepOrder, StepRef
from .lifecycle import RunStatus
from .run import Run


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one step, and everything needed to do so."""

    ref: StepRef
    verdict: str
    run: Run
    stored: StoredCheckpoint
    step: Step
    ns: str
    fence: int
    attempt: int
    #: When the first attempt began, in milliseconds since the epoch.
    first_ms: int
    worker: str
    delivery: str
    losses: int = 0
    soft_ms: int | None = None
    #: What earlier attempts asked, and the answers that are replayed.
    dialogue: Dialogue = field(default_factory=Dialogue)

    @property
    def ids(self) -> dict[str, Any]:
        """The ids that log entries and log records carry."""
        return {
            "run": self.ref.run_id,
            "step": self.ref.step_id,
            "node": self.step.node,
            "attempt": self.attempt,
            "worker": self.worker,
            "token": self.fence,
        }


@dataclass(frozen=True, slots=True)
class Progress:
    """What a commit brought about: the steps it opened, or the status in which the run ended."""

    orders: tuple[StepOrder, ...] = ()
    ended: RunStatus | None = None
    #: After how many milliseconds the step itself is due again.
    retry_ms: int | None = None
