"""Sending webhooks: to the address that was looked at, over TLS for the name, within a time, never on to elsewhere."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from scheduler.webhook_failure import WebhookFailed
from scheduler.webhook_post import Post

NAME = "hooks.example"


class Receiver(HTTPServer):
    """Takes what is sent, and answers as it is told."""

    def __init__(self) -> None:
        self.answer, self.taken = 200, list[tuple[str, dict[str, str], bytes]]()
        self.after = ""
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, dict(self.headers), body))
        self.send_response(self.server.answer)
        self.send_header("Location", "/elsewhere")
        self.send_header("Retry-After", self.server.after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were asked for; each is this machine."""
    asked: list[str] = []

    def getaddrinfo(host: Any, port: Any, *_: Any, **__: Any) -> list[Any]:
        asked.append(str(host))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr("scheduler.webhook_address.socket.getaddrinfo", getaddrinfo)
    return asked


LOCAL = Post(2.0, private=True, plain=True)


def test_a_message_arrives_with_its_headers_and_the_name_of_its_host(receiver: Receiver, resolved: list[str]) -> None:
    url = f"http://{NAME}:{receiver.server_port}/runs?key=1"

    assert LOCAL(url, b"body", {"Treadle-Delivery": "r"}).status == 200

    ((path, headers, body),) = receiver.taken
    assert (path, body, headers["Treadle-Delivery"]) == ("/runs?key=1", b"body", "r")
    assert headers["Host"] == f"{NAME}:{receiver.server_port}"


def test_the_name_is_resolved_once_so_that_a_second_answer_changes_nothing(
    receiver: Receiver, resolved: list[str]
) -> None:
    LOCAL(f"http://{NAME}:{receiver.server_port}/", b"", {})

    assert [host for host in resolved if host == NAME] == [NAME]


@pytest.mark.parametrize("status", (302, 307, 410, 500))
def test_no_redirect_is_followed_and_every_answer_told(receiver: Receiver, resolved: list[str], status: int) -> None:
    receiver.answer = status

    assert LOCAL(f"http://{NAME}:{receiver.server_port}/", b"", {}).status == status
    assert len(receiver.taken) == 1


@pytest.mark.parametrize(
    ("said", "after_s"),
    [("120", 120), ("0", 0), ("-1", None), ("1.5", None), ("9" * 5000, None), ("soon", None), ("", None),
     (timedelta(days=-1), 0), (timedelta(days=1), 86_400), ("Thu, 26 Nov 2026 08:00:00", None)],
    ids=lambda value: str(value)[:9],
)  # fmt: skip
def test_what_a_receiver_says_of_when_to_come_again_is_told(
    receiver: Receiver, resolved: list[str], said: str | timedelta, after_s: float | None
) -> None:
    receiver.answer = 429
    receiver.after = said if isinstance(said, str) else format_datetime(datetime.now(UTC) + said)

    assert LOCAL(f"http://{NAME}:{receiver.server_port}/", b"", {}).after_s == pytest.approx(after_s, abs=120)


def test_of_an_answer_without_an_end_nothing_but_the_head_is_read(resolved: list[str]) -> None:
    """Its head has an end as well."""
    with endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nhello\r\n") as port:
        assert LOCAL(f"http://{NAME}:{port}/", b"", {}).status == 200
    head, refused = b"HTTP/1.1 200 OK\r\n", pytest.raises(WebhookFailed, match="RemoteProtocolError")
    with endless(head, b"X: " + b"x" * 1_000 + b"\r\n") as port, refused:
        LOCAL(f"http://{NAME}:{port}/", b"", {})


def test_this_machine_is_refused_unless_it_is_allowed(receiver: Receiver) -> None:
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(WebhookFailed, match="ALLOW_PRIVATE"):
            Post(plain=True)(f"http://{host}:{receiver.server_port}/", b"", {})
    assert receiver.taken == []


def test_http_is_refused_unless_it_is_allowed(receiver: Receiver) -> None:
    with pytest.raises(WebhookFailed, match="ALLOW_HTTP"):
        Post(private=True)(f"http://127.0.0.1:{receiver.server_port}/", b"", {})
    assert receiver.taken == []


