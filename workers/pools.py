"""Pools: named sets of queues with the workers that take them, in one file (TREADLE_POOLS)."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from scheduler.errors import InvalidSettings

#: The variable that names the file; ``treadle worker`` reads it before gevent has patched what settings import.
VARIABLE = "TREADLE_POOLS"

_KIB_OF_MIB = 1024
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

#: How a worker of the pool runs several steps at once; only prefork can stop a node that does not return.
Kind = Literal["prefork", "threads", "gevent", "solo"]
Queue = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:@/-]{1,128}$")]


class Pool(BaseModel):
    """One pool: which queues its workers take, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    #: Those that its workers take, in no order of preference.
    queues: list[Queue] = Field(min_length=1)
    kind: Kind = "prefork"
    #: How many steps a worker runs at once; None: as many as it has cores.
    concurrency: int | None = Field(None, ge=1, le=100_000)
    #: After how many steps a process is replaced by a new one; None: never.
    max_tasks_per_child: int | None = Field(None, ge=1)
    #: A process that has more memory than this after a step is replaced by a new one; None: never.
    max_memory_per_child_mib: int | None = Field(None, ge=1)

    @field_validator("queues")
    @classmethod
    def _differ(cls, queues: list[str]) -> list[str]:
        """Refuse a queue that is named twice."""
        twice = next((queue for queue in queues if queues.count(queue) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice!r} is named twice")
        return queues

    @model_validator(mode="after")
    def _fit(self) -> "Pool":
        """Refuse what this kind of pool does not have."""
        limited = self.max_tasks_per_child is not None or self.max_memory_per_child_mib is not None
        if limited and self.kind != "prefork":
            raise ValueError(f"limits of a child are for kind 'prefork': a pool of {self.kind} has no children")
        if self.kind == "solo" and self.concurrency not in (None, 1):
            raise ValueError("a solo pool runs one step at a time: leave its concurrency out")
        return self

    def options(self) -> dict[str, object]:
        """Return the options of Celery's worker that say the same; None: what Celery does by itself."""
        memory = self.max_memory_per_child_mib
        return {
            "-P": self.kind,
            "-Q": ",".join(self.queues),
            "-c": self.concurrency,
            "--max-tasks-per-child": self.max_tasks_per_child,
            "--max-memory-per-child": None if memory is None else memory * _KIB_OF_MIB,
        }


class _File(BaseModel):
    """What a file of pools holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pools: dict[str, Pool] = Field(min_length=1)

    @field_validator("pools")
    @classmethod
    def _are_named(cls, pools: dict[str, Pool]) -> dict[str, Pool]:
        """Refuse names that are none for a worker."""
        for name in pools:
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a pool: letters, digits, _ and -, at most 64")
        return pools


def read_pools(path: Path) -> Mapping[str, Pool]:
    """Return the pools of a file, in its order.

    Raises:
        InvalidSettings: the file cannot be read, is no TOML, or says what no pool has; each place is named.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return _File.model_validate(tomllib.loads(text)).pools
    except OSError as error:
        raise InvalidSettings(f"{VARIABLE} names {path}, which cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise InvalidSettings("\n".join(_told(path, text, one) for one in error.errors())) from None
    except ValueError as error:  # tomllib says the line and the column
        raise InvalidSettings(f"{path} is no TOML: {error}.") from error


def find_pool(pools: Mapping[str, Pool], name: str) -> Pool:
    """Return the pool of a name.

    Raises:
        InvalidSettings: there is none.
    """
    if name not in pools:
        raise InvalidSettings(f"There is no pool {name!r}; the file of {VARIABLE} has: {', '.join(pools)}.")
    return pools[name]


def without_pool(queues: Iterable[str], pools: Mapping[str, Pool]) -> list[str]:
    """Return those queues that no pool takes."""
    taken = {queue for pool in pools.values() for queue in pool.queues}
    return sorted(set(queues) - taken)


def _told(path: Path, text: str, detail: Any) -> str:
    """Return an error of the file with its line, and the key that is wrong."""
    keys = [str(part) for part in detail["loc"]]
    line = _line_of(text.splitlines(), [key for key in keys if not key.isdigit()])
    why = detail["msg"].removeprefix("Value error, ")
    return f"{path}, line {line}, {'.'.join(keys) or 'the file'}: {why[:1].lower()}{why[1:]}."


def _line_of(lines: Sequence[str], keys: Sequence[str]) -> int:
    """Return on which line the key stands, or else the table that should have it; tomllib does not tell."""
    table, found = "", 1
    wanted = ".".join(keys)
    for number, line in enumerate(lines, 1):
        for name, is_table in _names(line):
            table = name if is_table else table
            here = name if is_table or not table else f"{table}.{name}"
            if here == wanted:
                return number
            if wanted.startswith(f"{here}."):
                found = number
    return found


def _names(line: str) -> Iterator[tuple[str, bool]]:
    """Yield the table that a line opens, or the key that it sets."""
    found = re.match(r"""\s*(?:\[([^\[\]]+)\]|([\w."'-]+)\s*=)""", line)
    if found is not None:
        yield re.sub(r"""["'\s]""", "", found[1] or found[2]), found[1] is not None
