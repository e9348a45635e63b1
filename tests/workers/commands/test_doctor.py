"""The doctor on a real Redis, and on the fake one that stands in for it; no worker answers here."""

import json
from collections.abc import Iterator

import pytest

from scheduler.fake import FakeTcpServer
from treadle.graph import CompiledStateGraph
from workers.versioning import Judgement

from .conftest import Treadle


@pytest.fixture
def fake_store(monkeypatch: pytest.MonkeyPatch, store: str) -> Iterator[None]:
    """A store on fakeredis."""
    server = FakeTcpServer()
    monkeypatch.setenv("TREADLE_REDIS_URL", server.url)
    yield
    server.stop()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.examination._ANSWER_S", 0.1)


def test_each_finding_is_a_line_that_begins_with_how_bad_it_is(treadle: Treadle, store: str) -> None:
    result = treadle("doctor")

    assert {line.split()[0] for line in result.stdout.splitlines()} <= {"ok", "warn", "fail"}
    assert "graph sample" in result.stdout


def test_without_workers_the_doctor_fails(treadle: Treadle, store: str) -> None:
    result = treadle("doctor", "--json")

    assert result.exit_code == 1
    assert [one["about"] for one in json.loads(result.stdout) if one["level"] == "fail"] == ["workers"]


def test_a_redis_that_keeps_nothing_is_a_warning(treadle: Treadle, store: str) -> None:
    found = json.loads(treadle("doctor", "--json").stdout)

    assert [one["about"] for one in found if one["level"] == "warn"] == ["persistence"]


def test_a_step_that_waits_for_a_worker_is_named(treadle: Treadle, store: str) -> None:
    treadle("run", "sample", "--thread", "t-1", "--input", '{"text": "x"}', "--detach")

    found = json.loads(treadle("doctor", "--json").stdout)

    assert [one["about"] for one in found if one["level"] == "fail"] == ["workers", "thread t-1"]


def test_a_graph_that_cannot_be_imported_is_named(
    treadle: Treadle, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TREADLE_GRAPHS", "nowhere:graph")

    assert "nowhere:graph" in treadle("doctor").stdout


def test_without_redis_nothing_else_is_looked_at(treadle: Treadle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREADLE_REDIS_URL", "redis://:secret@127.0.0.1:1/0")

    result = treadle("doctor", "--json")

    assert result.exit_code == 1
    assert [one["about"] for one in json.loads(result.stdout)] == ["redis"]
    assert "secret" not in result.stdout


def test_what_fakeredis_does_not_tell_is_unknown(treadle: Treadle, fake_store: None) -> None:
    told = [one["told"] for one in json.loads(treadle("doctor", "--json").stdout) if one["level"] == "warn"]

    assert len(told) == 2
    assert all("unknown" in line for line in told)


def test_a_parked_thread_is_named(treadle: Treadle, graph: CompiledStateGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.executor.judged", lambda *_: Judgement(parked="Deploy the graph."))
    graph.submit({"text": "x"}, {"thread_id": "t-1"}).wait(10)

    assert "is parked: Deploy the graph." in treadle("doctor").stdout
