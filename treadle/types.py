"""The values that graphs are steered with, and those that runs are read by."""

from graphs.commands import Overwrite
from graphs.retry import RetryPolicy, default_retry_on
from graphs.runtime import StreamWriter
from scheduler.snapshots import StateSnapshot, StepState
from scheduler.views import StreamMode

__all__ = ["Overwrite", "RetryPolicy", "StateSnapshot", "StepState", "StreamMode", "StreamWriter", "default_retry_on"]
