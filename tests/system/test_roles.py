"""A deployment in which every process logs in to Redis as its own role: all of it works, and nothing is denied."""

import json
import os
import secrets
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
import pytest
import redis
from click.testing import CliRunner

from scheduler.cache import RedisCache
from scheduler.census import CensusTaker
from scheduler.sealing import new_key
from tests.conftest import RealRedis
from tests.system import limited
from tests.system.conftest import Deployment, until
from tests.system.graphs import compiled
from treadle.checkpoint.redis import RedisSaver
from treadle.types import Command
from workers import acl, bootstrap
from workers.cli import main
from workers.engine import default_store
from workers.measuring import sources
from workers.settings import WorkerSettings

pytestmark = pytest.mark.system

ADMIN = "user admin reset on >{} ~* &* +@all"
OURS, THEIRS = "treadle", "treadle2"
GRAPHS = "tests.system.graphs:all_graphs,tests.system.limited:all_graphs"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Guarded(Deployment):
    """A deployment whose Redis lets in nobody but its roles, each with a password of its own."""

    def __init__(self, folder: Path) -> None:
        self.passwords = {name: secrets.token_urlsafe(24) for name in (*acl.ROLES, "admin", "login")}
        self.port, self.flower_port = free_port(), free_port()
        super().__init__(folder)
        self.settings |= {"TREADLE_FLOWER_PASSWORD": self.passwords["login"]}

    def server(self) -> RealRedis:
        """Start the Redis with the file that `treadle acl` prints."""
        given = {acl.variable_of(name): password for name, password in self.passwords.items()}
        printed = subprocess.run(
            [sys.executable, "-m", "treadle", "acl"],
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            check=True,
        )
        users = self.folder / "users.acl"
        users.write_text(f"{printed.stdout}{ADMIN.format(self.passwords['admin'])}\n")
        server = RealRedis(self.folder, "--port", str(self.port), "--appendonly", "yes", "--aclfile", str(users))
        server.url = self.url_of("admin")
        return server.start()

    def url_of(self, command: str) -> str:
        """Return the URL of the role of that name."""
        return f"redis://{command}:{self.passwords[command]}@127.0.0.1:{self.port}/0"

    def connected(self, role: str) -> redis.Redis:
        """Return a client of one role."""
        return redis.Redis.from_url(self.url_of(role))

    def flower(self) -> None:
        """Start Flower and wait until it answers."""
        self._start("flower", ["flower", f"--port={self.flower_port}"], {"TREADLE_GRAPHS": ""})
        until(lambda: "Visit me at" in self.output("flower"), "Flower is there")

    def asked(self, page: str) -> Any:
        """Return what Flower answers."""
        login = b64encode(f"treadle:{self.passwords['login']}".encode()).decode()
        url = f"http://127.0.0.1:{self.flower_port}{page}"
        with urlopen(Request(url, headers={"Authorization": f"Basic {login}"}), timeout=20) as response:
            return json.loads(response.read())

    def treadle(self, *arguments: str) -> str:
        """Run a command as an operator, and return what it printed."""
        environment = {**self.settings, "TREADLE_REDIS_URL": self.url_of("operator")}
        environment["TREADLE_GRAPHS"] = GRAPHS
        done = CliRunner().invoke(main, list(arguments), env=environment)
        assert done.exit_code == 0, f"{done.output}\n{done.exception!r}"
        return done.output

    def denied(self) -> list[Any]:
        """Return what Redis has denied so far."""
        with self.connected("admin") as admin:
            return [(entry["username"], entry["context"], entry["object"]) for entry in admin.acl_log()]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    deployment = Guarded(tmp_path_factory.mktemp("g"))
    try:
        deployment.worker("worker", "-Q", "treadle,other", "-c", "2", graphs=GRAPHS)
        deployment.scheduler()
        deployment.flower()
        yield deployment
    finally:
        deployment.stop()


@pytest.fixture
def saver(guarded: Guarded) -> RedisSaver:
    return RedisSaver(guarded.url_of("client"))


