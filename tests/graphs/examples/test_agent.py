"""The agent graph, against a server on this machine that speaks the chat-completions protocol."""

import json
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from graphs.examples import agent
from treadle.checkpoint.memory import MemorySaver
from treadle.errors import GraphRecursionError
from treadle.graph import CompiledStateGraph

CONFIG = {"configurable": {"thread_id": "chat"}}
QUESTION = {"messages": [{"role": "user", "content": "What is 6 * 7?"}]}


def said(content: str | None, *calls: dict[str, Any]) -> tuple[int, Any]:
    """Return an answer as servers give it, with all the keys that nobody asked for."""
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None, "annotations": []}
    if calls:
        message["tool_calls"] = list(calls)
    return 200, {"id": "x", "object": "chat.completion", "choices": [{"index": 0, "message": message}], "usage": {}}


def asked(name: str, arguments: str, call_id: str = "call-1", **more: Any) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


class Model(ThreadingHTTPServer):
    """Gives the answers of a script, one for each request, and keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[tuple[int, Any]] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Model

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.headers.append({key.lower(): value for key, value in self.headers.items()})
        self.server.paths.append(self.path)
        status, answer = self.server.script.pop(0)
        content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the tests ask the server for what it was sent."""


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    """A model's server, which the environment names."""
    server = Model()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("TREADLE_AGENT_BASE_URL", f"{server.url}/")
    monkeypatch.setenv("TREADLE_AGENT_MODEL", "small-model")
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def graph() -> CompiledStateGraph:
    """The agent in this process's memory, with no pauses between its attempts."""
    retry = replace(agent.RETRY, initial_interval=0, jitter=False)
    return agent.build(retry).compile(checkpointer=MemorySaver(), name="agent")


def ask(graph: CompiledStateGraph) -> list[dict[str, Any]]:
    return graph.invoke(QUESTION, CONFIG)["messages"]  # type: ignore[no-any-return]


def without_ids(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in message.items() if key != "id"} for message in messages]


def test_an_answer_without_tools_ends_the_run(graph: CompiledStateGraph, model: Model) -> None:
    model.script = [said("Forty-two.")]

    messages = ask(graph)

    assert without_ids(messages) == [*QUESTION["messages"], {"role": "assistant", "content": "Forty-two."}]


def test_a_tool_is_called_and_its_result_shown_to_the_model(graph: CompiledStateGraph, model: Model) -> None:
    model.script = [said(None, asked("calculator", '{"expression": "6 * 7"}')), said("It is 42.")]

    messages = ask(graph)

    assert without_ids(messages)[1:] == [
        {"role": "assistant", "content": None, "tool_calls": [asked("calculator", '{"expression": "6 * 7"}')]},
        {"role": "tool", "tool_call_id": "call-1", "name": "calculator", "content": "42"},
        {"role": "assistant", "content": "It is 42."},
    ]


def test_the_conversation_is_sent_back_word_for_word_and_without_ids(graph: CompiledStateGraph, model: Model) -> None:
    model.script = [said(None, asked("calculator", '{"expression": "6 * 7"}', signature="s")), said("It is 42.")]

    messages = ask(graph)

    assert model.bodies[1]["messages"] == without_ids(messages[:-1])
    assert model.bodies[1]["messages"][1]["tool_calls"][0]["signature"] == "s"


def test_the_request_names_model_key_tools_and_itself(graph: CompiledStateGraph, model: Model) -> None:
    model.script = [said("Hello.")]

    ask(graph)

    assert model.paths == ["/v1/chat/completions"]
    assert model.headers[0]["authorization"] == "Bearer secret-key"
    assert model.headers[0]["idempotency-key"]
    assert model.bodies[0]["model"] == "small-model"
    assert [tool["function"]["name"] for tool in model.bodies[0]["tools"]] == ["calculator", "now", "word_count"]


def test_each_of_several_calls_gets_its_own_answer(graph: CompiledStateGraph, model: Model) -> None:
    calls = [asked("word_count", '{"text": "a b"}', "one"), asked("calculator", '{"expression": "1 + 1"}', "two")]
    model.script = [said("Let me see.", *calls), said("Done.")]

    messages = ask(graph)

    assert [(one["tool_call_id"], one["content"]) for one in messages if one["role"] == "tool"] == [
        ("one", "2"),
        ("two", "2"),
    ]


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (asked("calculator", '{"expression": '), "Invalid JSON"),
        (asked("calculator", "{}"), "Field required"),
        (asked("rocket", "{}"), "there is no tool 'rocket'"),
    ],
)
def test_a_malformed_call_is_told_to_the_model_and_the_run_goes_on(
    graph: CompiledStateGraph, model: Model, call: dict[str, Any], complaint: str
) -> None:
    model.script = [said(None, call), said("Sorry.")]

    messages = ask(graph)

    assert complaint in model.bodies[1]["messages"][-1]["content"]
    assert messages[-1]["content"] == "Sorry."


