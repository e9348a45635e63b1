"""A cache in this process."""

from scheduler.cache import InMemoryCache

__all__ = ["InMemoryCache"]
