"""Where webhooks may be sent: to public addresses alone."""

import socket
from typing import Any

import pytest

from scheduler.webhook_address import addresses_of, is_public
from scheduler.webhook_failure import WebhookFailed

PRIVATE = (
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0",
    "fc00::1",
    "ff02::1", "2001:db8::1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::1", "64:ff9b::a00:1",
    "64:ff9b::127.0.0.1", "64:ff9b:1::7f00:1", "::127.0.0.1", "::ffff:0:127.0.0.1", "fec0::1", "3fff::1", "5f00::1",
    "192.88.99.1", "::ffff:8.8.8.8%eth0", "2606:4700:4700::1111%eth0", "2001:0:4136:e378:8000:63bf:f5ff:fffe", "x",
)  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_inside_of_a_network_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ("8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808")
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_every_address_of_a_host_must_be_public(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "8.8.8.8", "8.8.8.8", "10.0.0.1")

    with pytest.raises(WebhookFailed, match="TREADLE_WEBHOOK_ALLOW_PRIVATE"):
        addresses_of("a.example", 443, private=False)
    assert addresses_of("a.example", 443, private=True) == ["8.8.8.8", "10.0.0.1"]


@pytest.mark.parametrize("host", ("127.1", "2130706433", "0x7f000001", "localhost"))
def test_other_spellings_of_this_machine_are_seen_through(host: str) -> None:
    with pytest.raises(WebhookFailed):
        addresses_of(host, 443, private=False)


def test_a_host_without_addresses_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch)
    with pytest.raises(WebhookFailed):
        addresses_of("a.example", 443, private=False)

    def fails(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(8, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    with pytest.raises(WebhookFailed, match="cannot be resolved"):
        addresses_of("a.example", 443, private=False)
