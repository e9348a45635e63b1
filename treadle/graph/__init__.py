"""Building graphs: StateGraph, START and END, and the state of a chat."""

from graphs.commands import END, START
from graphs.messages import MessagesState, add_messages
from workers.compiled import CompiledStateGraph
from workers.state_graph import StateGraph

__all__ = ["END", "START", "CompiledStateGraph", "MessagesState", "StateGraph", "add_messages"]
