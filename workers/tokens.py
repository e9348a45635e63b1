"""The tokens of LangChain's chat models, heard as they come; importing this imports langchain_core."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, GenerationChunk, LLMResult
from langchain_core.runnables.config import RunnableConfig, get_callback_manager_for_config, var_child_runnable_config

Show = Callable[[Any, Mapping[str, Any]], None]

#: The tags of models whose tokens nobody is to see.
NOSTREAM = frozenset({"nostream", "langsmith:nostream"})


class Tokens(BaseCallbackHandler):
    """Shows what chat models say: chunk by chunk, or as a whole where a model does not stream.

    Args:
        show: shows a message or a chunk of one, with its metadata.
        known: the metadata that all of it has, and that is not told with every token.
    """

    #: Tokens keep their order, also those of models that are awaited.
    run_inline = True
    #: A time limit that strikes while a token is published must reach the node.
    raise_error = True

    def __init__(self, show: Show, known: Mapping[str, Any]) -> None:
        self._show = show
        self._known = known
        self._calls: dict[UUID, dict[str, Any]] = {}
        self._streamed: set[UUID] = set()

    def tap_output_iter(self, run_id: UUID, output: Iterator[Any]) -> Iterator[Any]:
        """Return the output as it is; by this method LangChain knows that models are to stream when invoked."""
        return output

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Return the output as it is."""
        return output

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Remember a call that may be heard."""
        if NOSTREAM.isdisjoint(tags or ()):
            self._calls[run_id] = self._told_with(metadata or {}, tags or ())

    def on_llm_new_token(
        self,
        token: str | list[str | dict[str, Any]],
        *,
        chunk: GenerationChunk | ChatGenerationChunk | None = None,
        run_id: UUID,
        **kwargs: Any,
    ) -> None:
        """Show a chunk."""
        if run_id in self._calls and isinstance(chunk, ChatGenerationChunk):
            self._streamed.add(run_id)
            self._show(chunk.message, self._calls[run_id])

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """Show the message of a call that brought no chunks."""
        metadata = self._calls.pop(run_id, None)
        if metadata is None or run_id in self._streamed:
            return
        for generation in response.generations[0][:1]:
            if isinstance(generation, ChatGeneration):
                self._show(generation.message, metadata)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget a call that failed."""
        self._calls.pop(run_id, None)

    def _told_with(self, metadata: Mapping[str, Any], tags: Sequence[str]) -> dict[str, Any]:
        shown = [tag for tag in tags if not tag.startswith("seq:step")]
        told = {key: value for key, value in metadata.items() if self._known.get(key) != value}
        return {**told, "tags": shown} if shown else told


@contextmanager
def listening(config: dict[str, Any], show: Show) -> Iterator[dict[str, Any]]:
    """Let chat models be heard: those that are given the config yielded, and those that are called without one."""
    heard = cast(RunnableConfig, {**config, "callbacks": [Tokens(show, config["metadata"])]})
    # a manager: it hands tags and metadata on, and of two lists LangChain would call the same handler twice
    given = {**config, "callbacks": get_callback_manager_for_config(heard)}
    token = var_child_runnable_config.set(cast(RunnableConfig, given))
    try:
        yield given
    finally:
        var_child_runnable_config.reset(token)
