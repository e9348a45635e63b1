"""What is known of the scripts: the commands that each one sends."""

import re
from pathlib import Path

import pytest

from scheduler import lua_files

LUA = Path(lua_files.__file__).parent / "lua"


@pytest.mark.parametrize("name", lua_files.names())
def test_the_commands_of_a_script_are_those_that_it_sends_itself_and_more_only_through_what_it_calls(name: str) -> None:
    text = re.sub("--.*", "", (LUA / f"{name}.lua").read_text(encoding="utf-8"))
    functions = re.findall(r"^local function (\w+)", "\n".join(lua_files.shared()), re.MULTILINE)
    own = {command.lower() for command in re.findall(r'redis.p?call\("(\w+)"', text)}

    found = lua_files.commands(name)

    assert own <= found
    assert found == own or any(re.search(rf"\b{function}\(", text) for function in functions)


def test_what_a_called_function_calls_belongs_to_the_script() -> None:
    assert "xadd" in lua_files.commands("release_step")  # write_log
    assert {"time", "sha1hex"} & lua_files.commands("renew_run") == {"time"}
    assert lua_files.commands("drain_run") == {"hget", "hsetnx"}
    assert "lpush" not in lua_files.commands("take_due")


def test_each_shared_function_has_a_name_of_its_own() -> None:
    names = re.findall(r"^local function (\w+)", "\n".join(lua_files.shared()), re.MULTILINE)

    assert sorted(names) == sorted(set(names))


def test_a_script_is_sent_with_those_shared_functions_that_it_calls_and_no_other() -> None:
    lease, drain = lua_files.load("lease_step").text, lua_files.load("drain_run").text

    sent = re.findall(r"^local function (\w+)", lease, re.MULTILINE)

    assert sent == ["now_ms", "first_lease", "frame_of", "lapse", "write_log", "state_of", "answer"]
    assert "function" not in drain
