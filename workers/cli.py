"""The command line: ``treadle``. Each command is imported when it is called."""

from collections.abc import Mapping
from importlib import import_module

import click

from .exits import MEANINGS, ExitCode

#: Sections of the help -> command -> (its module in workers/commands, what it does in one line).
#: A table and not imports: the commands need redis, pydantic and Celery, which take a second to import, and
#: ``treadle --help`` and a shell's completion need none of it.
COMMANDS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Begin here": {
        "demo": ("demo", "Let a graph read a folder of documents, on workers that may be killed meanwhile."),
        "up": ("up", "Run Redis, a worker, a scheduler and Flower in this terminal."),
        "doctor": ("doctor", "Check Redis, the workers, the graphs, and what is stuck and why."),
    },
    "Runs": {
        "run": ("runs", "Begin a run of a graph on a thread, and follow it to its end."),
        "resume": ("runs", "Go on with a thread from where it stands, and follow it."),
        "cancel": ("runs", "Cancel a thread's active run."),
        "update": ("editing", "Write to a thread's state, as if a node had."),
        "budget": ("budget", "Show what a thread may spend and has spent, and set its limits."),
        "inputs": ("inputs", "Look after inputs that wait for their turn: list, move, remove, clear, release."),
    },
    "Time": {
        "schedule": ("schedule", "Start graphs by the clock: create, list, show, pause, resume, delete, trigger."),
    },
    "Threads": {
        "threads": ("threads", "List threads, the one changed last first."),
        "state": ("threads", "Show where a thread stands: its values, the nodes due next, and what they ask."),
        "history": ("threads", "List a thread's checkpoints, the newest first."),
        "pending": ("threads", "Show a thread's steps in flight: on which worker, since when, due when."),
        "log": ("logs", "Show everything that happened to a thread."),
        "tail": ("logs", "Follow a thread's active run: its log, and what its nodes write, live."),
        "webhooks": ("webhooks", "Show what became of the webhooks of a thread's runs, and send one again."),
        "verify": ("proofs", "Prove that no entry of a thread's log was altered or removed."),
        "head": ("proofs", "Take the head of a thread's log, to be kept elsewhere as a proof."),
        "archive": ("archives", "Put threads that rest into files, and free Redis of them."),
        "restore": ("archives", "Bring an archived thread back, under its own id or another one."),
        "prune": ("archives", "Drop the older checkpoints of threads; their state and log stay."),
        "export": ("closing", "Write everything that is known of a thread to a JSON file."),
        "terminate": ("closing", "Close a thread for good; it can still be read."),
        "delete": ("closing", "Delete a thread with its state, history and log."),
    },
    "Keys": {
        "keys": ("keys", "Make keys: to seal what is stored, and to sign the heads of logs."),
        "reseal": ("keys", "Seal anew, with the first key, what is sealed with another one or not at all."),
    },
    "Graphs": {
        "graphs": ("graphs", "List the graphs that this process knows."),
        "draw": ("graphs", "Draw a graph, in Mermaid's language."),
    },
    "Services": {
        "worker": ("worker", "Run a worker: it executes steps."),
        "scheduler": ("scheduler", "Run a scheduler: it sends on what fell due."),
        "pools": ("pools", "Show the pools: their queues, how much waits in each, and who takes it."),
        "limits": ("limits", "Show the limits of graphs and nodes: how much of each is used, and what waits."),
        "flower": ("flower", "Run Flower, which shows the workers and their steps in a browser."),
        "health": ("health", "Say whether the worker or scheduler beside it works: for the probes of containers."),
        "acl": ("acl", "Print the users of Redis, one for each role, with the rights that it needs."),
    },
}

_TABLE = {name: entry for section in COMMANDS.values() for name, entry in section.items()}

_HELP = """Durable execution threads for agent graphs, on Celery and Redis.

Settings come from the environment: TREADLE_REDIS_URL (without it, a Redis of your own is started in the folder
TREADLE_DATA), TREADLE_GRAPHS (package.module:attribute, separated by commas), and more.

With --json a command answers on the standard output for programs. What goes wrong is told in words on the standard
error, with or without it, and by the exit code.

\b
Examples:
  treadle demo --crash
  treadle up
  treadle run supervisor --thread my-1 --input '{"question": "What is a lease?"}'
  treadle tail my-1
"""


class Commands(click.Group):
    """The commands, found by name; an error that a person can act on is told without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(_TABLE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None when there is none of this name."""
        if cmd_name not in _TABLE:
            return None
        module, _ = _TABLE[cmd_name]
        found: click.Command = getattr(import_module(f".commands.{module}", __package__), cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, and what the exit codes mean, without importing any command."""
        for title, section in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(name, told) for name, (_, told) in section.items()])
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), told) for code, told in MEANINGS.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            click.echo("", err=True)
            ctx.exit(ExitCode.INTERRUPTED)
        except Exception as error:
            # Imported only here: it knows the errors of every library, which take long to import.
            from .refusals import refusal_of
            from .rendering import visible

            refusal = refusal_of(error)
            if refusal is None:
                raise
            click.echo(f"Error: {visible(refusal.message)}", err=True)
            ctx.exit(refusal.code)


@click.command(cls=Commands, help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="treadle", prog_name="treadle")
def main() -> None:
    """Run a command."""
    from .json_logs import is_json, set_up

    if is_json():
        set_up("WARNING", "%(message)s")
