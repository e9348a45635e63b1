"""Signatures on heads: Ed25519, so that who checks one needs no key that could sign another."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

from graphs.errors import MissingExtra

from .errors import InvalidConfig
from .heads import Head
from .mistrust import HeadRefused

_KEY_BYTES = 32


class Signer:
    """Signs heads with a private key (32 bytes in base64)."""

    def __init__(self, private_key: str) -> None:
        ed25519 = _library()
        self._key = ed25519.Ed25519PrivateKey.from_private_bytes(_decoded(private_key, "TREADLE_HEAD_KEY"))
        self.public_key = base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    @classmethod
    def generate(cls) -> tuple[Self, str]:
        """Return a signer with a new key, and its private key."""
        key = base64.b64encode(_library().Ed25519PrivateKey.generate().private_bytes_raw()).decode()
        return cls(key), key

    def sign(self, head: Head) -> Head:
        """Return a head with its signature."""
        named = replace(head, key=key_id(self.public_key))
        return replace(named, signature=base64.b64encode(self._key.sign(named.told)).decode())


def check_signature(head: Head, public_keys: Sequence[str]) -> None:
    """Check that one of these keys (each 32 bytes in base64) has signed a head.

    Raises:
        HeadRefused: none of them has.
        InvalidConfig: a key is none.
    """
    from_key = {key_id(key): _decoded(key, "TREADLE_HEAD_PUBLIC_KEYS") for key in public_keys}
    if not head.signature:
        raise HeadRefused(head.thread, "nobody has signed it")
    if head.key not in from_key:
        raise HeadRefused(head.thread, f"it was signed with the key {head.key!r}, which is none of those trusted here")
    ed25519 = _library()
    from cryptography.exceptions import InvalidSignature

    try:
        signature = base64.b64decode(head.signature, validate=True)
        ed25519.Ed25519PublicKey.from_public_bytes(from_key[head.key]).verify(signature, head.told)
    except (InvalidSignature, binascii.Error) as error:
        raise HeadRefused(head.thread, "its signature does not fit it") from error


def key_id(public_key: str) -> str:
    """Return how heads name a public key."""
    return hashlib.sha256(public_key.encode()).hexdigest()[:16]


def _decoded(key: str, setting: str) -> bytes:
    try:
        data = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != _KEY_BYTES:
        raise InvalidConfig(
            f"{setting} is {_KEY_BYTES} bytes in base64; `treadle keys generate --signing` makes a pair."
        )
    return data


def _library() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise MissingExtra("cryptography", "crypto") from error
    return ed25519