def test_a_proxy_of_the_environment_is_not_used(
    receiver: Receiver, resolved: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert LOCAL(f"http://{NAME}:{receiver.server_port}/", b"", {}).status == 200


def test_who_never_answers_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(WebhookFailed, match="in time"):
            Post(0.2, private=True, plain=True)(f"http://127.0.0.1:{silent.getsockname()[1]}/", b"", {})

    assert time.monotonic() - began < 5


def drip(server: socket.socket, ended: threading.Event, secured: Callable[[socket.socket], socket.socket]) -> None:
    """Answer a byte at a time."""
    accepted, _ = server.accept()
    with contextlib.suppress(OSError), secured(accepted) as connection:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(100):  # or for as long as one likes
            if ended.wait(0.05):
                break
            connection.sendall(b"x")


@contextlib.contextmanager
def dripping(secured: Callable[[socket.socket], socket.socket] = lambda accepted: accepted) -> Iterator[int]:
    """Let somebody answer a byte at a time; yield the port."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as slow:
        thread = threading.Thread(target=drip, args=(slow, ended, secured))
        thread.start()
        yield slow.getsockname()[1]
        ended.set()
        thread.join()


def test_who_answers_a_byte_at_a_time_is_not_waited_for_either() -> None:
    with dripping() as port:
        began = time.monotonic()
        with pytest.raises(WebhookFailed):
            Post(0.4, private=True, plain=True)(f"http://127.0.0.1:{port}/", b"", {})
        took_s = time.monotonic() - began

    assert took_s < 5


@contextlib.contextmanager
def endless(head: bytes, more: bytes) -> Iterator[int]:
    """Let somebody answer as fast as they can, until nobody reads it; yield the port."""

    def answer(server: socket.socket) -> None:
        accepted, _ = server.accept()
        with contextlib.suppress(OSError), accepted:
            accepted.sendall(head)
            while True:
                accepted.sendall(more)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)
        assert not thread.is_alive()


class Clock:
    """A timer that goes off when the test says so."""

    def __init__(self, after_s: float, act: Callable[..., None], args: tuple[Any, ...]) -> None:
        Clock.go_off = partial(act, *args)

    go_off: Callable[[], None]

    def start(self) -> None: ...

    def cancel(self) -> None: ...


def test_nor_is_who_lets_the_time_pass_over_the_handshake_of_tls(
    resolved: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certified(tmp_path, NAME)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate)
    monkeypatch.setattr("scheduler.webhook_post.threading.Timer", Clock)

    def late(accepted: socket.socket) -> socket.socket:
        Clock.go_off()  # there is no connection to be closed as yet
        return served.wrap_socket(accepted, server_side=True)

    trusting = Post(20.0, private=True, trust=ssl.create_default_context(cafile=certificate))
    with dripping(late) as port:
        began = time.monotonic()
        with pytest.raises(WebhookFailed, match="in time"):
            trusting(f"https://{NAME}:{port}/", b"", {})
        took_s = time.monotonic() - began

    assert took_s < 2


def test_where_nobody_listens_it_fails_without_saying_where() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(WebhookFailed, match="nobody can be connected to") as failed:
        LOCAL(f"http://127.0.0.1:{port}/secret", b"", {})
    assert "secret" not in str(failed.value)


def test_tls_is_for_the_name_and_not_for_the_address(receiver: Receiver, resolved: list[str], tmp_path: Path) -> None:
    certificate = certified(tmp_path, NAME)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate)
    receiver.socket = served.wrap_socket(receiver.socket, server_side=True)
    trusting = Post(2.0, private=True, trust=ssl.create_default_context(cafile=certificate))

    assert trusting(f"https://{NAME}:{receiver.server_port}/", b"", {}).status == 200
    with pytest.raises(WebhookFailed, match="certificate"):
        trusting(f"https://other.example:{receiver.server_port}/", b"", {})
    with pytest.raises(WebhookFailed, match="certificate"):
        Post(2.0, private=True)(f"https://{NAME}:{receiver.server_port}/", b"", {})


def certified(folder: Path, name: str) -> Path:
    """Return a file with a key, and a certificate of its own for a name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    file = folder / "both.pem"
    file.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    return file
