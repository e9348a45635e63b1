"""The command that runs a worker in this process."""

import os
from pathlib import Path
from typing import Any, TypedDict, Unpack

import click

from ..leash import follow_parent, leashed_option
from ..pools import VARIABLE, find_pool, read_pools

_LEVELS = click.Choice(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], case_sensitive=False)


class Options(TypedDict):
    """What a worker is given."""

    queues: str | None
    concurrency: int | None
    pool: str | None
    pool_name: str | None
    name: str | None
    level: str


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option(
    "-Q", "--queues", default=None, metavar="A,B", help="The queues it consumes; the default one if left out."
)
@click.option("-c", "--concurrency", type=click.IntRange(min=1), default=None, help="How many steps at once.")
@click.option(
    "-P",
    "--pool",
    type=click.Choice(["prefork", "threads", "solo", "gevent"]),
    default=None,
    help="How it runs several steps at once; prefork, which it is by itself, alone stops a node that does not return.",
)
@click.option(
    "--pool-name", default=None, metavar="POOL", help="Be a worker of this pool of the file in TREADLE_POOLS."
)
@click.option("-n", "--name", default=None, metavar="NAME", help="Its name: gpu, or gpu@%h with %h for the host's.")
@click.option("-l", "--level", type=_LEVELS, default="INFO", show_default=True, help="What it logs.")
@leashed_option
@click.pass_context
def worker(ctx: click.Context, leashed: bool, **options: Unpack[Options]) -> None:
    """Run a worker: it executes the steps of the graphs in TREADLE_GRAPHS.

    It is Celery's worker, and takes its other options too. On SIGTERM it finishes what it runs; on SIGQUIT it hands
    its steps back at once.

    \b
    Examples:
      treadle worker
      treadle worker -Q gpu -c 1 -n gpu
      TREADLE_POOLS=pools.toml treadle worker --pool-name gpu
      treadle worker -c 4 --max-tasks-per-child 100
    """
    if leashed:
        follow_parent()
    argv = ["worker", *_celery_options(options), "--without-gossip", "--without-mingle", *ctx.args]
    # Imported here: gevent must patch Python before anything else that uses threads or sockets is imported, and the
    # module of the app reads the settings and opens the store, which a mere --help does not want.
    import celery

    celery.maybe_patch_concurrency(argv)
    from ..celery import app

    started: list[Any] = []
    celery.signals.worker_init.connect(lambda sender, **_: started.append(sender), weak=False)
    app.worker_main(argv)
    ctx.exit((started[0].exitcode or 0) if started else 1)  # worker_main itself does not tell


def _of_pool(name: str | None) -> dict[str, object]:
    """Return what the file of pools says."""
    if name is None:
        return {"-P": "prefork"}
    path = os.environ.get(VARIABLE)
    if not path:
        raise click.UsageError(f"Set {VARIABLE} to the file that has pool {name!r}.")
    return {**find_pool(read_pools(Path(path)), name).options(), "-n": f"{name}@%h"}


def _celery_options(options: Options) -> list[str]:
    name = options["name"]
    given = {
        "-P": options["pool"],
        "-l": options["level"],
        "-Q": options["queues"],
        "-c": options["concurrency"],
        "-n": name if name is None or "@" in name else f"{name}@%h",
    }
    said = _of_pool(options["pool_name"]) | {option: value for option, value in given.items() if value is not None}
    return [word for option, value in said.items() if value is not None for word in (option, str(value))]
