"""What one thread has to be like, worked out without the scheduler from what its log says has happened."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from graphs.checkpoint import PUSH, Step
from scheduler.log import LogEntry

from .plays import Play

HANDLER = "__error_handler__"


def key_of(step: Step) -> str:
    """Return how the plays call a step: by its node, and its place among Sends; a handler as what it stands for."""
    name = step.node.removeprefix(HANDLER)
    return f"{name}{step.path[1]}" if step.path[0] == PUSH else name


def word(key: str, heard: int, *, handled: bool = False) -> str:
    """Return what a step says: who it is, and how much it heard before."""
    return f"{key}{chr(39) if handled else ''}@{heard}"


@dataclass
class Oracle:
    """One thread of a play, and what may be found of it."""

    play: Play
    #: The number of the checkpoint at the cursor; what was said there, and which steps are due.
    number: int = 0
    said: list[str] = field(default_factory=list)
    due: Sequence[str] = ()
    #: What the due steps that have finished said.
    kept: dict[str, list[str]] = field(default_factory=dict)
    #: The keys of steps by their ids, as workers met them.
    keys: dict[str, str] = field(default_factory=dict)
    #: The last entry of the log, the last token given, that of each step, and the steps that have committed.
    seq: int = 0
    token: int = 0
    tokens: dict[str, int] = field(default_factory=dict)
    committed: set[str] = field(default_factory=set)
    #: The steps at the root that somebody has the lease on.
    held: set[str] = field(default_factory=set)
    #: The steps whose leases were let run out: nobody else's may be taken for lost.
    over: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.due = self.play.first

    def meet(self, step: Step) -> None:
        """Note a step that a worker was given."""
        self.keys[step.id] = key_of(step)

    def hear(self, entry: LogEntry) -> None:
        """Take an entry of the log in; it must be the next one, and one that may be."""
        assert entry.seq == self.seq + 1, f"entry {entry.seq} follows entry {self.seq}"
        self.seq = entry.seq
        if entry.kind == "finished":
            self.held.clear()
        elif entry.kind != "leased":
            self.held.discard(entry.data.get("step", ""))
        if entry.kind == "lost worker":
            assert entry.data["step"] in self.over, f"{entry.data['node']} was taken from a worker whose lease was good"
        if entry.kind == "leased":
            self._leased(entry)
        if entry.kind == "committed":
            self._committed(entry)

    def move(self, number: int) -> None:
        """Let the cursor stand on the checkpoint of a number: where it stood, or the next one."""
        if number == self.number:
            return
        assert number == self.number + 1, f"the cursor went from checkpoint {self.number} to {number}"
        missing = [key for key in self.due if key not in self.kept]
        assert not missing, f"the superstep was closed without {missing}"
        for key in self.due:
            self.said += self.kept.pop(key)
        self.number, self.due = number, self.play.following(tuple(self.due), len(self.said))

    @property
    def is_over(self) -> bool:
        """Whether the graph has come to its end."""
        return not self.due

    def _leased(self, entry: LogEntry) -> None:
        token, step = entry.data["token"], entry.data["step"]
        assert token > self.token, f"token {token} was given after {self.token}"
        assert step not in self.committed, f"{entry.data['node']} has finished, and was leased again"
        assert step not in self.held, f"{entry.data['node']} was leased to somebody else"
        if not entry.ns:
            self.held.add(step)
        self.token = self.tokens[step] = token

    def _committed(self, entry: LogEntry) -> None:
        token, step = entry.data["token"], entry.data["step"]
        assert token == self.tokens[step], f"{entry.data['node']} committed with token {token} of {self.tokens[step]}"
        assert step not in self.committed, f"{entry.data['node']} committed twice"
        self.committed.add(step)
        if entry.ns:
            return
        key, handled = self.keys[step], entry.data["node"].startswith(HANDLER)
        assert key in self.due, f"{key} committed, and {self.due} were due"
        self.kept[key] = [*self.play.says.get(key, [word(key, len(self.said), handled=handled)])]
