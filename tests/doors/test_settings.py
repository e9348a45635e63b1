"""The environment is a door too: what does not fit there is named, with what would."""

import pytest
from click.testing import CliRunner

from scheduler.errors import InvalidSettings
from workers.cli import main
from workers.exits import ExitCode
from workers.settings import WorkerSettings

MILLISECONDS = ("lease_ms", "queue_wait_ms", "queue_wait_max_ms", "grace_ms", "sweep_ms")
COUNTS = ("max_attempts", "max_recursion_limit", "max_fan_out", "max_depth", "max_log_entries", "max_events")
BYTES = ("max_value_bytes", "max_state_bytes", "max_write_bytes", "max_metadata_bytes")


@pytest.mark.parametrize("name", [*MILLISECONDS, *COUNTS, *BYTES])
@pytest.mark.parametrize("value", ["", "soon", "-1", "nan", "inf", "1.5", "0x10", "1e3", "9" * 5000, "1,000"])
def test_a_number_that_is_none_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"TREADLE_{name.upper()}", value)

    with pytest.raises(InvalidSettings, match=rf"^TREADLE_{name.upper()} is .*: (input should be|unable to parse)"):
        WorkerSettings()


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("LEASE_MS", "299", "greater than or equal to 300"),
        ("LEASE_MS", "9" * 15, "less than or equal to"),
        ("MAX_VALUE_BYTES", "10", "greater than or equal to 1024"),
        ("MAX_VALUE_BYTES", str(2**40), "less than or equal to 536870912"),
        ("MAX_ATTEMPTS", "0", "greater than or equal to 1"),
        ("PREFIX", "a b", "should match pattern"),
        ("PREFIX", "{p1}", "should match pattern"),
        ("PREFIX", "", "should match pattern"),
        ("PREFIX", "x" * 65, "at most 64 characters"),
        ("REDIS_URL", "", "it is not the address of a Redis, which is redis://"),
        ("REDIS_URL", "localhost:6379", "it is not the address of a Redis, which is redis://"),
        ("REDIS_URL", "http://localhost", "it is not the address of a Redis, which is redis://"),
        ("REDIS_URL", "redis://localhost:port", "it is not the address of a Redis, which is redis://"),
        ("REDIS_URL", "redis://localhost:99999", "it is not the address of a Redis, which is redis://"),
        ("BROKER_URL", "", "it is a URL such as"),
        ("BROKER_URL", "localhost", "it is a URL such as"),
        ("DEFAULT_QUEUE", "", "should match pattern"),
        ("DEFAULT_QUEUE", "a,b", "should match pattern"),
        ("EVENTS", "perhaps", "valid boolean"),
        ("ACK_EMULATION", "2", "valid boolean"),
        ("GRAPHS", "support", "is no package.module:attribute"),
        ("GRAPHS", "shop:graph, support.py:graph:x", "is no package.module:attribute"),
        ("GRAPHS", "os.system('ls'):x", "is no package.module:attribute"),
    ],
)
def test_a_value_that_does_not_fit_says_what_would(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(f"TREADLE_{name}", value)

    with pytest.raises(InvalidSettings) as raised:
        WorkerSettings()

    assert str(raised.value).startswith(f"TREADLE_{name} is ") and allowed in str(raised.value).replace("Port", "port")


def test_all_that_does_not_fit_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREADLE_LEASE_MS", "soon")
    monkeypatch.setenv("TREADLE_PREFIX", "a b")

    with pytest.raises(InvalidSettings) as raised:
        WorkerSettings()

    assert [line.partition(" ")[0] for line in str(raised.value).splitlines()] == ["TREADLE_PREFIX", "TREADLE_LEASE_MS"]


def test_a_url_with_its_password_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREADLE_REDIS_URL", "http://user:secret@host")

    with pytest.raises(InvalidSettings) as raised:
        WorkerSettings()

    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("command", ["threads", "doctor", "worker", "scheduler", "up", "graphs"])
def test_every_command_refuses_them_in_one_line(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("TREADLE_LEASE_MS", "soon")

    result = CliRunner().invoke(main, [command])

    assert (result.exit_code, result.stderr.count("\n")) == (ExitCode.USAGE, 1)
    assert result.stderr.startswith("Error: TREADLE_LEASE_MS is 'soon': input should be a valid integer")
