"""Every key name in Redis: one place that spells them, one hash tag per partition."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from urllib.parse import quote

from xxhash import xxh64_intdigest

#: How many partitions the threads are spread over; changing it orphans every stored thread.
PARTITIONS = 64

_MEMO_SIZE = 10_000
#: How the scripts call the keys of a thread, and those that each of its frames has.
_OF_THREADS = ("thread", "steps", "runs", "log", "blocks", "events", "due", "index", "frames", "deadlines", "counts")
_OF_RUNS = ("starts", "inputs", "spent")
_OF_FRAMES = ("frame", "held", "checkpoints", "channels", "results")
_SAFE = "-_.@/+=,"  # everything else is escaped, so that no id can end its part of a key


@dataclass(frozen=True)
class ThreadKeys:
    """The keys of one thread; all in one Redis Cluster slot."""

    token: str
    root: str

    @cached_property
    def thread(self) -> str:
        """Hash: status, graph, active run, fence, log sequence and head."""
        return f"{self.root}:thread:{self.token}"

    @cached_property
    def steps(self) -> str:
        """Hash: step id -> record of the step in flight (JSON)."""
        return f"{self.root}:steps:{self.token}"

    @cached_property
    def runs(self) -> str:
        """List: run ids, the newest first."""
        return f"{self.root}:runs:{self.token}"

    @cached_property
    def log(self) -> str:
        """Stream: the execution log, hash-chained."""
        return f"{self.root}:log:{self.token}"

    @cached_property
    def blocks(self) -> str:
        """List: the older part of the log, compressed."""
        return f"{self.root}:blocks:{self.token}"

    @cached_property
    def events(self) -> str:
        """Stream: what nodes write while they run; trimmed."""
        return f"{self.root}:events:{self.token}"

    @cached_property
    def due(self) -> str:
        """Sorted set of the partition: when somebody must look at a step again (ms)."""
        return f"{self.root}:due"

    @cached_property
    def index(self) -> str:
        """Sorted set of the partition: thread tokens by their last change (ms)."""
        return f"{self.root}:threads"

    @cached_property
    def counts(self) -> str:
        """Hash of the partition: what happened in it, and how often: runs ended, leases lost, how long steps waited."""
        return f"{self.root}:counts"

    @cached_property
    def frames(self) -> str:
        """Set: the namespaces of the frames below the root."""
        return f"{self.root}:frames:{self.token}"

    @cached_property
    def deadlines(self) -> str:
        """Hash: question id -> until when it waits, and the step at the root that waits (JSON); and its default."""
        return f"{self.root}:deadlines:{self.token}"

    @cached_property
    def starts(self) -> str:
        """Sorted set: runs that are to begin, by when (ms)."""
        return f"{self.root}:starts:{self.token}"

    @cached_property
    def inputs(self) -> str:
        """Sorted set: runs that wait for their turn, by their place in line; below 0, those that go first."""
        return f"{self.root}:inputs:{self.token}"

    @cached_property
    def spent(self) -> str:
        """Hash: what the runs of the thread have spent, by unit."""
        return f"{self.root}:spent:{self.token}"

    def staged(self, nonce: str) -> "ThreadKeys":
        """Return keys in the same slot that no thread has: where one is put together before it appears."""
        return ThreadKeys(f"{self.token}:{nonce}", self.root)

    def run(self, run_id: str) -> str:
        """Hash: one run."""
        return f"{self.root}:run:{self.token}:{escaped(run_id)}"

    def frame(self, ns: str) -> str:
        """Hash: the cursor of one frame."""
        return f"{self.root}:frame:{self.token}:{ns}"

    def held(self, ns: str) -> str:
        """List: the steps of a frame's superstep that wait until one of those before them has ended."""
        return f"{self.root}:held:{self.token}:{ns}"

    def checkpoints(self, ns: str) -> str:
        """Stream: checkpoint id -> record; entries never change."""
        return f"{self.root}:checkpoints:{self.token}:{ns}"

    def channels(self, ns: str) -> str:
        """Hash: channel@generation.chunk -> bytes."""
        return f"{self.root}:channels:{self.token}:{ns}"

    def results(self, ns: str) -> str:
        """Hash: step id -> what the step wrote, or how it failed."""
        return f"{self.root}:results:{self.token}:{ns}"

    def of_frame(self, ns: str) -> list[str]:
        """Return all keys of one frame."""
        return [self.named(name, ns) for name in _OF_FRAMES]

    def named(self, name: str, ns: str) -> str:
        """Return the key that the scripts call by a name: the thread's, or that of one of its frames."""
        key = getattr(self, name)
        return str(key(ns) if name in _OF_FRAMES else key)

    @cached_property
    def at_root(self) -> Mapping[str, str]:
        """The keys of the thread and of its root, by the names that the scripts call them: most steps run there."""
        return {name: self.named(name, "") for name in (*_OF_THREADS, *_OF_RUNS, *_OF_FRAMES)}


@dataclass(frozen=True, slots=True)
class ScheduleKeys:
    """The keys of schedules; all in one Redis Cluster slot."""

    root: str
    token: str = ""

    @property
    def schedules(self) -> str:
        """Set: the ids of all schedules."""
        return f"{self.root}:index"

    @property
    def ticks(self) -> str:
        """Sorted set: schedules by their next tick (ms)."""
        return f"{self.root}:ticks"

    @property
    def schedule(self) -> str:
        """Hash: what one schedule says, its status and its next tick."""
        return f"{self.root}:schedule:{self.token}"

    @property
    def history(self) -> str:
        """List: what one schedule has started last, the newest first (JSON)."""
        return f"{self.root}:history:{self.token}"


