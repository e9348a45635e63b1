"""Where archives lie: a folder, or what a URL of fsspec's names; a file is there as a whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from graphs.errors import MissingExtra, TreadleError

from .absence import ArchiveUnavailable

_LOCAL = "file://"


def is_local(url: str) -> bool:
    """Return whether a URL is a path on this machine, for which nothing needs to be installed."""
    return "://" not in url or url.startswith(_LOCAL)


def joined(url: str, name: str) -> str:
    """Return the URL of a file in a folder; that of a path on this machine says where it is from anywhere."""
    if is_local(url):
        return str(_path(url).absolute() / name)
    return f"{url.rstrip('/')}/{name}"


def absolute(url: str) -> str:
    """Return the URL of a file; that of a path on this machine says where it is from anywhere."""
    return str(_path(url).absolute()) if is_local(url) else url


def read(url: str) -> bytes:
    """Return a file.

    Raises:
        ArchiveUnavailable: it is not there, or cannot be reached.
        MissingExtra: fsspec is not installed, and the URL is no path.
    """
    with _reaching(url):
        if is_local(url):
            return _path(url).read_bytes()
        files, path = _opened(url)
        return bytes(files.cat_file(path))


def write(url: str, data: bytes) -> None:
    """Write a file under a name of its own first, and give it its name when all of it is there.

    Raises:
        ArchiveUnavailable: it cannot be written.
        MissingExtra: as for ``read``.
    """
    with _reaching(url):
        _write_here(_path(url).absolute(), data) if is_local(url) else _write_there(url, data)


def exists(url: str) -> bool:
    """Return whether there is a file.

    Raises:
        ArchiveUnavailable, MissingExtra: as ``read`` does.
    """
    with _reaching(url):
        if is_local(url):
            return _path(url).exists()
        files, path = _opened(url)
        return bool(files.exists(path))


@contextmanager
def _reaching(url: str) -> Iterator[None]:
    """Say ArchiveUnavailable where a file is not in reach; who keeps it has errors of its own."""
    try:
        yield
    except TreadleError:
        raise
    except FileNotFoundError as error:
        raise ArchiveUnavailable(url, "there is no such file") from error
    except OSError as error:
        raise ArchiveUnavailable(url, error.strerror or str(error)) from error
    except Exception as error:
        if is_local(url):
            raise
        raise ArchiveUnavailable(url, f"{type(error).__name__}: {error}") from error


def _write_here(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(_unfinished())
    try:
        unfinished.touch(mode=0o600, exist_ok=False)  # states are nobody else's business
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # else a power cut could take the name back
    finally:
        os.close(folder)


def _write_there(url: str, data: bytes) -> None:
    files, path = _opened(url)
    folder, _, _ = path.rpartition("/")
    if folder:
        files.makedirs(folder, exist_ok=True)
    unfinished = f"{folder}/{_unfinished()}"
    try:
        files.pipe_file(unfinished, data)
        files.mv(unfinished, path)
    except BaseException:
        with suppress(Exception):  # it is the first error that is told
            files.rm_file(unfinished)
        raise


def _unfinished() -> str:
    return f".{secrets.token_hex(6)}.unfinished"


def _path(url: str) -> Path:
    return Path(url.removeprefix(_LOCAL)).expanduser()


def _opened(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtra("fsspec", "archive") from error
    files, path = url_to_fs(url)  # it says what is missing for this kind of URL
    return files, str(path)
