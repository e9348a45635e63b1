"""What a webhook may be: a URL of https, and what of a run it is told."""

from typing import Any

import pytest

from scheduler.config import merged, parse
from scheduler.errors import InvalidConfig
from scheduler.webhook import Webhook, check_https, webhook_of

URL = "https://example.com/runs?key=1"


def test_a_webhook_is_a_url_or_says_what_is_to_be_told() -> None:
    assert webhook_of(URL) == Webhook(URL)
    assert webhook_of({"url": URL, "include": ["questions", "output"]}) == Webhook(URL, ("output", "questions"))
    assert webhook_of(None) is None


def test_the_config_of_a_call_wins_over_that_of_its_graph() -> None:
    def found(**config: Any) -> Webhook | None:
        return parse(merged({"webhook": "https://a.example"}, {"thread_id": "t", **config})).webhook

    assert found() == Webhook("https://a.example")
    assert found(webhook=URL) == Webhook(URL)
    assert found(webhook=None) is None


@pytest.mark.parametrize(
    "value",
    (
        "", "example.com", "ftp://example.com", "https://", "https://a:b@example.com", "https://exa mple.com",
        "https://example.com:99999", "https://[::1", "https://é.example", "https://example.com/\n",
        "https://a/" + "x" * 2048,
        7, True, b"https://example.com", {}, {"url": None}, {"url": URL, "x": 1}, {"url": URL, "include": "output"},
        {"url": URL, "include": ["state"]}, {"url": URL, "include": [1]},
    ),
)  # fmt: skip
def test_anything_else_is_refused_at_the_door_without_showing_the_url(value: Any) -> None:
    with pytest.raises(InvalidConfig) as refused:
        parse({"thread_id": "t", "webhook": value})

    assert "example.com/runs?" not in str(refused.value)


def test_only_https_is_safe_on_its_way() -> None:
    check_https(Webhook(URL))
    with pytest.raises(InvalidConfig, match="TREADLE_WEBHOOK_ALLOW_HTTP"):
        check_https(Webhook("http://example.com"))
