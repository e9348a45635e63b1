"""A graph whose worker writes its spans into a file, as the module of a deployment that is traced does."""

import logging
import os
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from treadle.checkpoint.redis import RedisSaver
from treadle.graph import START, StateGraph
from treadle.types import interrupt

if "SPANS" in os.environ:
    out = Path(os.environ["SPANS"]).open("a", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    provider = TracerProvider()
    provider.add_span_processor(
        SimpleSpanProcessor(ConsoleSpanExporter(out=out, formatter=lambda span: span.to_json(indent=None) + "\n"))
    )
    trace.set_tracer_provider(provider)


def think(state: Any) -> Any:
    logging.getLogger("thinker").warning("thinking")
    return {"n": state["n"] + 1}


def ask(state: Any) -> Any:
    return {"answer": interrupt("Send it?")} if state["n"] > 1 else {"answer": None}


def graph_of(url: str | None = None) -> Any:
    """Return the graph, on a store."""
    builder = StateGraph(dict).add_node("think", think).add_node("ask", ask)
    return builder.add_edge(START, "think").add_edge("think", "ask").compile(RedisSaver(url), name="traced")


graph = graph_of()
