"""Where archives lie."""

import builtins
from pathlib import Path
from typing import Any

import pytest

from graphs.errors import MissingExtra
from scheduler import depot
from scheduler.absence import ArchiveUnavailable


def memory(name: str) -> str:
    pytest.importorskip("fsspec")
    return f"memory://{name}"


@pytest.fixture(params=["folder", "file://", "memory://"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A file that is not there yet, in a folder that is not there either."""
    folder = {"folder": str(tmp_path), "file://": f"file://{tmp_path}", "memory://": memory(tmp_path.name)}
    return f"{folder[request.param]}/deep/down/file.treadle"


def test_what_was_written_is_read(url: str) -> None:
    assert not depot.exists(url)

    depot.write(url, b"one")
    depot.write(url, b"two")

    assert depot.exists(url)
    assert depot.read(url) == b"two"


def test_a_file_is_nobody_elses_business(tmp_path: Path) -> None:
    depot.write(str(tmp_path / "file"), b"secret")

    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_half_a_file_has_no_name_and_does_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)

    with pytest.raises(ArchiveUnavailable, match="No space left"):
        depot.write(str(tmp_path / "file"), b"much")

    assert list(tmp_path.iterdir()) == []


def test_half_a_file_elsewhere_has_no_name_and_does_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    url = memory("half/file")
    from fsspec.implementations.memory import MemoryFileSystem

    def refuse(*args: Any, **options: Any) -> None:
        raise RuntimeError("the bucket says no")

    monkeypatch.setattr(MemoryFileSystem, "mv", refuse)

    with pytest.raises(ArchiveUnavailable, match="the bucket says no"):
        depot.write(url, b"much")

    assert MemoryFileSystem().ls("/half") == []


def test_a_file_that_is_not_there_is_told(url: str) -> None:
    with pytest.raises(ArchiveUnavailable, match="there is no such file"):
        depot.read(url)


def test_a_kind_of_url_that_nobody_knows_is_told() -> None:
    memory("")

    with pytest.raises(ArchiveUnavailable, match="nowhere"):
        depot.read("nowhere://file")


def test_a_path_says_where_it_is_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert depot.joined("here", "file") == str(tmp_path / "here" / "file")
    assert depot.absolute("file") == str(tmp_path / "file")
    assert depot.joined("s3://bucket/", "file") == "s3://bucket/file"


def test_folders_need_no_library_and_the_rest_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.startswith("fsspec"):
            raise ImportError(name)
        return found(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)

    depot.write(str(tmp_path / "file"), b"one")
    with pytest.raises(MissingExtra, match=r"treadle\[archive\]"):
        depot.read("memory://file")
