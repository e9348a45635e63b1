"""The graph ``agent``: a model that calls tools until it knows the answer, on any OpenAI-compatible endpoint.

    START ── model ──┬── END
              │      │
              └─ tools

The workers' environment says which model: TREADLE_AGENT_BASE_URL (with the ``/v1``), TREADLE_AGENT_MODEL and
OPENAI_API_KEY. It needs ``pip install 'treadle[agent]'``. A thread is a conversation: every further
``invoke({"messages": [{"role": "user", "content": ...}]}, config)`` goes on with it.
"""

from collections.abc import Sequence
from typing import Literal

from treadle.checkpoint.redis import RedisSaver
from treadle.graph import START, MessagesState, StateGraph
from treadle.runtime import Runtime
from treadle.types import RetryPolicy

from .endpoint import TIMEOUT_S, Endpoint, Message
from .tools import call, described

#: An endpoint that is down or overloaded is asked again; one that refuses is not.
RETRY = RetryPolicy(initial_interval=1.0, max_attempts=5, retry_on=ConnectionError)

#: Each round takes two supersteps; a model that never stops calling tools ends as an error.
MAX_SUPERSTEPS = 50

_MARGIN_S = 30


def model(state: MessagesState, runtime: Runtime[None]) -> dict[str, list[Message]]:
    """Ask the model for its next message.

    Raises:
        ConnectionError, PermissionError, ValueError, RuntimeError: see Endpoint.
    """
    endpoint = Endpoint.from_environment()
    return {"messages": [endpoint.complete(state["messages"], described(), runtime.idempotency_key)]}


def tools(state: MessagesState) -> dict[str, list[Message]]:
    """Run the tools that the model's last message calls, and answer each call."""
    return {"messages": [_answer(asked) for asked in _calls(state["messages"])]}


def route(state: MessagesState) -> Literal["tools", "__end__"]:
    """Go on with the tools where the model asked for some."""
    return "tools" if _calls(state["messages"]) else "__end__"


def build(retry: RetryPolicy = RETRY) -> StateGraph:
    """Return the builder, for those who compile it with a checkpointer of their own."""
    builder = StateGraph(MessagesState)
    builder.add_node(model, retry=retry, timeout=TIMEOUT_S + _MARGIN_S).add_node(tools)
    builder.add_edge(START, "model").add_conditional_edges("model", route)
    return builder.add_edge("tools", "model")


graph = build().compile(checkpointer=RedisSaver(), name="agent").with_config({"recursion_limit": MAX_SUPERSTEPS})


def _calls(messages: Sequence[Message]) -> list[Message]:
    return messages[-1].get("tool_calls") or []


def _answer(asked: Message) -> Message:
    function = asked["function"]
    result = call(function["name"], function["arguments"])
    return {"role": "tool", "tool_call_id": asked["id"], "name": function["name"], "content": result}
