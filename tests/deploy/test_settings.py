"""The page of settings has them all, with the defaults that they have."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from workers.settings import WorkerSettings

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "deploy" / "SETTINGS.md").read_text(encoding="utf-8")
#: Of each setting on the page: its default, as it stands there.
ROWS = re.findall(r"^\| `TREADLE_([A-Z_]+)` \|([^|]*)\|", PAGE, re.MULTILINE)
#: What the README shows of them.
SHOWN = re.findall(
    r"^\| `TREADLE_([A-Z_]+)` \|([^|]*)\|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
)
#: Read by one command alone, and no setting of a process.
OF_COMMANDS = {"FLOWER_PASSWORD", "REDIS_PASSWORD_"}
_MIB = 1024 * 1024


def told(default: Any) -> str | None:
    """Return how the page writes a default; None for what it has to say in words."""
    value = default.get_secret_value() if isinstance(default, SecretStr) else default
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"{value // _MIB} MiB" if value >= _MIB and value % _MIB == 0 else f"{value:,}"
    return str(value)


def test_every_setting_is_on_the_page_once() -> None:
    names = [name for name, _ in ROWS if name not in OF_COMMANDS]

    assert sorted(names) == sorted(name.upper() for name in WorkerSettings.model_fields)


@pytest.mark.parametrize(("name", "default"), [row for row in (*ROWS, *SHOWN) if row[0] not in OF_COMMANDS])
def test_the_default_on_the_page_is_the_one_it_has(name: str, default: str) -> None:
    expected = told(WorkerSettings.model_fields[name.lower()].default)

    assert expected is None or default.strip() == expected


def test_the_readme_shows_some_of_them() -> None:
    assert {name for name, _ in SHOWN} < {name for name, _ in ROWS}
