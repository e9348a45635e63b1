"""What a script does on the fast path is what it does on fakeredis as it is, and on a real server: replies and keys."""

import json
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis as redis_py
from fakeredis import FakeRedis
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.fake import fake_redis, fake_server
from tests.scheduler.test_fake_lua import slow_server

#: Runs one command after another, each given as a list in JSON; an error is its first word, as servers word it freely.
_RUN = """
local replies = {}
for index, command in ipairs(cjson.decode(ARGV[1])) do
  local fine, reply = pcall(redis.call, unpack(command))
  replies[index] = fine and {type(reply), reply} or "refused"
end
return replies
"""

Command = Sequence[str | int | float | bool]

COMMANDS: list[list[Command]] = [
    [("HSET", "h", "a", "1"), ("HSET", "h", "a", "2", "b", "3"), ("HGET", "h", "a"), ("HSTRLEN", "h", "no")],
    [("HGET", "no", "a"), ("HMGET", "no", "a", "b"), ("HEXISTS", "no", "a"), ("HVALS", "no"), ("HGETALL", "no")],
    [("HSET", "h", "a", 1), ("HSET", "h", 2, 1.5), ("HSET", "h", "big", 2.0**60, "small", -0.25), ("HVALS", "h")],
    [("HSET", "h", "a"), ("HSET", "h", "a", "1", "b"), ("HGET", "h"), ("HGET", "h", "a", "b"), ("HMGET", "h")],
    [("HSET", "h", "a", True), ("EXISTS", "h"), ("HGET", False, "a")],
    [("HSETNX", "h", "a", "1"), ("HSETNX", "h", "a", "2"), ("HMGET", "h", "a", "no", "a"), ("HEXISTS", "h", "a")],
    [("HSET", "h", "a", "1", "b", "2", "a", "3"), ("HDEL", "h", "a", "a", "no"), ("HDEL", "h", "b"), ("EXISTS", "h")],
    [("HDEL", "no", "a"), ("DEL", "no"), ("ZREM", "no", "a"), ("EXISTS", "no")],
    [("HINCRBY", "h", "n", 2), ("HINCRBY", "h", "n", "-5"), ("HGET", "h", "n"), ("HINCRBY", "h", "n", "x")],
    [("HSET", "h", "n", "x"), ("HINCRBY", "h", "n", 1), ("HINCRBY", "new", "n", "x"), ("EXISTS", "new")],
    [("HSET", "h", "n", str(2**63 - 1)), ("HINCRBY", "h", "n", 1), ("HGET", "h", "n"), ("HINCRBY", "h", "n", 1.5)],
    [("ZADD", "z", 1, "a"), ("ZADD", "z", "2", "a"), ("ZADD", "z", 2, "a"), ("ZADD", "z", 1.5, "b"), ("ZCARD", "z")],
    [
        ("ZADD", "z", "x", "a"),
        ("EXISTS", "z"),
        ("ZADD", "z", "inf", "a"),
        ("ZSCORE", "z", "a"),
        ("ZADD", "z", "nan", "b"),
    ],
    [("ZADD", "z", "LT", 1, "a"), ("ZADD", "z", "LT", 2, "a"), ("ZSCORE", "z", "a"), ("ZADD", "z", 1, "a", 2, "b")],
    [("ZADD", "z", 1, "a"), ("ZREM", "z", "a", "no"), ("EXISTS", "z"), ("ZRANGEBYSCORE", "z", "-inf", "+inf")],
    [("LPUSH", "l", "a", "b"), ("RPUSH", "l", "c", 4), ("LPUSH", "l", "d"), ("LRANGE", "l", 0, -1), ("LLEN", "l")],
    [("LPUSH", "l"), ("LPUSH", "l", "a"), ("LPOP", "l"), ("EXISTS", "l"), ("RPUSH", "l", "b"), ("LPOP", "l")],
    [
        ("XADD", "x", "1-0", "a", "b"),
        ("XADD", "x", "1-1", "a", "b", "c", "d"),
        ("XRANGE", "x", "-", "+"),
        ("XLEN", "x"),
    ],
    [("XADD", "x", "5-0", "a", "b"), ("XADD", "x", "5-0", "a", "b"), ("XADD", "x", "4-9", "a", "b"), ("XLEN", "x")],
    [("XADD", "x", "0-0", "a", "b"), ("EXISTS", "x"), ("XADD", "x", "7", "a", "b")],  # "7-*" is an id from Redis 7 on
    [("XADD", "x", "NOMKSTREAM", "1-0", "a", "b"), ("EXISTS", "x"), ("XADD", "x", "nonsense", "a", "b")],
    [("XADD", "x", f"{2**64 - 1}-{2**64 - 1}", "a", "b"), ("XADD", "x", f"{2**64}-0", "a", "b"), ("XLEN", "x")],
    [
        ("XADD", "x", f"{10**19 - 1}-{10**19 - 1}", "a", "b"),
        ("XADD", "x", "MAXLEN", 1, f"{10**19}-0", "a", "b"),
        ("XLEN", "x"),
    ],
    [("XADD", "x", f"{n}-0", "event", "e" * 100) for n in range(1, 250)]
    + [("XTRIM", "x", "MAXLEN", "~", 10), ("XLEN", "x")],
    [("XADD", "x", "1-0", "a"), ("XADD", "x", "1-0", "a", "b", "c"), ("XADD", "x"), ("EXISTS", "x")],
    [("HSET", "h", "a", "1"), ("SET", "s", "1"), ("DEL", "h", "s", "no", "h"), ("EXISTS", "h", "s")],
    [("SET", "s", "1"), ("HGET", "s", "a"), ("HSET", "s", "a", "1"), ("HINCRBY", "s", "a", "x"), ("HVALS", "s")],
    [("SET", "s", "1"), ("ZADD", "s", 1, "a"), ("ZADD", "s", "x", "a"), ("ZREM", "s", "a"), ("LPUSH", "s", "a")],
    [("SET", "s", "1"), ("XADD", "s", "1-0", "a", "b"), ("RPUSH", "s", "a"), ("HDEL", "s", "a"), ("HEXISTS", "s", "a")],
    [("HSET", "h", "a", "1"), ("PEXPIRE", "h", 100_000), ("HSET", "h", "b", "2"), ("PERSIST", "h"), ("PERSIST", "h")],
    [("HSET", "h", "a", "1"), ("PEXPIRE", "h", -1), ("HGET", "h", "a"), ("HSET", "h", "b", "2"), ("TTL", "h")],
    [("HSET", "h", "a", "1"), ("RENAME", "h", "g"), ("HGET", "g", "a"), ("HSET", "h", "b", "1"), ("DEL", "g", "h")],
    [("SELECT", 1), ("HSET", "h", "a", "1"), ("SELECT", 0), ("HGET", "h", "a"), ("EXISTS", "h")],
    [("hset", "h", "a", "1"), ("hGet", "h", "a"), ("NONSENSE", "h"), ("HGET",), ("BRPOP", "l", 0), ("MULTI",)],
]


