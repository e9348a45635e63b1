"""The settings of the scheduler's floor, from the environment (TREADLE_*)."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where the store is, and how long things may take; times in the units of their names."""

    model_config = SettingsConfigDict(env_prefix="TREADLE_", frozen=True, extra="ignore")

    #: The store, and by default the broker; None: the embedded Redis of the data folder.
    redis_url: str | None = None
    #: For how long a store that ails is waited for: full, failing over, restarted; one that never answered is an error.
    store_patience_s: float = Field(30, ge=0)
    #: How many replicas are to have a write before its success is told; 0: the primary alone.
    wait_replicas: int = Field(0, ge=0)
    #: For how long they are waited for; then the success is told all the same, and the log says so.
    wait_ms: int = Field(1_000, ge=1, le=4_000)
    #: What every key begins with: two systems on one Redis need two prefixes.
    prefix: str = Field("treadle", pattern=r"^[A-Za-z0-9_.-]+$")
    #: Where the embedded Redis keeps its data; None: the user's data folder.
    data: Path | None = None
    #: How long a worker may be silent before its step goes to another one.
    lease_ms: int = Field(6_000, ge=300)
    #: How long a step may wait in a queue before its message is sent again; doubles with every sending.
    queue_wait_ms: int = Field(10_000, ge=100)
    #: The longest of those waits.
    queue_wait_max_ms: int = Field(600_000, ge=100)
    #: How many workers a step may take down with it before it counts as an error.
    max_attempts: int = Field(3, ge=1)
    #: How long after the soft time limit the hard one follows.
    grace_ms: int = Field(3_000, ge=0)
    #: How often a scheduler looks at what fell due.
    sweep_ms: int = Field(250, ge=10)
    #: The largest value of a state key, and the largest result of a step.
    max_value_bytes: int = Field(32 * 1024 * 1024, ge=1024)
    #: How many live events (what nodes write) a thread keeps.
    max_events: int = Field(10_000, ge=100)
