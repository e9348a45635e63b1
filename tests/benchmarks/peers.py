"""The same graphs in other libraries, where they are installed (the extra ``peers``)."""

from collections.abc import Callable
from importlib import import_module
from itertools import count as counted

from .graphs import STEPS, Counter, after_count, count


def langgraph() -> Callable[[], object]:
    """Return what runs a chain with LangGraph's saver in memory."""
    graph, memory = import_module("langgraph.graph"), import_module("langgraph.checkpoint.memory")
    builder = graph.StateGraph(Counter).add_node("count", count).set_entry_point("count")
    compiled = builder.add_conditional_edges("count", after_count).compile(checkpointer=memory.InMemorySaver())
    turns = counted()

    def run() -> object:
        config = {"configurable": {"thread_id": f"peer-{next(turns)}"}, "recursion_limit": 2 * STEPS}
        return compiled.invoke({"count": 0}, config)

    return run
