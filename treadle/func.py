"""The functional API: a workflow as one function, and the tasks that it calls."""

from graphs.task import task
from workers.entrypoint import entrypoint

__all__ = ["entrypoint", "task"]
