"""The traces of real processes: one for each run, however it goes and whoever ends it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import Deployment, until
from tests.system.traced import graph_of, trouble_of
from treadle.errors import TreadleError
from treadle.types import Command

pytestmark = pytest.mark.system

GRAPHS = "tests.system.traced:graph,tests.system.traced:trouble"


class Traced:
    """A deployment, and the spans that its processes have written."""

    def __init__(self, deployment: Deployment, file: Path) -> None:
        self.deployment, self.file = deployment, file

    def spans(self, run_id: str) -> list[dict[str, Any]]:
        """Return the spans of a run, by when they began."""
        told = [json.loads(line) for line in self.file.read_text().splitlines()]
        return sorted((one for one in told if one["attributes"].get("treadle.run") == run_id), key=_began)

    def names(self, run_id: str) -> set[str]:
        """Return what its spans are called."""
        return {span["name"] for span in self.spans(run_id)}


def _began(span: dict[str, Any]) -> str:
    return str(span["start_time"])


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """A deployment that is traced."""
    folder = tmp_path_factory.mktemp("t")
    file = folder / "spans"
    deployment = Deployment(folder, TREADLE_TRACES="true", SPANS=str(file), TREADLE_GRAPHS=GRAPHS)
    try:
        deployment.scheduler()
        deployment.worker("w", "-c", "2", graphs=GRAPHS)
        yield Traced(deployment, file)
    finally:
        deployment.stop()


def begun(traced: Traced, how: str, tmp_path: Path, **options: Any) -> Any:
    value = {"how": how, "mark": str(tmp_path / f"{how}.mark")}
    return trouble_of(traced.deployment.url).submit(value, {"thread_id": how}, **options)


def one_trace(spans: list[dict[str, Any]]) -> bool:
    return len({span["context"]["trace_id"] for span in spans}) == 1


def outcomes(spans: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    """Return what became of each attempt: the span's name, the outcome, and which attempt it was."""
    return [
        (span["name"], span["attributes"]["treadle.outcome"], span["attributes"]["treadle.attempt"])
        for span in spans
        if "treadle.outcome" in span["attributes"]
    ]


def test_a_killed_process_and_a_sleep_belong_to_the_trace_of_their_run(traced: Traced, tmp_path: Path) -> None:
    died, slept = (begun(traced, how, tmp_path) for how in ("die", "nap"))
    for handle in (died, slept):
        handle.wait(30)

    until(lambda: "trouble success" in traced.names(died.id), "the first run is recorded")
    until(lambda: "trouble success" in traced.names(slept.id), "the second run is recorded")
    assert outcomes(traced.spans(died.id)) == [
        ("trouble.die lost worker", "lost worker", 1),
        ("trouble.die", "committed", 2),
    ]
    lost, again, *_ = [span for span in traced.spans(died.id) if "treadle.outcome" in span["attributes"]]
    assert lost["attributes"]["treadle.why"] == "signal 9 (SIGKILL)"
    assert [link["context"]["span_id"] for link in again["links"]] == [lost["context"]["span_id"]]
    assert [outcome for _, outcome, _ in outcomes(traced.spans(slept.id))] == ["slept", "committed"]
    assert one_trace(traced.spans(died.id))
    assert one_trace(traced.spans(slept.id))


def test_a_node_that_is_killed_at_its_limit_is_recorded_with_its_run(traced: Traced, tmp_path: Path) -> None:
    hung = begun(traced, "hang", tmp_path)

    with pytest.raises(TreadleError):
        hung.result(30)

    until(lambda: "trouble timeout" in traced.names(hung.id), "the run is recorded")
    found = traced.spans(hung.id)
    assert ("trouble.hang timed out", "timed out", 1) in outcomes(found)
    assert one_trace(found)
    assert {span["status"]["status_code"] for span in found} == {"ERROR"}


def test_runs_that_nobodys_attempt_ends_are_recorded_by_whoever_ends_them(traced: Traced, tmp_path: Path) -> None:
    late = begun(traced, "toil", tmp_path, timeout=1)
    late.wait(30)
    (tmp_path / "toil.mark").unlink()
    unwanted = begun(traced, "toil", tmp_path)
    until((tmp_path / "toil.mark").exists, "the second run's node runs")
    code = f"from tests.system.traced import trouble; trouble.checkpointer.client.runs.cancel('toil', {unwanted.id!r})"
    environment = {**os.environ, **traced.deployment.settings, "TREADLE_REDIS_URL": traced.deployment.url}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)

    until(lambda: "trouble timeout" in traced.names(late.id), "the scheduler records what it ended")
    until(lambda: "trouble cancelled" in traced.names(unwanted.id), "another client records what it cancelled")
    assert one_trace(traced.spans(late.id)) and one_trace(traced.spans(unwanted.id))


def test_an_answer_begins_a_trace_that_links_to_that_of_the_question(traced: Traced) -> None:
    graph, config = graph_of(traced.deployment.url), {"thread_id": "asks"}
    graph.invoke({"n": 1}, config)
    graph.invoke(Command(resume="yes"), config)

    answer, question = graph.checkpointer.client.runs.recent("asks", 2)
    until(lambda: traced.names(question.id) >= {"traced interrupted"}, "the question is recorded")
    until(lambda: traced.names(answer.id) >= {"traced success"}, "the answer is recorded")
    assert [outcome for _, outcome, _ in outcomes(traced.spans(question.id))] == ["committed", "interrupted"]
    assert one_trace(traced.spans(question.id)) and one_trace(traced.spans(answer.id))
    assert not one_trace(traced.spans(question.id) + traced.spans(answer.id))


def test_spans_leave_a_process_that_is_asked_to_end(deployment: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "spans"
    deployment.settings |= {"TREADLE_TRACES": "true", "SPANS": str(file), "SPANS_LATE": "1"}
    deployment.worker("w", "-c", "1", graphs=GRAPHS)
    thought = graph_of(deployment.url).submit({"n": 0}, {"thread_id": "t"})
    thought.wait(30)
    assert file.read_text() == ""

    os.kill(deployment.processes["w"].pid, signal.SIGTERM)
    deployment.processes["w"].wait(30)

    assert Traced(deployment, file).names(thought.id) == {"traced.think", "traced.ask", "traced success"}
