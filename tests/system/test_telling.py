"""What real processes tell the outside: webhooks, once each, logs as JSON, and one trace for each run."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import Deployment, until
from tests.system.traced import graph_of
from treadle.webhooks import verify_webhook

pytestmark = pytest.mark.system

SECRET = "s3cret"


class Receiver(ThreadingHTTPServer):
    """Takes webhooks."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    def of(self, thread_id: str) -> list[tuple[str, str]]:
        """Return what was told of a thread."""
        return [(told["type"], told["status"]) for told in self.told if told["thread_id"] == thread_id]


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.append(verify_webhook(body, self.headers["Treadle-Signature"], SECRET))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_ends_are_told_traced_and_logged(
    deployment: Deployment, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = tmp_path / "spans"
    deployment.settings |= {
        "TREADLE_WEBHOOK_SECRET": SECRET,
        "TREADLE_WEBHOOK_ALLOW_PRIVATE": "true",
        "TREADLE_WEBHOOK_ALLOW_HTTP": "true",
        "TREADLE_TRACES": "true",
        "TREADLE_LOG_FORMAT": "json",
        "SPANS": str(spans),
    }
    monkeypatch.setenv("TREADLE_WEBHOOK_ALLOW_HTTP", "true")
    for name in ("one", "two"):
        deployment.scheduler(name)
    deployment.worker("w", "-c", "2", graphs="tests.system.traced:graph")
    graph = graph_of(deployment.url)
    webhook = {"url": f"http://127.0.0.1:{receiver.server_port}/runs", "include": ["output", "questions"]}

    graph.invoke({"n": 0}, {"thread_id": "ends"}, webhook=webhook)
    graph.invoke({"n": 1}, {"thread_id": "asks"}, webhook=webhook)

    until(lambda: len(receiver.told) >= 2, "both runs are told")
    until(lambda: "webhook delivered" in deployment.output("one") + deployment.output("two"), "it is logged")
    assert receiver.of("ends") == [("run.ended", "success")]
    assert receiver.of("asks") == [("run.interrupted", "interrupted")]
    told = {one["thread_id"]: one for one in receiver.told}
    assert told["ends"]["output"] == {"answer": None}
    assert told["asks"]["questions"][0]["value"] == "Send it?"

    run_id = told["ends"]["run_id"]
    found = [span for span in lines(spans.read_text()) if span["attributes"].get("treadle.run") == run_id]
    assert sorted(span["name"] for span in found) == ["traced success", "traced.ask", "traced.think"]
    assert len({span["context"]["trace_id"] for span in found}) == 1

    thought = [one for one in lines(deployment.output("w")) if one["message"] == "thinking"]
    assert {one["run_id"] for one in thought} == {told["ends"]["run_id"], told["asks"]["run_id"]}
    scheduled = lines(deployment.output("one") + deployment.output("two"))
    assert {one["attempt"] for one in scheduled if one["message"] == "webhook delivered"} == {1}
