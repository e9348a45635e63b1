"""Sends a webhook: to an address that was looked at, within a time, and without following where it is sent on."""

import re
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Final, NamedTuple

from graphs.errors import MissingExtra

from .webhook_address import addresses_of
from .webhook_failure import WebhookFailed

#: How many addresses of a host are tried, where one cannot be connected to.
_ADDRESSES: Final = 3
_LATE: Final = "nobody answered in time"
#: What httpx does first with a connection that it has made.
_CONNECTED: Final = "http11.send_request_headers.started"
_TLS: Final = 443
_PLAIN: Final = 80


class Answer(NamedTuple):
    """What a receiver answered."""

    status: int
    #: For how long it wants to be left alone, in seconds; None: it does not say.
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Post:
    """How webhooks are sent.

    Args:
        timeout_s: how long connecting, sending and waiting for the answer may take together.
        private: whether addresses that are not public are allowed.
        plain: whether ``http://`` is allowed.
        trust: whose certificates are believed; None: those that httpx does.
    """

    timeout_s: float = 10.0
    private: bool = False
    plain: bool = False
    trust: ssl.SSLContext | None = None

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a body and return the answer, of which only the head is read.

        Raises:
            WebhookFailed: it could not be sent, or nobody answered in time.
        """
        httpx = _library()
        target = httpx.URL(url)
        if target.scheme != "https" and not self.plain:
            raise WebhookFailed("its URL is none of https, which TREADLE_WEBHOOK_ALLOW_HTTP alone would allow")
        host = target.raw_host.decode("ascii").strip("[]")
        port = target.port or (_TLS if target.scheme == "https" else _PLAIN)
        addresses = addresses_of(host, port, private=self.private)
        # A proxy of the environment would resolve the name once more, and a redirect lead elsewhere.
        options = {"trust_env": False, "follow_redirects": False, "timeout": self.timeout_s}
        with httpx.Client(verify=self.trust or True, **options) as client:
            over = threading.Event()
            # Whoever sends a byte at a time is not waited for.
            late = threading.Timer(self.timeout_s, _closing, (client, over))
            late.start()
            message = {"content": body, "headers": headers, "extensions": {"trace": partial(_in_time, over)}}
            try:
                return _sent(client, target, addresses[:_ADDRESSES], message)
            except (httpx.HTTPError, httpx.InvalidURL, OSError, RuntimeError) as error:
                raise WebhookFailed(_LATE if over.is_set() else _why(httpx, error)) from error
            finally:
                late.cancel()


def _closing(client: Any, over: threading.Event) -> None:
    over.set()
    client.close()


def _in_time(over: threading.Event, event: str, _: Any) -> None:
    """Give up what was connected after the others had been closed, as by who dawdles over the handshake of TLS."""
    if event == _CONNECTED and over.is_set():
        raise TimeoutError


def _sent(client: Any, target: Any, addresses: list[str], message: Mapping[str, Any]) -> Answer:
    """Connect to an address that was checked, not to the name: that may have another one by now."""
    httpx, name = _library(), target.raw_host.decode("ascii")
    headers = {**message["headers"], "Host": target.netloc.decode("ascii")}
    options = {"content": message["content"], "extensions": {"sni_hostname": name, **message["extensions"]}}
    for left, address in zip(range(len(addresses) - 1, -1, -1), addresses, strict=True):
        request = client.build_request("POST", target.copy_with(host=address), headers=headers, **options)
        try:
            response = client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            if not left:
                raise
        else:
            response.close()
            return Answer(response.status_code, _after_s(response.headers.get("Retry-After", "")))
    raise WebhookFailed("its host has no address")


def _after_s(said: str) -> float | None:
    """Return how many seconds a header names: so many, or until a moment."""
    if re.fullmatch(r"[0-9]{1,9}", said):
        return float(said)
    try:
        return max(0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):  # the second: it names no zone
        return None


def _why(httpx: Any, error: Exception) -> str:
    """Return what went wrong, without what it says: that may hold the URL."""
    if isinstance(error, httpx.TimeoutException | RuntimeError):
        return _LATE
    if isinstance(error, httpx.ConnectError):
        return "nobody can be connected to, or the certificate is not to be trusted"
    return f"the connection failed ({type(error).__name__})"


def _library() -> Any:
    try:
        import httpx
    except ImportError as error:
        raise MissingExtra("httpx", "webhooks") from error
    return httpx
