"""The settings of the scheduler's floor, from the environment (TREADLE_*)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from graphs.checks import shown

from .errors import InvalidSettings
from .sealing import Sealing, sealing_of
from .urls import check_url

_PREFIX = "TREADLE_"
_KIB, _MIB = 1024, 1024 * 1024
_MOST_MS = 365 * 24 * 3600 * 1000 * 30
_MOST_BYTES = 512 * _MIB  # the longest string that Redis takes
#: How the names of the variables end whose values are not to be shown.
_SECRET = ("_URL", "_KEY", "_KEYS", "_SECRET")


class Settings(BaseSettings):
    """Where the store is, how long things may take, and how large they may be; in the units of their names.

    Raises:
        InvalidSettings: a variable has a value that does not fit; all that do not are named.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    #: The store, and by default the broker; None: the embedded Redis of the data folder. Its password is in no repr.
    redis_url: str | None = Field(None, repr=False)
    #: For how long a store that ails is waited for: full, failing over, restarted; one that never answered is an error.
    store_patience_s: float = Field(30, ge=0)
    #: How many replicas are to have a write before its success is told; 0: the primary alone.
    wait_replicas: int = Field(0, ge=0)
    #: For how long they are waited for; then the success is told all the same, and the log says so.
    wait_ms: int = Field(1_000, ge=1, le=4_000)
    #: What every key begins with: two systems on one Redis need two prefixes.
    prefix: str = Field("treadle", pattern=r"^[A-Za-z0-9_.-]+$", max_length=64)
    #: Where the embedded Redis keeps its data; None: the user's data folder.
    data: Path | None = None
    #: How long a worker may be silent before its step goes to another one.
    lease_ms: int = Field(6_000, ge=300, le=_MOST_MS)
    #: How long a step may wait in a queue before its message is sent again; doubles with every sending.
    queue_wait_ms: int = Field(10_000, ge=100, le=_MOST_MS)
    #: The longest of those waits.
    queue_wait_max_ms: int = Field(600_000, ge=100, le=_MOST_MS)
    #: How many workers a step may take down with it before it counts as an error.
    max_attempts: int = Field(3, ge=1, le=1_000_000)
    #: How long after the soft time limit the hard one follows.
    grace_ms: int = Field(3_000, ge=0, le=_MOST_MS)
    #: How long a worker that is asked to stop may work on its steps before it hands them back.
    stop_ms: int = Field(50_000, ge=0, le=_MOST_MS)
    #: How often a scheduler looks at what fell due.
    sweep_ms: int = Field(250, ge=10, le=_MOST_MS)
    #: The largest value of a state key, result of a step, question, answer, and item of the memory.
    max_value_bytes: int = Field(32 * _MIB, ge=1024, le=_MOST_BYTES)
    #: The largest state of a graph, all keys together.
    max_state_bytes: int = Field(256 * _MIB, ge=1024)
    #: The most that an input, an update or a superstep may write at once.
    max_write_bytes: int = Field(128 * _MIB, ge=1024, le=_MOST_BYTES)
    #: The most that tags, metadata and configurable of a run, or a thread's metadata, may take.
    max_metadata_bytes: int = Field(1 * _MIB, ge=256, le=_MOST_BYTES)
    #: The highest recursion limit that a run may ask for.
    max_recursion_limit: int = Field(1_000_000, ge=1)
    #: How many steps a superstep may have: one script stores them, and meanwhile Redis answers nobody.
    max_fan_out: int = Field(20_000, ge=1)
    #: How many steps of one superstep may wait in a queue at a time, so that a large one leaves others their turn.
    fair_share: int = Field(20, ge=1, le=1_000_000)
    #: How many graphs may be inside of each other on a thread.
    max_depth: int = Field(64, ge=1)
    #: How many entries a thread's log may have before no run begins on it any more.
    max_log_entries: int = Field(10_000_000, ge=10)
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

    #: What a line of the logs of workers, schedulers and commands is.
    log_format: Literal["text", "json"] = "text"
    #: Whether runs and attempts at steps are traced by OpenTelemetry.
    traces: bool = False
    #: What signs webhooks; several secrets are separated by commas, while one takes another's place.
    webhook_secret: SecretStr = SecretStr("")
    #: Whether webhooks may be sent to addresses of this machine and of private networks, and over http.
    webhook_allow_private: bool = False
    webhook_allow_http: bool = False
    #: For how long the receiver of a webhook may let a scheduler wait.
    webhook_timeout_s: float = Field(10, gt=0, le=300)
    #: How often the delivery of a webhook is tried: with 16, for some seven hours.
    webhook_attempts: int = Field(16, ge=1, le=1_000)
    #: The largest webhook; output, questions and error that would make it larger are left out.
    webhook_max_bytes: int = Field(1 * _MIB, ge=4 * _KIB, le=64 * _MIB)

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise InvalidSettings("\n".join(map(_told, error.errors()))) from None
        except SettingsError as error:
            raise InvalidSettings(str(error)) from None

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, url: str | None) -> str | None:
        """Refuse what is no address of a Redis; libraries would say so later, and in their own words."""
        return url if url is None else check_url(url)

    def sealing(self) -> Sealing:
        """Return what seals.

        Raises:
            InvalidConfig: a key is none.
        """
        return sealing_of(self.encryption_keys.get_secret_value(), strict=self.encryption_strict)

    def trusted_heads(self) -> list[str]:
        """Return the public keys of those whose heads are believed."""
        return [key.strip() for key in self.head_public_keys.split(",") if key.strip()]


def _told(detail: Mapping[str, Any]) -> str:
    name = _PREFIX + "_".join(map(str, detail["loc"])).upper()
    why = detail["msg"].removeprefix("Value error, ").rstrip(".")
    got = "a value that is not shown" if name.endswith(_SECRET) else shown(detail["input"])
    return f"{name} is {got}: {why[:1].lower()}{why[1:]}."
