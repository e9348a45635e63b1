"""How texts become vectors: by a function, an asynchronous one, or an object with embed_documents, as LangChain's."""

import asyncio
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

from graphs.checks import shown
from graphs.errors import MissingExtra

from .errors import InvalidEmbedding

Vectors: TypeAlias = list[Any]


def embedder_of(source: Any) -> Any:
    """Return what ``embed`` of an index names: itself, or for "provider:model" LangChain's object for that model.

    Raises:
        MissingExtra: LangChain is not installed; of the provider's own package LangChain says so itself.
    """
    if not isinstance(source, str) or ":" not in source:
        return source
    try:
        from langchain.embeddings import init_embeddings
    except ImportError as error:
        raise MissingExtra("langchain", "embeddings") from error
    return init_embeddings(source)


@dataclass(frozen=True, slots=True)
class Embedder:
    """Embeds the documents and the queries of a batch, each kind in one call where the user's object allows it."""

    source: Any

    def __post_init__(self) -> None:
        if not callable(self.source) and not any(map(self._method, ("embed_documents", "aembed_documents"))):
            raise TypeError(
                "index['embed'] is a function from a list of texts to a list of vectors, an object with "
                f"embed_documents, or 'provider:model' of LangChain, got {shown(self.source)}."
            )

    def embed(self, documents: Sequence[str], queries: Sequence[str]) -> tuple[Vectors, Vectors]:
        """Return the vectors of the documents, and those of the queries.

        Raises:
            TypeError: the function is asynchronous.
            InvalidEmbedding: it returned something else than a vector for each text.
        """
        embed, query = self._method("embed_documents"), self._method("embed_query")
        if embed is None and self._method("aembed_documents"):
            raise TypeError(_ASYNCHRONOUS)
        if embed is None:
            return _split(
                _checked(_called(self.source, [*documents, *queries]), len(documents) + len(queries)), documents
            )
        found = _checked(_called(embed, [*documents]), len(documents)) if documents else []
        if query is None:
            return found, _checked(_called(embed, [*queries]), len(queries)) if queries else []
        return found, [_called(query, text) for text in queries]

    async def aembed(self, documents: Sequence[str], queries: Sequence[str]) -> tuple[Vectors, Vectors]:
        """Return what ``embed`` does: an asynchronous function is awaited, another one called in a thread."""
        embed, query = self._method("aembed_documents"), self._method("aembed_query")
        if embed is None and self._method("embed_documents"):
            return await asyncio.to_thread(self.embed, documents, queries)
        if embed is None:
            texts = [*documents, *queries]
            return _split(_checked(await _awaited(self.source, texts), len(texts)), documents)
        together = [embed([*documents])] if documents else []
        if query is None:
            together += [embed([*queries])] if queries else []
            found = list(chain(*await asyncio.gather(*together)))
            return _split(_checked(found, len(documents) + len(queries)), documents)
        answers = await asyncio.gather(*together, *map(query, queries))
        first = _checked(answers[0], len(documents)) if documents else []
        return first, list(answers[len(together) :])

    def _method(self, name: str) -> Callable[..., Any] | None:
        found = getattr(self.source, name, None)
        return found if callable(found) else None


_ASYNCHRONOUS = (
    "index['embed'] is asynchronous: use the store's asynchronous methods (asearch, aput, abatch), or give it a "
    "function that is not."
)


def _called(embed: Callable[..., Any], texts: Any) -> Any:
    if inspect.iscoroutinefunction(embed):
        raise TypeError(_ASYNCHRONOUS)
    found = embed(texts)
    if inspect.isawaitable(found):
        if inspect.iscoroutine(found):
            found.close()
        raise TypeError(_ASYNCHRONOUS)
    return found


async def _awaited(embed: Callable[..., Any], texts: list[str]) -> Any:
    plain = not inspect.iscoroutinefunction(embed) and not inspect.iscoroutinefunction(type(embed).__call__)
    found = await asyncio.to_thread(embed, texts) if plain else embed(texts)
    return await found if inspect.isawaitable(found) else found


def _checked(vectors: Any, count: int) -> Vectors:
    try:
        found = list(vectors)
    except TypeError as error:
        raise InvalidEmbedding(f"a list of {count} vectors is wanted, got {shown(vectors)}") from error
    if len(found) != count:
        raise InvalidEmbedding(f"{count} texts were given, and {len(found)} vectors came back")
    return found


def _split(vectors: Vectors, documents: Sequence[str]) -> tuple[Vectors, Vectors]:
    return vectors[: len(documents)], vectors[len(documents) :]