def run(client: redis_py.Redis, commands: Sequence[Command]) -> object:
    """Return what a script is told that calls these commands, and which keys there are then."""
    script = client.register_script(_RUN)
    replies = script(args=[json.dumps(commands)])
    return replies, {key: (dumped(client, key), client.persist(key)) for key in client.scan_iter()}


def dumped(client: redis_py.Redis, key: Any) -> object:
    """Return what a key holds."""
    read: dict[Any, Callable[[], object]] = {
        b"hash": lambda: client.hgetall(key),
        b"list": lambda: client.lrange(key, 0, -1),
        b"stream": lambda: client.xrange(key),
        b"string": lambda: client.get(key),
        b"zset": lambda: client.zrange(key, 0, -1, withscores=True),
    }
    return read[client.type(key)]()


def as_it_is() -> redis_py.Redis:
    """Return a client of a fakeredis that nobody made fast."""
    return FakeRedis(server=slow_server())


@pytest.mark.parametrize("commands", COMMANDS, ids=lambda commands: " ".join(map(str, commands[0])))
def test_commands_answer_and_write_as_they_do_elsewhere(redis: redis_py.Redis, commands: Sequence[Command]) -> None:
    assert run(redis, commands) == run(as_it_is(), commands)


keys, names = st.sampled_from(["k", "l"]), st.sampled_from(["a", "b", "c"])
values = st.one_of(names, st.integers(-3, 3), st.sampled_from([0.5, "x" * 70, "7", "-0", ""]))
entry_ids = st.builds(lambda first, second: f"{first}-{second}", st.integers(0, 3), st.integers(0, 3))
anything = st.one_of(
    st.tuples(st.sampled_from(["HGET", "HEXISTS", "HSTRLEN", "HDEL", "ZREM"]), keys, names),
    st.tuples(st.sampled_from(["HDEL", "HMGET", "ZREM"]), keys, names, names),
    st.tuples(st.sampled_from(["HSET", "HSETNX", "HINCRBY"]), keys, names, values),
    st.tuples(st.just("HSET"), keys, names, values, names, values),
    st.tuples(st.sampled_from(["LPUSH", "RPUSH"]), keys, values, values),
    st.tuples(st.just("ZADD"), keys, values, names),
    st.tuples(st.just("XADD"), keys, entry_ids, names, values),
    st.tuples(st.sampled_from(["HVALS", "DEL", "TYPE", "PERSIST", "LPOP", "LLEN"]), keys),
    st.tuples(st.just("RENAME"), keys, keys),
    st.tuples(st.just("PEXPIRE"), keys, st.sampled_from([-1, 100_000])),
)


