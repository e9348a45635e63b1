"""The right to run one step, and what came of using it."""

from dataclasses import field
from typing import Any

from graphs.checkpoint import Step
from graphs.lean_values import lean
from graphs.spending import Spent

from .checkpoints import StoredCheckpoint
from .dialogue import Dialogue
from .dispatch import StepOrder, StepRef
from .failure import Failure
from .frame import Frame
from .lifecycle import RunStatus
from .run import Run


@lean(frozen=True, slots=True)
class Claim:
    """The right to run one step, and everything needed to do so."""

    ref: StepRef
    verdict: str
    run: Run
    stored: StoredCheckpoint
    step: Step
    frame: Frame
    fence: int
    attempt: int
    #: When the first attempt began, in milliseconds since the epoch.
    first_ms: int
    worker: str
    delivery: str
    losses: int = 0
    #: How the last worker that it lost ended, as far as anybody knows.
    lost_by: str = ""
    soft_ms: int | None = None
    #: What earlier attempts asked, and the answers that are replayed.
    dialogue: Dialogue = field(default_factory=Dialogue)
    #: Whether a graph that the step called has given control back, and its outcome is there.
    returned: bool = False
    #: Whether what it calls may have been recorded by an attempt before this one.
    tried: bool = False
    #: The step that waits for this one's frame; None at the root, and where the caller runs the frame itself.
    waiting: StepOrder | None = None
    #: What an error handler takes over; None for the step of a node.
    handed: "Handed | None" = None
    #: When its superstep began, and when this attempt did, by the store's clock in milliseconds since the epoch.
    since_ms: int = 0
    started_ms: int = 0
    #: What the attempt reports to have spent.
    spent: Spent = field(default_factory=Spent)

    @property
    def ns(self) -> str:
        """The namespace of the step's frame."""
        return self.frame.ns

    @property
    def ids(self) -> dict[str, Any]:
        """The ids that log entries and log records carry."""
        return {
            "run": self.ref.run_id,
            **self.where,
            "step": self.ref.step_id,
            "node": self.step.node,
            "attempt": self.attempt,
            "worker": self.worker,
            "token": self.fence,
        }

    def spending(self, *, steps: int = 1) -> dict[str, Any]:
        """Return what scripts are told of what the attempt has spent; nothing where nobody counts."""
        amounts, run = self.spent.amounts, self.run
        if not (amounts or run.budget or run.metered):
            return {}
        return {"spending": {"amounts": {**amounts, "steps": steps}, "limits": dict(run.budget)}}

    @property
    def where(self) -> dict[str, str]:
        """The step's frame as log entries name it; nothing at the root."""
        return {"ns": self.ns} if self.ns else {}


@lean(frozen=True, slots=True)
class Handed:
    """A step that failed for good, as its error handler gets it."""

    step: Step
    failure: Failure


@lean(frozen=True, slots=True)
class Progress:
    """What a commit brought about: the steps it opened, or the status in which the run ended."""

    orders: tuple[StepOrder, ...] = ()
    ended: RunStatus | None = None
    #: After how many milliseconds the step itself is due again.
    retry_ms: int | None = None
    #: Whether the frame, which is not the root's, has come to its end or to a stop.
    left: bool = False
