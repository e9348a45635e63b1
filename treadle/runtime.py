"""What a node is told about the run that it is part of."""

from graphs.context import get_runtime
from graphs.runtime import ExecutionInfo, Runtime

__all__ = ["ExecutionInfo", "Runtime", "get_runtime"]
