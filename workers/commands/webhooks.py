"""The command that shows what became of webhooks, and sends them again."""

from dataclasses import asdict

import click

from scheduler.deliveries import Deliveries

from ..desk import Desk
from ..exits import Refused
from ..rendering import moment, print_json, print_table
from .arguments import json_option, thread_argument, with_desk
from .scheduler import sender


@click.command()
@thread_argument
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many runs at most.")
@click.option("--again", "run_id", metavar="RUN", default=None, help="Deliver the webhook of this run once more.")
@json_option
@with_desk
def webhooks(desk: Desk, thread_id: str, limit: int, run_id: str | None, as_json: bool) -> None:
    """Show what became of the webhooks of a thread's runs, the newest first.

    A scheduler delivers them, with longer and longer pauses (or, up to an hour, as Retry-After says with 429 or 503),
    until somebody takes them (2xx), wants no more (410), or it was tried TREADLE_WEBHOOK_ATTEMPTS times.

    \b
    Examples:
      treadle webhooks my-1
      treadle webhooks my-1 --again RUN      # the first column has it
    """
    desk.client.threads.get(thread_id)  # so that a thread that is not there is an error, and no empty list
    deliveries = Deliveries(desk.engine.connection, desk.client.runs, sender(desk.settings))
    if run_id is not None and not deliveries.again(thread_id, run_id):
        raise Refused(f"Thread {thread_id!r} has no run {run_id!r} with a webhook.")
    found = deliveries.of_thread(thread_id, limit)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [
        (one.run_id, one.state, one.attempts, moment(one.at_ms), moment(one.next_ms), one.status or "", one.error or "")
        for one in found
    ]
    columns = ("run", "delivery", "attempts", "last", "next", "answer", "error")
    print_table(columns, rows, empty=f"No run of thread {thread_id} has a webhook.")
