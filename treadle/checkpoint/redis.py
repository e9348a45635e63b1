"""Threads in Redis, run by Celery workers or in this process."""

from workers.savers import RedisSaver

__all__ = ["RedisSaver"]
