"""The command that shows what became of webhooks."""

import json

import pytest

from scheduler.delayed import DelayedRuns
from scheduler.deliveries import Deliveries
from scheduler.schedules import Schedules
from scheduler.webhook_post import Answer
from treadle.graph import CompiledStateGraph
from workers.desk import Desk

from .conftest import Treadle

URL = "https://hooks.example/x"
PAUSE = {"interrupt_before": ["first"]}


@pytest.fixture
def run_id(graph: CompiledStateGraph, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run whose webhook nobody took."""
    monkeypatch.setenv("TREADLE_WEBHOOK_SECRET", "s3cret")
    graph.invoke({"text": "hello"}, {"thread_id": "t-1", "webhook": "https://hooks.example/"})
    client = Desk().client
    run_id = client.runs.recent("t-1")[0].id
    Deliveries(client.connection, client.runs, lambda *_: Answer(500)).attempt("t-1", run_id)
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


@pytest.mark.parametrize("include", [[], ["output"]])
def test_a_run_is_begun_and_taken_up_with_a_webhook(treadle: Treadle, store: str, include: list[str]) -> None:
    more = {"webhook": {"url": "https://other.example/", "include": include}} if include else {}
    config = json.dumps({**PAUSE, **more})

    treadle("run", "sample", "--thread", "t-1", "--input", '{"text": "x"}', "--webhook", URL, "--config", config)
    treadle("resume", "t-1", "--webhook", URL, "--detach")

    resumed, begun = Desk().client.runs.recent("t-1")
    assert begun.webhook is not None and resumed.webhook is not None
    assert (begun.webhook["url"], begun.webhook["include"], resumed.webhook["url"]) == (URL, include, URL)


def test_a_schedule_is_created_with_a_webhook(treadle: Treadle, store: str) -> None:
    given = ("--cron", "0 2 * * *", "--input", '{"text": "x"}', "--thread", "t-1", "--webhook")
    desk = Desk()

    assert treadle("schedule", "create", "s", "sample", *given, URL).exit_code == 0

    started = Schedules(desk.engine.connection).trigger("s")
    assert DelayedRuns(desk.client).begin("t-1", str(started.run_id), desk.graphs) == "begun"
    (run,) = desk.client.runs.recent("t-1")
    assert run.webhook is not None and run.webhook["url"] == URL


def test_what_is_no_url_is_refused(treadle: Treadle, store: str) -> None:
    refused = treadle("run", "sample", "--thread", "t-1", "--input", '{"text": "x"}', "--webhook", "nowhere")

    assert refused.exit_code != 0
    assert "webhook" in refused.stderr
    assert Desk().client.threads.find("t-1") is None
