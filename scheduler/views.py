"""Stream modes: what a follower is shown of the things that happen to a run.

The log says what happened and where the data lies; checkpoints and results never change. So every mode is a view
that is computed where it is read, and costs the workers nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from graphs.errors import UnknownSubgraph
from graphs.frames import Root

from .following import Happening, LiveEvent
from .frame_view import FrameView, Look
from .parts import LIVE_MODES, RETRACT, Part

#: What nodes themselves say, and its taking back.
SAID = LIVE_MODES | {RETRACT}


@dataclass
class View:
    """Turns what happens to one run into the parts of the modes asked for."""

    look: Look
    root: Root
    #: Whether what happens in the frames below the root is shown; what nodes themselves write always is.
    subgraphs: bool = False
    #: The ids of messages -> the steps that said them: what a graph inside said, the one around it does not say again.
    _told: dict[Any, str] = field(default_factory=dict)
    _frames: dict[str, FrameView] = field(default_factory=dict)

    def parts(self, happening: Happening) -> Iterator[Part]:
        """Yield what is shown of one thing that happened."""
        ns = happening.ns
        for index, part in enumerate(self._shown(happening)):
            if self.subgraphs or part.mode in SAID or ns == self.root.ns:
                yield replace(part, id=f"{happening.seq}-{index}", ns=tuple(ns.split("|")) if ns else ())

    def _shown(self, happening: Happening) -> Iterator[Part]:
        ns = happening.ns
        frame = self._frames.get(ns)
        if frame is None:
            try:
                frame = self._frames[ns] = FrameView(self.look, self.root.at(ns), ns, self._told)
            except UnknownSubgraph:  # a function has called the graph: who follows cannot know its shape
                return self._written(happening)
        return frame.live(happening) if isinstance(happening, LiveEvent) else frame.shown(happening)

    def _written(self, happening: Happening) -> Iterator[Part]:
        if isinstance(happening, LiveEvent) and happening.mode == "custom" in self.look.modes:
            yield Part("custom", happening.value)
