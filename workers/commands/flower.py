"""The command that runs Flower in this process."""

import click

from ..json_logs import json_logs_option
from ..leash import follow_parent, leashed_option


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option("--port", type=click.IntRange(1, 65535), default=5555, show_default=True, help="Where it listens.")
@click.option("--address", default="127.0.0.1", show_default=True, help="On which of the machine's addresses.")
@json_logs_option
@leashed_option
@click.pass_context
def flower(ctx: click.Context, port: int, address: str, leashed: bool) -> None:
    """Run Flower, which shows the workers and their steps in a browser.

    Log in as "treadle", with the password of TREADLE_FLOWER_PASSWORD. It only shows; Flower's other options are taken
    too.

    \b
    Example:
      TREADLE_FLOWER_PASSWORD=secret treadle flower --port 5556
    """
    # Imported here: the module of the app reads the settings and opens the store, which a mere --help does not want.
    from flower.options import options as tornado_options

    from ..celery import app
    from ..flower import options

    for name, value in options().items():  # not as arguments: every user of the machine can read the password there
        setattr(tornado_options, name, value)
    if leashed:
        follow_parent()
    app.start(["flower", f"--port={port}", f"--address={address}", *ctx.args])
