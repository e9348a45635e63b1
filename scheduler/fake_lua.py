"""The Lua of fakeredis without its overhead: the same scripts, commands and answers in half the time.

fakeredis compiles a script at every call, collects all of Lua's garbage after it, and lists the global variables before
each command. Here a script is compiled once, Lua collects when it sees fit, and a global is refused where it is set.
"""

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from fakeredis import FakeServer

logger = logging.getLogger(__name__)

_COLLECT = "collectgarbage()"  # what fakeredis executes after each script

_REFUSE_GLOBALS = """
setmetatable(_G, {__newindex = function(_, name) error("Script attempted to set global variables: " .. name, 2) end})
"""


def hasten(server: FakeServer) -> bool:
    """Make the scripts of a server that has run one fast; return whether that is done.

    It leans on private parts of fakeredis: a version that has others keeps its own pace.
    """
    try:
        _hasten(server)
    except (AttributeError, ImportError, KeyError):
        logger.debug("this version of fakeredis runs scripts at its own pace", exc_info=True)
        return False
    return True


def _hasten(server: Any) -> None:
    from fakeredis._helpers import SimpleError  # here, because a version without it is no error
    from fakeredis.commands_mixins import scripting_mixin

    lean, socket = _LeanRuntime(server._lua_runtime), server._lua_current_socket
    mixin = scripting_mixin.ScriptingCommandsMixin
    run, run_safely = mixin._lua_redis_call, mixin._lua_redis_pcall
    encode, decode = scripting_mixin._lua_cjson_encode, scripting_mixin._lua_cjson_decode
    known: set[bytes] = set()
    names = server._lua_runtime.globals()
    names[b"redis"][b"call"] = lambda *command: run(socket[0], lean, known, *command)
    names[b"redis"][b"pcall"] = lambda *command: run_safely(socket[0], lean, known, *command)
    names[b"cjson"][b"encode"] = lambda value: encode(lean, known, value)

    def decode_or_refuse(text: Any) -> Any:
        try:
            return decode(lean, known, text)
        except ValueError as error:  # as a server's answer, and not out of the sending of somebody's pipeline
            raise SimpleError(f"ERR {error}") from error

    names[b"cjson"][b"decode"] = decode_or_refuse
    server._lua_runtime.execute(_REFUSE_GLOBALS)
    server._lua_runtime = lean


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
