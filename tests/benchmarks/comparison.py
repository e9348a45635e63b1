"""What is measured beside what: cases that run in turns, and the goals that they are held to."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from operator import sub, truediv
from statistics import median
from typing import Literal

#: What one measurement found: figure -> value.
Sample = Mapping[str, float]
Measure = Callable[[], Sample]
#: Sets up what is to be measured, and yields what measures it.
Case = Callable[[], AbstractContextManager[Measure]]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure of a case is to reach: as a multiple of its baseline, as what it has on top, or by itself."""

    case: str
    figure: str
    bound: float
    #: The case that it stands beside; "": none, and the figure counts by itself.
    baseline: str = ""
    counted: Literal["times", "on top"] = "times"
    #: Whether more is better.
    at_least: bool = False

    def reached(self, value: float) -> bool:
        """Return whether a value is good enough."""
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True, slots=True)
class Comparison:
    """Cases that belong beside each other in one table."""

    title: str
    cases: Mapping[str, Case]
    goals: Sequence[Goal] = ()
    #: Whether a first measurement of each case, which does not count, warms it up.
    warm: bool = True
    #: How often each case is measured where that is not for the caller to say: once, for what does not vary.
    rounds: int | None = None

    def measured(self, rounds: int) -> "Measured":
        """Measure the cases in turns, so that what else the machine does meets all of them alike."""
        found: dict[str, list[Sample]] = {name: [] for name in self.cases}
        with ExitStack() as stack:
            measures = {name: stack.enter_context(case()) for name, case in self.cases.items()}
            if self.warm:
                for measure in measures.values():
                    measure()
            for _ in range(self.rounds or rounds):
                for name, measure in measures.items():
                    found[name].append(measure())
        return Measured(self, found)


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, and how far they lie apart."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of values."""
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Measured:
    """A comparison with the samples that it found, one of each case a round."""

    comparison: Comparison
    samples: Mapping[str, Sequence[Sample]]

    @property
    def figures(self) -> list[str]:
        """The names of all figures, in the order in which cases have them."""
        return list(dict.fromkeys(name for samples in self.samples.values() for name in samples[0]))

    def spread(self, case: str, figure: str) -> Spread | None:
        """Return what a case has of a figure; None where it has none."""
        values = [sample[figure] for sample in self.samples[case] if figure in sample]
        return Spread.of(values) if values else None

    def towards(self, goal: Goal) -> Spread:
        """Return how far a case is, compared with its baseline round by round."""
        values = [sample[goal.figure] for sample in self.samples[goal.case]]
        if goal.baseline:
            beside = [sample[goal.figure] for sample in self.samples[goal.baseline]]
            compare = truediv if goal.counted == "times" else sub
            values = [compare(value, base) for value, base in zip(values, beside, strict=True)]
        return Spread.of(values)
