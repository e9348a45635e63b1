"""Calling scripts on a Redis: by their hash, with their text where it has not seen them."""

from collections.abc import Iterable, Sequence
from typing import Any

import redis

from graphs.lean_values import lean

from .bytes_redis import available
from .lua_files import load
from .patience import Patience


@lean(frozen=True, slots=True)
class Call:
    """One call of a script."""

    name: str
    keys: Sequence[str]
    args: Sequence[Any]


class Caller:
    """Calls scripts; it raises StoreUnavailable when Redis does not answer, is full, or only reads."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def call(self, call: Call) -> Any:
        """Call a script and return its answer."""
        source = load(call.name)
        try:  # every step comes by here twice: what an error needs is made when there is one
            return self._redis.evalsha(source.sha, len(call.keys), *call.keys, *call.args)
        except redis.RedisError as error:
            with available(_doing(call.name)):
                if not isinstance(error, redis.exceptions.NoScriptError):
                    raise
                # a server that has not seen it, was restarted, or took over
                return self._redis.eval(source.text, len(call.keys), *call.keys, *call.args)

    def call_each(self, calls: Iterable[Call], *, together: bool = False, patient: bool = True) -> list[Any]:
        """Make many calls in one round trip; the answer to one that failed is its error.

        Args:
            calls: the calls.
            together: whether nobody may see some of them done and others not.
            patient: whether a Redis that ails is waited for; not by those who come again soon, and for whom a node of
                a cluster that is away must not keep the others waiting.
        """
        asked = list(calls)
        names = dict.fromkeys(call.name for call in asked)
        with available(_doing(*names)):
            answers = self._answers(asked, together, patient)
            if any(isinstance(answer, redis.exceptions.NoScriptError) for answer in answers):
                for name in names:
                    self._redis.script_load(load(name).text)
                answers = self._answers(asked, together, patient)
        return answers

    def _answers(self, calls: Iterable[Call], together: bool, patient: bool) -> list[Any]:
        pipeline: Any = self._redis.pipeline(transaction=together)
        if not patient:
            pipeline.patience = Patience()
        for call in calls:
            pipeline.evalsha(load(call.name).sha, len(call.keys), *call.keys, *call.args)
        return list(pipeline.execute(raise_on_error=False))


def _doing(*names: str) -> str:
    return " and ".join(name.replace("_", " ") for name in names)
