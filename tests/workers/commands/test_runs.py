"""The commands that begin, take up and cancel runs; without a worker, every run here ends or pauses by itself."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphs.examples import map_reduce, supervisor
from scheduler.following import Follower, Happening
from scheduler.lifecycle import RunStatus
from scheduler.runs import RunStore
from treadle.checkpoint.redis import RedisSaver
from treadle.graph import CompiledStateGraph
from workers.desk import Desk
from workers.progress import Progress

from .conftest import Treadle

PAUSE_AT_ONCE = '{"interrupt_before": ["first"]}'


def begun(*more: str) -> list[str]:
    """Return the command that begins a run on thread t-1."""
    return ["run", "sample", "--thread", "t-1", "--input", '{"text": "x"}', *more]


def test_a_detached_run_prints_its_id_alone(treadle: Treadle, store: str) -> None:
    result = treadle(*begun("--detach"))

    assert result.exit_code == 0
    assert result.stdout.strip() == Desk().client.threads.get("t-1").run_id
    assert "treadle tail t-1" in result.stderr


def test_a_run_that_pauses_says_how_to_go_on(treadle: Treadle, store: str) -> None:
    result = treadle(*begun("--config", PAUSE_AT_ONCE))

    assert result.exit_code == 0
    assert json.loads(result.stdout)["text"] == "x"
    assert "Paused before first" in result.stderr
    assert "treadle resume t-1" in result.stderr


def test_a_run_shows_what_happens_beside_its_output(treadle: Treadle, store: str) -> None:
    result = treadle(*begun("--config", PAUSE_AT_ONCE))

    assert "started" in result.stderr
    assert "started" not in result.stdout


def test_a_run_answers_a_program_with_one_object(treadle: Treadle, store: str) -> None:
    result = treadle(*begun("--config", PAUSE_AT_ONCE, "--json"))

    answer = json.loads(result.stdout)
    assert (answer["status"], answer["next"], answer["error"]) == ("interrupted", ["first"], None)
    assert answer["output"] == {"text": "x", "steps": []}
    assert result.stderr == ""


def test_input_is_read_from_a_file(treadle: Treadle, store: str, tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_text('{"text": "from a file"}')

    result = treadle("run", "sample", "--thread", "t", "--input", f"@{file}", "--config", PAUSE_AT_ONCE)

    assert json.loads(result.stdout)["text"] == "from a file"


def test_input_is_read_from_the_standard_input(treadle: Treadle, store: str) -> None:
    result = treadle(
        "run", "sample", "--thread", "t", "--input", "-", "--config", PAUSE_AT_ONCE, stdin='{"text": "piped"}'
    )

    assert json.loads(result.stdout)["text"] == "piped"


def test_what_a_graph_says_of_its_runs_counts_here_too(
    treadle: Treadle, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TREADLE_GRAPHS", "graphs.examples.map_reduce:graph")

    treadle("run", "map_reduce", "--thread", "t-1", "--input", '{"texts": ["A text."]}', "--detach")

    run = Desk().client.runs.recent("t-1", 1)[0]
    assert run.config["max_concurrency"] == map_reduce.MAX_CONCURRENCY


def test_an_answer_is_for_the_question_that_waits(treadle: Treadle, asking: str) -> None:
    treadle("resume", asking, "--answer", "true", "--detach")

    assert Desk().client.runs.recent(asking, 1)[0].status is RunStatus.PENDING
    assert json.loads(treadle("state", asking, "--json").stdout)["interrupts"] == []


def test_an_answer_and_a_new_input_are_not_one_call(treadle: Treadle, asking: str) -> None:
    result = treadle("resume", asking, "--answer", "true", "--input", "{}")

    assert result.exit_code == 2
    assert "one of them" in result.stderr


def test_a_question_is_shown_with_the_state(treadle: Treadle, asking: str) -> None:
    shown = treadle("state", asking).stdout

    asked = json.loads(treadle("state", asking, "--json").stdout)["interrupts"]
    assert asked[0]["value"]["draft"].startswith("What is a lease?")
    assert f"asks {asked[0]['id']}" in shown


@pytest.fixture
def asking(store: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a thread on which a graph inside of a graph asks."""
    monkeypatch.setenv("TREADLE_GRAPHS", "graphs.examples.supervisor:graph")
    graph = supervisor.build().compile(RedisSaver(store, inline=True), name="supervisor")
    graph.invoke({"question": "What is a lease?"}, {"thread_id": "t-1"})
    return "t-1"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--input", "{text: x}"], "not JSON"),
        (["--input", "@/nowhere/at/all"], "cannot be read"),
        (["--input", "null"], "treadle resume"),
        (["--input", '{"tex": "x"}'], "none of the keys"),
        (["--config", '{"timeout": -1}'], "timeout"),
        (["--config", "[]"], "JSON object"),
        (["--config", '{"colour": 1}'], "unknown keys"),
    ],
)
def test_bad_input_is_a_usage_error_and_nothing_begins(
    treadle: Treadle, store: str, wrong: list[str], told: str
) -> None:
    result = treadle(*begun(), *wrong)

    assert result.exit_code == 2
    assert told in result.stderr
    assert Desk().client.threads.find("t-1") is None


def test_an_unknown_graph_is_a_usage_error(treadle: Treadle, store: str) -> None:
    result = treadle("run", "simple", "--thread", "t-1", "--input", "{}")

    assert result.exit_code == 2
    assert "known: sample" in result.stderr


