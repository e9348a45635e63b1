"""The research graph, from a folder of documents to a report that a person has seen."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from graphs.examples import research
from graphs.examples.corpus import MAX_DOCUMENTS
from graphs.examples.report import MARK
from treadle.checkpoint.memory import MemorySaver
from treadle.graph import CompiledStateGraph
from workers.bootstrap import EXAMPLES

CONFIG = {"configurable": {"thread_id": "papers"}}

TEXTS = {
    "leases.md": "# Leases\n\nA lease is the right to run one step. The lease ends when its worker falls silent.\n",
    "fences.md": "# Fences\n\nA fencing token only ever rises, whoever asks for it.\n\n- [ ] measure the overhead\n",
    "queues.md": "# Queues\n\nA queue hands every message to one of its workers. See [leases](leases.md).\n",
    "clocks.md": "# Clocks\n\nThe clock of the server judges leases and timers.\n\nTODO: say what leap seconds do.\n",
    "notes.txt": "This is no Markdown, and not what the pattern asks for.\n",
}


@pytest.fixture
def graph() -> CompiledStateGraph:
    """The graph as a module offers it, in this process's memory."""
    return research.build().compile(checkpointer=MemorySaver(), interrupt_before=["write_report"], name="research")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with four documents and a file that is none."""
    root = tmp_path / "papers"
    root.mkdir()
    for name, text in TEXTS.items():
        (root / name).write_text(text, encoding="utf-8")
    return root


def test_a_run_stops_before_it_writes_and_shows_its_draft(graph: CompiledStateGraph, folder: Path) -> None:
    output = graph.invoke({"folder": str(folder)}, CONFIG)

    assert graph.get_state(CONFIG).next == ("write_report",)
    assert output["draft"].startswith("# Research: papers\n")
    assert (output["report"], output["status"]) == ("", "")
    assert not (folder / "report.md").exists()


def test_going_on_approves_the_draft_and_writes_it_as_the_report(graph: CompiledStateGraph, folder: Path) -> None:
    draft = graph.invoke({"folder": str(folder)}, CONFIG)["draft"]

    output = graph.invoke(None, CONFIG)

    assert output["status"] == "written"
    assert Path(output["report"]) == folder.resolve() / "report.md"
    assert Path(output["report"]).read_text(encoding="utf-8") == f"{MARK}\n\n{draft}"


def test_an_edited_draft_is_what_gets_written(graph: CompiledStateGraph, folder: Path) -> None:
    graph.invoke({"folder": str(folder)}, CONFIG)

    graph.update_state(CONFIG, {"draft": "# In my own words\n"})
    output = graph.invoke(None, CONFIG)

    assert Path(output["report"]).read_text(encoding="utf-8") == f"{MARK}\n\n# In my own words\n"


def test_a_rejected_draft_is_written_with_the_verdict_and_the_reason(graph: CompiledStateGraph, folder: Path) -> None:
    graph.invoke({"folder": str(folder)}, CONFIG)

    graph.update_state(CONFIG, {"approved": False, "comment": "Too short."})
    output = graph.invoke(None, CONFIG)

    text = Path(output["report"]).read_text(encoding="utf-8")
    assert output["status"] == "rejected"
    assert "> **Rejected.**" in text
    assert "> **Comment:** Too short." in text


@pytest.mark.parametrize("verdict", ["no", "false", 0, ""])
def test_only_a_plain_true_or_silence_counts_as_approval(
    graph: CompiledStateGraph, folder: Path, verdict: object
) -> None:
    graph.invoke({"folder": str(folder)}, CONFIG)

    graph.update_state(CONFIG, {"approved": verdict})

    assert graph.invoke(None, CONFIG)["status"] == "rejected"


def test_a_comment_alone_is_written_into_an_approved_report(graph: CompiledStateGraph, folder: Path) -> None:
    graph.invoke({"folder": str(folder)}, CONFIG)

    graph.update_state(CONFIG, {"comment": "Good."})
    output = graph.invoke(None, CONFIG)

    text = Path(output["report"]).read_text(encoding="utf-8")
    assert output["status"] == "written"
    assert "> **Comment:** Good." in text
    assert "Rejected" not in text


def test_the_readers_run_side_by_side_in_one_superstep(graph: CompiledStateGraph, folder: Path) -> None:
    graph.invoke({"folder": str(folder)}, CONFIG)

    assert ("read_1", "read_2", "read_3", "read_4") in [step.next for step in graph.get_state_history(CONFIG)]


def test_every_document_that_matches_is_read_once_and_no_other(graph: CompiledStateGraph, folder: Path) -> None:
    graph.invoke({"folder": str(folder)}, CONFIG)

    values = graph.get_state(CONFIG).values
    assert sorted(values["readings"]) == ["clocks.md", "fences.md", "leases.md", "queues.md"]
    assert [len(shard) for shard in values["shards"]] == [1, 1, 1, 1]


def test_the_draft_tells_of_documents_terms_sentences_and_open_points(graph: CompiledStateGraph, folder: Path) -> None:
    draft = graph.invoke({"folder": str(folder)}, CONFIG)["draft"]

    assert "| leases.md | Leases | 18 | 1 | 0 | 0 |" in draft
    assert "**lease**: 2 times in 1 document " in draft
    assert "- The clock of the server judges leases and timers." in draft
    assert "- TODO: say what leap seconds do. (clocks.md)" in draft
    assert "- measure the overhead (fences.md)" in draft


def test_a_question_puts_the_document_that_answers_it_first(graph: CompiledStateGraph, folder: Path) -> None:
    graph.invoke({"folder": str(folder), "question": "What does a fencing token do?"}, CONFIG)

    values = graph.get_state(CONFIG).values
    assert values["findings"]["documents"][0]["name"] == "fences.md"
    assert "Question: **What does a fencing token do?**" in values["draft"]


def test_the_same_documents_give_the_same_draft(graph: CompiledStateGraph, folder: Path) -> None:
    first = graph.invoke({"folder": str(folder)}, CONFIG)["draft"]

    assert graph.invoke({"folder": str(folder)}, {"thread_id": "another"})["draft"] == first


def test_progress_names_each_document_as_it_is_done(graph: CompiledStateGraph, folder: Path) -> None:
    for number in range(4):
        (folder / f"extra-{number}.md").write_text("# More\n", encoding="utf-8")

    events = list(graph.stream({"folder": str(folder)}, CONFIG, stream_mode="custom"))

    assert {event["document"] for event in events} == {path.name for path in folder.glob("*.md")}
    assert [(one["done"], one["of"]) for one in events if one["shard"] == 1] == [(1, 2), (2, 2)]


def test_a_pause_before_each_document_can_be_asked_for(
    graph: CompiledStateGraph, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("graphs.examples.research.time.sleep", pauses.append)

    graph.invoke({"folder": str(folder), "pace_s": 2.5}, CONFIG)

    assert pauses == [2.5] * 4


def test_a_second_run_on_the_thread_forgets_what_the_first_one_found(graph: CompiledStateGraph, folder: Path) -> None:
    graph.invoke({"folder": str(folder)}, CONFIG)
    graph.update_state(CONFIG, {"approved": False, "comment": "Again, please."})
    graph.invoke(None, CONFIG)
    (folder / "leases.md").unlink()

    graph.invoke({"folder": str(folder)}, CONFIG)
    output = graph.invoke(None, CONFIG)

    text = Path(output["report"]).read_text(encoding="utf-8")
    assert output["status"] == "written"
    assert "leases.md" not in text
    assert "Again, please." not in text


def test_an_earlier_report_is_no_document_and_is_written_over(graph: CompiledStateGraph, folder: Path) -> None:
    first = graph.invoke({"folder": str(folder)}, CONFIG)["draft"]
    graph.invoke(None, CONFIG)

    again = graph.invoke({"folder": str(folder)}, CONFIG)["draft"]

    assert again == first
    assert graph.invoke(None, CONFIG)["status"] == "written"


def test_a_file_that_is_no_report_is_never_written_over(graph: CompiledStateGraph, folder: Path) -> None:
    (folder / "report.md").write_text("My own report.\n", encoding="utf-8")

    with pytest.raises(FileExistsError, match="no research report"):
        graph.invoke({"folder": str(folder)}, CONFIG)

    assert (folder / "report.md").read_text(encoding="utf-8") == "My own report.\n"


def test_the_report_goes_where_output_says(graph: CompiledStateGraph, folder: Path, tmp_path: Path) -> None:
    graph.invoke({"folder": str(folder), "output": str(tmp_path / "new" / "out.md")}, CONFIG)

    assert Path(graph.invoke(None, CONFIG)["report"]) == tmp_path.resolve() / "new" / "out.md"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.md"]


def test_documents_beyond_the_limit_are_counted_and_not_read(graph: CompiledStateGraph, folder: Path) -> None:
    for number in range(MAX_DOCUMENTS):
        (folder / f"extra-{number:03}.md").write_text("# More\n", encoding="utf-8")

    draft = graph.invoke({"folder": str(folder)}, CONFIG)["draft"]

    assert f"Read: {MAX_DOCUMENTS} documents with" in draft
    assert "Not read, though the pattern matches: 4 more." in draft


def test_a_folder_that_is_missing_or_a_file_is_named_in_the_error(graph: CompiledStateGraph, folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        graph.invoke({"folder": str(folder / "missing")}, CONFIG)
    with pytest.raises(NotADirectoryError, match="is a file"):
        graph.invoke({"folder": str(folder / "leases.md")}, CONFIG)


def test_a_pattern_that_nothing_matches_is_an_error_that_says_what_to_write(
    graph: CompiledStateGraph, folder: Path
) -> None:
    with pytest.raises(FileNotFoundError, match="name a 'pattern'"):
        graph.invoke({"folder": str(folder), "pattern": "*.rst"}, CONFIG)


@pytest.mark.parametrize(
    "wrong",
    [
        {"pattern": "*.md"},
        {"folder": ""},
        {"folder": 5},
        {"folder": "/tmp", "pace_s": -1},
        {"folder": "/tmp", "pace_s": "2"},
    ],
)
def test_input_that_does_not_fit_is_refused_before_anything_is_stored(
    graph: CompiledStateGraph, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        graph.invoke(wrong, CONFIG)

    assert graph.get_state(CONFIG).values == {}


@pytest.mark.parametrize("module", [address.partition(":")[0] for address in EXAMPLES])
def test_importing_an_example_starts_nothing(module: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    environment = {**os.environ, "TREADLE_DATA": str(data)}
    environment.pop("TREADLE_REDIS_URL", None)

    said = subprocess.run(
        [sys.executable, "-c", f"import sys, {module} as m; print(m.graph.name, 'celery' in sys.modules)"],
        env=environment,
        cwd=Path(research.__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout.split() == [module.rpartition(".")[2], "False"]
    assert not data.exists()
