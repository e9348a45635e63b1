"""Who is played: the threads of the chaos' own graphs, or those of a graph of the user's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphs.registry import load
from treadle.checkpoint.memory import MemorySaver
from treadle.checkpoint.redis import RedisSaver
from treadle.types import Command

from .load import Role
from .plan import Plan
from .plays import PLAYS, Play


@dataclass(frozen=True, slots=True)
class OwnScript:
    """What a client says to a graph of the user's own: the same in every turn."""

    given: Any
    answer: Any

    def input(self, turn: int, values: Mapping[str, Any]) -> Any:
        """Return the input."""
        return self.given

    def reply(self, turn: int) -> Any:
        """Return the answer; None: nobody answers."""
        return self.answer


def roles(plan: Plan, saver: RedisSaver) -> list[Role]:
    """Return the threads of a plan; graphs and inputs take turns."""
    if plan.graph is None:
        casts = [(play, play.build(saver)) for play in PLAYS]
        return [Role(f"{play.name}-{number}", graph, play) for number, (play, graph) in _in_turn(casts, plan.threads)]
    (own,) = load([plan.graph])
    graph = type(own)(own.graph, saver, own.store, own.cache, own.config)
    scripts = [OwnScript(given, plan.answer) for given in plan.inputs]
    return [Role(f"{graph.name}-{number}", graph, script) for number, script in _in_turn(scripts, plan.threads)]


def trail(role: Role, turns: int) -> list[str]:
    """Return what the trail of one of the chaos' own graphs must be after so many turns."""
    assert isinstance(role.script, Play)
    return role.script.trail(turns)


def undisturbed(role: Role, turns: int) -> Any:
    """Return the state after the same turns in this process, on a store that nothing happens to."""
    graph = type(role.graph)(role.graph.graph, MemorySaver(), None, None, role.graph.config)
    for turn in range(turns):
        graph.invoke(role.script.input(turn, {}), role.config)
        while (asked := graph.get_state(role.config).interrupts) and role.script.reply(turn) is not None:
            graph.invoke(Command(resume={one.id: role.script.reply(turn) for one in asked}), role.config)
    return graph.get_state(role.config).values


def _in_turn(items: Sequence[Any], count: int) -> Iterator[tuple[int, Any]]:
    return ((number, items[number % len(items)]) for number in range(count))