def test_a_conversation_goes_on_with_the_next_input(graph: CompiledStateGraph, model: Model) -> None:
    model.script = [said("Forty-two."), said("You asked for 6 * 7.")]

    ask(graph)
    graph.invoke({"messages": [{"role": "user", "content": "What did I ask?"}]}, CONFIG)

    assert [one["role"] for one in model.bodies[1]["messages"]] == ["user", "assistant", "user"]


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_an_endpoint_that_cannot_answer_now_is_asked_again_with_the_same_key(
    graph: CompiledStateGraph, model: Model, status: int
) -> None:
    model.script = [(status, "overloaded"), said("Forty-two.")]

    messages = ask(graph)

    assert messages[-1]["content"] == "Forty-two."
    assert model.bodies[0] == model.bodies[1]
    assert model.headers[0]["idempotency-key"] == model.headers[1]["idempotency-key"]


def test_an_endpoint_that_never_answers_is_given_up_after_the_policy_s_attempts(
    graph: CompiledStateGraph, model: Model
) -> None:
    model.script = [(500, "down")] * agent.RETRY.max_attempts

    with pytest.raises(ConnectionError, match="answered 500: 'down'"):
        ask(graph)

    assert len(model.bodies) == agent.RETRY.max_attempts


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_a_clear_error_and_not_tried_again(
    graph: CompiledStateGraph, model: Model, status: int
) -> None:
    model.script = [(status, {"error": {"message": "bad key"}})] * 2

    with pytest.raises(PermissionError, match=r"bad key.*Set OPENAI_API_KEY") as refused:
        ask(graph)

    assert len(model.bodies) == 1
    assert "secret-key" not in str(refused.value)


@pytest.mark.parametrize(
    "answer",
    [
        (404, "no such model"),
        (400, "bad request"),
        (302, ""),
        (200, "<html>"),
        (200, {"choices": []}),
        (200, {"error": "x"}),
        said(None, {"id": "1", "type": "function"}),
    ],
)
def test_an_answer_outside_of_the_protocol_names_the_setting_and_is_not_tried_again(
    graph: CompiledStateGraph, model: Model, answer: tuple[int, Any]
) -> None:
    model.script = [answer] * 2

    with pytest.raises(ValueError, match=r"[Cc]heck TREADLE_AGENT_BASE_URL"):
        ask(graph)

    assert len(model.bodies) == 1


def test_a_server_that_is_not_there_is_a_connection_error(
    graph: CompiledStateGraph, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TREADLE_AGENT_BASE_URL", "http://127.0.0.1:1")

    with pytest.raises(ConnectionError, match="did not answer"):
        ask(graph)


@pytest.mark.parametrize("missing", ["TREADLE_AGENT_BASE_URL", "TREADLE_AGENT_MODEL", "OPENAI_API_KEY"])
def test_a_missing_setting_is_named_when_the_node_runs(
    graph: CompiledStateGraph, model: Model, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delenv(missing)

    with pytest.raises(RuntimeError, match=f"{missing} is not set"):
        ask(graph)

    assert model.bodies == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_API_KEY", "secr\u00e9t-key"),
        ("OPENAI_API_KEY", "secret\nkey"),
        ("TREADLE_AGENT_BASE_URL", "https://user:secret@example.org"),
        ("TREADLE_AGENT_BASE_URL", "example.org/v1"),
        ("TREADLE_AGENT_BASE_URL", "http://127.0.0.1:port/v1"),
    ],
)
def test_an_unusable_setting_is_refused_without_quoting_a_secret(
    graph: CompiledStateGraph, model: Model, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ValueError, match="TREADLE_AGENT_BASE_URL") as refused:
        ask(graph)

    assert "secr" not in str(refused.value)
    assert model.bodies == []


def test_without_httpx_the_error_says_what_to_install(
    graph: CompiledStateGraph, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)

    with pytest.raises(ImportError, match=r"pip install 'treadle\[agent\]'"):
        ask(graph)


def test_a_model_that_never_stops_calling_tools_is_stopped(graph: CompiledStateGraph, model: Model) -> None:
    model.script = [said(None, asked("now", "{}"))] * agent.MAX_SUPERSTEPS
    limits = agent.graph.config

    with pytest.raises(GraphRecursionError):
        graph.with_config(limits).invoke(QUESTION, CONFIG)

    assert len(model.bodies) == agent.MAX_SUPERSTEPS // 2
