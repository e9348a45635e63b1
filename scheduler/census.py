"""How many threads there are of each status, and what their states take: counted a few at a time, round after round."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .connection import Connection
from .keys import ThreadKeys

_PAGE = 500
_WEIGHED = 10


@dataclass(frozen=True, slots=True)
class Census:
    """What one round has found."""

    statuses: Mapping[str, int] = field(default_factory=dict)
    #: What the checkpoints and values of all threads take in Redis, from those that were weighed: an estimate.
    bytes: int | None = None
    #: By the clock of time.monotonic: when the round ended.
    ended_s: float = 0


class CensusTaker:
    """Goes round the threads, a page at each call, so that its cost a second does not grow with their number.

    A round over N threads takes N / 500 calls, and one for each part of the store that has any. Each looks at the
    status of up to 500 threads, and weighs ten of them.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        #: What the last whole round has found; None before there is one.
        self.census: Census | None = None
        self._round = self._one_round()

    def step(self) -> None:
        """Look at one page of threads.

        Raises:
            StoreUnavailable: the store does not answer; the round begins anew with the next call.
        """
        try:
            self.census = next(self._round) or self.census
        except BaseException:
            self._round = self._one_round()
            raise

    def _one_round(self) -> Iterator[Census | None]:
        while True:
            statuses: Counter[str] = Counter()
            weights: list[int] = []
            for number, index in enumerate(self._connection.keys.thread_indexes()):
                for tokens in self._pages(index):
                    found, weighed = self._look_at([self._connection.keys.of_token(number, token) for token in tokens])
                    statuses += found
                    weights += weighed
                    yield None
            mean = sum(weights) / len(weights) if weights else 0
            yield Census(dict(statuses), round(mean * statuses.total()) if weights else None, time.monotonic())

    def _pages(self, index: str) -> Iterator[list[str]]:
        seen: set[bytes] = set()  # a scan may show a thread twice
        cursor = 0
        while True:
            cursor, pairs = self._connection.redis.zscan(index, cursor, count=_PAGE)
            tokens = [token for token, _ in pairs if token not in seen]
            seen.update(tokens)
            if tokens:
                yield [token.decode() for token in tokens]
            if not cursor:
                return

    def _look_at(self, threads: Sequence[ThreadKeys]) -> tuple[Counter[str], list[int]]:
        pipeline = self._connection.redis.pipeline(transaction=False)
        for keys in threads:
            pipeline.hget(keys.thread, "status")
        for keys in threads[:_WEIGHED]:
            for name in ("checkpoints", "channels", "results"):
                pipeline.memory_usage(keys.named(name, ""), samples=5)
        answers = pipeline.execute(raise_on_error=False)
        count = len(threads)
        statuses = Counter(status.decode() for status in answers[:count] if isinstance(status, bytes))
        weights = answers[count:]
        if any(isinstance(weight, Exception) for weight in weights):  # fakeredis has no such command
            return statuses, []
        return statuses, [sum(weight or 0 for weight in weights[at : at + 3]) for at in range(0, len(weights), 3)]
