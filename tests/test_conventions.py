"""The conventions of the code that no linter knows."""

import ast
import importlib
import inspect
import pickle
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Literal, get_type_hints

import pytest

from graphs.commands import Command, Interrupt
from graphs.errors import TreadleError
from graphs.interrupts import Deadline
from scheduler import lua_files
from scheduler.delivery_scripts import DeliveryScripts
from scheduler.ending_scripts import EndingScripts
from scheduler.errors import ResumeReason
from scheduler.keys import Keys, ThreadKeys
from scheduler.limit_scripts import LimitScripts
from scheduler.memory_scripts import MemoryScripts
from scheduler.schedule_scripts import ScheduleScripts
from scheduler.scripts import Scripts
from scheduler.start_scripts import StartScripts

ROOT = Path(__file__).parent.parent
FLOORS = ("treadle", "workers", "scheduler", "graphs")
LUA = ROOT / "scheduler" / "lua"

#: Code that users write, in their own way.
EXAMPLES = "graphs.examples"
#: Importing the first builds the Celery app of a deployment, and starts a Redis where none is configured; the second
#: needs langchain_core.
UNIMPORTABLE = {"workers.celery", "workers.tokens"}
#: What is not an error but a signal, and so no Exception: users' code must not catch it by accident.
SIGNALS = {
    "graphs.interrupts.GraphInterrupt",
    "graphs.signals.ParentCommand",
    "graphs.sleeping.Asleep",
    "workers.limits.TimeUp",
    "workers.loop.Abandoned",
}
#: What the sample of an error is made of, by the type that its constructor asks for.
SAMPLES: dict[object, object] = {
    str: "word",
    int: 7,
    float: 2.5,
    float | None: 2.5,
    Literal["run", "idle"]: "idle",
    ResumeReason: "empty_map",
    Deadline | None: Deadline(timedelta(minutes=1), "no"),
    BaseException | None: None,
    Command: Command(goto="next"),
    Mapping[str, int] | None: {"1a": 7},
    Iterable[str]: ("one", "two"),
    Sequence[Interrupt]: (Interrupt("Really?", "1a"),),
}

#: What makes objects of bytes by running what these say, and what runs a text.
PICKLERS = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle"}
EVALUATORS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput", "yaml.load"}
LAST_NAMES = {name.rpartition(".")[2] for name in EVALUATORS}

LONGEST_FILE, LONGEST_TEST_FILE, LONGEST_FUNCTION, LONGEST_SCRIPT = 300, 500, 50, 60


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def named(paths: Iterable[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def line_count(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


# The packages


@pytest.mark.parametrize("name", FLOORS)
def test_the_packages_under_test_are_those_of_this_checkout(name: str) -> None:
    found = importlib.import_module(name).__file__

    assert found is not None
    assert Path(found).parent.parent == ROOT, (
        f"Another package {name!r} hides ours: uninstall it (pip uninstall {name}) or use an environment of its own."
    )


def test_files_are_short() -> None:
    long = [path for path in python_files(*FLOORS) if line_count(path) > LONGEST_FILE]
    long += [path for path in python_files("tests") if line_count(path) > LONGEST_TEST_FILE]

    assert not named(long)


def test_nothing_that_runs_what_it_reads_is_used() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in python_files(*FLOORS)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Call) and runs_what_it_reads(node)
    ]

    assert not found


def test_functions_are_short() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in python_files(*FLOORS, "tests")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= LONGEST_FUNCTION
    ]

    assert not long


def test_every_module_says_in_one_sentence_what_it_is_for() -> None:
    silent = [
        path
        for path in python_files(*FLOORS)
        if tree(path).body and not (ast.get_docstring(tree(path)) or "").split("\n\n")[0].rstrip().endswith((".", ":"))
    ]

    assert not named(silent)


def test_every_public_name_says_what_it_does() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in python_files(*FLOORS)
        for node in public_definitions(tree(path))
        if ast.get_docstring(node) is None
    ]

    assert not silent


