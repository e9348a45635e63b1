"""The graph of the system tests that calls a chat model of LangChain."""

from itertools import cycle
from typing import Any

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.checkpoint.redis import RedisSaver
from treadle.graph import CompiledStateGraph, MessagesState, StateGraph

MODEL = GenericFakeChatModel(messages=cycle([AIMessage("hello big world")]))


def _ask(state: MessagesState) -> dict[str, Any]:
    return {"messages": [MODEL.invoke(state["messages"])]}


def compiled(saver: BaseCheckpointSaver) -> CompiledStateGraph:
    """Return the graph on a saver."""
    return StateGraph(MessagesState).add_node("ask", _ask).set_entry_point("ask").compile(saver, name="models")


graph = compiled(RedisSaver())
