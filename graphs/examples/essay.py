"""The graph ``essay``: a workflow as one function, which writes an essay and has it reviewed.

    outline ─┬─ write ─┬─ [a person reviews] ──┬── the essay
             ├─ write ─┤          ↑            │
             └─ write ─┘          └── revise ──┘

It needs no model and no network: its authors are three lines of Python each, there to be replaced. The sections are
written at the same time. ``invoke("tea", config)`` stops with the draft as its question, and
``invoke(Command(resume=...), config)`` answers: "" approves the draft, any other text is put down as a remark, and the
next draft is shown. What was written is not written again. A thread remembers its essays: the next one refers to them.
"""

from typing import TypedDict

from treadle.checkpoint.redis import RedisSaver
from treadle.func import entrypoint, task
from treadle.types import interrupt


class Essay(TypedDict):
    """What a run returns."""

    text: str
    #: How many drafts a person saw.
    drafts: int


@task
def outline(topic: str) -> list[str]:
    """Return the headings of an essay."""
    return [f"What {topic} is", f"Where {topic} comes from", f"Why {topic} matters"]


@task
def write(heading: str) -> str:
    """Return the section under a heading."""
    return f"## {heading}\n\nThere is much to say on {heading[0].lower()}{heading[1:]}."


@task
async def revise(draft: str, remark: str) -> str:
    """Return a draft that takes a remark into account."""
    return f"{draft}\n\n> {remark}"


def essay(topic: str, *, previous: list[str] | None = None) -> entrypoint.final[Essay, list[str]]:
    """Write an essay on a topic, and revise it until a person is content."""
    sections = [write(heading) for heading in outline(topic).result()]  # each begins at once ...
    draft = "\n\n".join([f"# On {topic}", *(section.result() for section in sections)])  # ... and here is waited for
    if previous:
        draft += f"\n\nSee also: {', '.join(previous)}."
    drafts = 1
    while remark := interrupt({"draft": draft, "question": "What is to be changed? Nothing: answer with ''."}):
        draft = revise(draft, str(remark)).result()
        drafts += 1
    return entrypoint.final(value=Essay(text=draft, drafts=drafts), save=[*(previous or []), topic])


graph = entrypoint(checkpointer=RedisSaver())(essay)
