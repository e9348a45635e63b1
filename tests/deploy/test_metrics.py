"""The dashboard and the alerts: every expression can be read, and asks for what our processes really tell."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from flower.events import get_prometheus_metrics
from flower.options import default_options  # noqa: F401  # defines the buckets that Flower's metrics ask for
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from scheduler.census import Census
from scheduler.counts import Counts
from scheduler.occupancy import Occupancy
from tests.deploy.promql import needed
from workers.metrics import Shared, Sources, Sweeps
from workers.readings import Reading, Server

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana/treadle.json").read_text())
RULES = [rule for group in yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"]}
EXPRESSIONS = [rule["expr"] for rule in RULES] + [
    target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]
]
WAITS = (1, 0, 0, 0, 0, 0, 0)


class Counted:
    """A census that was taken."""

    census = Census({"idle": 1}, 1, 0)


def ours() -> CollectorRegistry:
    registry, counts = CollectorRegistry(), Counts({("g", "success"): 1}, {"lost worker": 1}, WAITS, 5)
    limits = [Occupancy("g", "steps", None, 1, 2, 0)]
    reading = Reading(counts, 1, 1, 0.0, Server(1, 1, 1), {"treadle": 1}, limits)
    counted: Any = Counted()
    registry.register(Shared(Sources(lambda: reading, lambda: None, counted, lambda: 0)))
    Sweeps(registry)
    return registry


def told() -> dict[str, set[str]]:
    """Return the labels of every metric that schedulers and Flower tell, and of Prometheus' own `up`."""
    found = {"up": {"job", "instance"}}
    for family in ours().collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    for metric in vars(get_prometheus_metrics()).values():
        found.update(of_flower(metric))
    return found


def of_flower(metric: MetricWrapperBase) -> Iterator[tuple[str, set[str]]]:
    labels = set(metric._labelnames)
    suffixes: dict[str, dict[str, tuple[str, ...]]] = {
        "counter": {"_total": ()},
        "histogram": {"_bucket": ("le",), "_sum": (), "_count": ()},
    }
    for suffix, more in suffixes.get(str(metric._type), {"": ()}).items():
        yield metric._name + suffix, labels | set(more)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_asks_for_metrics_and_labels_that_there_are(expression: str) -> None:
    known = told()

    for metric, labels in needed(expression).labels.items():
        assert metric in known
        assert labels <= known[metric], metric


@pytest.mark.parametrize(
    "broken", ["rate(treadle_x)", "sum(", "max by status (treadle_x)", "a{b}", "1 +", "rat(x[5m])"]
)
def test_what_prometheus_would_refuse_is_not_read(broken: str) -> None:
    with pytest.raises(ValueError, match=r"expected|cannot be read|is matched by"):
        needed(broken)


def test_all_that_our_schedulers_tell_is_shown_or_watched() -> None:
    used = {metric for expression in EXPRESSIONS for metric in needed(expression).labels}

    for family in ours().collect():
        names = {sample.name for sample in family.samples}
        assert names & used or family.name in {"treadle_census_age_seconds"}, family.name


def test_a_figure_says_how_several_schedulers_are_put_together() -> None:
    for family in ours().collect():
        assert re.match(r"(Highest|Lowest|Of this scheduler, sum): ", family.documentation), family.name


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_several_schedulers_are_put_together_as_the_help_says(expression: str) -> None:
    how = {"Highest": "max", "Lowest": "min", "Of this scheduler, sum": "sum"}
    for family in ours().collect():
        for sample in family.samples:
            around = re.findall(rf"(\w+)(?: by \([\w, ]+\))? \(?(?:rate\(|increase\()?{sample.name}\b", expression)
            around += re.findall(rf"\b(\w+)\((?:rate\(|increase\()?{sample.name}\b", expression)
            assert set(around) <= {how[family.documentation.partition(":")[0]], "rate", "increase"}


def test_each_alert_says_what_is_wrong_and_has_a_section_in_the_runbook() -> None:
    alerts = (DEPLOY / "README.md").read_text().partition("\n## Alerts\n")[2]
    sections = re.findall(r"^### (Treadle\w+)\n\n\S", alerts, re.MULTILINE)

    for rule in RULES:
        assert rule["alert"].startswith("Treadle")
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"].endswith(".")
    assert sections == [rule["alert"] for rule in RULES]
    assert len(set(sections)) == len(sections)


def test_the_panels_do_not_lie_on_each_other() -> None:
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in PANELS.values())
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"]) == len(PANELS)
