"""What the items and queries of a batch mean, as vectors: the semantic index of the long-term memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NotRequired, TypedDict

from graphs.checks import shown, whole
from graphs.store import Op, PutOp, SearchOp
from graphs.store_fields import WHOLE, steps_of, texts_at

from .embedding import Embedder, Vectors, embedder_of
from .vectors import packed

#: More than any embedding has; a row of them still is a small value.
_MOST_DIMS: Final = 65_536
_OPTIONS: Final = ("dims", "embed", "fields")


class IndexConfig(TypedDict):
    """What ``index=`` of a store says."""

    #: How many numbers a vector has.
    dims: int
    #: A function from texts to vectors, an asynchronous one, an object with ``embed_documents``, or "provider:model".
    embed: Any
    #: Which texts of a value are embedded; the whole value where it is left out.
    fields: NotRequired[Sequence[str] | None]


@dataclass(frozen=True, slots=True)
class Meanings:
    """The vectors of the texts of a batch."""

    documents: Mapping[str, bytes]
    queries: Mapping[str, bytes]


#: What a batch means in a store without an index.
NOTHING: Final = Meanings({}, {})


class SemanticIndex:
    """Embeds what is put and what is searched for.

    Args:
        config: ``dims``, how many numbers a vector has; ``embed``, what makes vectors of texts; ``fields``, which
            texts of a value are embedded: ``["$"]`` for the whole value, and else as ``["text", "a.b", "a[*].b"]``.

    Raises:
        TypeError, ValueError: the config does not fit.
    """

    def __init__(self, config: Any) -> None:
        if not isinstance(config, Mapping):
            raise TypeError(f"The index of a store is a dict with {', '.join(_OPTIONS)}, got {shown(config)}.")
        unknown = [name for name in config if name not in _OPTIONS]
        missing = [name for name in ("dims", "embed") if config.get(name) is None]
        if unknown or missing:
            what = f"{shown(unknown[0])} is none of them" if unknown else f"{missing[0]!r} is missing"
            raise ValueError(f"The index of a store has {', '.join(_OPTIONS)}, and {what}.")
        self.dims = whole(config["dims"], "index['dims']", ValueError, least=1, most=_MOST_DIMS)
        self.fields = _fields(config.get("fields"))
        self.config = dict(config)
        self._embedder = Embedder(embedder_of(config["embed"]))

    def of(self, ops: Sequence[Op]) -> Meanings:
        """Return what the ops mean: their texts are embedded together."""
        documents, queries = self._texts(ops)
        if not documents and not queries:
            return NOTHING
        return self._packed(documents, queries, self._embedder.embed(documents, queries))

    async def aof(self, ops: Sequence[Op]) -> Meanings:
        """Return what ``of`` does, without blocking the event loop."""
        documents, queries = self._texts(ops)
        if not documents and not queries:
            return NOTHING
        return self._packed(documents, queries, await self._embedder.aembed(documents, queries))

    def vectors(self, op: PutOp, meanings: Meanings) -> bytes:
        """Return the vectors that are stored with an item; none where it has no texts, or is not to be indexed."""
        return b"".join(meanings.documents[text] for text in self._texts_of(op))

    def _texts(self, ops: Sequence[Op]) -> tuple[list[str], list[str]]:
        puts = (op for op in ops if isinstance(op, PutOp))
        documents = dict.fromkeys(text for op in puts for text in self._texts_of(op))
        return [*documents], [*dict.fromkeys(op.query for op in ops if isinstance(op, SearchOp) and op.query)]

    def _texts_of(self, op: PutOp) -> list[str]:
        if op.value is None or op.index is False:
            return []
        fields = self.fields if op.index is None else op.index
        return [text for field in fields for text in texts_at(op.value, field)]

    def _packed(self, documents: list[str], queries: list[str], found: tuple[Vectors, Vectors]) -> Meanings:
        first, second = ([packed(vector, self.dims) for vector in vectors] for vectors in found)
        return Meanings(dict(zip(documents, first, strict=True)), dict(zip(queries, second, strict=True)))


def _fields(fields: Any) -> list[str]:
    if fields is None:
        return [WHOLE]
    if not isinstance(fields, list | tuple) or not all(isinstance(field, str) for field in fields):
        raise TypeError(f"index['fields'] is a list of field names, got {shown(fields)}.")
    for field in fields:
        steps_of(field)
    return list(fields)
