"""Hastened scripts must answer as fakeredis' own do, and fail as they fail."""

import json
from collections.abc import Callable, Iterator

import pytest
import redis
from fakeredis import FakeRedis, FakeServer
from fakeredis._socket import FakeSocket
from fakeredis.model import Hash

from scheduler import fake_lua
from scheduler.fake import fake_redis, fake_server
from scheduler.fake_client import LocalRedis
from scheduler.fake_commands import Commands
from scheduler.fake_lua import hasten


def slow_server() -> FakeServer:
    server = FakeServer(version=(7,))
    with fake_redis(server) as client:
        client.eval("return 1", 0)
    return server


@pytest.fixture(params=[fake_server, slow_server], ids=["hastened", "as it is"])
def client(request: pytest.FixtureRequest) -> redis.Redis:
    make: Callable[[], FakeServer] = request.param
    return fake_redis(make())


def test_a_script_that_runs_again_begins_anew(client: redis.Redis) -> None:
    script = client.register_script("local seen = (seen or 0) + 1; return {seen, KEYS[1], ARGV[1]}")

    answers = [script(keys=[key], args=[value]) for key, value in (("a", "1"), ("b", "2"))]

    assert answers == [[1, b"a", b"1"], [1, b"b", b"2"]]


def test_json_goes_in_and_out_of_a_script(client: redis.Redis) -> None:
    text = b'{"list":[1,2.5,"\xc3\xa9"],"none":null,"yes":true}'

    answer = client.eval("local it = cjson.decode(ARGV[1]); return {it.list[3], cjson.encode(it.list)}", 0, text)

    assert answer[0] == "é".encode()
    assert json.loads(answer[1]) == [1, 2.5, "é"]


def test_what_is_no_json_is_an_error_of_its_call_alone() -> None:
    pipeline = fake_redis(fake_server()).pipeline(transaction=False)
    for text in ("no JSON", "[1]"):
        pipeline.eval("return cjson.decode(ARGV[1])[1]", 0, text)

    refused, answer = pipeline.execute(raise_on_error=False)

    assert isinstance(refused, redis.ResponseError)
    assert answer == 1


def test_what_a_script_catches_is_the_error_of_the_command(client: redis.Redis) -> None:
    client.set("text", "no hash")

    caught = client.eval("return redis.pcall('HGET', KEYS[1], 'field')['err']", 1, "text")

    assert caught.startswith(b"WRONGTYPE")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("return redis.call('HGET', KEYS[1], 'field')", "WRONGTYPE"),
        ("return redis.call('NONSENSE')", "unknown command"),
        ("return nothing.at_all", "attempt to index global 'nothing'"),
        ("this is no Lua", "expected near"),
    ],
)
def test_a_script_fails_in_the_same_words(client: redis.Redis, script: str, said: str) -> None:
    client.set("text", "no hash")

    with pytest.raises(redis.ResponseError, match=said):
        client.eval(script, 1, "text")

    assert client.eval("return 'and the next one runs'", 0) == b"and the next one runs"


def test_a_global_is_refused_before_the_script_writes() -> None:
    client = fake_redis(fake_server())

    with pytest.raises(redis.ResponseError, match="Script attempted to set global variables: slip"):
        client.eval("slip = 1 redis.call('SET', KEYS[1], 1)", 1, "key")

    assert client.get("key") is None


def test_lua_forgets_what_scripts_leave_behind() -> None:
    server = fake_server()
    script = fake_redis(server).register_script("local rest = string.rep(ARGV[1], 1000000) return #rest")

    for digit in range(200):
        script(args=[digit % 10])

    assert server._lua_runtime.eval("collectgarbage('count')") < 50_000  # type: ignore[attr-defined]  # of 200,000 kB


@pytest.mark.parametrize("part", ["_lua_runtime", "_lua_current_socket", "_lua_set_keys_argv"])
def test_a_fakeredis_that_is_built_otherwise_is_left_as_it_is(part: str) -> None:
    server = slow_server()
    runtime = server._lua_runtime  # type: ignore[attr-defined]
    call = runtime.globals()[b"redis"][b"call"]
    delattr(server, part)

    assert hasten(server) is None

    assert runtime.globals()[b"redis"][b"call"] is call


@pytest.fixture
def unrehearsed() -> Iterator[None]:
    """Let the next server find out whether this fakeredis is known, and the one after this test again."""
    fake_lua._fits.cache_clear()
    yield
    fake_lua._fits.cache_clear()


def test_the_fakeredis_that_is_installed_is_known() -> None:
    assert isinstance(fake_redis(fake_server()), LocalRedis)


@pytest.mark.usefixtures("unrehearsed")
@pytest.mark.parametrize(
    ("owner", "part", "other"),
    [
        (Hash, "__init__", lambda self: self.__dict__.update(_fields={})),  # where a hash keeps its fields is unknown
        (FakeSocket, "_stream_node_limits", lambda self: 1 / 0),  # nothing that is called may fail
        (Commands, "_hget", lambda self, key, field: b"0"),  # an answer that is not the version's own
    ],
    ids=["a part is missing", "a part fails", "another answer"],
)
def test_a_fakeredis_whose_parts_are_others_keeps_its_own_pace(
    monkeypatch: pytest.MonkeyPatch, owner: type, part: str, other: object
) -> None:
    monkeypatch.setattr(owner, part, other)

    client = fake_redis(fake_server())

    assert type(client) is FakeRedis
    assert client.eval("return redis.sha1hex('') .. redis.call('PING').ok", 0).endswith(b"PONG")
