"""Signatures of webhooks: that a message comes from who knows the secret, and was made a moment ago.

The header is ``t=SECONDS,v1=HEX``, with one ``v1`` for each secret: HMAC-SHA256 over the seconds, a dot, and the body
as it was sent.
"""

import hashlib
import hmac
import json
import time
from typing import Any, Final

from .errors import SchedulerError

#: The header with the signature, and the one with the id of the delivery, which is the same in every attempt.
SIGNATURE_HEADER: Final = "Treadle-Signature"
DELIVERY_HEADER: Final = "Treadle-Delivery"
#: How old a message may be.
TOLERANCE_S: Final = 300

_DIGEST: Final = "v1"


class InvalidSignature(SchedulerError, ValueError):
    """A message is not signed with the secret, is too old, or was altered."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)

    def __str__(self) -> str:
        return f"This is not to be taken for a message of Treadle's: {self.why}."


def signature(body: bytes, secrets: str, at_s: int) -> str:
    """Return what the header says of a body; several secrets, one of which follows another, stand between commas."""
    each = (f"{_DIGEST}={_digest(body, secret, at_s)}" for secret in _split(secrets))
    return ",".join((f"t={at_s}", *each))


def verify_webhook(
    body: bytes, header: str | None, secret: str, *, tolerance_s: float = TOLERANCE_S, now_s: float | None = None
) -> Any:
    """Return what a message says, once it is sure who sent it, and when.

    The same message may come more than once: its ``id`` tells, which is that of the delivery.

    Args:
        body: the request's body, as it came: not what was parsed and written again.
        header: what its header ``Treadle-Signature`` says.
        secret: TREADLE_WEBHOOK_SECRET, or several, separated by commas.
        tolerance_s: how old it may be, in seconds.
        now_s: the time, in seconds since the epoch; None: that of this machine.

    Raises:
        InvalidSignature: it is not to be trusted.
    """
    parts = [part.strip().partition("=") for part in (header or "").split(",")]
    times = [value for name, _, value in parts if name == "t"]
    signed = [value for name, _, value in parts if name == _DIGEST]
    if len(times) != 1 or not times[0].isascii() or not times[0].isdigit() or not signed:
        raise InvalidSignature(f"its header {SIGNATURE_HEADER} is missing, or reads otherwise than 't=SECONDS,v1=HEX'")
    at_s = int(times[0])
    wanted = [_digest(body, one, at_s) for one in _split(secret)]
    # All are compared, in constant time: how long it takes tells nothing.
    fits = [hmac.compare_digest(one.encode(), other.encode()) for one in wanted for other in signed]
    if not any(fits):
        raise InvalidSignature("it is signed with another secret, or was altered")
    if abs((time.time() if now_s is None else now_s) - at_s) > tolerance_s:
        raise InvalidSignature(f"it was not made within {tolerance_s:g} seconds of now")
    return json.loads(body)


def _split(secrets: str) -> list[str]:
    return [one for secret in secrets.split(",") if (one := secret.strip())]


def _digest(body: bytes, secret: str, at_s: int) -> str:
    return hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
