"""Explores every world that a protocol can reach, breadth first, and shows the shortest way to a broken promise."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from .model import Move, Protocol, World
from .promises import Promise

#: Moves, each with the world after it.
Trace = tuple[tuple[Move, World], ...]

#: What is no help where a run has to end: the client's doing, and what may as well never happen.
_NO_HELP = frozenset({"start_run", "cancel", "lose", "die"})


@dataclass(frozen=True)
class Explored:
    """What an exploration found."""

    states: int
    transitions: int
    #: The promise that was broken, and the shortest way there; nothing where all hold.
    broken: str = ""
    trace: Trace = ()

    def __str__(self) -> str:
        """Tell it as a story."""
        lines = [f"{self.states:,} states, {self.transitions:,} transitions: {self.broken or 'all promises hold'}"]
        for move, _ in self.trace:
            lines.append(f"  {move.script} {move.name}".rstrip() + (f" -> {move.answer}" if move.answer else ""))
        return "\n".join(lines)


@dataclass
class Explorer:
    """Goes through the worlds of one protocol."""

    protocol: Protocol
    promises: Mapping[str, Promise]
    #: After how many worlds it stops; nobody says then whether every run can end.
    limit: int | None = None
    transitions: int = 0
    #: The worlds that were reached, by their numbers, and how each was reached first.
    worlds: list[World] = field(default_factory=list)
    parents: list[tuple[int, Move] | None] = field(default_factory=list)
    #: The first time that a script was called in each way: from which world, by which move, to which one.
    firsts: dict[tuple[str, str, str, bool], tuple[int, Move, World]] = field(default_factory=dict)
    #: By the number of a world, those from which something leads there that needs neither a client nor luck.
    _ways_to: list[list[int]] = field(default_factory=list)

    def explore(self) -> Explored:
        """Go through all worlds, from the one in which nothing has happened, to the first that breaks a promise."""
        numbers = {World(): 0}
        self._reach(World(), None)
        waiting = deque([0])
        while waiting and (self.limit is None or len(self.worlds) < self.limit):
            here = waiting.popleft()
            for move, world in self.protocol.moves(self.worlds[here]):
                self.transitions += 1
                self.firsts.setdefault((move.script, move.answer, move.was.doing, move.over), (here, move, world))
                there = numbers.setdefault(world, len(self.worlds))
                if there == len(self.worlds):
                    self._reach(world, (here, move))
                    waiting.append(there)
                    broken = self._broken(world)
                    if broken:
                        return self._found(broken, there)
                if self._helps(move, here):
                    self._ways_to[there].append(here)
        stuck = self._stuck() if not waiting else None
        return self._found("" if stuck is None else "every_run_can_end", stuck or 0)

    def traces(self) -> list[Trace]:
        """Return for each way in which a script was called, and answered, the shortest trace that ends so."""
        return [(*self.trace_of(here), (move, world)) for here, move, world in self.firsts.values()]

    def trace_of(self, number: int) -> Trace:
        """Return the moves that lead to a world."""
        trace = []
        while (reached := self.parents[number]) is not None:
            trace.append((reached[1], self.worlds[number]))
            number = reached[0]
        return tuple(reversed(trace))

    def _reach(self, world: World, reached: tuple[int, Move] | None) -> None:
        self.worlds.append(world)
        self.parents.append(reached)
        self._ways_to.append([])

    def _broken(self, world: World) -> str:
        return next((name for name, holds in self.promises.items() if not holds(self.protocol, world)), "")

    def _found(self, broken: str, number: int) -> Explored:
        return Explored(len(self.worlds), self.transitions, broken, self.trace_of(number))

    def _helps(self, move: Move, here: int) -> bool:
        """Return whether a move can be relied on: a scheduler looks at what is due, and at nothing else."""
        is_due = move.script != "redispatch_step" or move.name in self.worlds[here].store.due
        return move.script not in _NO_HELP and is_due

    def _stuck(self) -> int | None:
        """Return the first world from which the run cannot come to its end; nothing where there is none."""
        ends = [number for number, world in enumerate(self.worlds) if not world.store.run]
        seen = [False] * len(self.worlds)
        while ends:
            number = ends.pop()
            if not seen[number]:
                seen[number] = True
                ends.extend(self._ways_to[number])
        return next((number for number, can_end in enumerate(seen) if not can_end), None)
