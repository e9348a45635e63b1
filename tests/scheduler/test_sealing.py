"""Sealed values: they open at their place, with their key, unaltered, and nowhere else."""

import base64
import os
import zlib

import ormsgpack
import pytest

from scheduler.errors import InvalidConfig
from scheduler.mistrust import KeyMissing, SealBroken
from scheduler.sealing import MARK, PLAIN, Sealing, configured, key_id_of, new_key, sealing_of

OLD, NEW = (f"{name}:{new_key()}" for name in ("old", "new"))
SEALING = sealing_of(OLD)
DATA = b"what was said" * 10


@pytest.mark.parametrize("data", [b"", DATA, os.urandom(100_000)], ids=["nothing", "a text", "much"])
def test_a_value_opens_at_its_place(data: bytes) -> None:
    sealed = SEALING.seal(data, "key", "field")

    assert SEALING.open(sealed, "key", "field") == data
    assert key_id_of(sealed) == "old"
    assert len(sealed) == len(data) + 2 + len("old") + 12 + 16
    assert not data or data not in sealed


def test_the_same_value_is_never_sealed_the_same_way_twice() -> None:
    assert SEALING.seal(DATA, "key", "field") != SEALING.seal(DATA, "key", "field")


@pytest.mark.parametrize(("key", "field"), [("key", "other"), ("other", "field"), ("keyfield", ""), ("key", "")])
def test_a_value_does_not_open_anywhere_else(key: str, field: str) -> None:
    sealed = SEALING.seal(DATA, "key", "field")

    with pytest.raises(SealBroken, match=f"at {key}.*altered or moved"):
        SEALING.open(sealed, key, field)


def test_a_value_of_which_a_bit_is_another_one_does_not_open() -> None:
    sealed = SEALING.seal(DATA, "key")

    for at in range(len(MARK) + len(b"-old"), len(sealed)):
        with pytest.raises(SealBroken):
            SEALING.open(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], "key")


@pytest.mark.parametrize("length", [1, 2, 4, 5, 16, 17, 30])
def test_a_value_that_was_cut_off_does_not_open(length: int) -> None:
    with pytest.raises((SealBroken, KeyMissing)):
        SEALING.open(SEALING.seal(DATA, "key")[:length], "key")


def test_every_key_opens_and_the_first_one_seals() -> None:
    both = sealing_of(f"{NEW}, {OLD}")

    assert both.open(SEALING.seal(DATA, "key"), "key") == DATA
    assert key_id_of(both.seal(DATA, "key")) == "new"


@pytest.mark.parametrize("sealing", [PLAIN, sealing_of(NEW)], ids=["no key", "another key"])
def test_a_key_that_is_not_here_is_named(sealing: Sealing) -> None:
    with pytest.raises(KeyMissing, match="key 'old', which is not here"):
        sealing.open(SEALING.seal(DATA, "key"), "key")

    words = sealing.open_words(SEALING.seal_words("it broke", "key"), "key")

    assert words == "(sealed with key 'old', which is not here)"


def test_another_key_of_the_same_name_is_told_from_it() -> None:
    with pytest.raises(SealBroken, match="the key 'old' is another one"):
        sealing_of(f"old:{new_key()}").open(SEALING.seal(DATA, "key"), "key")


def test_what_nobody_has_sealed_is_read_unless_that_is_refused() -> None:
    strict = sealing_of(OLD, strict=True)

    assert SEALING.open(DATA, "key") == PLAIN.open(DATA, "key") == DATA
    assert strict.unsealed(DATA, "key") == DATA
    with pytest.raises(SealBroken, match="nobody has sealed it"):
        strict.open(DATA, "key")
    with pytest.raises(SealBroken, match="nobody has sealed it"):
        strict.open_text("{}", "key")


def test_without_keys_everything_is_the_very_same() -> None:
    values = {"field": DATA}

    assert PLAIN.seal(DATA, "key") is DATA
    assert PLAIN.sealed(values, "key") is values
    assert PLAIN.open(DATA, "key") is DATA
    assert PLAIN.seal_text("{}", "key") == PLAIN.open_text("{}", "key") == "{}"
    assert PLAIN.open_words(PLAIN.seal_words("it broke", "key"), "key") == "it broke"


def test_texts_are_sealed_as_texts() -> None:
    sealed = SEALING.seal_text('{"who": "ä"}', "key", "field")

    assert sealed.isascii()
    assert SEALING.open_text(sealed, "key", "field") == '{"who": "ä"}'
    assert SEALING.open_words(SEALING.seal_words("ä broke", "key"), "key") == "ä broke"


@pytest.mark.parametrize("value", [None, True, {}, [], "", 1.5, -(2**62), b"\xc1", {"a": "\xc1"}, ("x",)])
def test_nothing_that_is_stored_unsealed_looks_sealed(value: object) -> None:
    packed = ormsgpack.packb(value)

    assert key_id_of(packed) == ""
    assert key_id_of(zlib.compress(packed)) == ""


@pytest.mark.parametrize(
    "keys",
    ["old", "old:", "old:short", f":{new_key()}", f"a b:{new_key()}", f"{'x' * 33}:{new_key()}", "old:ä", f"{OLD},x"],
    ids=["no colon", "no key", "a short one", "no id", "an odd id", "a long id", "no base64", "one of two"],
)
def test_a_setting_that_names_no_key_says_how_one_is_made(keys: str) -> None:
    with pytest.raises(InvalidConfig, match="keys generate") as error:
        sealing_of(keys)

    assert OLD.partition(":")[2] not in str(error.value)


def test_a_strict_deployment_without_a_key_is_a_mistake() -> None:
    with pytest.raises(InvalidConfig, match="STRICT needs a key"):
        sealing_of("", strict=True)


def test_who_is_given_no_settings_seals_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert configured() is PLAIN
    monkeypatch.setenv("TREADLE_ENCRYPTION_KEYS", OLD)

    assert configured().open(SEALING.seal(DATA, "key"), "key") == DATA
    assert len(base64.b64decode(new_key())) == 32
