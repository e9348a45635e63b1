"""Threads in this process's memory."""

from workers.savers import InMemorySaver, MemorySaver

__all__ = ["InMemorySaver", "MemorySaver"]