def test_a_client_works_with_threads_and_nothing_is_denied(guarded: Guarded, saver: RedisSaver) -> None:
    chat, config = compiled("chat", saver), {"thread_id": "t"}
    list(chat.stream({"messages": ["Hello"]}, config, stream_mode=["values", "custom", "messages"]))
    chat.update_state(config, {"messages": ["changed"]})
    chat.invoke({"messages": ["again"]}, next(chat.get_state_history(config)).config)
    saver.copy_thread("t", "copy")
    saver.threads.terminate("copy")
    asking, answered = compiled("asking", saver), {"thread_id": "asks"}
    asking.invoke({"trail": []}, answered)
    asking.invoke(Command(resume="Ann"), answered)
    asking.invoke(Command(resume="7"), answered)
    compiled("nested", saver).invoke({"way": []}, {"thread_id": "nested"})
    with pytest.raises(ZeroDivisionError):
        compiled("failing", saver).invoke({"trail": ["broken"]}, {"thread_id": "fails"})
    compiled("failing", saver).invoke({"trail": []}, {"thread_id": "flaky"})
    compiled("handled", saver).invoke({"trail": ["die"]}, {"thread_id": "dies"})
    compiled("parallel", saver).invoke({"trail": []}, {"thread_id": "meets"})
    work = {"notes": str(guarded.folder / "notes"), "items": 6, "seconds": 0.1}
    limited.compiled("shared", saver).invoke(work, {"configurable": {"thread_id": "shares", "tenant": "a"}})
    limited.compiled("paced", saver).invoke(work, {"thread_id": "paced"})
    handle = compiled("slow", saver).submit({"trail": [30]}, {"thread_id": "slow"})
    handle.cancel("enough")
    for name in ("t", "copy"):
        saver.delete_thread(name)
    saver.archives.put("asks", str(guarded.folder / "archive"))
    saver.archives.restore("asks")
    saver.prune(["asks"])
    chat.invoke({"messages": ["Bye"]}, {"thread_id": "brief", "ttl": 0.1})
    until(lambda: saver.threads.find("brief") is None, "the scheduler has deleted what was kept for long enough")

    assert asking.get_state(answered).values["trail"] == ["Ann", "7", "work"]
    assert saver.client.log.verify("asks") is None
    assert guarded.denied() == []


def test_an_inline_client_needs_no_worker_and_nothing_more(guarded: Guarded) -> None:
    saver = RedisSaver(guarded.url_of("client"), inline=True)
    graph = compiled("parallel", saver)  # its nodes meet in the long-term memory
    cache = RedisCache(guarded.connected("client"))

    cache.set({(("a", "b"), "key"): ("kept", 60)})
    found = cache.get([(("a", "b"), "key")])
    cache.clear()
    memory = default_store(saver.engine.connection)
    memory.put(("notes", "ann"), "one", {"text": "hello"}, ttl=1)
    memory.search(("notes",), filter={"text": "hello"})
    memory.list_namespaces()
    memory.delete(("notes", "ann"), "one")
    output = graph.invoke({"trail": []}, {"thread_id": "inline"})

    assert list(found.values()) == ["kept"]
    assert sorted(output["trail"]) == ["join", "left", "right"]
    assert guarded.denied() == []


def test_the_command_line_and_the_doctor_work(guarded: Guarded) -> None:
    run = guarded.treadle("run", "chat", "--thread", "cli", "--input", '{"messages": ["Hello"]}', "--json")
    told = guarded.treadle("doctor")
    for command in ("threads", "graphs", "limits"):
        guarded.treadle(command)
    for command in ("state", "history", "log", "pending", "verify"):
        guarded.treadle(command, "cli")
    guarded.treadle("prune", "cli", "--keep", "1")
    guarded.treadle("budget", "cli", "--set", "usd=1")
    guarded.treadle("schedule", "list")
    for command in ("head", "webhooks"):
        guarded.treadle(command, "cli")
    guarded.treadle("archive", "cli", "--to", str(guarded.folder / "archive"))
    guarded.treadle("restore", "cli")
    guarded.treadle("delete", "cli", "--yes")

    key = guarded.treadle("keys", "generate").strip().partition("=")[2]
    guarded.settings["TREADLE_ENCRYPTION_KEYS"] = key
    guarded.treadle("reseal", "--dry-run")
    del guarded.settings["TREADLE_ENCRYPTION_KEYS"]

    assert "Bot: I received -> Hello" in run
    assert "worker@test (other, treadle)" in told
    assert "appendfsync" in told  # what may not be asked is not asked, and not made up
    assert guarded.denied() == []


