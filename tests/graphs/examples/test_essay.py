"""The essay: written in parallel, reviewed by a person, remembered by its thread."""

from typing import Any

from graphs.examples.essay import essay, graph
from treadle.checkpoint.memory import MemorySaver
from treadle.func import entrypoint
from treadle.types import Command

CONFIG = {"thread_id": "t"}


def shown(output: dict[str, Any]) -> str:
    return str(output["__interrupt__"][0].value["draft"])


def test_a_draft_is_revised_until_nothing_is_to_be_changed() -> None:
    here = entrypoint(checkpointer=MemorySaver())(essay)

    first = here.invoke("tea", CONFIG)
    second = here.invoke(Command(resume="More on milk."), CONFIG)
    output = here.invoke(Command(resume=""), CONFIG)

    assert shown(first).count("##") == 3
    assert shown(second) == f"{shown(first)}\n\n> More on milk."
    assert output == {"text": shown(second), "drafts": 2}


def test_each_section_is_written_once() -> None:
    here = entrypoint(checkpointer=MemorySaver())(essay)
    done: list[str] = []
    for given in ("tea", Command(resume="More."), Command(resume="")):
        done += [name for chunk in here.stream(given, CONFIG) for name in chunk]

    assert (done.count("outline"), done.count("write"), done.count("revise"), done[-1]) == (1, 3, 1, "essay")


def test_a_thread_remembers_its_essays() -> None:
    here = entrypoint(checkpointer=MemorySaver())(essay)
    here.invoke("tea", CONFIG)
    here.invoke(Command(resume=""), CONFIG)

    assert "See also: tea." in shown(here.invoke("milk", CONFIG))


def test_workers_find_it_by_its_address() -> None:
    assert list(graph.graph.nodes) == [graph.name] == ["essay"]
