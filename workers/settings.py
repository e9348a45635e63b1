"""The settings of the workers' floor, from the environment (TREADLE_*)."""

from pydantic import Field

from scheduler.settings import Settings


class WorkerSettings(Settings):
    """What a worker process adds to the store's settings."""

    #: The graphs it can run: ``package.module:attribute``, separated by commas.
    graphs: str = ""
    #: Whether the graphs that come with Treadle are among them.
    examples: bool = True
    #: The message broker; None: the store's Redis, where the scripts themselves push the messages.
    broker_url: str | None = Field(None, repr=False)
    #: The queue of nodes that name none.
    default_queue: str = "treadle"
    #: Publish Celery's events, which Flower shows; costs about a third of the throughput of trivial steps.
    events: bool = True
    #: Stock delivery: late acks and the visibility timeout. Nothing here needs it, and it is three times slower.
    ack_emulation: bool = False

    def addresses(self) -> list[str]:
        """Return the addresses of the graphs."""
        return [address.strip() for address in self.graphs.split(",") if address.strip()]
