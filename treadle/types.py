"""The values that graphs are steered with, and those that runs are read by."""

from graphs.cache_policy import CachePolicy, default_cache_key
from graphs.commands import Command, Durability, Interrupt, Overwrite, Send, StateUpdate
from graphs.context import interrupt, sleep, sleep_until
from graphs.outputs import GraphOutput, StreamPart
from graphs.retry import RetryPolicy, default_retry_on
from graphs.runtime import StreamWriter
from graphs.timeouts import TimeoutPolicy
from scheduler.parts import StreamMode
from scheduler.snapshots import StateSnapshot, StepState
from scheduler.snapshots import StepState as PregelTask

__all__ = [
    "CachePolicy",
    "Command",
    "Durability",
    "GraphOutput",
    "Interrupt",
    "Overwrite",
    "PregelTask",
    "RetryPolicy",
    "Send",
    "StateSnapshot",
    "StateUpdate",
    "StepState",
    "StreamMode",
    "StreamPart",
    "StreamWriter",
    "TimeoutPolicy",
    "default_cache_key",
    "default_retry_on",
    "interrupt",
    "sleep",
    "sleep_until",
]
