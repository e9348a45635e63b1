"""Every command of the command line, and the examples of its help."""

import re
from collections.abc import Iterator

import click

from workers.cli import main

_EXAMPLES = re.compile(r"\x08?\s*Examples?:\n(.*)", re.DOTALL)


def leaves(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield each command that does something, with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield (*path, name), command


def examples(command: click.Command) -> list[str]:
    """Return the lines of the examples in a command's help."""
    found = _EXAMPLES.search(command.help or "")
    return [] if found is None else [line.strip() for line in found[1].splitlines() if line.strip()]
