"""Redis URLs, in the spelling of each library that reads them."""

import os
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit


def socket_url(socket: Path) -> str:
    """Return the URL with which redis-py reaches database 0 behind a unix socket."""
    return f"unix://{quote(os.fsencode(socket))}?db=0"


def broker_url(url: str) -> str:
    """Return the same Redis as a Celery broker URL; only a unix socket is spelled differently there.

    Path, database and credentials of a `unix://` URL are kept. Its other options are left out, because the
    broker would pass them on as text where numbers are needed: they belong into `broker_transport_options`.
    """
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    options = parse_qs(parts.query)
    database = options.get("db", ["0"])[0]
    # The broker reads credentials from the place before the path alone, redis-py from the options as well.
    user = _decoded(parts.username) or options.get("username", [""])[0]
    password = _decoded(parts.password) or options.get("password", [""])[0]
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""
    return f"redis+socket://{login}{parts.path}?virtual_host={quote(database, safe='')}"


def _decoded(part: str | None) -> str:
    return unquote(part or "")
