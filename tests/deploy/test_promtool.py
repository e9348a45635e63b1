"""The alerts, the dashboard and what is scraped, as Prometheus itself reads them (Debian: promtool, of prometheus)."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from .test_metrics import DEPLOY, EXPRESSIONS, RULES

HERE = Path(__file__).parent
TESTS = HERE / "alerts_test.yaml"


def promtool(*arguments: str | Path) -> str:
    """Run it, and return what it prints, which is why it failed if it did."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not on PATH (Debian: apt-get install --no-install-recommends prometheus)")
    told = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


def test_it_reads_the_alerts() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", "--lint-fatal", DEPLOY / "alerts.yaml")


def test_it_reads_what_compose_lets_it_scrape() -> None:
    assert "is valid prometheus config file" in promtool("check", "config", DEPLOY / "prometheus.yaml")


def test_it_reads_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    # Grafana puts a number in for its variable.
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, expression in enumerate(EXPRESSIONS)
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")

    assert f"{len(rules)} rules found" in promtool("check", "rules", file)


def test_the_alerts_ring_when_they_should_and_say_why() -> None:
    assert "SUCCESS" in promtool("test", "rules", TESTS)


def test_each_alert_is_heard_ringing() -> None:
    tests = yaml.safe_load(TESTS.read_text(encoding="utf-8"))["tests"]
    heard = {rule["alertname"] for test in tests for rule in test.get("alert_rule_test", ()) if rule["exp_alerts"]}

    assert heard == {rule["alert"] for rule in RULES}
