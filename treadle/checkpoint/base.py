"""What every checkpointer is."""

from workers.savers import Saver as BaseCheckpointSaver

__all__ = ["BaseCheckpointSaver"]
