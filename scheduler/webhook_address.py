"""Which addresses a webhook may be sent to: public ones, so that nobody reaches into the network by one."""

import ipaddress
import socket
from typing import Final, TypeAlias

from .webhook_failure import WebhookFailed

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
#: IPv6 addresses whose last 32 bits are an IPv4 one, which the system or a gateway reaches.
_TRANSLATED: Final = (ipaddress.ip_network("::ffff:0:0/96"), ipaddress.ip_network("64:ff9b::/96"))
_LAST_32: Final = 0xFFFFFFFF
#: The only other ones of IPv6 that are given out to the Internet.
_UNICAST: Final = ipaddress.ip_network("2000::/3")
#: What is none of the Internet's although not every Python says so: for documentation, and once for relays.
_RESERVED: Final = (ipaddress.ip_network("3fff::/20"), ipaddress.ip_network("192.88.99.0/24"))


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
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return _is_global(ip)
    if ip.scope_id is None and any(ip in network for network in _TRANSLATED):
        return _is_global(ipaddress.IPv4Address(int(ip) & _LAST_32))
    return ip in _UNICAST and ip.scope_id is None and all(map(_is_global, (ip, *_meant(ip))))


def _is_global(ip: _Address) -> bool:
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _RESERVED)


def _meant(ip: ipaddress.IPv6Address) -> list[_Address]:
    """Return the addresses that are to be reached through one that leads into a tunnel."""
    return [one for one in (ip.sixtofour, *(ip.teredo or ())) if one is not None]
