"""What a node is told about the run that it is part of."""

from graphs.context import get_runtime
from graphs.runtime import ExecutionInfo, RunControl, Runtime, ServerInfo

__all__ = ["ExecutionInfo", "RunControl", "Runtime", "ServerInfo", "get_runtime"]
