"""Sealing: what users put into a store is encrypted and authenticated there, where there are keys.

A sealed value is bound to its place, which is a key of Redis and a field in it: put anywhere else, also on another
thread, it does not open. Every key of Redis has a cipher key of its own, derived from the one that is configured, so
that the nonces, which are random, never become too many for one.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from graphs.errors import MissingExtra

from .errors import InvalidConfig
from .mistrust import KeyMissing, SealBroken

#: What a sealed value begins with: no MessagePack does, nor any text or compressed block.
MARK: Final = b"\xc1"

_KEY_BYTES, _NONCE_BYTES = 32, 12
KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_TEXT: Final = "sealed:"
#: The places whose cipher keys are remembered.
_PLACES = 8_192


class _Library(NamedTuple):
    """What is used of cryptography."""

    AESGCM: Any
    InvalidTag: type[Exception]


class Sealing:
    """Without keys: everything is stored as it is, and what is sealed cannot be read."""

    #: The id of the key that seals; nothing where none does.
    key_id = ""

    def require_key(self) -> None:
        """Refuse to go on without a key that seals.

        Raises:
            InvalidConfig: there is none.
        """
        if not self.key_id:
            raise InvalidConfig("TREADLE_ENCRYPTION_KEYS has no key to seal with: `treadle keys generate` makes one.")

    def seal(self, data: bytes, key: str, field: str = "") -> bytes:
        """Return a value as it is to be stored in a key of Redis, and there in a field."""
        return data

    def sealed(self, values: Mapping[str, bytes], key: str) -> Mapping[str, bytes]:
        """Return values as they are to be stored in the fields of a key."""
        return values

    def open(self, data: bytes, key: str, field: str = "") -> bytes:
        """Return a value that was stored.

        Raises:
            KeyMissing: it is sealed with a key that is not here.
            SealBroken: it was altered, or comes from another place; or, in strict mode, nobody has sealed it.
        """
        if data[:1] == MARK:
            raise KeyMissing(key_id_of(data))
        return data

    def unsealed(self, data: bytes, key: str, field: str = "") -> bytes:
        """Return what ``open`` does, and in strict mode also what nobody has sealed."""
        return self.open(data, key, field) if data[:1] == MARK else data

    def unsealed_text(self, text: str, key: str, field: str = "") -> str:
        """Return what ``open_text`` does, and in strict mode also what nobody has sealed."""
        return self.open_text(text, key, field) if text.startswith(_TEXT) else text

    def seal_text(self, text: str, key: str, field: str = "") -> str:
        """Return a text as it is to be stored; no plain one that is sealed may begin with ``sealed:``."""
        return text

    def open_text(self, text: str, key: str, field: str = "") -> str:
        """Return a text that was stored.

        Raises:
            KeyMissing, SealBroken: as ``open`` does.
        """
        data = _unwritten(text) if text.startswith(_TEXT) else text.encode()
        return self.open(data, key, field).decode()

    def seal_words(self, text: str, key: str) -> str | dict[str, str]:
        """Return what an error says as the log keeps it."""
        return text

    def open_words(self, words: Any, key: str) -> Any:
        """Return what the log says of an error: it stays in there, also when its key is given up."""
        if not isinstance(words, dict):
            return words
        try:
            return self.open(_unwritten(words["sealed"]), key).decode()
        except KeyMissing as error:
            return f"(sealed with key {error.key_id!r}, which is not here)"


class Sealed(Sealing):
    """With keys: the first one seals, and each opens what it has sealed.

    Args:
        keys: the keys by their ids.
        strict: whether a value that nobody has sealed is refused.
    """

    def __init__(self, keys: Mapping[str, bytes], *, strict: bool = False) -> None:
        self.key_id = next(iter(keys))
        self._keys, self._strict = dict(keys), strict
        self._aead = _library()
        self._head = MARK + bytes([len(self.key_id)]) + self.key_id.encode()
        self._cipher = lru_cache(_PLACES)(self._made)

    def seal(self, data: bytes, key: str, field: str = "") -> bytes:
        """Return a value sealed for its place."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed: bytes = self._cipher(self.key_id, key).encrypt(nonce, data, field.encode())
        return self._head + nonce + sealed

    def sealed(self, values: Mapping[str, bytes], key: str) -> Mapping[str, bytes]:
        """Return values sealed for the fields of a key."""
        return {field: self.seal(data, key, field) for field, data in values.items()}

    def open(self, data: bytes, key: str, field: str = "") -> bytes:
        """Return a value that was sealed for its place, or, unless they are refused, one that never was."""
        if data[:1] != MARK:
            if self._strict:
                raise SealBroken(key, field, "nobody has sealed it, and TREADLE_ENCRYPTION_STRICT refuses that")
            return data
        key_id = key_id_of(data)
        if key_id not in self._keys:
            raise KeyMissing(key_id)
        start = 2 + len(key_id)
        nonce, sealed = data[start : start + _NONCE_BYTES], data[start + _NONCE_BYTES :]
        try:
            opened: bytes = self._cipher(key_id, key).decrypt(nonce, sealed, field.encode())
        except (self._aead.InvalidTag, ValueError) as error:
            why = f"it was altered or moved, or the key {key_id!r} is another one than it was sealed with"
            raise SealBroken(key, field, why) from error
        return opened

    def seal_text(self, text: str, key: str, field: str = "") -> str:
        """Return a text sealed, as a text."""
        return _TEXT + _written(self.seal(text.encode(), key, field))

    def seal_words(self, text: str, key: str) -> str | dict[str, str]:
        """Return what an error says, sealed."""
        return {"sealed": _written(self.seal(text.encode(), key))}

    def _made(self, key_id: str, key: str) -> Any:
        derived = hmac.digest(self._keys[key_id], b"treadle " + key.encode(), hashlib.sha256)
        return self._aead.AESGCM(derived)


