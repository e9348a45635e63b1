"""The port of the cache."""

from graphs.cache import BaseCache, FullKey, Namespace

__all__ = ["BaseCache", "FullKey", "Namespace"]
