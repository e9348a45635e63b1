"""The front door: every public name is there, under LangGraph's module names, and costs nothing before it is used."""

import importlib
import subprocess
import sys

import pytest

import treadle

MODULES = [
    "treadle.graph",
    "treadle.graph.message",
    "treadle.types",
    "treadle.func",
    "treadle.errors",
    "treadle.config",
    "treadle.constants",
    "treadle.runtime",
    "treadle.cache.base",
    "treadle.cache.memory",
    "treadle.cache.redis",
    "treadle.checkpoint.base",
    "treadle.checkpoint.memory",
    "treadle.checkpoint.redis",
    "treadle.store.base",
    "treadle.store.memory",
    "treadle.store.redis",
]


@pytest.mark.parametrize("module", MODULES)
def test_treadle_itself_has_the_names_of_its_modules(module: str) -> None:
    found = importlib.import_module(module)

    for name in found.__all__:
        assert getattr(treadle, name) is getattr(found, name)


@pytest.mark.parametrize("name", treadle.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(treadle, name) is not None


def test_importing_treadle_imports_none_of_the_heavy_packages() -> None:
    heavy = ("celery", "kombu", "flower", "rich", "redis", "fakeredis", "pydantic", "langchain_core")
    code = f"import sys, treadle; print([name for name in {heavy!r} if name in sys.modules])"

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert printed.strip() == "[]"


def test_a_client_imports_what_connecting_takes_only_when_it_connects() -> None:
    heavy = ("celery", "kombu", "flower", "rich", "fakeredis", "pydantic", "langchain_core")
    imports = "import sys, treadle.graph, treadle.checkpoint.redis, treadle.checkpoint.memory"
    code = f"{imports}; print([name for name in {heavy!r} if name in sys.modules])"

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert printed.strip() == "[]"


def test_who_has_plain_messages_needs_no_langchain() -> None:
    code = """
import sys
from treadle import MessagesState, StateGraph
graph = StateGraph(MessagesState).add_node("say", lambda state: {"messages": "ho"}).set_entry_point("say").compile()
print(len(list(graph.stream({"messages": "hi"}, stream_mode="messages"))), "langchain_core" in sys.modules)
"""

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert printed.strip() == "1 False"


def test_every_error_is_among_those_that_can_be_caught_by_name() -> None:
    errors = importlib.import_module("treadle.errors")
    defined = {
        name
        for module in ("graphs.errors", "scheduler.errors")
        for name, found in vars(importlib.import_module(module)).items()
        if isinstance(found, type) and issubclass(found, errors.TreadleError)
    }

    assert defined <= set(errors.__all__)
