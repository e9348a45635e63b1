"""Machines of their own on one wire: network namespaces with an address each, and a switch whose ports can be cut."""

import os
import subprocess
from contextlib import suppress

_NETWORK = "10.213.0"


class Hosts:
    """Namespaces on a bridge that lies in a namespace itself, so that the machine's own network has no part in it."""

    def __init__(self) -> None:
        self._mark = f"treadle-{os.getpid()}"
        self._numbers: dict[str, int] = {}
        self._switch = f"{self._mark}-switch"
        _ip("netns", "add", self._switch)
        try:
            _ip("-n", self._switch, "link", "add", "switch", "type", "bridge", "forward_delay", "0")
            _ip("-n", self._switch, "link", "set", "switch", "up")
        except BaseException:
            self.close()
            raise

    def add(self, name: str) -> str:
        """Add a machine, and return its address."""
        self._numbers[name] = number = len(self._numbers) + 1
        space, port = self._space(name), f"port{number}"
        _ip("netns", "add", space)
        _ip("link", "add", "eth0", "netns", space, "type", "veth", "peer", "name", port, "netns", self._switch)
        _ip("-n", self._switch, "link", "set", port, "master", "switch", "up")
        _ip("-n", space, "addr", "add", f"{_NETWORK}.{number}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            _ip("-n", space, "link", "set", device, "up")
        return f"{_NETWORK}.{number}"

    def inside(self, name: str) -> list[str]:
        """Return how a command begins that runs on a machine."""
        return ["ip", "netns", "exec", self._space(name)]

    def cut(self, name: str) -> None:
        """Take a machine off the wire: what it sends is lost, and it is told nothing."""
        _ip("-n", self._switch, "link", "set", f"port{self._numbers[name]}", "down")

    def mend(self, name: str) -> None:
        """Put it back."""
        _ip("-n", self._switch, "link", "set", f"port{self._numbers[name]}", "up")

    def close(self) -> None:
        """Take everything away again; processes that still run in there go on without a network."""
        for space in (*map(self._space, self._numbers), self._switch):
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "del", space)

    def _space(self, name: str) -> str:
        return f"{self._mark}-{name}"


def refusal() -> str | None:
    """Return why this machine lets nobody make network namespaces; None where it does."""
    try:
        Hosts().close()
    except FileNotFoundError:
        return "there is no `ip` on PATH (Debian: apt-get install iproute2)"
    except subprocess.CalledProcessError as error:
        return f"network namespaces are not permitted here: {error.stderr.strip()}"
    return None


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
