"""deploy/Dockerfile: whose image it is, and that it holds the whole project."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    text = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines if line)]


def given(instructions: list[tuple[str, str]], word: str) -> list[str]:
    return [rest for found, rest in instructions if found == word]


def copied(instructions: list[tuple[str, str]]) -> list[str]:
    return [name for rest in given(instructions, "COPY") if not rest.startswith("--from") for name in rest.split()[:-1]]


def test_a_linter_of_dockerfiles_finds_nothing() -> None:
    if shutil.which("hadolint") is None:
        pytest.skip("hadolint (extra dev, on Linux with x86-64) is not on PATH")

    told = subprocess.run(["hadolint", "--no-color", ROOT / "deploy/Dockerfile"], capture_output=True, text=True)

    assert (told.stdout, told.returncode) == ("", 0)


def test_it_does_not_run_as_root(instructions: list[tuple[str, str]]) -> None:
    assert [int(user) for user in given(instructions, "USER")] == [10001]


def test_base_images_are_named_without_a_host(instructions: list[tuple[str, str]]) -> None:
    assert [rest.split()[0] for rest in given(instructions, "FROM")] == ["python:3.13-slim"] * 2


def test_it_starts_the_command_line(instructions: list[tuple[str, str]]) -> None:
    assert given(instructions, "ENTRYPOINT") == ['["treadle"]']


def test_every_package_of_the_project_is_copied(instructions: list[tuple[str, str]]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

    assert set(packages) <= set(copied(instructions))


def test_what_it_copies_exists_and_reaches_the_build(instructions: list[tuple[str, str]]) -> None:
    let_in = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()}

    names = copied(instructions)

    assert not [name for name in names if not (ROOT / name).exists()]
    assert not [name for name in names if name not in let_in]