#: Stores everything as it is.
PLAIN: Final = Sealing()


def sealing_of(keys: str, *, strict: bool = False) -> Sealing:
    """Return the sealing of a setting: ``id:base64`` of each key, separated by commas; nothing for none.

    Raises:
        InvalidConfig: it is not of this form.
        MissingExtra: the library that encrypts is not installed.
    """
    found = dict(_key(part.strip()) for part in keys.split(",") if part.strip())
    if not found and strict:
        raise InvalidConfig("TREADLE_ENCRYPTION_STRICT needs a key in TREADLE_ENCRYPTION_KEYS.")
    return Sealed(found, strict=strict) if found else PLAIN


def configured() -> Sealing:
    """Return the sealing that the environment names, for those who are given no settings."""
    strict = os.environ.get("TREADLE_ENCRYPTION_STRICT", "").lower() in ("1", "true", "t", "yes", "y", "on")
    return sealing_of(os.environ.get("TREADLE_ENCRYPTION_KEYS", ""), strict=strict)


def new_key() -> str:
    """Return a new key, 32 bytes in base64."""
    return _written(os.urandom(_KEY_BYTES))


def key_id_of(data: bytes) -> str:
    """Return with which key a value is sealed; nothing for one that is not, ``?`` where it does not say."""
    if data[:1] != MARK:
        return ""
    return data[2 : 2 + data[1]].decode("ascii", "replace") if data[1:2] > b"\0" else "?"


def text_key_id(text: str) -> str:
    """Return with which key a text is sealed; nothing for one that is not."""
    return key_id_of(_unwritten(text)) if text.startswith(_TEXT) else ""


def _key(part: str) -> tuple[str, bytes]:
    key_id, _, written = part.partition(":")
    try:
        key = base64.b64decode(written, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not KEY_ID.fullmatch(key_id) or len(key) != _KEY_BYTES:
        raise InvalidConfig(
            f"TREADLE_ENCRYPTION_KEYS is id:base64 for each key of {_KEY_BYTES} bytes, separated by commas, and "
            f"{key_id!r:.40} is none; `treadle keys generate` makes one."
        )
    return key_id, key


def _written(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unwritten(text: str) -> bytes:
    try:
        return base64.b64decode(text.removeprefix(_TEXT))
    except binascii.Error:
        return MARK


def _library() -> Any:
    try:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers import aead
    except ImportError as error:
        raise MissingExtra("cryptography", "crypto") from error
    return _Library(aead.AESGCM, InvalidTag)
