"""The graph ``map_reduce``: summarises any number of documents, part by part and round by round.

    START ── begin ── split ──[a Send for each part]── summarize ── reduce ──┬── END
                        │                                                    │
                        └──────────[still longer than ``words``]─────────────┘

Every part is a step of its own, on whichever worker is free, and no more than MAX_CONCURRENCY of a run at a time. The
summaries arrive in the order of the parts, whichever is done first. It needs no model and no network: ``summarize``
says where the model is called.
"""

import re
from operator import add
from typing import Annotated, Literal, TypedDict

from pydantic import BaseModel, Field

from treadle.checkpoint.redis import RedisSaver
from treadle.graph import END, START, StateGraph
from treadle.types import Command, Overwrite, RetryPolicy, Send

#: How many texts make a part, for which a model is asked once.
PART = 3
#: How many words the summary may have when the input does not say.
WORDS = 40
#: How many parts of one run are summarised at a time; a call's own config may say otherwise.
MAX_CONCURRENCY = 4
#: A model that cannot be reached, or is overloaded, is asked again: for this part alone, the others are not repeated.
RETRY = RetryPolicy(max_attempts=5, retry_on=ConnectionError)

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


class Input(BaseModel):
    """What a run is given; a key that is left out keeps the value of the thread's last run."""

    texts: list[str] = Field(min_length=1)
    #: How many words the summary may have.
    words: int = Field(WORDS, ge=1)


class State(TypedDict, total=False):
    """What the nodes know."""

    #: What is left to be summarised: the documents, and after each round its summaries.
    texts: list[str]
    words: int
    parts: list[str]
    #: The summaries of this round, in the order of the parts.
    summaries: Annotated[list[str], add]
    rounds: int
    summary: str


class Output(TypedDict):
    """What ``invoke`` returns."""

    summary: str
    rounds: int


class Part(TypedDict):
    """What one step of ``summarize`` is given: its own state, instead of the graph's."""

    part: str


def begin(state: State) -> State:
    """Forget the rounds of an earlier run on the thread."""
    return {"rounds": 0, "summary": ""}


def split(state: State) -> dict[str, object]:
    """Put the texts together in parts, and begin a round without summaries."""
    texts = state["texts"]
    parts = ["\n\n".join(texts[first : first + PART]) for first in range(0, len(texts), PART)]
    return {"parts": parts, "summaries": Overwrite([])}


def to_each_part(state: State) -> list[Send]:
    """Map: one step for each part, in this order."""
    return [Send("summarize", {"part": part}) for part in state["parts"]]


def summarize(state: Part) -> State:
    """Summarise one part.

    This is where a model is called: ``llm.invoke(f"Summarise: {state['part']}").content``. Its stand-in keeps every
    other sentence, and of a single one the first half.
    """
    sentences = _SENTENCE_END.split(state["part"])
    words = state["part"].split()
    kept = " ".join(sentences[::2]) if len(sentences) > 1 else " ".join(words[: (len(words) + 1) // 2])
    return {"summaries": [kept]}


def reduce(state: State) -> Command[Literal["split", "__end__"]]:
    """Put the summaries together; as long as they are too long, they are summarised themselves."""
    summary, rounds = " ".join(state["summaries"]), state["rounds"] + 1
    if len(summary.split()) <= state.get("words", WORDS):
        return Command(update={"summary": summary, "rounds": rounds}, goto=END)
    return Command(update={"texts": state["summaries"], "rounds": rounds}, goto="split")


def build() -> StateGraph:
    """Return the builder, for those who compile it with a checkpointer of their own."""
    builder = StateGraph(State, input_schema=Input, output_schema=Output)
    builder.add_sequence([begin, split]).add_edge(START, "begin")
    # Where the model has machines of its own, queue="gpu" sends these steps, and no others, to `treadle worker -Q gpu`.
    builder.add_node(summarize, retry=RETRY, timeout=60).add_node(reduce)
    builder.add_conditional_edges("split", to_each_part, ["summarize"])
    return builder.add_edge("summarize", "reduce")


graph = build().compile(checkpointer=RedisSaver(), name="map_reduce").with_config({"max_concurrency": MAX_CONCURRENCY})
