"""Signatures of webhooks: what is trusted, and what is not."""

import hashlib
import hmac

import pytest

from scheduler.webhook_signature import InvalidSignature, signature, verify_webhook

BODY = b'{"id":"1"}'
SECRET = "s3cret"


def test_a_message_that_was_signed_a_moment_ago_is_read() -> None:
    assert verify_webhook(BODY, signature(BODY, SECRET, 1_000), SECRET, now_s=1_200) == {"id": "1"}


def test_the_scheme_is_the_one_that_is_documented() -> None:
    digest = hmac.new(SECRET.encode(), b"1000." + BODY, hashlib.sha256).hexdigest()

    assert signature(BODY, SECRET, 1_000) == f"t=1000,v1={digest}"


def test_while_one_secret_takes_anothers_place_both_are_good() -> None:
    header = signature(BODY, "new, old", 1_000)

    assert header.count("v1=") == 2
    for known in ("new", "old", "other,old"):
        assert verify_webhook(BODY, header, known, now_s=1_000)


@pytest.mark.parametrize(
    ("body", "header", "secret", "now_s"),
    [
        (BODY + b" ", signature(BODY, SECRET, 1_000), SECRET, 1_000),
        (BODY, signature(BODY, "other", 1_000), SECRET, 1_000),
        (BODY, signature(BODY, SECRET, 1_000).replace("t=1000", "t=1001"), SECRET, 1_000),
        (BODY, signature(BODY, SECRET, 1_000), SECRET, 1_301),
        (BODY, signature(BODY, SECRET, 1_000), SECRET, 600),
        (BODY, signature(BODY, SECRET, 1_000), "", 1_000),
        (BODY, signature(BODY, "", 1_000), "", 1_000),
        (BODY, "t=1000", SECRET, 1_000),
        (BODY, "v1=00", SECRET, 1_000),
        (BODY, "t=1000,t=1000,v1=00", SECRET, 1_000),
        (BODY, "t=x,v1=00", SECRET, 1_000),
        (BODY, "t=1000,v1=\u00e9", SECRET, 1_000),
        (BODY, "", SECRET, 1_000),
        (BODY, None, SECRET, 1_000),
    ],
)
def test_anything_else_is_refused(body: bytes, header: str | None, secret: str, now_s: float) -> None:
    with pytest.raises(InvalidSignature):
        verify_webhook(body, header, secret, now_s=now_s)