def test_a_thread_with_an_active_run_is_busy(treadle: Treadle, store: str) -> None:
    treadle(*begun("--detach"))

    result = treadle(*begun())

    assert result.exit_code == 4
    assert "busy" in result.stderr


def test_a_failed_run_ends_the_command_with_1(treadle: Treadle, store: str) -> None:
    cancelled = threading.Thread(target=cancel_when_it_runs, args=("t-1",))
    cancelled.start()

    result = treadle(*begun())

    cancelled.join()
    assert result.exit_code == 1
    assert "cancelled: It was cancelled (by a test)." in result.stderr
    assert result.stdout == ""


def test_a_failed_run_is_told_to_a_program(treadle: Treadle, store: str) -> None:
    cancelled = threading.Thread(target=cancel_when_it_runs, args=("t-1",))
    cancelled.start()

    result = treadle(*begun("--json"))

    cancelled.join()
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["kind"] == "cancelled"


def test_resume_takes_the_graph_that_the_thread_ran(treadle: Treadle, graph: CompiledStateGraph) -> None:
    graph.invoke({"text": "x"}, {"thread_id": "t-1"}, interrupt_before=["second"])

    result = treadle("resume", "t-1", "--detach")

    assert result.exit_code == 0
    assert [step.node for step in Desk().client.threads.pending("t-1")] == ["second"]


def test_resume_with_an_input_begins_anew(treadle: Treadle, graph: CompiledStateGraph) -> None:
    graph.invoke({"text": "x"}, {"thread_id": "t-1"})

    result = treadle("resume", "t-1", "--input", '{"text": "y"}', "--config", PAUSE_AT_ONCE)

    assert json.loads(result.stdout)["text"] == "y"
    assert json.loads(result.stdout)["steps"] == ["first", "second"]


def test_resume_of_a_thread_that_never_ran_is_a_usage_error(treadle: Treadle, graph: CompiledStateGraph) -> None:
    graph.threads.create("t-1")

    result = treadle("resume", "t-1")

    assert result.exit_code == 2
    assert "name the graph" in result.stderr


def test_cancel_ends_the_active_run(treadle: Treadle, store: str) -> None:
    treadle(*begun("--detach"))

    result = treadle("cancel", "t-1", "--reason", "wrong folder")

    assert result.exit_code == 0
    assert Desk().client.threads.get("t-1").status == "cancelled"
    assert "wrong folder" in treadle("log", "t-1").stdout


def test_cancel_of_a_thread_that_rests_does_nothing(treadle: Treadle, graph: CompiledStateGraph) -> None:
    graph.invoke({"text": "x"}, {"thread_id": "t-1"})

    result = treadle("cancel", "t-1", "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"thread": "t-1", "run": None, "cancelled": False}


def test_cancel_of_a_run_that_is_not_there_is_a_usage_error(treadle: Treadle, graph: CompiledStateGraph) -> None:
    graph.threads.create("t-1")

    assert treadle("cancel", "t-1", "--run", "nothing").exit_code == 2


def test_update_writes_to_the_state(treadle: Treadle, graph: CompiledStateGraph) -> None:
    graph.invoke({"text": "x"}, {"thread_id": "t-1"}, interrupt_before=["second"])

    result = treadle("update", "t-1", "--values", '{"text": "edited"}')

    assert result.exit_code == 0
    assert graph.get_state({"thread_id": "t-1"}).values["text"] == "edited"


def test_update_as_a_node_makes_what_follows_it_due(treadle: Treadle, graph: CompiledStateGraph) -> None:
    graph.invoke({"text": "x"}, {"thread_id": "t-1"})

    treadle("update", "t-1", "--values", '{"steps": ["by hand"]}', "--as-node", "first")

    assert graph.get_state({"thread_id": "t-1"}).next == ("second",)


def test_update_as_an_unknown_node_is_a_usage_error(treadle: Treadle, graph: CompiledStateGraph) -> None:
    graph.invoke({"text": "x"}, {"thread_id": "t-1"})

    result = treadle("update", "t-1", "--values", "{}", "--as-node", "third")

    assert result.exit_code == 2
    assert "Node 'third' does not exist" in result.stderr


def test_ctrl_c_ends_the_following_and_not_the_run(
    treadle: Treadle, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Progress, "follow", ctrl_c)

    result = treadle(*begun())

    assert result.exit_code == 130
    assert "goes on without you" in result.stderr
    assert Desk().client.threads.get("t-1").status == "running"


def test_a_run_that_no_worker_takes_says_so_once(treadle: Treadle, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.progress.TICK_S", 0.001)
    ticks: list[object] = []
    monkeypatch.setattr(RunStore, "status", lambda *_: RunStatus.CANCELLED)
    monkeypatch.setattr(Follower, "follow", lambda *_: impatient(ticks))

    result = treadle(*begun())

    assert result.stderr.count("No worker has taken it yet") == 1


def impatient(ticks: list[object]) -> Iterator[Happening]:
    """Follow a run to which nothing happens."""
    ticks.append(None)
    if len(ticks) > 30:
        return
    raise TimeoutError
    yield


def ctrl_c(*_: object) -> None:
    """Do what Ctrl-C does."""
    raise KeyboardInterrupt


def cancel_when_it_runs(thread_id: str) -> None:
    """Wait for a thread's run, and cancel it."""
    client = Desk().client
    while (thread := client.threads.find(thread_id)) is None or thread.run_id is None:
        pass
    client.runs.cancel(thread_id, thread.run_id, "by a test")
