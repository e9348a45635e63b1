"""The commands that begin, take up and cancel runs."""

import json
from shlex import quote
from typing import Any, TypedDict, Unpack

import click

from graphs.commands import Command
from graphs.graph import Graph
from graphs.schema import context_of
from scheduler.budget import words_of
from scheduler.delayed import DelayedRuns, Start
from scheduler.lifecycle import RunStatus
from scheduler.run import Run
from scheduler.snapshots import StateSnapshot
from scheduler.waiting import queue_of

from ..desk import Desk, config_for
from ..exits import ExitCode
from ..progress import Progress
from ..rendering import console, print_json, visible
from .arguments import (
    Json,
    budget_option,
    config_option,
    json_option,
    on_busy_option,
    priority_option,
    thread_argument,
    wait_option,
    webhook_option,
    with_desk,
    with_said,
)

#: After how long without a worker the person is told.
_PATIENCE_TICKS = 10


class Options(TypedDict):
    """What both run and resume are given."""

    thread_id: str
    value: Any
    config: dict[str, Any] | None
    context: Any
    on_busy: str | None
    budget: tuple[tuple[str, Any], ...]
    webhook: str | None
    priority: int | None
    wait: bool
    as_json: bool


@click.command()
@click.argument("graph", metavar="GRAPH")
@click.option("--thread", "thread_id", metavar="ID", required=True, help="The thread, which may be a new one.")
@click.option("--input", "value", type=Json(), required=True, metavar="JSON", help="The input; @FILE or - reads it.")
@click.option("--context", type=Json(), default=None, metavar="JSON", help="What nodes get as runtime.context.")
@click.option("--delay", type=float, default=None, metavar="SECONDS", help="Begin it later, and return at once.")
@on_busy_option
@budget_option
@webhook_option
@priority_option
@config_option
@wait_option
@json_option
@with_desk
@click.pass_context
def run(ctx: click.Context, desk: Desk, graph: str, delay: float | None, **options: Unpack[Options]) -> None:
    """Begin a run of GRAPH on a thread, and follow it to its end.

    Workers execute it: `treadle up` or `treadle worker` starts some. The run does not depend on this command:
    Ctrl-C only ends the following. The output goes to the standard output, the progress to the standard error.

    \b
    Examples:
      treadle run supervisor --thread my-1 --input '{"question": "What is a lease?"}'
      treadle run supervisor --thread my-1 --input '{"question": "What is a token?"}' --on-busy enqueue --detach
      treadle run map_reduce --thread my-2 --input '{"texts": ["To be.", "Or not."]}' --delay 60 --json
    """
    if options["value"] is None:
        raise click.UsageError("--input null is no input: `treadle resume` goes on with a thread.")
    ctx.exit(_begin(desk, desk.graphs[graph], options) if delay is None else _begin_later(desk, graph, delay, options))


@click.command()
@thread_argument
@click.option("--graph", default=None, metavar="NAME", help="The graph; the one that the thread ran last if left out.")
@click.option("--input", "value", type=Json(), default=None, metavar="JSON", help="A new input; @FILE or - reads it.")
@click.option("--answer", type=Json(), default=None, metavar="JSON", help="The answer to the question that waits.")
@click.option("--context", type=Json(), default=None, metavar="JSON", help="What nodes get as runtime.context.")
@on_busy_option
@budget_option
@webhook_option
@priority_option
@config_option
@wait_option
@json_option
@with_desk
@click.pass_context
def resume(ctx: click.Context, desk: Desk, graph: str | None, answer: Any, **options: Unpack[Options]) -> None:
    """Go on with a thread from where it stands: paused, failed or cancelled; and follow it.

    With a new input the thread begins anew, on the state that it has. An answer is for the question that a node asked;
    of several questions each is answered by its id: '{"ID": "yes"}'.

    \b
    Examples:
      treadle resume my-1
      treadle resume my-1 --answer true
      treadle resume my-1 --budget tokens=100000
      treadle resume my-1 --input '{"question": "What has changed?"}'
    """
    if answer is not None:
        if options["value"] is not None:
            raise click.UsageError("--answer goes on with the thread, and --input begins anew: give one of them.")
        options["value"] = Command(resume=answer)
    ctx.exit(_begin(desk, desk.graph(options["thread_id"], graph), options))


@click.command()
@thread_argument
@click.option("--run", "run_id", default=None, metavar="ID", help="Which run; the thread's active one when left out.")
@click.option("--reason", default="", metavar="TEXT", help="Why, for the log.")
@json_option
@with_desk
def cancel(desk: Desk, thread_id: str, run_id: str | None, reason: str, as_json: bool) -> None:
    """Cancel a thread's active run. The thread stands on its last checkpoint, and can be taken up again.

    \b
    Example:
      treadle cancel my-1 --reason 'wrong folder'
    """
    run_id = run_id or desk.client.threads.get(thread_id).run_id
    cancelled = run_id is not None and desk.client.runs.cancel(
        thread_id, desk.client.runs.get(thread_id, run_id).id, reason
    )
    if as_json:
        print_json({"thread": thread_id, "run": run_id, "cancelled": cancelled})
    elif cancelled:
        click.echo(f"Run {run_id} is cancelled. `treadle resume {quote(thread_id)}` takes the thread up again.")
    else:
        click.echo(f"Nothing to cancel: thread {thread_id} has no active run." if run_id is None else "It was over.")


