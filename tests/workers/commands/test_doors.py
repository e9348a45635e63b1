"""Whatever is typed: an exit code and an error that say what to do, and nothing is written."""

from pathlib import Path

import pytest
import redis as redis_py

from tests.scheduler.stage import everything
from treadle.graph import CompiledStateGraph
from workers.exits import ExitCode

from .conftest import Treadle

DEEP = "[" * 100_000
RUN = ("run", "sample", "--thread", "t")

WRONG: list[tuple[tuple[str, ...], str]] = [
    (("nonsense",), "No such command 'nonsense'"),
    (("--nonsense",), "No such option"),
    (("run",), "Missing argument 'GRAPH'"),
    (("run", "sample", "--input", "{}"), "Missing option '--thread'"),
    (RUN, "Missing option '--input'"),
    (("run", "nobody", "--thread", "t", "--input", "{}"), "nobody"),
    (("run", "", "--thread", "t", "--input", "{}"), "is not registered here"),
    ((*RUN, "--input", "null"), "is no input"),
    ((*RUN, "--input", "{text: 1}"), "this is not JSON"),
    ((*RUN, "--input", ""), "this is not JSON"),
    ((*RUN, "--input", DEEP), "nested too deeply"),
    ((*RUN, "--input", "@/nowhere/at/all"), "cannot be read"),
    ((*RUN, "--input", "@/"), "cannot be read"),
    ((*RUN, "--input", "[1]"), "The input must be a dict"),
    ((*RUN, "--input", '{"nope": 1}'), "none of the keys"),
    ((*RUN, "--input", '{"text": "\\ud800"}'), "cannot be stored"),
    ((*RUN, "--input", '{"steps": 7}'), "the reducer failed"),
    ((*RUN, "--input", "{}", "--config", "[]"), "a JSON object is wanted"),
    ((*RUN, "--input", "{}", "--config", '{"nope": 1}'), "unknown keys: nope"),
    ((*RUN, "--input", "{}", "--config", '{"timeout": -1}'), "'timeout' must be a positive"),
    ((*RUN, "--input", "{}", "--config", '{"timeout": NaN}'), "'timeout' must be a positive"),
    ((*RUN, "--input", "{}", "--config", '{"recursion_limit": 1e3}'), "'recursion_limit' must be a positive int"),
    ((*RUN, "--input", "{}", "--config", '{"tags": "a"}'), "is a list of strings"),
    ((*RUN, "--input", "{}", "--config", '{"interrupt_before": ["x"]}'), "has no node 'x'"),
    (("run", "sample", "--thread", "", "--input", "{}"), "is empty"),
    (("run", "sample", "--thread", "a\x1b[31m", "--input", "{}"), "unprintable characters"),
    (("run", "sample", "--thread", "x" * 300, "--input", "{}"), "longer than 255 bytes"),
    (("resume", "nobody"), "There is no thread 'nobody'"),
    (("resume", "rests", "--graph", "nobody"), "nobody"),
    (("resume", "rests", "--answer", "1", "--input", "{}"), "give one of them"),
    (("resume", "rests", "--answer", "{"), "this is not JSON"),
    (("cancel",), "Missing argument 'THREAD'"),
    (("cancel", "nobody"), "There is no thread"),
    (("cancel", "rests", "--run", "x:y"), "has no run 'x:y'"),
    (("update", "rests"), "Missing option '--values'"),
    (("update", "rests", "--values", "7"), "Expected dict"),
    (("update", "rests", "--values", "{}", "--as-node", "nope"), "does not exist"),
    (("update", "nobody", "--values", "{}"), "There is no thread"),
    (("threads", "--status", "asleep"), "Invalid value for '--status'"),
    (("threads", "--metadata", "user"), "write KEY=VALUE"),
    (("threads", "--metadata", "=x"), "write KEY=VALUE"),
    (("threads", "--limit", "0"), "Invalid value for '--limit'"),
    (("threads", "--limit", "many"), "Invalid value for '--limit'"),
    (("threads", "--limit", "9" * 30), "limit is a whole number"),
    (("state", "nobody"), "There is no thread"),
    (("state", "\n"), "unprintable characters"),
    (("state", "rests", "--checkpoint", "latest"), "is not a checkpoint id"),
    (("state", "rests", "--checkpoint", "1-1"), "has no checkpoint"),
    (("history", "rests", "--limit", "-1"), "Invalid value for '--limit'"),
    (("history", "nobody"), "There is no thread"),
    (("pending", "nobody"), "There is no thread"),
    (("log", "nobody"), "There is no thread"),
    (("tail", "nobody"), "There is no thread"),
    (("verify", "nobody"), "There is no thread"),
    (("export", "nobody"), "There is no thread"),
    (("archive", "nobody", "--to", "here"), "There is no thread"),
    (("archive", "rests", "--to", "rests.json"), "`treadle export`"),
    (("archive", "rests"), "say where with --to"),
    (("restore", "nobody"), "There is no thread"),
    (("prune", "nobody", "--keep", "1"), "There is no thread"),
    (("prune", "rests", "--keep", "0"), "x>=1"),
    (("export", "rests", "--to", "/"), "is a directory"),
    (("export", "rests", "--to", "/nowhere/at/all.json"), "cannot be written"),
    (("terminate", "nobody", "--yes"), "There is no thread"),
    (("delete", "", "--yes"), "is empty"),
    (("draw", "nobody"), "nobody"),
    (("draw", "sample", "--png", "/nowhere/at/all.png"), "cannot be written"),
    (("head", "--all", "--to", "/nowhere/at/all"), "cannot be written"),
    (("head",), "name a THREAD"),
    (("inputs", "list", "nobody"), "There is no thread"),
    (("inputs", "move", "nobody", "ab", "0"), "There is no thread"),
    (("inputs", "remove", "nobody", "ab"), "There is no thread"),
    (("inputs", "clear", "nobody", "--yes"), "There is no thread"),
    (("inputs", "release", "nobody", "--yes"), "There is no thread"),
    (("inputs", "remove", "rests", "ab"), "has no run 'ab'"),
    (("webhooks", "nobody"), "There is no thread"),
    (("webhooks", "rests", "--again", "ab"), "has no run 'ab' with a webhook"),
    (("budget", "nobody"), "There is no thread"),
    (("budget", "rests", "--set", "usd"), "write KEY=VALUE"),
    (("schedule", "create", "s", "nobody", "--cron", "@daily"), "is not registered here"),
    (("schedule", "create", "s", "sample", "--cron", "daily", "--input", "{}"), "is no cron expression"),
    (("schedule", "create", "s", "sample", "--cron", "@daily", "--zone", "Mars"), "is no time zone"),
    (("schedule", "show", "nobody"), "There is no schedule 'nobody'"),
    (("schedule", "pause", "nobody"), "There is no schedule"),
    (("schedule", "resume", "nobody"), "There is no schedule"),
    (("schedule", "trigger", "nobody"), "There is no schedule"),
    (("schedule", "delete", "nobody", "--yes"), "There is no schedule"),
    (("keys", "generate", "--id", "a:b"), "--id is of letters"),
    (("reseal",), "`treadle keys generate` makes one"),
    (("restore", "/etc/passwd"), "ends with .treadle"),
    (("acl",), "there are no default passwords"),
    (("flower",), "TREADLE_FLOWER_PASSWORD is not set"),
    (("health",), "TREADLE_HEALTH_FILE is not set"),
    (("worker", "--pool-name", "gpu"), "Set TREADLE_POOLS"),
    (("worker", "-c", "0"), "Invalid value for '-c'"),
    (("worker", "-P", "eventlet"), "Invalid value for '-P'"),
    (("worker", "-l", "LOUD"), "Invalid value for '-l'"),
    (("scheduler", "-l", "LOUD"), "Invalid value for '-l'"),
    (("flower", "--port", "0"), "Invalid value for '--port'"),
    (("flower", "--port", "x"), "Invalid value for '--port'"),
    (("up", "-c", "none"), "Invalid value for '-c'"),
    (("up", "--flower-port", "99999"), "Invalid value for '--flower-port'"),
    (("demo", "/nowhere/at/all"), "does not exist"),
]


@pytest.fixture
def rests(graph: CompiledStateGraph) -> None:
    """A thread that stands still."""
    graph.invoke({"text": "x"}, {"thread_id": "rests", "interrupt_before": ["second"]})


@pytest.mark.usefixtures("rests")
def test_what_does_not_fit_is_a_usage_error_without_a_trace(
    store: str, treadle: Treadle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with redis_py.Redis.from_url(store) as redis:
        before = everything(redis)
        wrong = []
        for arguments, told in WRONG:
            result = treadle(*arguments)
            says = result.stderr.splitlines()[-1:]
            if result.exit_code != ExitCode.USAGE or told not in "".join(says) or "Traceback" in result.output:
                wrong.append((arguments[:6], result.exit_code, result.stderr[-300:]))

        assert not wrong, "\n".join(map(str, wrong))
        assert everything(redis) == before
    assert not [*tmp_path.iterdir()]
