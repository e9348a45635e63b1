"""The values that graphs are steered with, and those that runs are read by."""

from graphs.commands import Command, Interrupt, Overwrite, Send
from graphs.context import interrupt
from graphs.retry import RetryPolicy, default_retry_on
from graphs.runtime import StreamWriter
from scheduler.snapshots import StateSnapshot, StepState
from scheduler.views import StreamMode

__all__ = [
    "Command",
    "Interrupt",
    "Overwrite",
    "RetryPolicy",
    "Send",
    "StateSnapshot",
    "StepState",
    "StreamMode",
    "StreamWriter",
    "default_retry_on",
    "interrupt",
]
