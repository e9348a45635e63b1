"""What the README shows works as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import RealRedis

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(
    str(page.relative_to(ROOT))
    for floor in (".", "treadle", "workers", "scheduler", "graphs", "deploy", "tests/chaos", "tests/benchmarks")
    for page in (ROOT / floor).glob("*.md")
)

ANSWERS = (
    "{'messages': ['Hello', 'Bot: I received -> Hello']}\n"
    "{'messages': ['How are you?', 'Bot: I received -> How are you?']}\n"
)


def first_graph() -> str:
    block = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert block is not None
    return block[1]


def printed(program: str, folder: Path) -> str:
    """Run a program in an empty folder and return what it printed."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_first_graph_answers_as_shown(tmp_path: Path) -> None:
    assert printed(first_graph(), tmp_path) == ANSWERS


def test_the_first_graph_answers_the_same_on_a_real_redis(tmp_path: Path, real_redis: RealRedis) -> None:
    real_redis.flush()
    durable = first_graph().replace("checkpoint.memory import MemorySaver", "checkpoint.redis import RedisSaver")

    program = durable.replace("MemorySaver()", f"RedisSaver({real_redis.url!r}, inline=True)")

    assert printed(program, tmp_path) == ANSWERS


def anchors(page: Path) -> set[str]:
    """Return what a link into a page may name: its headings, as code hosts write them."""
    prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_is_there(page: str) -> None:
    for link in re.findall(r"\]\(((?!http)[^)]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        file, _, anchor = link.partition("#")
        target = (ROOT / page).parent / file if file else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
