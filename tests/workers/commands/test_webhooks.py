"""The command that shows what became of webhooks."""

import json

import pytest

from scheduler.deliveries import Deliveries
from treadle.graph import CompiledStateGraph
from workers.desk import Desk

from .conftest import Treadle


@pytest.fixture
def run_id(graph: CompiledStateGraph, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run whose webhook nobody took."""
    monkeypatch.setenv("TREADLE_WEBHOOK_SECRET", "s3cret")
    graph.invoke({"text": "hello"}, {"thread_id": "t-1", "webhook": "https://hooks.example/"})
    client = Desk().client
    run_id = client.runs.recent("t-1")[0].id
    Deliveries(client.connection, client.runs, lambda *_: 500).attempt("t-1", run_id)
    return run_id


def test_what_became_of_a_webhook_is_told_to_people_and_programs(treadle: Treadle, run_id: str) -> None:
    shown = treadle("webhooks", "t-1").stdout
    (told,) = json.loads(treadle("webhooks", "t-1", "--json").stdout)

    assert run_id in shown
    assert "The answer was 500." in shown
    assert (told["run_id"], told["state"], told["attempts"], told["status"]) == (run_id, "waiting", 1, 500)


def test_a_webhook_is_sent_again_when_somebody_says_so(treadle: Treadle, run_id: str) -> None:
    (told,) = json.loads(treadle("webhooks", "t-1", "--again", run_id, "--json").stdout)

    assert (told["state"], told["attempts"], told["status"]) == ("waiting", 0, None)
    assert treadle("webhooks", "t-1", "--again", "other").exit_code == 2


def test_a_thread_without_webhooks_says_so_and_an_unknown_one_is_an_error(
    treadle: Treadle, graph: CompiledStateGraph
) -> None:
    graph.invoke({"text": "hello"}, {"thread_id": "t-1"})

    assert "No run of thread t-1 has a webhook." in treadle("webhooks", "t-1").stdout
    assert treadle("webhooks", "t-2").exit_code != 0
