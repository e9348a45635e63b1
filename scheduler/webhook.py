"""A webhook: where, and of what, a run tells its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from graphs.checks import shown

from .errors import InvalidConfig

#: What a message holds beside ids, status and times, by choice.
INCLUDED: Final = ("output", "questions", "error")

_LONGEST: Final = 2_048


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a run's end is told, and what of it."""

    url: str
    include: tuple[str, ...] = ()

    def plan(self, keys: Sequence[str] | None) -> dict[str, Any]:
        """Return it as a run's plan keeps it; ``keys``: those of the state that are the output, None for all."""
        return {"url": self.url, "include": list(self.include), "keys": None if keys is None else list(keys)}


def webhook_of(value: Any) -> Webhook | None:
    """Return the webhook of a config: a URL, or ``{"url": ..., "include": ["output", "questions", "error"]}``.

    Raises:
        InvalidConfig: it is none.
    """
    if value is None or isinstance(value, Webhook):
        return value
    given = value if isinstance(value, Mapping) else {"url": value}
    unknown = [name for name in given if name not in ("url", "include")]
    if unknown:
        raise InvalidConfig(f"A webhook has 'url' and 'include', got {shown(unknown[0])}.")
    return Webhook(_url(given.get("url")), _include(given.get("include")))


def check_https(webhook: Webhook) -> None:
    """Check that what is told cannot be read on its way.

    Raises:
        InvalidConfig: its URL is none of https.
    """
    if not webhook.url.lower().startswith("https://"):
        raise InvalidConfig("A webhook's URL is one of https; TREADLE_WEBHOOK_ALLOW_HTTP alone would allow http.")


def _url(url: Any) -> str:
    why = _flaw(url)
    if why:  # without the URL itself, which may hold a secret
        raise InvalidConfig(f"The config's 'webhook' is a URL such as 'https://example.com/runs', and {why}.")
    return str(url)


def _flaw(url: Any) -> str | None:
    if not isinstance(url, str):
        return f"got {shown(url)}"
    if len(url) > _LONGEST or not url.isascii() or not url.isprintable() or " " in url:
        return f"it has at most {_LONGEST} characters, none of which must be escaped"
    try:
        parts = urlsplit(url)
        found = (parts.hostname, parts.port)
    except ValueError as error:
        return f"this is none: {error}"
    if parts.scheme not in ("https", "http") or not found[0]:
        return "this one names no scheme 'https', or no host"
    return "a login does not belong into it" if "@" in parts.netloc else None


def _include(include: Any) -> tuple[str, ...]:
    if include is None:
        return ()
    if not isinstance(include, list | tuple) or not all(isinstance(one, str) and one in INCLUDED for one in include):
        raise InvalidConfig(
            f"A webhook's 'include' is a list of {', '.join(map(repr, INCLUDED))}, got {shown(include)}."
        )
    return tuple(one for one in INCLUDED if one in include)
