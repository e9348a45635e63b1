"""Stand-ins for what lies outside of a floor."""

from collections.abc import Sequence

from scheduler.dispatch import Envelope, StepOrder


class RecordingDispatcher:
    """A way to the workers that only notes what it was given.

    Args:
        queue: the Redis list that scripts push messages to; None: messages are published, as to a foreign broker.
    """

    inline = False

    def __init__(self, queue: str | None = None) -> None:
        self.sent: list[StepOrder] = []
        self.is_broker_up = True
        self.waiting = 0
        #: The runs that are to begin: thread, run and queue.
        self.announced: list[tuple[str, str, str | None]] = []
        self._queue = queue

    @property
    def nodes(self) -> list[str]:
        """The nodes of the steps that were published, in order."""
        return [order.node for order in self.sent]

    def envelope(self, order: StepOrder) -> Envelope | None:
        """Return the step's id as its message, or None where no script pushes."""
        return None if self._queue is None else Envelope(self._queue, order.ref.step_id.encode())

    def send(self, orders: Sequence[StepOrder]) -> None:
        """Note the orders."""
        self.sent.extend(orders)

    def is_open(self) -> bool:
        """Return whether the broker is up."""
        return self.is_broker_up

    def backlog(self, order: StepOrder) -> int:
        """Return how many messages wait, as the test says."""
        return self.waiting

    def announce(self, thread_id: str, run_id: str, queue: str | None) -> None:
        """Note the run."""
        self.announced.append((thread_id, run_id, queue))
