"""With which codes the command line ends."""

from collections.abc import Mapping
from enum import IntEnum

import click

from graphs.errors import TreadleError


class ExitCode(IntEnum):
    """What a script can tell from how a command ended."""

    OK = 0
    #: The run or the thread failed, or a check found something wrong.
    FAILED = 1
    #: The command was used wrongly, or something it names is not there.
    USAGE = 2
    #: Redis or the broker did not answer.
    UNAVAILABLE = 3
    #: The thread is busy, or its status does not allow this.
    BUSY = 4
    #: Somebody pressed Ctrl-C; a run that was followed goes on.
    INTERRUPTED = 130


class Refused(click.ClickException, TreadleError):
    """What a command needs is not there, or not as it has to be; told without the command's usage."""

    exit_code = int(ExitCode.USAGE)


#: What ``treadle --help`` says about each.
MEANINGS: Mapping[ExitCode, str] = {
    ExitCode.OK: "all went well; also when a run pauses for a person",
    ExitCode.FAILED: "the run or the thread failed, or a check found something wrong",
    ExitCode.USAGE: "wrong usage or bad input, or a name that is not known",
    ExitCode.UNAVAILABLE: "Redis, the broker or an archive does not answer, or refuses this user",
    ExitCode.BUSY: "the thread is busy, or its status does not allow this",
    ExitCode.INTERRUPTED: "Ctrl-C; a run that was followed goes on",
}
