"""How many steps of a graph may run at once in a whole deployment, and how many of those that belong to one tenant."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .checks import shown, whole
from .errors import InvalidGraph

#: What ``compile(max_concurrency={"graph": 50, "tenant": 5})`` calls the limit over all steps of the graph.
GRAPH: Final = "graph"


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many steps of a graph run at once: ``max_concurrency=50``, or ``{"graph": 50, "tenant": 5}``.

    The second one also says how many for each value that the ``configurable`` of the runs' configs has under a name of
    yours, here ``tenant``: it says whose a run is, and a run without it counts for the graph alone. Steps that find no
    room wait in the store and hold no worker. A ``max_concurrency`` in the config of a call is another limit: the steps
    of that run. Of graphs inside of others, the one around decides.
    """

    #: Of all its runs together; None: any number.
    steps: int | None = None
    #: The name in the config's ``configurable`` whose value says whose a run is; None: nobody asks.
    key: str | None = None
    #: Of the runs for which that value is the same.
    steps_per_key: int | None = None


def concurrency_of(given: int | Mapping[str, int] | None) -> Concurrency | None:
    """Return the limits that a number, or a dict like ``{"graph": 50, "tenant": 5}``, sets; None for none.

    Raises:
        InvalidGraph: it is neither, a limit is no whole number of 1 or more, or there are two names beside "graph".
    """
    if given is None:
        return None
    limits = given if isinstance(given, Mapping) else {GRAPH: given}
    keys = [name for name in limits if name != GRAPH]
    if not limits or len(keys) > 1 or not all(isinstance(key, str) and key and key[:2] != "__" for key in keys):
        raise InvalidGraph(
            "max_concurrency is a number of steps, or {'graph': 50, 'tenant': 5}: how many of the graph, and how many "
            f"for each value that a config's configurable has under one name of yours; got {shown(given)}."
        )
    for name, limit in limits.items():
        whole(limit, f"max_concurrency of {name!r}", InvalidGraph, least=1)
    key = keys[0] if keys else None
    return Concurrency(limits.get(GRAPH), key, limits[key] if key else None)
