"""``treadle health``: what a probe is told."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from workers import pulse
from workers.cli import main
from workers.pulse import Pulse


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "health"
    monkeypatch.setenv("TREADLE_HEALTH_FILE", str(file))
    return file


def health(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["health", *arguments])


def test_one_that_works_is_healthy_and_ready(file: Path) -> None:
    beats = Pulse(file, "scheduler")
    beats.turn()
    beats.beat()

    assert health("--ready").exit_code == 0
    assert health().stdout == "scheduler is ready\n"


def test_one_that_waits_is_healthy_and_not_ready(file: Path) -> None:
    beats = Pulse(file, "worker")
    beats.rest(pulse.WAITING)
    beats.beat()

    assert health().exit_code == 0
    assert health("--ready").exit_code == 1
    assert health("--ready").stdout == f"this worker lives, and is {pulse.WAITING}\n"


def test_one_that_was_silent_for_too_long_is_not_healthy(file: Path) -> None:
    Pulse(file, "worker", lambda: time.monotonic() - 70).beat()

    told = json.loads(health("--json").stdout)

    assert health().exit_code == 1
    assert not told["healthy"]
    assert "is 70 s old" in told["reason"]
    assert health("--older-than", "100").exit_code == 0


def test_one_that_never_wrote_is_not_healthy(file: Path) -> None:
    assert health().exit_code == 1
    assert health().stdout.startswith("no sign of life: ")


def test_without_a_file_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TREADLE_HEALTH_FILE", raising=False)

    assert health().exit_code == 2
    assert "TREADLE_HEALTH_FILE is not set" in health().stderr


def test_a_probe_costs_next_to_nothing(file: Path) -> None:
    """Every container runs it again and again: no library that takes long to import."""
    Pulse(file, "worker").beat()
    script = (
        "import sys; from workers.cli import main; main(['health'], standalone_mode=False); "
        "print([name for name in ('redis', 'pydantic', 'celery', 'rich', 'orjson') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"
