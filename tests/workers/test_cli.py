"""The command line as a whole: quick, complete, and clear about what went wrong."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from scheduler.errors import StoreUnavailable, ThreadBusy
from workers.cli import COMMANDS, main
from workers.desk import Desk
from workers.exits import MEANINGS, ExitCode

NAMES = [name for section in COMMANDS.values() for name in section]
#: Commands that only ever talk to a person, or run until they are stopped.
WITHOUT_JSON = {
    "acl",
    "demo",
    "up",
    "draw",
    "worker",
    "scheduler",
    "flower",
    "inputs",
    "schedule",
}  # those of the last two have it


def command(name: str) -> click.Command:
    """Return a command."""
    found = main.get_command(click.Context(main), name)
    assert isinstance(found, click.Command)
    return found


def test_help_needs_no_library_but_click() -> None:
    script = (
        "import sys; from workers.cli import main; main(['--help'], standalone_mode=False); "
        "print([name for name in ('redis', 'pydantic', 'celery', 'rich', 'flower') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


def test_help_names_every_command_and_every_exit_code() -> None:
    told = CliRunner().invoke(main, ["--help"]).stdout

    assert all(f"  {name} " in told for name in NAMES)
    assert all(f"  {code:d} " in told for code in ExitCode)
    assert set(MEANINGS) == set(ExitCode)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help_with_an_example(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])

    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert f"treadle {name}" in result.stdout


@pytest.mark.parametrize("name", NAMES)
def test_every_option_says_what_it_is_for(name: str) -> None:
    options = [option for option in command(name).params if isinstance(option, click.Option)]

    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITHOUT_JSON])
def test_every_command_that_answers_can_answer_a_program(name: str) -> None:
    assert "as_json" in [option.name for option in command(name).params]


def test_an_unknown_command_is_a_usage_error() -> None:
    assert CliRunner().invoke(main, ["stat"]).exit_code == ExitCode.USAGE


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(main, ["--version"]).stdout.startswith("treadle, version ")


def test_without_redis_the_error_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREADLE_REDIS_URL", "redis://127.0.0.1:1/0")

    result = CliRunner().invoke(main, ["threads"])

    assert result.exit_code == ExitCode.UNAVAILABLE
    assert result.stderr.startswith("Error: ")
    assert "Connection refused" in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_address_that_is_none_of_a_redis_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREADLE_REDIS_URL", "http://127.0.0.1")

    result = CliRunner().invoke(main, ["threads"])

    assert result.exit_code == ExitCode.USAGE
    assert "TREADLE_REDIS_URL" in result.stderr


def test_a_setting_that_is_no_number_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREADLE_LEASE_MS", "soon")

    result = CliRunner().invoke(main, ["threads"])

    assert result.exit_code == ExitCode.USAGE
    assert "TREADLE_LEASE_MS is 'soon'" in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StoreUnavailable("Redis is gone."), ExitCode.UNAVAILABLE),
        (ThreadBusy("t", "r", ["node"], 0), ExitCode.BUSY),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
    ],
)
def test_an_error_decides_the_exit_code(monkeypatch: pytest.MonkeyPatch, error: BaseException, code: ExitCode) -> None:
    monkeypatch.setattr(Desk, "client", property(lambda _: raised(error)))

    assert CliRunner().invoke(main, ["threads"]).exit_code == code


def test_an_error_that_nobody_expected_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Desk, "client", property(lambda _: raised(ZeroDivisionError())))

    assert isinstance(CliRunner().invoke(main, ["threads"]).exception, ZeroDivisionError)


def raised(error: BaseException) -> None:
    """Raise an error."""
    raise error
