"""The graph ``research``: reads a folder of documents in parallel and writes a report, once a person has approved it.

    list_documents ─┬─ read_1 ─┬─ merge ── draft ──[a person looks]── write_report
                    ├─ read_2 ─┤
                    ├─ read_3 ─┤
                    └─ read_4 ─┘

It needs no model and no network, and gives the same report for the same documents. The run pauses before
``write_report``; ``get_state(config).values["draft"]`` is what will be written. Then

- ``invoke(None, config)`` approves it,
- ``update_state(config, {"draft": ...})`` puts an edited draft in its place,
- ``update_state(config, {"approved": False, "comment": ...})`` has it marked as rejected, with the reason.
"""

import time
from functools import partial
from operator import or_
from pathlib import Path
from typing import Annotated, TypedDict

from pydantic import BaseModel, ConfigDict, Field

from treadle.checkpoint.redis import RedisSaver
from treadle.graph import END, START, StateGraph
from treadle.runtime import Runtime
from treadle.types import Overwrite, StreamWriter

from .corpus import corpus_of, existing_folder, shards_of
from .documents import Reading, read
from .findings import Findings, findings_of
from .report import draft_of, place_of, report_of, write

#: How many nodes read side by side.
SHARDS = 4
#: The longest pause per document that an input may ask for.
MAX_PACE_S = 60

_PATTERN = "*.md"


class ResearchInput(BaseModel):
    """What a run is given; a key that is left out keeps the value of the thread's last run.

    Folders and files are those of the workers' machine; relative ones count from the worker's working directory.
    """

    model_config = ConfigDict(strict=True)

    #: Where the documents lie.
    folder: str = Field(min_length=1)
    #: Which files of it; ``**/*.md`` reaches into the folders inside.
    pattern: str = _PATTERN
    #: What the report shall be about; None: whatever the documents are about.
    question: str | None = None
    #: The file of the report, or the folder for its ``report.md``; None: the folder of the documents.
    output: str | None = None
    #: Seconds of pause before each document, so that one can watch, or kill a worker in between.
    pace_s: float = Field(0, ge=0, le=MAX_PACE_S)


class ResearchState(TypedDict, total=False):
    """What the nodes know."""

    folder: str
    pattern: str
    question: str | None
    output: str | None
    pace_s: float
    #: The absolute paths of the folder and of the report, the same for every worker.
    root: str
    place: str
    #: The names of the documents, one list for each reader, and how many further ones matched.
    shards: list[list[str]]
    left_out: int
    #: Document -> what was found in it.
    readings: Annotated[dict[str, Reading], or_]
    findings: Findings
    draft: str
    #: The person's verdict: False rejects the draft; going on without one approves it.
    approved: bool | None
    comment: str
    #: Where the report was written, and as what: "written" or "rejected"; both are empty before.
    report: str
    status: str


class ResearchOutput(TypedDict):
    """What ``invoke`` returns."""

    draft: str
    report: str
    status: str


def list_documents(state: ResearchState) -> dict[str, object]:
    """List the documents, deal them out to the readers, and forget what an earlier run on the thread found.

    Raises:
        FileNotFoundError, NotADirectoryError: there is no such folder, or no document in it.
        FileExistsError: the report would write over a file that is none.
        ValueError: the pattern leads out of the folder.
    """
    root = existing_folder(state["folder"])
    place = place_of(state.get("output"), root)
    corpus = corpus_of(root, state.get("pattern", _PATTERN), place)
    fresh: ResearchState = {"approved": None, "comment": "", "draft": "", "report": "", "status": ""}
    return {
        **fresh,
        "root": str(root),
        "place": str(place),
        "shards": shards_of(corpus.names, SHARDS),
        "left_out": corpus.left_out,
        "readings": Overwrite({}),
    }


def read_shard(state: ResearchState, writer: StreamWriter, *, index: int) -> ResearchState:
    """Read the documents of one shard, and tell the live stream about each."""
    names = state["shards"][index]
    readings: dict[str, Reading] = {}
    for done, name in enumerate(names, start=1):
        time.sleep(state.get("pace_s", 0))
        readings[name] = read(Path(state["root"]), name, state.get("question") or "")
        writer({"done": done, "of": len(names), "document": name, "shard": index + 1})
    return {"readings": readings}


def merge(state: ResearchState) -> ResearchState:
    """Rank what the readers found."""
    return {"findings": findings_of(state["readings"], state.get("question") or "")}


def draft(state: ResearchState) -> ResearchState:
    """Draft the report."""
    corpus = Path(state["root"]).name
    return {"draft": draft_of(state["findings"], corpus, state.get("question") or "", state["left_out"])}


def write_report(state: ResearchState, runtime: Runtime[None]) -> ResearchState:
    """Write the report; a second attempt writes the same file again."""
    rejected = state.get("approved") not in (None, True)  # "no" in whatever form must never count as a yes
    report = report_of(state["draft"], rejected=rejected, comment=state.get("comment", ""))
    write(report, Path(state["place"]), f"{runtime.idempotency_key}-{runtime.attempt}")
    return {"report": state["place"], "status": "rejected" if rejected else "written"}


def build() -> StateGraph:
    """Return the builder, for those who compile it with a checkpointer of their own."""
    builder = StateGraph(ResearchState, input_schema=ResearchInput, output_schema=ResearchOutput)
    readers = [f"read_{number}" for number in range(1, SHARDS + 1)]
    builder.add_node(list_documents).add_edge(START, "list_documents")
    for index, reader in enumerate(readers):
        builder.add_node(reader, partial(read_shard, index=index)).add_edge("list_documents", reader)
    builder.add_node(merge).add_node(draft).add_node(write_report)
    builder.add_edge(readers, "merge").add_edge("merge", "draft").add_edge("draft", "write_report")
    return builder.add_edge("write_report", END)


graph = build().compile(checkpointer=RedisSaver(), interrupt_before=["write_report"], name="research")
