"""A long-term memory in this process."""

from scheduler.memory import InMemoryStore

__all__ = ["InMemoryStore"]
