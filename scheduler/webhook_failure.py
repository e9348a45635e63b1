"""Why a webhook was not delivered."""

from .errors import SchedulerError


class WebhookFailed(SchedulerError):
    """An attempt at delivering a webhook came to nothing."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)

    def __str__(self) -> str:
        return f"The webhook was not delivered: {self.why}."
