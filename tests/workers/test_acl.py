"""The users of Redis: one line for each role, no password in any, and none that opens more than the role needs."""

import hashlib

import click
import pytest
import redis as redis_py
from click.testing import CliRunner

from scheduler import lua_files
from tests.conftest import RealRedis
from tests.workers.commands.sample import builder
from treadle.checkpoint.redis import RedisSaver
from workers import acl
from workers.cli import main
from workers.settings import WorkerSettings

Factory = pytest.TempPathFactory

#: What no role may ever do; "backup" alone reads everything, by replication.
FORBIDDEN = {
    "+@all", "allcommands", "allkeys", "allchannels", "nopass", "~*", "&*", "+flushall", "+flushdb", "+config",
    "+debug", "+keys", "+scan", "+monitor", "+script", "+shutdown", "+acl", "+client", "+@dangerous",
    "+@admin",
}  # fmt: skip

ALL_OF_VECTORS = {"+vadd", "+vcard", "+vgetattr", "+vrem", "+vsim"}


@pytest.fixture
def passwords(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    given = {name: f"secret-of-{name}" for name in acl.ROLES}
    for name, password in given.items():
        monkeypatch.setenv(acl.variable_of(name), password)
    return given


def test_every_role_has_a_line_with_the_hash_of_its_password(passwords: dict[str, str]) -> None:
    default, *lines = acl.lines(WorkerSettings())

    assert default.startswith("user default reset off ")
    for (name, password), line in zip(passwords.items(), lines, strict=True):
        assert line.startswith(f"user {name} reset on #{hashlib.sha256(password.encode()).hexdigest()} ")
        assert password not in line


def test_what_is_stored_outlives_a_restart(passwords: dict[str, str], tmp_path_factory: Factory) -> None:
    folder = tmp_path_factory.mktemp("a")
    (folder / "users.acl").write_text("\n".join((*acl.lines(WorkerSettings()), "user admin on >admin ~* &* +@all\n")))
    server = RealRedis(folder, "--appendonly", "yes", "--aclfile", str(folder / "users.acl"))
    server.url = f"unix://admin:admin@{server.socket}"
    saver = RedisSaver(f"unix://client:{passwords['client']}@{server.start().socket}", inline=True)
    try:
        builder.compile(checkpointer=saver, name="sample").invoke({"text": "x"}, {"thread_id": "t-1"})
        server.stop()
        server.start()

        assert saver.threads.find("t-1") is not None
        assert saver.client.log.verify("t-1") is None
        with redis_py.Redis.from_url(f"unix://{server.socket}", retry=None) as stranger:
            for command in ("PING", "AUTH default ''", "AUTH default x"):
                with pytest.raises(redis_py.AuthenticationError):
                    stranger.execute_command(*command.split())
    finally:
        server.stop()


@pytest.mark.parametrize("name", acl.ROLES)
def test_no_role_may_do_what_no_role_needs(passwords: dict[str, str], name: str) -> None:
    line = next(line for line in acl.lines(WorkerSettings()) if line.startswith(f"user {name} "))

    assert set(line.split()) & FORBIDDEN == set()


def test_each_script_is_some_roles_and_what_it_sends_is_allowed_there(passwords: dict[str, str]) -> None:
    run: set[str] = set()
    for role in acl.roles(WorkerSettings()):
        allowed = {word[1:] for word in role.line("x", vector_sets=True).split() if word.startswith("+")}
        for script in role.scripts:
            assert lua_files.commands(script) <= allowed
        run.update(role.scripts)

    assert run == set(lua_files.names())


def test_vector_sets_are_named_for_servers_that_have_them_alone(passwords: dict[str, str]) -> None:
    plain, eight = ([*acl.lines(WorkerSettings(), vector_sets=has)] for has in (False, True))

    added = [{*more.split()} - {*less.split()} for less, more in zip(plain, eight, strict=True)]

    assert not any(word.startswith("+v") for line in plain for word in line.split())
    for name, words in zip(["default", *acl.ROLES], added, strict=True):
        assert words == (ALL_OF_VECTORS if name in ("worker", "client", "operator") else set())


def test_keys_and_channels_are_below_the_prefix(passwords: dict[str, str]) -> None:
    _, *lines = acl.lines(WorkerSettings(prefix="shop"), 3)
    for line in lines:
        patterns = [word.partition("~")[2] for word in line.split() if "~" in word]
        channels = [word[1:] for word in line.split() if word.startswith("&")]

        assert all(pattern.startswith("shop:") for pattern in patterns)
        assert all(channel.startswith("shop:celery:/3.") for channel in channels)


def test_without_passwords_it_says_how_to_make_some(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in acl.ROLES:
        monkeypatch.delenv(acl.variable_of(name), raising=False)
    monkeypatch.setenv(acl.variable_of("worker"), "there")

    with pytest.raises(click.ClickException, match=r"SCHEDULER, .*--new-passwords") as refused:
        list(acl.lines(WorkerSettings()))

    assert "WORKER" not in refused.value.message


def test_new_passwords_are_lines_of_an_env_file_each_time_others() -> None:
    first, second = (CliRunner().invoke(main, ["acl", "--new-passwords"]).output.splitlines() for _ in range(2))

    names = [line.partition("=")[0] for line in first]
    assert names == [*map(acl.variable_of, acl.ROLES), "TREADLE_FLOWER_PASSWORD"]
    assert len({line.partition("=")[2] for line in (*first, *second)}) == 2 * len(names)


def test_the_command_prints_what_redis_loads(passwords: dict[str, str]) -> None:
    printed = CliRunner().invoke(main, ["acl", "--db", "2"]).output.splitlines()

    assert printed == list(acl.lines(WorkerSettings(), 2))
