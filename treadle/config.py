"""What code inside a node can ask for without being given it."""

from graphs.context import get_config, get_store, get_stream_writer

__all__ = ["get_config", "get_store", "get_stream_writer"]
