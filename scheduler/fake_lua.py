"""The Lua of fakeredis without its overhead: the same scripts, commands and answers, several times as fast.

fakeredis compiles a script at every call, collects all of Lua's garbage after it, lists the global variables before
each command, and takes each command through its whole machinery. Here a script is compiled once, Lua collects when it
sees fit, a global is refused where it is set, and the commands that our scripts call most go straight to the data.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from fakeredis import FakeRedis, FakeServer
from fakeredis import _msgs as msgs
from fakeredis._helpers import SimpleError

logger = logging.getLogger(__name__)

#: Runs a script for a socket, with its keys and its arguments; returns what fakeredis' command would.
RunScript = Callable[[Any, bytes, Sequence[bytes], Sequence[bytes]], Any]

_COLLECT = "collectgarbage()"  # what fakeredis executes after each script

_REFUSE_GLOBALS = """
setmetatable(_G, {__newindex = function(_, name) error("Script attempted to set global variables: " .. name, 2) end})
"""

# Calls whatever is fast here, so that a fakeredis whose parts have changed under their old names is noticed.
_REHEARSAL = """
local function call(...) return redis.call(...) end
local answers = {
  call("HSET", "h", "a", 1, "b", "2"), call("HSETNX", "h", "a", 2), call("HGET", "h", "a"), call("HGET", "h", "c"),
  call("HMGET", "h", "a", "c"), call("HEXISTS", "h", "b"), call("HSTRLEN", "h", "b"),
  call("HINCRBY", "h", "a", 3), call("HDEL", "h", "b"),
  call("HVALS", "h"), call("ZADD", "z", 1, "a"), call("ZADD", "z", 2, "b"), call("ZREM", "z", "b"),
  call("LPUSH", "l", "a", "b"), call("RPUSH", "l", "c"), call("LRANGE", "l", 0, -1), call("ZRANGE", "z", 0, -1),
  call("XADD", "x", "1-0", "a", "b"), call("XRANGE", "x", "-", "+"), call("DEL", "h", "no"), call("EXISTS", "h"),
  cjson.encode({1, false, "a"}), cjson.decode('{"a":[1,{}]}').a,
  cjson.decode("[null]")[1] == cjson.null, #call("TIME"),
}
return answers
"""


def hasten(server: FakeServer) -> RunScript | None:
    """Make the scripts of a server that has run one fast; return what runs one of them.

    It leans on private parts of fakeredis: a version that has others keeps its own pace, and the answer is None.
    """
    try:
        return _hasten(server) if _fits() else None
    except (AttributeError, ImportError, KeyError):
        logger.debug("this version of fakeredis runs scripts at its own pace", exc_info=True)
        return None


@cache
def _fits() -> bool:
    """Return whether what is fast here answers in this version of fakeredis as the version itself does."""
    try:
        return bool(_rehearsed(_hasten) == _rehearsed(lambda _: None))
    except Exception:  # whatever a version may raise that nobody here has seen
        logger.debug("this version of fakeredis is not known", exc_info=True)
        return False


def _rehearsed(prepare: Callable[[FakeServer], object]) -> Any:
    server = FakeServer(version=(7,))
    with FakeRedis(server=server) as client:
        client.eval("return 1", 0)
        prepare(server)
        return client.eval(_REHEARSAL, 0)


def _hasten(server: Any) -> RunScript:
    from fakeredis.commands_mixins import scripting_mixin  # here, because a version without it is no error

    from .fake_commands import Commands
    from .fake_json import Decoder, encoder

    lua, socket, set_arguments = server._lua_runtime, server._lua_current_socket, server._lua_set_keys_argv
    mixin, null = scripting_mixin.ScriptingCommandsMixin, scripting_mixin._lua_cjson_null
    lean, known, names = _LeanRuntime(lua), set[bytes](), lua.globals()
    run, run_safely = mixin._lua_redis_call, mixin._lua_redis_pcall
    commands = Commands(server, lua.table_from, lambda socket, *command: run(socket, lean, known, *command))

    def begin(keys: Any, args: Any) -> None:
        commands.begin(socket[0])
        set_arguments(keys, args)

    names[b"redis"][b"call"] = commands.call
    names[b"redis"][b"pcall"] = lambda *command: run_safely(socket[0], lean, known, *command)
    names[b"cjson"][b"encode"], names[b"cjson"][b"decode"] = encoder(lua, null), Decoder(lua, null)
    lua.execute(_REFUSE_GLOBALS)
    server._lua_runtime, server._lua_set_keys_argv = lean, begin
    return _Runner(server, scripting_mixin.LUA_MODULE.LuaError)


class _LeanRuntime:
    """What fakeredis takes for its Lua runtime; whatever is not said here is the runtime's own."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self._compiled = lru_cache(maxsize=128)(runtime.compile)

    def execute(self, script: bytes | str) -> Any:
        return None if script == _COLLECT else self._compiled(script)()

    def globals(self) -> Mapping[bytes, Any]:
        return {}  # where fakeredis looks for new ones: there are none

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)


class _Runner:
    """EVALSHA of a server without fakeredis' way there; whoever calls it holds the server's lock."""

    def __init__(self, server: Any, lua_error: type[Exception]) -> None:
        self._server = server
        self._lua_error = lua_error

    def __call__(self, socket: Any, script: bytes, keys: Sequence[bytes], args: Sequence[bytes]) -> Any:
        server, runtime = self._server, self._server._lua_runtime
        server._lua_current_socket[0] = socket
        socket._script_resp = 2  # every script begins with the replies of RESP2
        server._lua_set_keys_argv(runtime.table_from(keys), runtime.table_from(args))
        try:
            answer = runtime.execute(script)
        except self._lua_error as error:
            sha1 = hashlib.sha1(script, usedforsecurity=False).hexdigest()
            raise SimpleError(msgs.SCRIPT_ERROR_MSG.format(sha1, error)) from error
        finally:
            socket._script_resp = None
        return socket._convert_lua_result(answer, nested=False)