@dataclass(frozen=True, slots=True)
class LimitKeys:
    """The keys of the limits of one graph; all in one Redis Cluster slot.

    slots, a sorted set: steps by until when they have a slot (ms). places, a hash: step -> its key, and its slot or its
    place in line. used, a hash: key -> how many slots it has. line, a sorted set: key, place and step of those that
    wait. ready, a sorted set: keys by since when one of theirs may be served. pace, a hash of a node: the moments at
    which its next steps may start (ms).
    """

    root: str
    node: str = ""

    def named(self, name: str) -> str:
        """Return the key that the scripts call by a name."""
        return f"{self.root}:{name}:{self.node}" if name == "pace" else f"{self.root}:{name}"


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names below one prefix."""

    prefix: str = "treadle"
    _threads: dict[str, ThreadKeys] = field(default_factory=dict, compare=False, repr=False)

    def of_thread(self, thread_id: str) -> ThreadKeys:
        """Return the keys of a thread."""
        keys = self._threads.get(thread_id)
        if keys is None:
            token = escaped(thread_id)
            keys = ThreadKeys(token, self._partition(xxh64_intdigest(thread_id.encode()) % PARTITIONS))
            if len(self._threads) >= _MEMO_SIZE:  # a memo, not a registry: it must not grow with the threads ever seen
                self._threads.clear()
            self._threads[thread_id] = keys
        return keys

    def of_token(self, number: int, token: str) -> ThreadKeys:
        """Return the keys of a thread that the index of a partition names by its token."""
        return ThreadKeys(token, self._partition(number))

    def due_sets(self) -> list[str]:
        """Return the due set of every partition."""
        return [f"{self._partition(number)}:due" for number in range(PARTITIONS)]

    def thread_indexes(self) -> list[str]:
        """Return the thread index of every partition."""
        return [f"{self._partition(number)}:threads" for number in range(PARTITIONS)]

    def counts(self) -> list[str]:
        """Return the counts of every partition."""
        return [f"{self._partition(number)}:counts" for number in range(PARTITIONS)]

    def of_schedule(self, schedule_id: str = "") -> ScheduleKeys:
        """Return the keys of a schedule, and those that all of them share."""
        return ScheduleKeys(f"{self.prefix}:{{schedules}}", escaped(schedule_id))

    def of_limits(self, graph: str, node: str = "") -> LimitKeys:
        """Return the keys of a graph's limits, and of one of its nodes."""
        return LimitKeys(f"{self.prefix}:{{limits:{escaped(graph)}}}", escaped(node))

    def memory_index(self) -> str:
        """Sorted set: entries of the long-term memory, in the order of their namespaces and keys."""
        return f"{self.prefix}:{{memory}}:index"

    def memory_expiry(self) -> str:
        """Sorted set: those entries of the memory that expire, by when (ms)."""
        return f"{self.prefix}:{{memory}}:expiry"

    def memory_vectors(self) -> str:
        """Vector set: the vectors of the memory's items, where the server has such."""
        return f"{self.prefix}:{{memory}}:vectors"

    def memory_gathered(self) -> str:
        """Hash: how far that vector set has come."""
        return f"{self.prefix}:{{memory}}:gathered"

    def memory_item(self, namespace: Iterable[str], key: str) -> str:
        """Hash: one item of the long-term memory."""
        path = ".".join(map(escaped, namespace))  # labels have no dot
        return f"{self.prefix}:{{memory}}:item:{path}:{escaped(key)}"

    def versions(self, graph: str) -> str:
        """Sorted set: the fingerprints of a graph's versions, by when a worker first had each (ms)."""
        return f"{self.prefix}:versions:{escaped(graph)}"

    def cache_namespaces(self) -> str:
        """Set: the namespaces that the cache was ever written to."""
        return f"{self.prefix}:cache"

    def cache_index(self, namespace: Iterable[str]) -> str:
        """Sorted set: the keys of one namespace of the cache, by when they expire (ms)."""
        return f"{self.prefix}:{{cache{_path(namespace)}}}:index"

    def cache_item(self, namespace: Iterable[str], key: str) -> str:
        """String: one value of the cache; in the Redis Cluster slot of its namespace."""
        return f"{self.prefix}:{{cache{_path(namespace)}}}:item:{escaped(key)}"

    def glob_of_threads(self) -> str:
        """Return the pattern of the keys of all threads, as Redis' access rules take it."""
        return f"{self.prefix}:{{p*}}:*"

    def glob_of_schedules(self) -> str:
        """Return the pattern of the keys of all schedules."""
        return f"{self.of_schedule().root}:*"

    def glob_of_limits(self) -> str:
        """Return the pattern of the keys of all limits."""
        return f"{self.prefix}:{{limits:*}}:*"

    def glob_of_memory(self) -> str:
        """Return the pattern of the keys of the long-term memory."""
        return f"{self.prefix}:{{memory}}:*"

    def globs_of_cache(self) -> tuple[str, str]:
        """Return the patterns of the keys of the cache."""
        return f"{self.prefix}:{{cache*}}:*", self.cache_namespaces()

    def _partition(self, number: int) -> str:
        return f"{self.prefix}:{{p{number}}}"


def _path(namespace: Iterable[str]) -> str:
    return "".join(f":{escaped(label)}" for label in namespace)


@lru_cache(_MEMO_SIZE)
def escaped(text: str) -> str:
    """Return a text as a part of a key, which it cannot end."""
    return quote(text, safe=_SAFE)
