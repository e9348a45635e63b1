"""Redis URLs, in the spelling of each library that reads them."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, parse_qsl, quote, unquote, urlencode, urlsplit

from redis.connection import parse_url

from .errors import InvalidConfig

Address = tuple[str, int]
_PORT, _SENTINEL_PORT = 6379, 26379
_NO_QUEUE = (
    "A Redis Cluster carries no queue: Celery knows no cluster. Name another broker in TREADLE_BROKER_URL, such as "
    "redis://host or amqp://host; or run the steps here, with RedisSaver(url, inline=True)."
)

_NO_URL = (
    "It is not the address of a Redis, which is redis://USER:PASSWORD@HOST:PORT/DATABASE, rediss://, unix://, "
    "sentinel:// or cluster://; what a password has of / @ : ? # % is escaped (%2F for /)."
)


def socket_url(socket: Path) -> str:
    """Return the URL with which redis-py reaches database 0 behind a unix socket."""
    return f"unix://{quote(os.fsencode(socket))}?db=0"


@dataclass(frozen=True, slots=True)
class ManyServers:
    """What a ``sentinel://`` or ``cluster://`` URL says: several servers, and how to log in to a Redis of theirs.

    ``cluster://user:password@host:port,host:port?tls=true`` names some nodes of a cluster;
    ``sentinel://user:password@host:port,host:port/service?db=0&sentinel_password=...`` names sentinels.
    """

    #: ``sentinel`` or ``cluster``.
    scheme: str
    servers: tuple[Address, ...]
    #: The name under which the sentinels know the primary.
    service: str = ""
    db: int = 0
    #: ``user:password@``, escaped as in the URL.
    login: str = field(default="", repr=False)
    tls: bool = False
    #: How to log in to the sentinels.
    sentinel_login: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: The options that redis-py knows.
    options: Mapping[str, str] = field(default_factory=dict)

    def url_of(self, address: Address) -> str:
        """Return the URL of one server, as redis-py reads it."""
        host, port = address
        scheme, query = ("rediss" if self.tls else "redis"), urlencode(self.options)
        return f"{scheme}://{self.login}{_bracketed(host)}:{port}/{self.db}{'?' if query else ''}{query}"


def check_url(url: str) -> str:
    """Return the URL of a Redis, or of several.

    Raises:
        InvalidConfig: it is none. The error quotes nothing of it, which may be a part of the password.
    """
    parse: Any = parse_url  # redis-py says nothing of its type
    try:
        if many_servers(url) is None:
            parse(url)
    except InvalidConfig:
        raise
    except ValueError:
        raise InvalidConfig(_NO_URL) from None
    return url


def split_url(url: str) -> tuple[str, SplitResult]:
    """Return the servers of a URL, and its other parts; some Pythons refuse several addresses in brackets."""
    scheme, _, rest = url.partition("://")
    netloc = re.split("[/?#]", rest, maxsplit=1)[0]
    return netloc, urlsplit(f"{scheme}://{rest[len(netloc) :]}")


def many_servers(url: str) -> ManyServers | None:
    """Return what the URL of more than one server says; None for any other URL.

    Raises:
        InvalidConfig: it names no server, or no service, or a database that a cluster has not.
        ValueError: it names a port that is none.
    """
    netloc, parts = split_url(url)
    if parts.scheme not in ("sentinel", "cluster"):
        return None
    login, at, names = netloc.rpartition("@")
    port = _SENTINEL_PORT if parts.scheme == "sentinel" else _PORT
    servers = tuple(_address(name, port) for name in names.split(",") if name)
    service, options = parts.path.strip("/"), dict(parse_qsl(parts.query))
    if not servers or (parts.scheme == "sentinel" and not service):
        form = (
            "cluster://host:port,host:port" if parts.scheme == "cluster" else "sentinel://host:port,host:port/service"
        )
        raise InvalidConfig(f"The address of several servers is of the form {form}.")
    if parts.scheme == "cluster" and (service.strip("0") or options.get("db", "0") != "0"):
        raise InvalidConfig("A cluster has database 0 alone; its address names no other.")
    db, tls = int(options.pop("db", "0")), options.pop("tls", "").lower() in ("true", "yes", "1")
    sentinel_login = {
        name: options.pop(f"sentinel_{name}") for name in ("username", "password") if f"sentinel_{name}" in options
    }
    return ManyServers(parts.scheme, servers, service, db, login + at, tls, sentinel_login, options)


def broker_url(url: str) -> str:
    """Return the same Redis as a Celery broker URL.

    Database and credentials are kept, and options of TLS. Others are left out, because the broker would pass them on
    as text where numbers are needed: they belong into `broker_transport_options`.

    Raises:
        InvalidConfig: it is a cluster, which carries no queue.
    """
    if (sentinels := broker_sentinels(url)) is not None:
        each = (f"sentinel://{sentinels.login}{_bracketed(host)}:{port}" for host, port in sentinels.servers)
        return ";".join(f"{server}/{sentinels.db}" for server in each)
    parts = urlsplit(url)
    if parts.scheme == "cluster":
        raise InvalidConfig(_NO_QUEUE)
    if parts.scheme not in ("redis", "rediss", "unix") or ";" in url:
        return url
    options = parse_qs(parts.query)
    login = _login(parts, options)
    if parts.scheme == "unix":
        database = options.get("db", ["0"])[0]
        return f"redis+socket://{login}{parts.path}?virtual_host={quote(database, safe='')}"
    path = f"/{quote(options['db'][0], safe='')}" if "db" in options else parts.path
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name.startswith("ssl_")])
    return f"{parts.scheme}://{login}{parts.netloc.rpartition('@')[2]}{path}{'?' if query else ''}{query}"


def broker_sentinels(url: str) -> ManyServers | None:
    """Return the sentinels of a broker; None for another broker, and for sentinels in Celery's own spelling."""
    _, parts = split_url(url)
    service = parts.path.strip("/")
    if parts.scheme != "sentinel" or ";" in url or not service or service.isdigit():
        return None
    return many_servers(url)


def _login(parts: SplitResult, options: Mapping[str, list[str]]) -> str:
    """Return user and password; redis-py reads them from the options as well, the broker does not."""
    user = _decoded(parts.username) or options.get("username", [""])[0]
    password = _decoded(parts.password) or options.get("password", [""])[0]
    return f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""


def _address(name: str, port: int) -> Address:
    host, colon, number = name.rpartition(":")
    if not colon or number.endswith("]"):  # an IPv6 address stands in brackets
        host, number = name, str(port)
    return host.strip("[]"), int(number)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _decoded(part: str | None) -> str:
    return unquote(part or "")
