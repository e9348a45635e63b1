"""The graph ``approval``: a request that a person approves or declines; who says nothing in time has declined.

    START ── ask ── END

A thread is a request: ``invoke({"request": "a new chair", "wait_s": 3600}, config)`` asks and returns; no worker waits.
``invoke(Command(resume={"approved": True, "by": "ada"}), config)`` answers, from anywhere; an answer of another form is
refused with the reason, and can be given again. After an hour the scheduler answers in the person's place.
"""

from typing import TypedDict

from pydantic import BaseModel

from treadle.checkpoint.redis import RedisSaver
from treadle.graph import START, StateGraph
from treadle.types import interrupt

#: How long a request waits that does not say it itself.
WAIT_S = 24 * 3600


class Decision(BaseModel):
    """What a person answers."""

    approved: bool
    by: str
    reason: str = ""


class Request(TypedDict, total=False):
    """The state of a thread: what is asked for, for how long it may wait, and what was decided."""

    request: str
    wait_s: float
    decision: Decision


#: What counts when nobody answers: nothing happens that nobody wanted.
SILENCE = {"approved": False, "by": "nobody", "reason": "There was no answer in time."}


def ask(state: Request) -> Request:
    """Ask for a decision; everything above ``interrupt`` runs again when it has come."""
    decision = interrupt(
        f"Do you approve {state['request']}?",
        response_schema=Decision,
        deadline=state.get("wait_s", WAIT_S),
        default=SILENCE,
    )
    return {"decision": decision}


def build() -> StateGraph:
    """Return the builder, for those who compile it with a checkpointer of their own."""
    return StateGraph(Request).add_node(ask).add_edge(START, "ask")


graph = build().compile(checkpointer=RedisSaver(), name="approval")
