"""Checkpointers: where threads live."""
