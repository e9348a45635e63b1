"""The command line as a whole: quick, complete, and clear about what went wrong."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from kombu.exceptions import OperationalError
from redis.exceptions import NoPermissionError

from scheduler.errors import StoreUnavailable, ThreadBusy
from tests.workers.commands.walk import examples, leaves
from workers.cli import COMMANDS, main
from workers.desk import Desk
from workers.exits import MEANINGS, ExitCode

NAMES = [name for section in COMMANDS.values() for name in section]
LEAVES = list(leaves())
each_command = pytest.mark.parametrize(("path", "command"), LEAVES, ids=[" ".join(path) for path, _ in LEAVES])


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
def test_the_help_of_a_command_has_an_example(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])

    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert f"treadle {name}" in result.stdout


@each_command
def test_every_command_says_what_it_does_and_has_an_example(path: tuple[str, ...], command: click.Command) -> None:
    assert command.help
    assert any(f"treadle {' '.join(path)}" in line for line in examples(command))


@each_command
def test_every_option_says_what_it_is_for(path: tuple[str, ...], command: click.Command) -> None:
    options = [option for option in command.params if isinstance(option, click.Option)]

    assert [option.name for option in options if not option.help] == []


@each_command
def test_every_command_can_answer_a_program(path: tuple[str, ...], command: click.Command) -> None:
    assert any("--json" in option.opts for option in command.params)


@each_command
def test_an_option_means_the_same_in_every_command(path: tuple[str, ...], command: click.Command) -> None:
    """What takes an id of a thread is THREAD, or --thread beside a graph or schedule; short letters mean one thing."""
    letters = {"-f": "--follow", "-y": "--yes", "-Q": "--queues", "-c": "--concurrency", "-P": "--pool"}
    letters |= {"-n": "--name", "-l": "--level"}
    for option in command.params:
        short = [opt for opt in option.opts if len(opt) == 2]
        assert all(letters[opt] in option.opts for opt in short)
        if option.name == "thread_id":
            beside = path[0] in ("run", "demo", "schedule")
            assert (option.opts == ["--thread"]) is beside
            assert beside or "THREAD" in (option.metavar or "")


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
        (NoPermissionError("this user has no permissions"), ExitCode.UNAVAILABLE),
        (OperationalError("Connection refused."), ExitCode.UNAVAILABLE),
        (ThreadBusy("t", "r", ["node"], 0), ExitCode.BUSY),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
    ],
)
def test_an_error_decides_the_exit_code(monkeypatch: pytest.MonkeyPatch, error: BaseException, code: ExitCode) -> None:
    monkeypatch.setattr(Desk, "client", property(lambda _: raised(error)))

    result = CliRunner().invoke(main, ["threads"])

    assert result.exit_code == code
    assert ".." not in result.stderr
    assert "Traceback" not in result.stderr


def test_an_error_that_nobody_expected_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Desk, "client", property(lambda _: raised(ZeroDivisionError())))

    assert isinstance(CliRunner().invoke(main, ["threads"]).exception, ZeroDivisionError)


def raised(error: BaseException) -> None:
    """Raise an error."""
    raise error
