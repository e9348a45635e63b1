"""What the README shows works as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import RealRedis
from workers.settings import WorkerSettings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

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


@pytest.mark.parametrize("link", re.findall(r"\]\(((?!http)[^)]+)\)", README))
def test_what_the_readme_links_to_is_there(link: str) -> None:
    assert (ROOT / link).is_file()


@pytest.mark.parametrize("setting", re.findall(r"^\| `TREADLE_([A-Z_]+)`", README, re.MULTILINE))
def test_the_settings_it_lists_exist(setting: str) -> None:
    assert setting.lower() in WorkerSettings.model_fields
