"""What passes through a node's code unseen, on its way to whoever runs the node."""

from .commands import Command


class ParentCommand(BaseException):
    """A Command for the graph above; a signal, so that a node's own ``except Exception`` cannot swallow it."""

    def __init__(self, command: Command) -> None:
        super().__init__(command)

    @property
    def command(self) -> Command:
        """What the graph above shall do."""
        return self.args[0]  # type: ignore[no-any-return]