def public_definitions(
    scope: ast.Module | ast.ClassDef,
) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in scope.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            if not is_overload(node):
                yield node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node)


def is_overload(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    return any(isinstance(decorator, ast.Name) and decorator.id == "overload" for decorator in node.decorator_list)


def test_tests_sleep_only_while_they_wait_for_a_condition() -> None:
    sleepers = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in python_files("tests")
        if path.relative_to(ROOT).parts[1] not in ("system", "benchmarks", "chaos")
        for call in sleeps(tree(path)) - {call for loop in loops(tree(path)) for call in sleeps(loop)}
    ]

    assert not sleepers


def sleeps(scope: ast.AST) -> set[ast.Call]:
    calls = (node for node in ast.walk(scope) if isinstance(node, ast.Call))
    return {call for call in calls if ast.unparse(call.func) in ("time.sleep", "sleep")}


def loops(scope: ast.AST) -> Iterator[ast.While]:
    return (node for node in ast.walk(scope) if isinstance(node, ast.While))


# The front door


# Not treadle itself, which loads its names when they are used, and not the command line.
FRONT_DOOR = [path for path in python_files("treadle") if path.parent.name != "treadle" or path.stem[:2] != "__"]


@pytest.mark.parametrize("path", FRONT_DOOR, ids=named(FRONT_DOOR))
def test_a_module_of_the_front_door_exports_what_it_imports(path: Path) -> None:
    imported = [
        alias.asname or alias.name
        for node in tree(path).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]

    assert sorted(exported(path)) == sorted(imported)


def exported(path: Path) -> list[str]:
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


# Errors


def error_classes() -> list[type[BaseException]]:
    return [
        member
        for floor in FLOORS[1:]
        for module in pkgutil.walk_packages([str(ROOT / floor)], f"{floor}.")
        if module.name not in UNIMPORTABLE and not module.name.startswith(EXAMPLES)
        for member in vars(importlib.import_module(module.name)).values()
        if inspect.isclass(member) and issubclass(member, BaseException) and member.__module__ == module.name
    ]


ERRORS = error_classes()


def sample(error: type[BaseException]) -> BaseException:
    if not inspect.isfunction(error.__init__):  # that of Exception, which takes a message
        return error("It is broken.")
    hints = get_type_hints(error.__init__)
    return error(*(SAMPLES[hint] for name, hint in hints.items() if name != "return"))


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_has_the_one_root(error: type[BaseException]) -> None:
    if issubclass(error, Exception):
        assert issubclass(error, TreadleError)
    else:
        assert f"{error.__module__}.{error.__qualname__}" in SIGNALS


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_says_what_it_means(error: type[BaseException]) -> None:
    assert (vars(error).get("__doc__") or "").partition("\n")[0].endswith(".")


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_comes_out_of_a_pickle_as_it_went_in(error: type[BaseException]) -> None:
    raised = sample(error)

    unpickled = pickle.loads(pickle.dumps(raised))

    assert type(unpickled) is error
    assert str(unpickled) == str(raised)
    assert vars(unpickled) == vars(raised)


# Keys


KINDS = sorted(name for name in {*vars(ThreadKeys), *vars(Keys)} if not name.startswith("_"))


def test_only_keys_spells_a_key() -> None:
    kinds = "|".join(KINDS)
    spelled = re.compile(rf"^({kinds}):|:({kinds})(:|$)")

    spellers = [
        f"{path.relative_to(ROOT)}:{part.lineno} {part.value!r}"
        for path in python_files(*FLOORS)
        if path != ROOT / "scheduler" / "keys.py"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.JoinedStr)
        for part in node.values
        if isinstance(part, ast.Constant) and spelled.search(str(part.value))
    ]

    assert not spellers


# Lua


LUA_FILES = sorted(LUA.rglob("*.lua"))
SCRIPTS = lua_files.names()
#: What a script may call a key, beside the fields of `K`: one of KEYS in a loop, and a queue that its request names.
KEY_VARIABLES = {"key", "queue"}


def header(path: Path) -> list[str]:
    return list(takewhile(lambda line: line.startswith("--"), path.read_text(encoding="utf-8").splitlines()))


