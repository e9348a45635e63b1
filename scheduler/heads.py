"""Heads of logs: what a log was at a moment, in a few words to be kept where whoever can rewrite the log cannot."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from .errors import InvalidConfig
from .log_chain import LogChain


@dataclass(frozen=True, slots=True)
class Head:
    """What a log was when the head was taken: proof of every entry up to there."""

    thread: str
    #: The last entry, and how many there were.
    seq: int
    entries: int
    #: The hash of the chain (SHA-1), as the thread knows it.
    chain: str
    #: SHA-256 over the same entries, and over the first one alone.
    digest: str
    first: str
    #: When it was taken, by the clock of whoever took it (ms).
    at_ms: int
    #: The id of the key that signed it, and the signature (Ed25519, base64); nothing where nobody did.
    key: str = ""
    signature: str = ""

    @property
    def told(self) -> bytes:
        """What is signed."""
        known = {name: value for name, value in asdict(self).items() if name != "signature"}
        return b"treadle head " + json.dumps(known, sort_keys=True, separators=(",", ":")).encode()

    @property
    def at(self) -> str:
        """When it was taken, ISO 8601, UTC."""
        return datetime.fromtimestamp(self.at_ms / 1000, UTC).isoformat(timespec="seconds")

    def denied_by(self, chain: LogChain) -> str | None:
        """Return why a log that was gone through up to this head is not the one that it was; None: it is."""
        if chain.entries and chain.first != self.first:
            return (
                f"The log does not begin as when the head of {self.at} was taken: its thread was deleted and created "
                "again, or the log was replaced or rewritten from its first entry on."
            )
        if chain.seq < self.seq:
            return (
                f"The log ends at entry {chain.seq}, but the head of {self.at} knows entry {self.seq}: "
                "what came after was removed."
            )
        if (chain.seq, chain.digest, chain.hash) == (self.seq, self.digest, self.chain):
            return None
        return (
            f"The log up to entry {self.seq} is not what it was when the head of {self.at} was taken: "
            "it was rewritten, with its chain."
        )


def head_of(record: Any) -> Head:
    """Return the head in a record, as ``asdict`` made it.

    Raises:
        InvalidConfig: it is none.
    """
    kinds = {field.name: field.type for field in fields(Head)}
    known = record if isinstance(record, dict) else {}
    if known.keys() != kinds.keys() or any(type(known[name]) is not kind for name, kind in kinds.items()):
        raise InvalidConfig(f"{str(record)!r:.80} is not the head of a log; `treadle head` makes them.")
    return Head(**known)


def read_heads(lines: Iterable[str]) -> list[Head]:
    """Return the heads in the lines of a file, one JSON object in each.

    Raises:
        InvalidConfig: a line holds none.
    """
    try:
        return [head_of(json.loads(line)) for line in lines if line.strip()]
    except json.JSONDecodeError as error:
        raise InvalidConfig(f"This is no file of heads, one JSON object a line: {error}.") from error
