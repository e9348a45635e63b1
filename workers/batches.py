"""Several calls at once: one graph, many inputs, the outputs in the order of the inputs."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from contextvars import copy_context
from functools import partial
from typing import Any

from graphs.checks import shown
from graphs.errors import InvalidInput
from scheduler.arguments import positive
from scheduler.config import check
from scheduler.errors import InvalidConfig

from .loop import Calls

Config = Mapping[str, Any] | None
#: One config for all inputs, or one for each.
Configs = Config | Sequence[Config]


class Batches(ABC):
    """Adds ``batch`` and ``abatch`` to a class that can be invoked.

    The first config's ``max_concurrency`` also says how many of the calls run at a time.
    """

    def batch(
        self, inputs: Sequence[Any], config: Configs = None, *, return_exceptions: bool = False, **options: Any
    ) -> list[Any]:
        """Invoke the graph with every input, side by side, and return the outputs.

        Args:
            inputs: one for each call.
            config: one for all calls, or a list with one for each.
            return_exceptions: whether a call that fails puts its exception in the place of its output; else the first
                one is raised when all calls have ended.
            **options: as for ``invoke``.

        Raises:
            InvalidInput: the inputs are no list.
            InvalidConfig: there are not as many configs as inputs; and all that ``invoke`` raises.
        """
        configs = _one_each(config, len(_listed(inputs)))
        if not inputs:
            return []
        workers = _at_a_time(configs) or len(inputs)
        with Calls(), ThreadPoolExecutor(workers, thread_name_prefix="treadle-batch") as pool:
            call = partial(self.invoke, **options)
            calls = [
                pool.submit(copy_context().run, call, input, own) for input, own in zip(inputs, configs, strict=True)
            ]
        if return_exceptions:
            return [call.exception() or call.result() for call in calls]
        return [call.result() for call in calls]

    async def abatch(
        self, inputs: Sequence[Any], config: Configs = None, *, return_exceptions: bool = False, **options: Any
    ) -> list[Any]:
        """Invoke as ``batch`` does; when a call fails, and that is not to be returned, the others are cancelled."""
        configs = _one_each(config, len(_listed(inputs)))
        limit = _at_a_time(configs)
        turns = asyncio.Semaphore(limit) if limit else nullcontext()

        async def call(input: Any, own: Config) -> Any:
            async with turns:
                return await self.ainvoke(input, own, **options)

        calls = [asyncio.ensure_future(call(*pair)) for pair in zip(inputs, configs, strict=True)]
        try:
            return await asyncio.gather(*calls, return_exceptions=return_exceptions)
        except BaseException:
            for one in calls:
                one.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            raise

    @abstractmethod
    def invoke(self, input: Any, config: Config = None, **options: Any) -> Any:
        """Run the graph on a thread and return its output."""

    @abstractmethod
    async def ainvoke(self, input: Any, config: Config = None, **options: Any) -> Any:
        """Run as ``invoke`` does."""


def _one_each(config: Configs, count: int) -> list[Config]:
    if config is None or isinstance(config, Mapping):
        return [config] * count
    if not isinstance(config, list | tuple) or len(config) != count:
        got = len(config) if isinstance(config, list | tuple) else shown(config)
        raise InvalidConfig(f"A batch takes one config, or one for each input: got {got} for {count} inputs.")
    for own in config:
        check(own)
    return list(config)


def _listed(inputs: Sequence[Any]) -> Sequence[Any]:
    if not isinstance(inputs, Sequence) or isinstance(inputs, str | bytes):
        raise InvalidInput(f"A batch takes a list of inputs, one for each call, got {shown(inputs)}.")
    return inputs


def _at_a_time(configs: Sequence[Config]) -> int | None:
    limit: int | None = positive(check(configs[0] if configs else None), "max_concurrency", int)
    return limit
