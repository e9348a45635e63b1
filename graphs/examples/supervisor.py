"""The graph ``supervisor``: three agents, each a graph of its own, and a supervisor who says whose turn it is.

    START ── begin ── supervisor ──┬── researcher ──[back to the supervisor]
                                   ├── writer ── reviewer ──[back to the supervisor]
                                   └── END

The researcher remembers, on each thread, what it has looked up before. The writer hands its draft to the reviewer by
itself. The reviewer asks a person, and the run waits, as a record that holds no worker:

- ``invoke(Command(resume=True), config)`` approves the draft,
- ``invoke(Command(resume="Shorter, please."), config)`` sends it back to the writer.

It needs no model and no network: ``route``, ``look_up`` and ``write`` say where models are called.
"""

from operator import or_
from typing import Annotated, Any, Literal, TypedDict

from pydantic import BaseModel, Field

from treadle.checkpoint.redis import RedisSaver
from treadle.graph import START, StateGraph
from treadle.types import Command, StreamWriter, interrupt

LIBRARY = {
    "cursor": "A cursor is the checkpoint that a thread stands on.",
    "fence": "A fence is a number that only rises; a worker with an old one commits nothing.",
    "lease": "A lease is the right to run one step, for a time.",
    "thread": "A thread is a durable line of execution, with a state, a history and a log.",
}


class Input(BaseModel):
    """What a run is given."""

    question: str = Field(min_length=1)


class Team(TypedDict, total=False):
    """What all of the team know; a graph inside is given the keys that it has too, and returns them."""

    question: str
    notes: list[str]
    draft: str
    #: What the person wants to be different.
    comment: str
    approved: bool


class Research(TypedDict, total=False):
    """What the researcher knows; ``known`` is its own, and is kept from run to run."""

    question: str
    notes: list[str]
    known: Annotated[dict[str, str], or_]


class Writing(TypedDict, total=False):
    """What the writer knows."""

    question: str
    notes: list[str]
    comment: str
    outline: list[str]


class Review(TypedDict, total=False):
    """What the reviewer knows."""

    draft: str
    comment: str
    approved: bool


def begin(state: Team) -> Team:
    """Put away the work of an earlier run on the thread."""
    return {"notes": [], "draft": "", "comment": "", "approved": False}


def route(state: Team) -> Command[Literal["researcher", "writer", "__end__"]]:
    """Say whose turn it is: a model that is told of the team, and answers with one of these names, can decide here."""
    if not state["notes"]:
        return Command(goto="researcher")
    return Command(goto="__end__" if state["approved"] else "writer")


def look_up(state: Research, writer: StreamWriter) -> Research:
    """Look up what the question is about: a model with search tools, in the place of a library of four books."""
    topics = [topic for topic in LIBRARY if topic in state["question"].lower()]
    unknown = [topic for topic in topics if topic not in state["known"]]
    for topic in unknown:
        writer({"looks_up": topic})
    known = state["known"] | {topic: LIBRARY[topic] for topic in unknown}
    return {"known": known, "notes": [known[topic] for topic in topics] or ["The library has nothing on it."]}


def outline(state: Writing) -> Writing:
    """Decide what to say, and in which order."""
    return {"outline": sorted(state["notes"], key=len)}


def write(state: Writing) -> Command[Any]:
    """Write the draft, with a model, and hand it over: ``reviewer`` is a node of the graph around this one."""
    draft = " ".join([state["question"], *state["outline"]])
    if state["comment"]:
        draft += f" [Revised: {state['comment']}]"
    return Command(graph=Command.PARENT, goto="reviewer", update={"draft": draft, "comment": ""})


def ask(state: Review) -> Review:
    """Ask a person: only a plain true approves, anything else is what the writer has to do."""
    answer = interrupt({"draft": state["draft"], "ask": "true approves it; or say what shall be different"})
    return {"approved": True} if answer is True else {"comment": str(answer)}


def build() -> StateGraph:
    """Return the builder, for those who compile it with a checkpointer of their own."""
    # checkpointer=True: its state stays on the thread. Those of the others begin anew each time they are called.
    researcher = StateGraph(Research).add_node(look_up).add_edge(START, "look_up").compile(checkpointer=True)
    writer = StateGraph(Writing).add_sequence([outline, write]).add_edge(START, "outline").compile()
    reviewer = StateGraph(Review).add_node(ask).add_edge(START, "ask").compile()
    builder = StateGraph(Team, input_schema=Input)
    builder.add_node(begin).add_node("supervisor", route).add_node("researcher", researcher)
    builder.add_node("writer", writer, destinations=["reviewer"]).add_node("reviewer", reviewer)
    builder.add_edge(START, "begin").add_edge("begin", "supervisor")
    return builder.add_edge("researcher", "supervisor").add_edge("reviewer", "supervisor")


graph = build().compile(checkpointer=RedisSaver(), name="supervisor")
