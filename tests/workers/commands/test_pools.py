"""The commands that know pools: `pools`, `doctor`, `worker` and `up`."""

import json
from pathlib import Path

import click
import pytest

from workers.commands.up import _workers
from workers.commands.worker import Options, _celery_options
from workers.settings import WorkerSettings

from .conftest import Treadle

FREE = [["(none)", "slow"], ["(none)", "treadle"]]
EXAMPLE = Path(__file__).parents[3] / "deploy/pools.toml"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.examination._ANSWER_S", 0.1)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pool that has another queue than the graphs need."""
    path = tmp_path / "pools.toml"
    path.write_text('[pools.gpu]\nqueues = ["gpu"]\nconcurrency = 1\n')
    monkeypatch.setenv("TREADLE_POOLS", str(path))
    return path


def options(pool_name: str | None, **given: object) -> list[str]:
    """Return how Celery's worker is called."""
    nothing = Options(queues=None, concurrency=None, pool=None, pool_name=pool_name, name=None, level="INFO")
    return _celery_options(nothing | given)  # type: ignore[arg-type]


def test_each_queue_is_shown_with_what_waits_in_it(treadle: Treadle, store: str, file: Path) -> None:
    treadle("run", "sample", "--thread", "t-1", "--input", '{"text": "x"}', "--detach")

    gpu, slow, default = json.loads(treadle("pools", "--json").stdout)

    assert gpu == {
        "pool": "gpu",
        "queue": "gpu",
        "kind": "prefork",
        "concurrency": 1,
        "waiting": 0,
        "workers": [],
    }
    assert (slow["pool"], slow["queue"], slow["waiting"]) == (None, "slow", 0)
    assert (default["pool"], default["queue"], default["waiting"]) == (None, "treadle", 1)


def test_a_table_is_for_people(treadle: Treadle, store: str, file: Path) -> None:
    shown = treadle("pools").stdout.splitlines()

    assert [line.split()[:2] for line in shown] == [["pool", "queue"], ["gpu", "gpu"], *FREE]


def test_without_a_file_the_queues_of_the_graphs_are_shown(treadle: Treadle, store: str) -> None:
    assert [one["queue"] for one in json.loads(treadle("pools", "--json").stdout)] == ["slow", "treadle"]


def test_the_doctor_names_a_queue_that_no_pool_has(treadle: Treadle, store: str, file: Path) -> None:
    found = json.loads(treadle("doctor", "--json").stdout)

    (pools,) = [one for one in found if one["about"] == "pools"]
    assert pools["level"] == "warn"
    assert "no pool has queue 'slow', 'treadle'" in pools["told"]


def test_the_doctor_is_content_when_each_queue_has_a_pool(treadle: Treadle, store: str, file: Path) -> None:
    file.write_text('[pools.all]\nqueues = ["treadle", "slow"]\n')

    assert [one["level"] for one in json.loads(treadle("doctor", "--json").stdout) if one["about"] == "pools"] == ["ok"]


def test_the_doctor_shows_what_is_wrong_with_the_file(treadle: Treadle, store: str, file: Path) -> None:
    file.write_text("[pools.all]\n")

    found = json.loads(treadle("doctor", "--json").stdout)

    assert [one["level"] for one in found if "pools.all.queues: field required" in one["told"]] == ["fail"]


def test_a_worker_is_as_its_pool_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREADLE_POOLS", str(EXAMPLE))

    said = options("gpu")

    assert said[:6] == ["-P", "prefork", "-Q", "gpu", "-c", "1"]
    assert said[6:10] == ["--max-tasks-per-child", "200", "--max-memory-per-child", str(16384 * 1024)]
    assert said[10:] == ["-n", "gpu@%h", "-l", "INFO"]


def test_what_the_command_line_says_counts_before_the_pool(file: Path) -> None:
    assert options("gpu", concurrency=3, pool="threads") == [
        *("-P", "threads", "-Q", "gpu", "-c", "3", "-n", "gpu@%h", "-l", "INFO")
    ]


def test_a_worker_without_a_pool_is_as_before() -> None:
    assert options(None, name="a") == ["-P", "prefork", "-l", "INFO", "-n", "a@%h"]


def test_a_pool_without_a_file_is_refused(treadle: Treadle) -> None:
    result = treadle("worker", "--pool-name", "gpu")

    assert result.exit_code == 2
    assert "Set TREADLE_POOLS to the file that has pool 'gpu'." in result.output


def test_up_has_a_worker_for_every_pool() -> None:
    roles = dict(_workers(WorkerSettings(pools=EXAMPLE), None))

    assert list(roles) == ["main pool", "io pool", "gpu pool", "browser pool"]
    assert roles["io pool"] == ("worker", "--leashed", "--pool-name", "io")


def test_up_does_not_take_a_concurrency_for_several_pools() -> None:
    with pytest.raises(click.UsageError, match="leave out -c"):
        list(_workers(WorkerSettings(pools=EXAMPLE), 2))