def _begin(desk: Desk, graph: Graph, options: Options) -> ExitCode:
    config = desk.config(graph, options["thread_id"], _config(options))
    started = desk.client.start(graph, config, options["value"], _context(graph, options["context"]))
    thread_id, run_id = started.run.thread_id, started.run.id
    if not options["wait"]:
        _tell_detached(thread_id, run_id, as_json=options["as_json"])
        return ExitCode.OK
    try:
        _follow(desk, thread_id, run_id, quiet=options["as_json"])
    except KeyboardInterrupt:
        click.echo(
            f"\nRun {run_id} goes on without you: `treadle tail {quote(thread_id)}` follows it, "
            f"`treadle cancel {quote(thread_id)}` stops it.",
            err=True,
        )
        return ExitCode.INTERRUPTED
    return _tell_result(desk, graph, desk.client.runs.get(thread_id, run_id), as_json=options["as_json"])


def _begin_later(desk: Desk, name: str, delay_s: float, options: Options) -> ExitCode:
    graph, waits = desk.graphs[name], {"on_busy": "wait", **_config(options)}
    config = desk.config(graph, options["thread_id"], waits)
    start = Start(graph, config, options["value"], _context(graph, options["context"]), delay_s, queue_of(graph))
    noted = DelayedRuns(desk.client).put(start)
    _tell_detached(noted.thread_id, noted.run_id, as_json=options["as_json"])
    return ExitCode.OK


def _config(options: Options) -> dict[str, Any]:
    said = {"on_busy": options["on_busy"], "priority": options["priority"]}
    config = with_said(options["config"], options["webhook"], **said)
    return config | ({"budget": {**config.get("budget", {}), **dict(options["budget"])}} if options["budget"] else {})


def _context(graph: Graph, value: Any) -> Any:
    try:
        return context_of(graph.context, value)
    except TypeError as error:
        raise click.UsageError(f"--context does not fit graph {graph.name!r}: {error}") from error


def _follow(desk: Desk, thread_id: str, run_id: str, *, quiet: bool) -> None:
    if quiet:
        desk.client.wait(thread_id, run_id)
        return
    out, patience = console(err=True), _Patience()
    out.print(f"Run {run_id} of thread {thread_id}", markup=False)
    Progress(desk, out).follow(thread_id, run_id, lambda happening: patience.look(happening))


class _Patience:
    """Tells, once, that no worker seems to be there."""

    def __init__(self) -> None:
        self._ticks = 0
        self._taken = False

    def look(self, happening: Any) -> None:
        self._taken = self._taken or getattr(happening, "kind", "") == "leased"
        self._ticks += happening is None
        if not self._taken and self._ticks == _PATIENCE_TICKS:
            click.echo(
                "No worker has taken it yet. `treadle up` or `treadle worker` starts one, `treadle doctor` tells more; "
                "the run waits, also without this command.",
                err=True,
            )
            self._taken = True


def _tell_detached(thread_id: str, run_id: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"thread": thread_id, "run": run_id, "status": RunStatus.PENDING})
        return
    click.echo(run_id)
    click.echo(f"`treadle tail {quote(thread_id)}` follows it.", err=True)


def _tell_result(desk: Desk, graph: Graph, run: Run, *, as_json: bool) -> ExitCode:
    output = None if run.error else desk.client.result(graph, run.thread_id, run.id)
    stand = desk.client.snapshots.current(graph, config_for(run.thread_id), None)
    if as_json:
        error = None if run.error is None else dict(run.error)
        ids = {"thread": run.thread_id, "run": run.id, "status": run.status}
        print_json({**ids, "output": output, "next": stand.next, "error": error})
    elif run.error is None:
        print_json(output)
        if run.breach:
            click.echo(_how_to_raise(run), err=True)
        elif run.status is RunStatus.INTERRUPTED:
            click.echo(f"{_where(stand)} {_how_to_go_on(run.thread_id, asked=bool(stand.interrupts))}", err=True)
    else:
        click.echo(visible(f"{run.status}: {run.error['repr']}"), err=True)
        click.echo(f"The thread stands on its last checkpoint. {_how_to_go_on(run.thread_id)}", err=True)
    return ExitCode.OK if run.error is None else ExitCode.FAILED


def _where(stand: StateSnapshot) -> str:
    due = ", ".join(stand.next) or "the end"
    return f"{due} asks, and waits for an answer." if stand.interrupts else f"Paused before {due}."


def _how_to_raise(run: Run) -> str:
    named, over = quote(run.thread_id), [f"{one['unit']}=LIMIT" for one in run.breach if one["scope"] == "thread"]
    first = f"`treadle budget {named} --set {' --set '.join(over)}` raises the thread's limit. " if over else ""
    own = "".join(f" --budget {one['unit']}=LIMIT" for one in run.breach if one["scope"] == "run")
    reason = words_of(json.dumps([dict(one) for one in run.breach]))
    return f"Paused, {reason}. {first}`treadle resume {named}{own}` goes on."


def _how_to_go_on(thread_id: str, *, asked: bool = False) -> str:
    named = quote(thread_id)
    how = " --answer JSON" if asked else ""
    return (
        f"`treadle resume {named}{how}` goes on, `treadle state {named}` shows what it knows, "
        f"`treadle update {named} --values JSON` changes that."
    )
