"""What is told of a step beside its data: the metadata of its config, and of the messages that come from it."""

from collections.abc import Mapping
from typing import Any

from graphs.checkpoint import Step


def step_metadata(config: Mapping[str, Any], step: Step, number: int, ns: str) -> dict[str, Any]:
    """Return a step's metadata, the user's own first.

    Args:
        config: the run's, as nodes see it.
        step: the step.
        number: that of its superstep.
        ns: its place in the thread, ``node:step id``.
    """
    return {
        **config.get("metadata", {}),
        "thread_id": config["configurable"]["thread_id"],
        "langgraph_step": number,
        "langgraph_node": step.node,
        "langgraph_triggers": step.triggers,
        "langgraph_path": step.path,
        "langgraph_checkpoint_ns": ns,
    }
