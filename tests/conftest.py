"""What all tests share: a Redis of their own, fake or real, and a check that the packages tested are these."""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import redis as redis_py
from hypothesis import settings
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

import scheduler
from scheduler.cluster_redis import ClusterRedis
from scheduler.fake import fake_redis, fake_server
from scheduler.lean_redis import LeanRedis
from scheduler.patience import Patience
from tests.servers import Cluster, redis_server

_ROOT = Path(__file__).parent.parent

# The same examples in every run, and none fails for being slow: what failed once fails again. New ones are looked for
# by a run of its own: pytest --hypothesis-profile=search
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, derandomize=False)
settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--redis",
        choices=("fake", "real", "cluster"),
        default="fake",
        help="what the scheduler's tests run on: fakeredis in this process, a redis-server that they start, or three",
    )
    parser.addoption(
        "--thorough",
        type=int,
        default=0,
        help="how many examples of the protocol's life are tried, for hours if need be (see tests/scheduler/protocol)",
    )


def pytest_configure() -> None:
    _notice_signals()
    found = Path(scheduler.__file__).parent.parent
    if found != _ROOT:
        raise pytest.UsageError(
            f"The package 'scheduler' is imported from {found}, not from this checkout: "
            "uninstall the other one (pip uninstall scheduler), or run pytest from the checkout's own environment."
        )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--redis") == "cluster":
        items[:] = [item for item in items if "one_server" not in item.keywords]


def _notice_signals() -> None:
    """Undo what a shell does to a command in the background: children would inherit that they ignore these."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


class RealRedis:
    """A redis-server on a unix socket in a folder, for as long as a test needs it."""

    def __init__(self, folder: Path, *options: str, inside: Sequence[str] = ()) -> None:
        self.socket = folder / "redis.sock"
        self._inside = inside
        self.url = f"unix://{self.socket}?db=0"
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "RealRedis":
        """Start it and wait until it answers."""
        server = redis_server()
        if server is None:
            pytest.fail("This test needs redis-server or valkey-server on PATH (Debian: apt-get install redis-server).")
        command = [server, "--port", "0", "--unixsocket", str(self.socket), "--dir", str(self._folder)]
        self._process = subprocess.Popen(
            [*self._inside, *command, *self._options],
            stdout=subprocess.DEVNULL,
        )
        with redis_py.Redis.from_url(self.url) as client:
            for attempt in Retrying(
                stop=stop_after_delay(20),
                wait=wait_fixed(0.02),
                retry=retry_if_exception_type(redis_py.ConnectionError),
                reraise=True,
            ):
                with attempt:
                    client.ping()
        return self

    def flush(self) -> None:
        """Empty it."""
        with redis_py.Redis.from_url(self.url) as client:
            client.flushall()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it by its pid."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)


@pytest.fixture(scope="session")
def thorough(request: pytest.FixtureRequest) -> int:
    """How many examples to try; 0: as few as the time of every day allows."""
    return int(request.config.getoption("--thorough"))


@pytest.fixture(scope="session")
def real_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRedis]:
    """A redis-server for the whole session; a test that needs it empty flushes it."""
    # A short folder: the path of a unix socket has little more than a hundred characters.
    server = RealRedis(tmp_path_factory.mktemp("r"), "--save", "", "--appendonly", "no").start()
    yield server
    server.stop()


class WholeCluster(ClusterRedis):
    """A client of a cluster that sends what names no key to every node."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command, and add up what the nodes reply where it is for all of them."""
        if args[0] not in ("DBSIZE", "FLUSHALL", "KEYS", "SCRIPT FLUSH"):
            return super().execute_command(*args, **options)
        first, *others = [node.execute_command(*args, **options) for node in self.primaries()]
        return sum(others, first)

    def scan_iter(self, match: Any = "*", *_: Any, **__: Any) -> Iterator[Any]:
        """Yield the keys of all nodes."""
        yield from self.execute_command("KEYS", match)


def _node_at(address: tuple[str, int]) -> LeanRedis:
    return cast(LeanRedis, LeanRedis.from_url(f"redis://{address[0]}:{address[1]}/0"))


@pytest.fixture(scope="session")
def real_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Redis Cluster for the whole session; a test that needs it empty flushes it."""
    cluster = Cluster(tmp_path_factory.mktemp("c")).start()
    yield cluster
    cluster.stop()


@pytest.fixture
def redis(request: pytest.FixtureRequest) -> Iterator[redis_py.Redis]:
    """An empty Redis that returns bytes: fake, or real with ``--redis=real`` and ``--redis=cluster``."""
    kind = request.config.getoption("--redis")
    if kind == "fake":
        with fake_redis(fake_server()) as client:
            yield client
        return
    if kind == "cluster":
        cluster = request.getfixturevalue("real_cluster")
        cluster.flush()
        with WholeCluster(cluster.addresses, _node_at, Patience()) as client:
            yield cast(redis_py.Redis, client)
        return
    with LeanRedis.from_url(request.getfixturevalue("real_redis").url) as client:
        client.flushall()
        yield client
