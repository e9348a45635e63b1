"""What commands are given: JSON, ``key=value`` pairs, threads, and how they shall answer."""

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from graphs.priority import DEFAULT_PRIORITY, HIGHEST_PRIORITY
from scheduler.config import OnBusy

from ..desk import Desk

#: Gives a command the store that its settings name.
with_desk = click.make_pass_decorator(Desk, ensure=True)

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}

Callback = TypeVar("Callback", bound=Callable[..., Any])


class Json(click.ParamType[Any]):
    """A value in JSON: written out, ``@FILE``, or ``-`` for the standard input."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value that a text means."""
        if not isinstance(value, str):
            return value
        try:
            return json.loads(_text(value))
        except OSError as error:
            self.fail(f"{value} cannot be read: {error.strerror}.", param, ctx)
        except RecursionError:
            self.fail("this JSON is nested too deeply.", param, ctx)
        except ValueError as error:
            self.fail(f'this is not JSON: {error}. Put it between single quotes: \'{{"key": "value"}}\'.', param, ctx)


class JsonObject(Json):
    """A JSON object."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the dict that a text means."""
        converted = super().convert(value, param, ctx)
        if not isinstance(converted, dict):
            self.fail(f"a JSON object is wanted, got {value!r:.60}.", param, ctx)
        return converted


class Pair(click.ParamType[tuple[str, Any]]):
    """``key=value``; the value is JSON where it can be read as such, else a text."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        """Return key and value."""
        if isinstance(value, tuple):
            return value
        key, equals, text = value.partition("=")
        if not key or not equals:
            self.fail(f"write KEY=VALUE, got {value!r:.60}.", param, ctx)
        try:
            return key, json.loads(text)
        except (ValueError, RecursionError):
            return key, text


class Span(click.ParamType[int]):
    """How long: a number and its unit, d, h, m or s; in milliseconds."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the milliseconds that a text means."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+)([dhms])", value)
        if found is None:
            self.fail(f"write a number and d, h, m or s, for example 30d; got {value!r:.60}.", param, ctx)
        return int(found[1]) * _UNITS[found[2]] * 1_000


def _json(told: str) -> Callable[[Callback], Callback]:
    return click.option("--json", "as_json", is_flag=True, help=told)


def _text(value: str) -> str:
    if value == "-":
        return sys.stdin.read()
    return Path(value[1:]).read_text(encoding="utf-8") if value.startswith("@") else value


def thread_argument(callback: Callback) -> Callback:
    """Add the argument THREAD, the id of a thread."""
    return click.argument("thread_id", metavar="THREAD")(callback)


def json_option(callback: Callback) -> Callback:
    """Add the option --json: an answer for programs, one document."""
    return _json("Answer in JSON, for programs.")(callback)


def json_of_each_option(callback: Callback) -> Callback:
    """Add the option --json to a command about one thread or about many."""
    return _json("Answer in JSON, for programs; of several threads with one object a line.")(callback)


def json_lines_option(callback: Callback) -> Callback:
    """Add the option --json to what tells of one thing after the other."""
    return _json("Answer in JSON, for programs: one object a line.")(callback)


def wait_option(callback: Callback) -> Callback:
    """Add the option --wait/--detach."""
    told = "Follow the run to its end (the default), or leave it to the workers and return at once."
    return click.option("--wait/--detach", default=True, help=told)(callback)


def config_option(callback: Callback) -> Callback:
    """Add the option --config: what else a run's config says."""
    told = 'More of the run\'s config, for example \'{"timeout": 60, "metadata": {"user": "ada"}}\'.'
    return click.option("--config", type=JsonObject(), default=None, metavar="JSON", help=told)(callback)


def on_busy_option(callback: Callback) -> Callback:
    """Add the option --on-busy: what a new input does on a busy thread."""
    told = "On a busy thread: an error (the default), wait here, wait in the thread's own line, stop the active run at "
    told += "its next checkpoint and go first, or take the active run back."
    return click.option("--on-busy", type=click.Choice(get_args(OnBusy)), default=None, help=told)(callback)


def budget_option(callback: Callback) -> Callback:
    """Add the option --budget: what the run may spend."""
    told = "What the run may spend, for example tokens=50000; it pauses when it has. May be given more than once."
    return click.option("--budget", type=Pair(), multiple=True, metavar="UNIT=LIMIT", help=told)(callback)


def webhook_option(callback: Callback) -> Callback:
    """Add the option --webhook: who is told how the run ends."""
    told = (
        "A URL that is told, signed, how the run ends or that it asks; of --config's webhook only the URL is replaced."
    )
    return click.option("--webhook", default=None, metavar="URL", help=told)(callback)


def with_said(config: Mapping[str, Any] | None, webhook: str | None, **said: Any) -> dict[str, Any]:
    """Return a config with what the options of a command say, where they say something.

    Of the config's webhook only the URL is replaced: what that tells stays as the config says.
    """
    given = dict(config or {})
    known = given.get("webhook")
    url = {**known, "url": webhook} if webhook is not None and isinstance(known, Mapping) else webhook
    return given | {key: value for key, value in {**said, "webhook": url}.items() if value is not None}


def priority_option(callback: Callback) -> Callback:
    """Add the option --priority: how urgent the run's steps are."""
    told = f"How urgent its steps are where they wait for a worker: a higher number goes first, {DEFAULT_PRIORITY} "
    told += "where neither this nor the graph says more."
    kind = click.IntRange(0, HIGHEST_PRIORITY)
    return click.option("--priority", type=kind, default=None, help=told)(callback)


def confirmed(what: str, *, yes: bool) -> None:
    """Ask at a terminal whether to go on; a script is taken at its word.

    Raises:
        click.Abort: the person said no.
    """
    if not yes and sys.stdin.isatty():
        click.confirm(what, abort=True, err=True)


def yes_option(callback: Callback) -> Callback:
    """Add the option --yes."""
    return click.option("--yes", "-y", is_flag=True, help="Do not ask.")(callback)
