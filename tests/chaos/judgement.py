"""What came of a performance: the figures, and what each check found wrong."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from . import checks, recovery
from .evidence import Findings
from .load import Load, Role
from .plan import Plan
from .roles import trail, undisturbed
from .saboteur import Injected


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a performance."""

    plan: Plan
    injected: Sequence[Injected]
    #: What each check found wrong, by the check's name.
    verdicts: Mapping[str, Sequence[str]]
    threads: int
    turns: int
    runs: int
    steps: int
    attempts: int
    lost: int
    #: How many workers Celery itself ended, and the cast replaced.
    ended: int
    doubled: int
    of_steps: recovery.Spread | None
    of_messages: recovery.Spread | None
    #: What clients met that passes, and what processes printed last in a traceback; how often each.
    met: Mapping[str, int]
    tracebacks: Mapping[str, int]

    @property
    def holds(self) -> bool:
        """Whether no check found anything wrong."""
        return not any(self.verdicts.values())

    @property
    def broken(self) -> dict[str, Sequence[str]]:
        """The promises that do not hold, and why."""
        return {name: wrong for name, wrong in self.verdicts.items() if wrong}


@dataclass(frozen=True, slots=True)
class Court:
    """What a judgement is made of."""

    plan: Plan
    roles: Sequence[Role]
    load: Load
    injected: Sequence[Injected]
    tracebacks: Mapping[str, int]

    def judge(self, found: Findings) -> Judgement:
        """Judge what was found."""
        threads, entries = found.threads, Counter(e.kind for thread in found.threads for e in thread.log)
        return Judgement(
            plan=self.plan,
            injected=self.injected,
            verdicts=checks.verdicts(found) | self._of_states(found),
            threads=len(threads),
            turns=self.load.played,
            runs=sum(len(thread.runs) for thread in threads),
            steps=entries["committed"],
            attempts=entries["leased"],
            lost=checks.lost(found),
            ended=sum(map(checks.is_celerys, found.died)),
            doubled=checks.doubled(found),
            of_steps=recovery.Spread.of(recovery.of_steps(threads, self.injected)),
            of_messages=recovery.Spread.of(recovery.of_messages(threads, self.injected)),
            met=self.load.met,
            tracebacks=self.tracebacks,
        )

    def _of_states(self, found: Findings) -> dict[str, list[str]]:
        if self.plan.graph is None:
            wrong = [*self._of_turns(found), *checks.states_are_exact(found, self._trails(found))]
            return {"states are exact": wrong}
        if not self.plan.compare:
            return {}
        expected = {role.thread_id: undisturbed(role, self.plan.turns) for role in self.roles}
        return {"states are those of an undisturbed run": list(checks.states_are_exact(found, expected, None))}

    def _trails(self, found: Findings) -> dict[str, object]:
        """Return the trails that follow from the turns which the store knows of: a power cut may cost the last ones."""
        turns = {thread.thread_id: checks.turns(thread) for thread in found.threads}
        return {role.thread_id: trail(role, turns[role.thread_id]) for role in self.roles}

    def _of_turns(self, found: Findings) -> Iterator[str]:
        for thread in () if self.plan.power_cuts else found.threads:
            if (played := checks.turns(thread)) != self.plan.turns:
                yield f"{thread.thread_id} has played {played} turns, not {self.plan.turns}"
