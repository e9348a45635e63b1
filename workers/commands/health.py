"""The command that a container's probe runs: whether the worker or scheduler beside it works."""

import json
import time
from dataclasses import asdict
from pathlib import Path

import click

from .. import pulse
from ..exits import ExitCode

_OLD_S = 60.0


@click.command()
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    envvar="TREADLE_HEALTH_FILE",
    show_envvar=True,
    default=None,
    help="Where the process writes its sign of life.",
)
@click.option(
    "--older-than",
    "old_s",
    type=click.FloatRange(min=0, min_open=True),
    default=_OLD_S,
    show_default=True,
    metavar="SECONDS",
    help="From what age on a sign of life counts as none.",
)
@click.option("--ready", is_flag=True, help="Ask for more: that it takes work now.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for programs.")
@click.pass_context
def health(ctx: click.Context, file: Path | None, old_s: float, ready: bool, as_json: bool) -> None:
    """Say whether the worker or scheduler with the same TREADLE_HEALTH_FILE works; exit code 1 if not.

    It asks nobody: no Redis, no broker, so a server that is away makes no process unhealthy. A worker lives while its
    main loop turns, or waits for its broker; a scheduler, while it looks at what is due, or waits for its store.

    \b
    Examples:
      TREADLE_HEALTH_FILE=health treadle worker
      TREADLE_HEALTH_FILE=health treadle health --ready
    """
    if file is None:
        raise click.UsageError(
            "TREADLE_HEALTH_FILE is not set. Give the process and this command the same one, such as /tmp/health."
        )
    beat, wrong = _seen(file, old_s, ready)
    if as_json:
        click.echo(json.dumps({"healthy": not wrong, "reason": wrong or None, **(asdict(beat) if beat else {})}))
    else:
        click.echo(wrong or f"{beat.role if beat else ''} is {beat.state if beat else ''}")
    ctx.exit(ExitCode.FAILED if wrong else ExitCode.OK)


def _seen(file: Path, old_s: float, ready: bool) -> tuple[pulse.Beat | None, str]:
    """Return what is in the file, and what is wrong with it, if something is."""
    try:
        beat = pulse.read(file)
    except OSError as error:
        return None, f"no sign of life: {file} cannot be read: {error.strerror}"
    except ValueError:
        return None, f"no sign of life: {file} is something else"
    age_s = beat.age_s(time.monotonic())
    if age_s is None or age_s > old_s:
        told = "from before this machine was started" if age_s is None else f"{age_s:.0f} s old"
        return beat, f"the last sign of life of this {beat.role} is {told}: it has ended, or its loop is stuck"
    if ready and beat.state != pulse.READY:
        return beat, f"this {beat.role} lives, and is {beat.state}"
    return beat, ""