@pytest.fixture(scope="module")
def pair() -> tuple[redis_py.Redis, redis_py.Redis]:
    """A fast fake and one as it is."""
    return fake_redis(fake_server()), as_it_is()


@settings(max_examples=60, deadline=None)
@given(commands=st.lists(anything, max_size=25))
def test_whatever_a_script_does_it_does_the_same(
    pair: tuple[redis_py.Redis, redis_py.Redis], commands: Sequence[Command]
) -> None:
    for client in pair:
        client.flushall()

    fast, slow = (run(client, commands) for client in pair)

    assert fast == slow


def test_a_script_hears_why_a_command_was_refused(redis: redis_py.Redis) -> None:
    redis.set("text", "no hash")

    for command in ("'HGET', 'text', 'a'", "'ZADD', 'z', 'x', 'a'", "'XADD', 'x', '0-0', 'a', 'b'"):
        said = []
        for client in (redis, as_it_is()):
            client.set("text", "no hash")
            with pytest.raises(redis_py.ResponseError) as refused:
                client.eval(f"return redis.call({command})", 0)
            said.append(_why(str(refused.value)))

        assert said[0] == said[1]


def _why(text: str) -> str:
    """Return the reason alone: each version puts its own words around it."""
    return re.sub(r"^.*@user_script:\s?1: |\bERR | (from|from lua) script$| script: .*$", "", text.lower(), flags=re.I)


def test_the_clock_of_a_script_is_that_of_the_server(redis: redis_py.Redis) -> None:
    before = redis.time()

    seconds, micros = redis.eval("return redis.call('TIME')", 0)

    assert before <= (int(seconds), int(micros)) <= redis.time()
    assert 0 <= int(micros) < 1_000_000


def test_a_script_sees_no_key_whose_time_is_over(redis: redis_py.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    redis.hset("h", "a", "1")
    redis.pexpire("h", 1)
    while redis.exists("h"):
        pass
    redis.hset("h", "b", "1")
    redis.pexpireat("h", 1)

    found = redis.eval("return {redis.call('DEL', 'h'), redis.call('HSET', 'h', 'c', 2), redis.call('HVALS', 'h')}", 0)

    assert found == [0, 1, [b"2"]]
    assert redis.ttl("h") == -1


@pytest.mark.parametrize(
    ("wait", "write", "got"),
    [
        (lambda client: client.xread({"x": "0-0"}, block=10_000), "'XADD', 'x', '1-0', 'a', 'b'", "1-0"),
        (lambda client: client.brpop("l", 10), "'LPUSH', 'l', 'first', 'last'", "first"),
        (lambda client: client.bzpopmin("z", 10), "'ZADD', 'z', 1, 'member'", "member"),
    ],
    ids=["stream", "list", "sorted set"],
)
def test_a_script_wakes_those_who_wait_for_what_it_writes(
    wait: Callable[[redis_py.Redis], object], write: str, got: str
) -> None:
    server = fake_server()
    client = fake_redis(server)
    script = client.register_script(f"return redis.call({write})")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(wait, client)
        while not server.dbs[0].condition._waiters:  # type: ignore[attr-defined]
            assert not waiting.done()

        script()

        assert got in str(waiting.result(10))


def test_a_script_ends_the_transaction_of_who_watches_what_it_writes(redis: redis_py.Redis) -> None:
    with redis.pipeline() as watching:
        watching.watch("h")  # type: ignore[no-untyped-call]
        watching.multi()
        watching.get("text")

        redis.eval("return redis.call('HSET', 'h', 'a', '1')", 0)

        with pytest.raises(redis_py.WatchError):
            watching.execute()


def test_a_subscriber_hears_which_keys_a_script_writes() -> None:
    client = fake_redis(fake_server())
    with client.pubsub(ignore_subscribe_messages=True) as subscriber:  # type: ignore[no-untyped-call]
        subscriber.psubscribe("__keyspace@0__:*")
        subscriber.get_message(timeout=1)

        client.eval("return redis.call('HSET', 'h', 'a', '1')", 0)

        heard = subscriber.get_message(timeout=1)
        assert heard is not None
        assert (heard["channel"], heard["data"]) == (b"__keyspace@0__:h", b"hset")


def test_many_threads_share_one_server() -> None:
    client = fake_redis(fake_server())
    script = client.register_script("""
        local seen = redis.call("HINCRBY", KEYS[1], "n", 1)
        redis.call("XADD", KEYS[2], string.format("%d-0", seen), "by", ARGV[1])
        return seen
    """)

    with ThreadPoolExecutor(8) as pool:
        seen = [*pool.map(lambda thread: [script(keys=["h", "x"], args=[thread]) for _ in range(100)], range(8))]

    assert sorted(number for numbers in seen for number in numbers) == [*range(1, 801)]
    assert all(numbers == sorted(numbers) for numbers in seen)
    assert client.xlen("x") == 800
