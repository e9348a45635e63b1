"""The scripts about the delivery of webhooks, one typed method each; called as those of ``scripts.py`` are."""

from typing import Any

from .json_text import decoded
from .scripts import Place, Scripts


class DeliveryScripts(Scripts):
    """Runs the scripts about deliveries."""

    def take_delivery(self, place: Place, **args: str | int) -> dict[str, Any] | None:
        """Take the delivery of a run's webhook for an attempt; return its record, or None when none is to be made."""
        taken = self._run("take_delivery", place, args)
        return None if taken is None else dict(decoded(taken))

    def put_delivery(self, place: Place, **args: str | int | bytes) -> bool:
        """Record how an attempt at a delivery went; return whether it still counts."""
        return bool(self._run("put_delivery", place, args))
