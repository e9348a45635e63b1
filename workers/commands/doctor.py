"""The command that says what is wrong."""

from dataclasses import asdict

import click

from ..desk import Desk
from ..diagnosis import Level
from ..examination import examine
from ..exits import ExitCode
from ..rendering import console, print_json, styled, visible
from .arguments import json_option, with_desk

_LEVEL_WIDTH, _ABOUT_WIDTH = 6, 16


@click.command()
@json_option
@with_desk
@click.pass_context
def doctor(ctx: click.Context, desk: Desk, as_json: bool) -> None:
    """Check Redis, the workers, the graphs, and what is stuck and why; exit code 1 when something does not work.

    \b
    Example:
      treadle doctor
    """
    found = []
    out = console()
    for finding in examine(desk):
        found.append(finding)
        if not as_json:
            line = styled(finding.level)
            line.pad_right(_LEVEL_WIDTH - len(finding.level))
            line.append(visible(f"{finding.about:<{_ABOUT_WIDTH}}  {finding.told}"), style="default not bold")
            out.print(line, soft_wrap=True)
    if as_json:
        print_json([asdict(finding) for finding in found])
    failed = any(finding.level is Level.FAIL for finding in found)
    ctx.exit(ExitCode.FAILED if failed else ExitCode.OK)
