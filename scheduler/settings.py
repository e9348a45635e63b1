"""The settings of the scheduler's floor, from the environment (TREADLE_*)."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from .sealing import Sealing, sealing_of


class Settings(BaseSettings):
    """Where the store is, and how long things may take; times in the units of their names."""

    model_config = SettingsConfigDict(env_prefix="TREADLE_", frozen=True, extra="ignore", hide_input_in_errors=True)

    #: The store, and by default the broker; None: the embedded Redis of the data folder. Its password is in no repr.
    redis_url: str | None = Field(None, repr=False)
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
    #: How long a worker that is asked to stop may work on its steps before it hands them back.
    stop_ms: int = Field(50_000, ge=0)
    #: How often a scheduler looks at what fell due.
    sweep_ms: int = Field(250, ge=10)
    #: The largest value of a state key, and the largest result of a step.
    max_value_bytes: int = Field(32 * 1024 * 1024, ge=1024)
    #: How many live events (what nodes write) a thread keeps.
    max_events: int = Field(10_000, ge=100)
    #: The private key that signs the heads of logs: 32 bytes in base64 (Ed25519); None: nobody signs them.
    head_key: SecretStr | None = None
    #: The public keys of those whose heads are believed, separated by commas; none: signatures are not looked at.
    head_public_keys: str = ""

    #: Where threads are archived when nobody says otherwise: a folder, or a URL of fsspec's.
    archive_url: str | None = Field(None, repr=False)

    #: The keys that seal what is stored, ``id:base64`` of 32 bytes, separated by commas: the first one seals, and each
    #: opens what it has sealed; none: everything is stored as it is.
    encryption_keys: SecretStr = SecretStr("")
    #: Whether a stored value that nobody has sealed is refused.
    encryption_strict: bool = False

    def sealing(self) -> Sealing:
        """Return what seals.

        Raises:
            InvalidConfig: a key is none.
        """
        return sealing_of(self.encryption_keys.get_secret_value(), strict=self.encryption_strict)

    def trusted_heads(self) -> list[str]:
        """Return the public keys of those whose heads are believed."""
        return [key.strip() for key in self.head_public_keys.split(",") if key.strip()]