def test_the_command_line_works_with_what_waits_and_is_counted(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = ("run", "slow", "--thread", "later", "--input", '{"trail": [30]}', "--detach")
    guarded.treadle("run", "chat", "--thread", "unborn", "--input", '{"messages": ["Hello"]}', "--delay", "3600")
    guarded.treadle(*begun, "--budget", "usd=1", "--webhook", "https://hooks.invalid/")
    for how in ("enqueue", "interrupt", "rollback"):
        guarded.treadle(*begun, "--on-busy", how)
    guarded.treadle("inputs", "clear", "later", "--yes")
    guarded.treadle("cancel", "later")
    guarded.treadle("budget", "later", "--set", "usd=2")
    guarded.treadle("webhooks", "later")
    guarded.treadle("schedule", "create", "s", "chat", "--cron", "0 0 1 1 *", "--input", '{"messages": ["Hello"]}')
    for command in ("pause", "resume", "trigger", "show"):
        guarded.treadle("schedule", command, "s")
    monkeypatch.setenv("TREADLE_ENCRYPTION_KEYS", f"k:{new_key()}")
    told = guarded.treadle("reseal", "--dry-run")
    guarded.treadle("schedule", "delete", "s", "--yes")

    assert "later" in guarded.treadle("threads")
    assert told
    assert guarded.denied() == []


def test_flower_sees_workers_steps_and_queues(guarded: Guarded, saver: RedisSaver) -> None:
    compiled("chat", saver).invoke({"messages": ["Hello"]}, {"thread_id": "seen"})

    until(lambda: any("seen:" in task for task in guarded.asked("/api/tasks")), "Flower shows the step")
    workers = guarded.asked("/api/workers?refresh=1")
    queues = guarded.asked("/api/queues/length")

    assert "treadle" in [queue["name"] for queue in workers["worker@test"]["active_queues"]]
    assert [queue["name"] for queue in queues["active_queues"]] == ["other", "treadle"]
    assert guarded.denied() == []


def test_a_scheduler_measures_with_the_rights_of_its_role(guarded: Guarded, saver: RedisSaver) -> None:
    compiled("chat", saver).invoke({"messages": ["Hello"]}, {"thread_id": "measured"})
    settings = WorkerSettings(redis_url=guarded.url_of("scheduler"), graphs=GRAPHS)
    connection = bootstrap.connection(settings)
    census = CensusTaker(connection)

    found = sources(settings, connection, census).read()
    for _ in range(3):
        census.step()

    assert found.counts.ended["chat", "success"] >= 1
    assert found.server is not None and found.server.memory > 0
    assert found.queues["treadle"] == 0
    assert {one.what for one in found.limits} == {"steps", "work"}
    assert [denied for denied in guarded.denied() if denied[0] == "scheduler"] == []


def test_an_autoscaler_sees_how_long_a_queue_is(guarded: Guarded) -> None:
    """KEDA asks with a script, which Redis takes for one that may write."""
    script = "if redis.call('type', KEYS[1]).ok == 'none' then return 0 end return redis.call('llen', KEYS[1])"
    with guarded.connected("scaler") as scaler, guarded.connected("admin") as admin:
        admin.lpush(f"{OURS}:celery:nobodys", "one", "two")

        assert [scaler.eval(script, 1, f"{OURS}:celery:{queue}") for queue in ("nobodys", "none")] == [2, 0]
        with pytest.raises(redis.ResponseError, match=r"can't run this command|has no permissions"):
            scaler.eval("return redis.call('del', KEYS[1])", 1, f"{OURS}:celery:nobodys")
        admin.delete(f"{OURS}:celery:nobodys")
        admin.acl_log_reset()


NOBODY = [
    "FLUSHALL", "FLUSHDB", "CONFIG GET requirepass", "CONFIG SET dir /", "KEYS *", "SCAN 0", "RANDOMKEY", "MONITOR",
    "DEBUG SLEEP 1", "SHUTDOWN", "SAVE", "BGREWRITEAOF", "SCRIPT FLUSH", "SCRIPT KILL", "FUNCTION LOAD x",
    "MODULE LOAD x", "ACL SETUSER admin on", "ACL LIST", "ACL GETUSER worker", "CLIENT LIST", "CLIENT KILL ID 1",
    "CLIENT PAUSE 1", "REPLICAOF host 1", "SWAPDB 0 1", "MIGRATE h 1 k 0 1", "SLOWLOG GET", "LATENCY RESET",
    "OBJECT ENCODING treadle:cache", f"EVAL x 1 {THEIRS}:cache", f"HGETALL {THEIRS}:{{p1}}:thread:t",
    f"LPUSH {THEIRS}:celery:treadle m",
    f"DEL {THEIRS}:cache", f"PUBLISH {THEIRS}:celery:/0.celery.pidbox x", "GET any", "SUBSCRIBE any", "PSUBSCRIBE *",
]  # fmt: skip
THREAD, QUEUE, CONTROL = f"{OURS}:{{p1}}:thread:t", f"{OURS}:celery:treadle", f"{OURS}:celery:/0.celery.pidbox"
NOT_THIS_ROLE = {
    "worker": [f"RENAME {THREAD} {OURS}:cache", f"DUMP {THREAD}", f"RESTORE {THREAD} 0 x", "SYNC", "INFO"],
    "scheduler": [
        f"BRPOP {QUEUE} 1", f"LRANGE {QUEUE} 0 -1", f"HGET {OURS}:{{memory}}:item:a:b value",
        f"GET {OURS}:{{cache:g:n}}:item:k", f"PUBLISH {CONTROL} x", f"RENAME {THREAD} {THREAD}2", "SYNC",
    ],
    "client": [
        f"BRPOP {QUEUE} 1", f"RPOP {QUEUE}", f"LRANGE {QUEUE} 0 -1", f"PUBLISH {CONTROL} x", f"SUBSCRIBE {CONTROL}",
        f"PSUBSCRIBE {OURS}:celery:/0.celeryev/*", f"DEL {OURS}:celery:other {THREAD} {THEIRS}:x", "SYNC", "INFO",
    ],
    "operator": [f"BRPOP {QUEUE} 1", f"LRANGE {QUEUE} 0 -1", f"SUBSCRIBE {CONTROL}", "SYNC"],
    "flower": [
        f"HGETALL {THREAD}", f"HSET {THREAD} status idle", f"XRANGE {OURS}:{{p1}}:log:t - +", f"DEL {THREAD}",
        f"LPUSH {QUEUE} x", f"BRPOP {QUEUE} 1", f"DEL {QUEUE}", f"LRANGE {QUEUE} 0 -1", f"ZADD {OURS}:{{p1}}:due 0 x",
        f"SMEMBERS {OURS}:cache", f"EVALSHA sha 1 {THREAD}", "SYNC", "INFO",
    ],
    "scaler": [
        f"HGETALL {THREAD}", f"LRANGE {QUEUE} 0 -1", f"LPUSH {QUEUE} x", f"BRPOP {QUEUE} 1", f"DEL {QUEUE}",
        f"EVAL x 1 {THREAD}", f"PUBLISH {CONTROL} x", "SYNC", "INFO",
    ],
    "backup": [f"HGETALL {THREAD}", f"HSET {THREAD} a b", f"LPUSH {QUEUE} x", f"PUBLISH {CONTROL} x", "EVALSHA sha 0"],
}  # fmt: skip


@pytest.mark.parametrize("role", acl.ROLES)
def test_a_role_is_denied_what_is_not_its_own(guarded: Guarded, role: str) -> None:
    with guarded.connected("admin") as admin:
        asked = [*NOBODY, *NOT_THIS_ROLE[role]]
        allowed = [command for command in asked if admin.acl_dryrun(role, *command.split()) in (b"OK", "OK")]

    assert allowed == []


def test_nobody_gets_in_without_a_password(guarded: Guarded) -> None:
    for login in ("", "default:@", "worker:@", "worker:wrong@", f"flower:{guarded.passwords['client']}@"):
        stranger = redis.Redis.from_url(f"redis://{login}127.0.0.1:{guarded.port}/0")
        with stranger, pytest.raises((redis.AuthenticationError, redis.ResponseError)):
            stranger.ping()


def test_no_password_is_shown_anywhere(guarded: Guarded) -> None:
    shown = [guarded.output(name) for name in guarded.processes]
    shown += [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    shown += [guarded.treadle("doctor"), (guarded.folder / "users.acl").read_text().partition("user admin")[0]]

    for name, password in guarded.passwords.items():
        assert not [text for text in shown if password in text], name
