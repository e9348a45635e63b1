"""The chaos in short: a fixed seed, a minute at the most."""

import tempfile
from pathlib import Path

import pytest

from tests.chaos.plan import Plan
from tests.chaos.show import perform


@pytest.mark.system
def test_all_promises_hold_while_everything_breaks() -> None:
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:  # a short path: there are sockets in it
        plan = Plan(Path(folder), seed=7, minutes=0.5, threads=56, turns=2, every_s=1.2, lease_ms=1_500)

        judged = perform(plan, print)

    assert not judged.broken
    assert (judged.threads, judged.lost, judged.doubled) == (56, 0, 0)
    assert {str(fault.kind) for fault in judged.injected} >= {"worker killed", "worker frozen", "Redis killed"}
