"""Each library must find the same Redis behind its own spelling of the URL."""

from pathlib import Path

import pytest
from redis import ConnectionPool

from scheduler.errors import InvalidConfig
from scheduler.urls import broker_url, many_servers, socket_url


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


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h?db=4", "redis://h/4"),
        ("redis://h/1?db=4&socket_timeout=3", "redis://h/4"),
        ("rediss://h?username=me&password=p%40ss&ssl_cert_reqs=none", "rediss://me:p%40ss@h?ssl_cert_reqs=none"),
        ("sentinel://:p%40ss@h:1,h2/main?db=3", "sentinel://:p%40ss@h:1/3;sentinel://:p%40ss@h2:26379/3"),
        ("sentinel://h:1;sentinel://h2:2", "sentinel://h:1;sentinel://h2:2"),
        ("sentinel://h:1/0", "sentinel://h:1/0"),
        ("amqp://me:secret@h//?x=1", "amqp://me:secret@h//?x=1"),
    ],
)
def test_what_redis_py_reads_from_options_the_broker_reads_from_their_places(url: str, expected: str) -> None:
    assert broker_url(url) == expected


def test_several_servers_are_read_with_their_login_and_options() -> None:
    many = many_servers(
        "sentinel://me:p%40@h:1,h2,[::1]:5,[::2]/main?db=3&tls=true&sentinel_password=x&ssl_cert_reqs=none"
    )

    assert many is not None
    assert many.servers == (("h", 1), ("h2", 26379), ("::1", 5), ("::2", 26379))
    assert (many.service, many.sentinel_login) == ("main", {"password": "x"})
    assert many.url_of(("::1", 6)) == "rediss://me:p%40@[::1]:6/3?ssl_cert_reqs=none"
    assert "p%40" not in repr(many)


@pytest.mark.parametrize("url", ["redis://h:1", "unix:///r.sock", "amqp://h"])
def test_one_server_is_not_several(url: str) -> None:
    assert many_servers(url) is None


@pytest.mark.parametrize(
    "url", ["sentinel://h:1,h2", "sentinel:///main", "cluster://", "cluster://h?db=1", "cluster://h/2", "cluster://h:x"]
)
def test_several_servers_that_make_no_sense_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"of the form|database 0|invalid literal"):
        many_servers(url)


def test_a_cluster_is_no_broker() -> None:
    with pytest.raises(InvalidConfig, match="TREADLE_BROKER_URL"):
        broker_url("cluster://h")


@pytest.mark.parametrize("path", ["/run/redis.sock", "/an odd; folder/50%/a+b?c#d&e/ü/redis.sock"])
def test_redis_reads_any_path_back_from_the_url_of_a_socket(path: str) -> None:
    options = ConnectionPool.from_url(socket_url(Path(path))).connection_kwargs

    assert (options["path"], options["db"]) == (path, 0)
