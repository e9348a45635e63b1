"""A cache in Redis."""

from scheduler.cache import RedisCache

__all__ = ["RedisCache"]
