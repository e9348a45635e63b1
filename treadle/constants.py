"""The names of the virtual nodes."""

from graphs.commands import END, START

__all__ = ["END", "START"]
