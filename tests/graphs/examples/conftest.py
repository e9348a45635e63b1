"""Savers for the examples: every way of running in this process."""

from tests.workers.conftest import saver

__all__ = ["saver"]
