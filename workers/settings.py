"""The settings of the workers' floor, from the environment (TREADLE_*)."""

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, field_validator

from scheduler.settings import Settings

from .pools import Pool, read_pools

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class WorkerSettings(Settings):
    """What a worker process adds to the store's settings."""

    #: The graphs it can run: ``package.module:attribute``, separated by commas.
    graphs: str = ""
    #: Whether the graphs that come with Treadle are among them.
    examples: bool = True
    #: The message broker; None: the store's Redis, where the scripts themselves push the messages.
    broker_url: str | None = Field(None, repr=False)
    #: Whether the queues of a RabbitMQ are declared with priorities; those that it has without must be deleted before.
    broker_priorities: bool = False
    #: The queue of nodes that name none.
    default_queue: str = Field("treadle", pattern=r"^[A-Za-z0-9_.:@/-]{1,128}$")
    #: The file that has the pools (TOML); None: there are none, and each worker is told its queues.
    pools: Path | None = None
    #: Publish Celery's events, which Flower shows; costs about a third of the throughput of trivial steps.
    events: bool = True
    #: Stock delivery: late acks and the visibility timeout. Nothing here needs it, and it is three times slower.
    ack_emulation: bool = False
    #: Where a worker or scheduler writes its sign of life, which ``treadle health`` reads; None: nowhere.
    health_file: Path | None = None

    #: The port at which a scheduler answers Prometheus; 0: at none.
    metrics_port: int = Field(0, ge=0, le=65535)
    #: On which of the machine's addresses.
    metrics_address: str = Field("127.0.0.1", pattern=r"^[A-Za-z0-9_.:-]+$", max_length=255)

    @field_validator("graphs")
    @classmethod
    def _are_addresses(cls, graphs: str) -> str:
        """Refuse what is no address of a graph; whether it can be imported is seen by those who do."""
        for address in filter(None, map(str.strip, graphs.split(","))):
            module, colon, attribute = address.partition(":")
            if not colon or not all(name.isidentifier() for name in (*module.split("."), *attribute.split("."))):
                raise ValueError(f"{address!r} is no package.module:attribute; several are separated by commas")
        return graphs

    @field_validator("health_file", mode="before")
    @classmethod
    def _is_a_file(cls, file: object) -> object:
        """Take an empty name for none."""
        return file or None

    @field_validator("broker_url")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        """Refuse what is no URL; which brokers there are Celery knows."""
        if url is not None and not _URL.match(url):
            raise ValueError("it is a URL such as redis://host:6379/0 or amqp://user:password@host//")
        return url

    def addresses(self) -> list[str]:
        """Return the addresses of the graphs."""
        return [address.strip() for address in self.graphs.split(",") if address.strip()]

    def read_pools(self) -> Mapping[str, Pool]:
        """Return the pools of the deployment; none where no file is named.

        Raises:
            InvalidSettings: the file does not fit.
        """
        return {} if self.pools is None else read_pools(self.pools)
