"""Which addresses a webhook may be sent to: public ones, so that nobody reaches into the network by one."""

import ipaddress
import socket
from typing import Final, TypeAlias

from .webhook_failure import WebhookFailed

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
#: IPv6 addresses that stand for IPv4 ones, which a gateway reaches.
_TRANSLATED: Final = ipaddress.ip_network("64:ff9b::/96")
_LAST_32: Final = 0xFFFFFFFF


def addresses_of(host: str, port: int, *, private: bool) -> list[str]:
    """Return the addresses of a host, all of which may be connected to.

    Args:
        host: its name, or an address.
        port: the port.
        private: whether addresses of this machine and of private networks are allowed.

    Raises:
        WebhookFailed: there are none, or one of them is not allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise WebhookFailed("its host cannot be resolved") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses:
        raise WebhookFailed("its host has no address")
    if not private and not all(map(is_public, addresses)):
        raise WebhookFailed(
            "its host has an address that is not public, which TREADLE_WEBHOOK_ALLOW_PRIVATE alone would allow"
        )
    return addresses


def is_public(address: str) -> bool:
    """Return whether an address belongs to the public Internet, and so do those that it stands for."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return "%" not in address and all(one.is_global and not one.is_multicast for one in (ip, *_meant(ip)))


def _meant(ip: _Address) -> list[_Address]:
    if isinstance(ip, ipaddress.IPv4Address):
        return []
    found: list[_Address | None] = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in _TRANSLATED:
        found.append(ipaddress.IPv4Address(int(ip) & _LAST_32))
    return [one for one in found if one is not None]
