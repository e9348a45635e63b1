"""The file of pools: what it says, and how it is refused."""

from pathlib import Path

import pytest

from scheduler.errors import InvalidSettings
from workers.pools import Pool, find_pool, read_pools, without_pool
from workers.settings import WorkerSettings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pools.toml"


def test_a_pool_says_its_queues_its_kind_and_its_limits(file: Path) -> None:
    file.write_text('[pools.gpu]\nqueues = ["gpu", "cuda"]\nconcurrency = 1\nmax_memory_per_child_mib = 2\n')

    (pool,) = read_pools(file).values()

    assert pool == Pool(queues=["gpu", "cuda"], concurrency=1, max_memory_per_child_mib=2)
    assert pool.options() == {
        "-P": "prefork",
        "-Q": "gpu,cuda",
        "-c": 1,
        "--max-tasks-per-child": None,
        "--max-memory-per-child": 2048,
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[pools.a]\nqueues = ["a"]\nconcurency = 2\n', "line 3, pools.a.concurency: extra inputs"),
        ('[pools.a]\nqueues = ["a"]\n\n[pools.b]\nkind = "thread"\nqueues = ["b"]\n', "line 5, pools.b.kind: input"),
        ('[pools.a]\nconcurrency = "2"\nqueues = ["a"]', "line 2, pools.a.concurrency: input should be a valid int"),
        ('[pools.a]\nqueues = ["a"]\n[pools.b]\n', "line 3, pools.b.queues: field required"),
        ('[pools.a]\nqueues = ["a", "b c"]\n', "line 2, pools.a.queues.1: string should match"),
        ('[pools.a]\nqueues = ["a", "a"]\n', "line 2, pools.a.queues: 'a' is named twice"),
        ("[pools.a]\nqueues = []\n", "line 2, pools.a.queues: list should have at least 1"),
        ('[pools.a]\nkind = "solo"\nconcurrency = 2\nqueues = ["a"]\n', "line 1, pools.a: a solo pool"),
        ('[pools.a]\nkind = "gevent"\nmax_tasks_per_child = 2\nqueues = ["a"]\n', "line 1, pools.a: limits of a child"),
        ('[pools."a b"]\nqueues = ["a"]\n', "'a b' is no name of a pool"),
        ('[pool.a]\nqueues = ["a"]\n', "line 1, pool: extra inputs"),
        ("[pools.a\n", "is no TOML: .*line 1"),
        ("", "line 1, pools: field required"),
    ],
)
def test_what_does_not_fit_is_named_with_its_line_and_key(file: Path, text: str, told: str) -> None:
    file.write_text(text)

    with pytest.raises(InvalidSettings, match=told):
        read_pools(file)


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"TREADLE_POOLS names .*pools.toml, which cannot be read"):
        WorkerSettings(pools=file).read_pools()


def test_without_a_file_there_are_no_pools() -> None:
    assert WorkerSettings().read_pools() == {}


def test_a_name_without_a_pool_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(InvalidSettings, match=r"no pool 'cpu'.*has: gpu"):
        find_pool({"gpu": Pool(queues=["gpu"])}, "cpu")


def test_queues_that_no_pool_has_are_found() -> None:
    assert without_pool(["treadle", "gpu", "slow"], {"gpu": Pool(queues=["gpu"])}) == ["slow", "treadle"]
