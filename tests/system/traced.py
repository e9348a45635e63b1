"""Graphs whose processes write their spans into a file, as the module of a deployment that is traced does."""

import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor

from treadle.checkpoint.redis import RedisSaver
from treadle.graph import START, StateGraph
from treadle.types import interrupt, sleep

if "SPANS" in os.environ:
    out = Path(os.environ["SPANS"]).open("a", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    exporter = ConsoleSpanExporter(out=out, formatter=lambda span: span.to_json(indent=None) + "\n")
    # Late: what is to leave the process before this does so because somebody flushes.
    late = BatchSpanProcessor(exporter, schedule_delay_millis=3_600_000)
    processor: SpanProcessor = late if "SPANS_LATE" in os.environ else SimpleSpanProcessor(exporter)
    provider = TracerProvider()
    provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)


def think(state: Any) -> Any:
    logging.getLogger("thinker").warning("thinking")
    return {"n": state["n"] + 1}


def ask(state: Any) -> Any:
    return {"answer": interrupt("Send it?")} if state["n"] > 1 else {"answer": None}


def die(state: Any) -> Any:
    """Take the process along, once."""
    if not (mark := Path(state["mark"])).exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {}


def hang(state: Any) -> Any:
    """Take no notice of the soft time limit."""
    while True:
        try:
            time.sleep(0.1)
        except Exception as error:
            logging.getLogger("hanger").warning("not now: %r", error)


def nap(state: Any) -> Any:
    sleep(0.5)
    return {}


def toil(state: Any) -> Any:
    Path(state["mark"]).touch()
    time.sleep(60)
    return {}


def graph_of(url: str | None = None) -> Any:
    """Return the graph that thinks and asks, on a store."""
    builder = StateGraph(dict).add_node("think", think).add_node("ask", ask)
    return builder.add_edge(START, "think").add_edge("think", "ask").compile(RedisSaver(url), name="traced")


def trouble_of(url: str | None = None) -> Any:
    """Return the graph that runs the one node that the input names, on a store."""
    builder = StateGraph(dict)
    for node in (die, nap, toil):
        builder.add_node(node)
    builder.add_node(hang, timeout=0.5)
    builder.add_conditional_edges(START, lambda state: state["how"], ["die", "hang", "nap", "toil"])
    return builder.compile(RedisSaver(url), name="trouble")


graph, trouble = graph_of(), trouble_of()
