"""The commands about keys."""

import json
from typing import Any

import pytest

from scheduler.sealing import sealing_of
from treadle.graph import CompiledStateGraph

from .conftest import Treadle


def test_a_key_is_made_as_the_settings_take_it(treadle: Treadle) -> None:
    name, _, made = treadle("keys", "generate", "--id", "2026-11").stdout.strip().partition("=")
    again = json.loads(treadle("keys", "generate", "--json").stdout)

    assert name == "TREADLE_ENCRYPTION_KEYS"
    assert sealing_of(made).key_id == "2026-11"
    assert again[name] != made
    assert sealing_of(again[name]).key_id


def test_threads_are_sealed_anew_and_the_old_key_dropped(
    treadle: Treadle, graph: CompiledStateGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph.invoke({"text": "hello"}, {"thread_id": "t-1"})
    key = treadle("keys", "generate", "--id", "k1").stdout.strip().partition("=")[2]
    monkeypatch.setenv("TREADLE_ENCRYPTION_KEYS", key)

    counted = json.loads(treadle("reseal", "--dry-run", "--json").stdout)
    done = treadle("reseal")
    again = json.loads(treadle("reseal", "--json").stdout)

    assert (counted["resealed"], [*counted["found"]]) == (0, [""])
    assert done.exit_code == 0
    assert "found not sealed" in done.stdout
    assert (again["resealed"], again["found"]) == (0, {"k1": counted["found"][""]})
    assert json.loads(treadle("state", "t-1", "--json").stdout)["values"]["text"] == "hello"


def test_a_value_that_does_not_open_is_told(
    treadle: Treadle, graph: CompiledStateGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [treadle("keys", "generate", "--id", "k1").stdout.strip().partition("=")[2] for _ in range(2)]
    monkeypatch.setenv("TREADLE_ENCRYPTION_KEYS", keys[0])
    connection = graph.checkpointer.engine.connection  # type: ignore[union-attr]
    graph.invoke({"text": "hello"}, {"thread_id": "t-1"})
    place = connection.place("t-1").named("channels")
    fields: Any = connection.client.hgetall(place)
    for field in fields:
        connection.client.hset(place, field, sealing_of(keys[1]).seal(b"", place, field.decode()))

    result = treadle("reseal", "--dry-run")
    monkeypatch.setenv("TREADLE_ENCRYPTION_KEYS", f"{keys[1].replace('k1', 'k2')},{keys[0]}")
    told = treadle("reseal")

    assert result.exit_code == 0
    assert told.exit_code == 1
    assert "not to be trusted" in told.stderr


def test_a_command_without_the_key_says_which_one_it_needs(
    treadle: Treadle, graph: CompiledStateGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TREADLE_ENCRYPTION_KEYS", treadle("keys", "generate", "--id", "k1").stdout.strip()[24:])
    graph.invoke({"text": "hello"}, {"thread_id": "t-1"})
    monkeypatch.delenv("TREADLE_ENCRYPTION_KEYS")

    result = treadle("state", "t-1")

    assert result.exit_code == 2
    assert "sealed with key 'k1', which is not here" in result.stderr
    for proof in (("verify", "t-1"), ("head", "--all"), ("verify", "--all")):  # which need no key
        assert treadle(*proof).exit_code == 0
