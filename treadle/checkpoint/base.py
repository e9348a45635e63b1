"""What every checkpointer is, and what it tells of a checkpoint."""

from scheduler.tuples import CheckpointTuple
from workers.savers import Saver as BaseCheckpointSaver

__all__ = ["BaseCheckpointSaver", "CheckpointTuple"]