def body(name: str) -> str:
    """Return a script without its comments."""
    return re.sub(r"--.*", "", (LUA / f"{name}.lua").read_text(encoding="utf-8"))


def shared_functions() -> dict[str, str]:
    code = re.sub(r"--.*", "", "\n".join(lua_files.shared()))
    return dict(re.findall(r"^local function (\w+)(\(.*?)^end$", code, re.MULTILINE | re.DOTALL))


def with_what_it_calls(name: str) -> str:
    """Return a script's body, and those of the shared functions that it calls, and that these call."""
    code, functions = body(name), shared_functions()
    while called := [function for function in functions if re.search(rf"\b{function}\(", code)]:
        code = "\n".join([code, *(functions.pop(function) for function in called)])
    return code


@pytest.mark.parametrize("path", LUA_FILES, ids=[path.name for path in LUA_FILES])
def test_a_script_is_short_and_says_what_it_is_for(path: Path) -> None:
    first = header(path)[:1]

    assert line_count(path) < LONGEST_SCRIPT
    assert first
    assert not first[0].startswith(("-- KEYS", "-- ARGV", "-- Returns"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_scripts_header_declares_keys_arguments_and_result(name: str) -> None:
    told = [line.split()[1] for line in header(LUA / f"{name}.lua") if len(line.split()) > 1]

    assert [word for word in told if word in ("KEYS", "ARGV", "Returns")] == ["KEYS", "ARGV", "Returns"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_uses_exactly_the_keys_it_declares(name: str) -> None:
    code = with_what_it_calls(name)
    declared = set(lua_files.load(name).keys)

    used = declared if re.search(r"\(KEYS\)", code) else set()  # a loop over all of them
    used = used | set(re.findall(r"\bK\.(\w+)", code))

    assert used == declared


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_uses_exactly_the_arguments_it_declares(name: str) -> None:
    code = body(name)
    declared = lua_files.load(name).args

    used = set(re.findall(r"\bA\.(\w+)", code))
    if "ARGV[1]" in code:
        used.add(declared[0])

    assert used == set(declared)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_says_whether_blobs_follow_its_arguments(name: str) -> None:
    arguments = next(line for line in header(LUA / f"{name}.lua") if line.startswith("-- ARGV"))

    assert ("; then" in arguments) == bool(re.search(r"\bblob\(\)", with_what_it_calls(name)))


@pytest.mark.parametrize("name", [*(f"shared/{path.stem}" for path in (LUA / "shared").iterdir()), *SCRIPTS])
def test_a_script_touches_no_key_that_it_was_not_given(name: str) -> None:
    keys = re.findall(r'redis\.call\("\w+", ([^,)]+)', body(name))

    assert {key for key in keys if not key.startswith("K.")} <= KEY_VARIABLES


def test_every_script_has_its_method() -> None:
    methods = called_scripts() | {f"memory_{name}" for name in public_methods(MemoryScripts)}

    assert set(SCRIPTS) - methods == set()


def test_every_method_of_scripts_has_its_script() -> None:
    assert called_scripts() - set(SCRIPTS) == set()


def called_scripts() -> set[str]:
    """Return the scripts that have a method of their own name."""
    callers = (Scripts, DeliveryScripts, EndingScripts, LimitScripts, ScheduleScripts, StartScripts)
    return set[str]().union(*map(public_methods, callers))


def public_methods(owner: type) -> set[str]:
    return {name for name, member in vars(owner).items() if inspect.isfunction(member) and not name.startswith("_")}


def runs_what_it_reads(node: ast.Import | ast.ImportFrom | ast.Call) -> bool:
    """Return whether data may come to run by an import or a call: unpickling, evaluating, or a shell."""
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] in PICKLERS for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").partition(".")[0] in PICKLERS
    named = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    called = ast.unparse(node.func) if named in LAST_NAMES else ""
    shell = any(keyword.arg == "shell" and ast.unparse(keyword.value) != "False" for keyword in node.keywords)
    return shell or called in EVALUATORS
