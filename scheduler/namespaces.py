"""The order of the long-term memory: namespaces and keys as bytes that sort as their tuples do."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate, groupby, islice

from graphs.store import ListNamespacesOp, Namespace

# Labels hold no NUL and are never empty (graphs.store sees to it), so NUL sorts below every label,
# and the first two NULs in a row end the namespace: whatever the key holds, the parts can be told apart.
_SEPARATOR = b"\0"
_END = b"\0\0"
#: Of how many outer namespaces, with itself, a namespace has short names.
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Span:
    """A range of entries, with its bounds as ZRANGEBYLEX takes them."""

    first: bytes = b"-"
    last: bytes = b"+"

    def after(self, entry: bytes) -> "Span":
        """Return the rest of the range, behind the entry."""
        return Span(b"(" + entry, self.last)

    def after_namespace(self, token: bytes) -> "Span":
        """Return the rest of the range, behind every key of the namespace."""
        return self.after(token + b"\xff")  # no UTF-8 text has this byte


def to_token(namespace: Namespace) -> bytes:
    """Return the bytes that every entry of the namespace begins with, and no other entry does."""
    return _SEPARATOR.join(label.encode() for label in namespace) + _END


def to_entry(namespace: Namespace, key: str) -> bytes:
    """Return the bytes that stand for an item in the index."""
    return to_token(namespace) + key.encode()


def from_entry(entry: bytes) -> tuple[Namespace, str]:
    """Return the namespace and the key of an entry; the key of a mere token is empty."""
    labels, _, key = entry.partition(_END)
    return tuple(label.decode() for label in labels.split(_SEPARATOR)), key.decode()


def labels_of(namespace: Namespace) -> dict[str, str]:
    """Return a short name for the namespace and for each that it lies in, by depth: what a server may filter by.

    Two namespaces may have one name, and beyond a depth there are none: what is found by them is to be looked at.
    """
    path = accumulate(namespace[:_DEEPEST], lambda outer, label: f"{outer}\0{label}")
    return {f"d{depth}": blake2b(name.encode(), digest_size=6).hexdigest() for depth, name in enumerate(path, 1)}


def filter_of(prefix: Namespace) -> str:
    """Return the expression by which a server finds what lies below a prefix; an empty one where all does."""
    named = list(labels_of(prefix).items())
    return f'.{named[-1][0]} == "{named[-1][1]}"' if named else ""


def below(prefix: Namespace) -> Span:
    """Return the range of the entries whose namespace begins with these labels."""
    if not prefix:
        return Span()
    start = b"".join(label.encode() + _SEPARATOR for label in prefix)
    return Span(b"[" + start, b"(" + start[:-1] + b"\x01")


def span_of(op: ListNamespacesOp) -> Span:
    """Return the smallest range that holds every namespace the op asks for."""
    prefixes = [condition.path for condition in op.match_conditions or () if condition.match_type == "prefix"]
    return below(max((_without_wildcards(path) for path in prefixes), key=len, default=()))


def select(namespaces: Iterable[Namespace], op: ListNamespacesOp) -> list[Namespace]:
    """Return what the op asks for out of sorted namespaces, reading no further than it has to."""
    cut = (namespace[: op.max_depth] for namespace in namespaces if op.accepts(namespace))
    distinct = (namespace for namespace, _ in groupby(cut))  # in sorted order those that became equal are neighbours
    return list(islice(distinct, op.offset, op.offset + op.limit))


def _without_wildcards(path: Namespace) -> Namespace:
    return path[: path.index("*")] if "*" in path else path
