"""A long-term memory in Redis."""

from scheduler.memory import RedisStore

__all__ = ["RedisStore"]
