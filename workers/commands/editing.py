"""The command that writes to a thread's state."""

from typing import Any

import click

from ..desk import Desk, config_for
from ..rendering import print_json
from .arguments import Json, json_option, thread_argument, with_desk


@click.command()
@thread_argument
@click.option("--values", type=Json(), required=True, metavar="JSON", help="What to write; @FILE or - reads it.")
@click.option("--as-node", default=None, metavar="NODE", help="The node that seems to have written it.")
@json_option
@with_desk
def update(desk: Desk, thread_id: str, values: Any, as_node: str | None, as_json: bool) -> None:
    """Write to a thread's state, as if a node had; what would follow that node is due next.

    Without --as-node it is the node that wrote last. The thread must rest.

    \b
    Example:
      treadle update my-1 --values '{"approved": false, "comment": "too long"}'
    """
    written = desk.client.editor.update(desk.graph(thread_id), config_for(thread_id), values, as_node)
    checkpoint = written["configurable"]["checkpoint_id"]
    if as_json:
        print_json({"thread": thread_id, "checkpoint": checkpoint})
    else:
        click.echo(f"Written: thread {thread_id} stands on checkpoint {checkpoint}.")
