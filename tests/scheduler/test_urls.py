"""Each library must find the same Redis behind its own spelling of the URL."""

from pathlib import Path

import pytest
from redis import ConnectionPool

from scheduler.urls import broker_url, socket_url


@pytest.mark.parametrize("url", ["redis://:secret@host:6380/2", "rediss://host/0?ssl_cert_reqs=none"])
def test_urls_over_tcp_are_the_same_for_the_broker(url: str) -> None:
    assert broker_url(url) == url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
        ("unix:///run/redis.sock?db=3", "redis+socket:///run/redis.sock?virtual_host=3"),
        ("unix:///a%20b/redis.sock?db=0", "redis+socket:///a%20b/redis.sock?virtual_host=0"),
        ("unix://:p%40ss@/r.sock?db=1", "redis+socket://:p%40ss@/r.sock?virtual_host=1"),
        ("unix:///r.sock?username=me&password=p%40ss", "redis+socket://me:p%40ss@/r.sock?virtual_host=0"),
        ("unix:///r.sock?db=1&socket_timeout=5", "redis+socket:///r.sock?virtual_host=1"),
    ],
)
def test_a_unix_socket_keeps_its_path_database_and_credentials(url: str, expected: str) -> None:
    assert broker_url(url) == expected


@pytest.mark.parametrize("path", ["/run/redis.sock", "/an odd; folder/50%/a+b?c#d&e/ü/redis.sock"])
def test_redis_reads_any_path_back_from_the_url_of_a_socket(path: str) -> None:
    options = ConnectionPool.from_url(socket_url(Path(path))).connection_kwargs

    assert (options["path"], options["db"]) == (path, 0)
