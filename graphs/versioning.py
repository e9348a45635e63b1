"""What the author of a graph chooses for the runs in flight when a new version comes."""

from typing import Literal, cast, get_args

from .errors import InvalidGraph

#: What becomes of a run when workers have another version of its graph: it parks, it waits for workers with the version
#: that it began with, or a newer version goes on with it.
Versioning = Literal["park", "pinned", "auto_upgrade"]


def check_versioning(versioning: str) -> Versioning:
    """Return what a graph's author chose for the runs in flight when a new version comes.

    Raises:
        InvalidGraph: it is none of the three.
    """
    if versioning not in get_args(Versioning):
        raise InvalidGraph(f"versioning is one of {', '.join(get_args(Versioning))}, got {versioning!r:.60}.")
    return cast(Versioning, versioning)
