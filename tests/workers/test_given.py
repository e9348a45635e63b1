"""What a run gives to its nodes: config, context, and the long-term memory."""

from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from typing_extensions import TypedDict

from tests.workers.lines import CONFIG, Trail, single
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.graph import START, StateGraph
from treadle.runtime import Runtime
from treadle.store.base import BaseStore
from treadle.store.memory import InMemoryStore
from treadle.types import Send


@dataclass
class Record:
    user: str


class Model(BaseModel):
    user: str


class Dict(TypedDict):
    user: str


def context_seen(schema: Any, context: Any) -> Any:
    """Return what a node sees as its context."""
    seen: list[Any] = []

    def look(state: Trail, runtime: Runtime[Any]) -> None:
        seen.append(runtime.context)

    graph = StateGraph(Trail, context_schema=schema).add_node("look", look).add_edge(START, "look").compile()
    graph.invoke({"trail": []}, context=context)
    return seen[0]


@pytest.mark.parametrize(
    ("schema", "context", "seen"),
    [
        (Record, {"user": "ada"}, Record("ada")),
        (Model, {"user": "ada"}, Model(user="ada")),
        (Dict, {"user": "ada"}, {"user": "ada"}),
        (Record, None, None),
        (Model, None, None),
    ],
)
def test_the_context_of_a_run_is_of_the_graphs_class(schema: Any, context: Any, seen: Any) -> None:
    assert context_seen(schema, context) == seen


@pytest.mark.parametrize(("schema", "error"), [(Record, TypeError), (Model, ValidationError)])
def test_a_context_that_does_not_fit_is_refused(schema: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        context_seen(schema, {"other": 1})


def test_a_copy_with_a_config_adds_it_to_every_call(saver: BaseCheckpointSaver) -> None:
    seen: list[Any] = []

    def look(state: Trail, config: Any) -> None:
        configurable, metadata = config["configurable"], config["metadata"]
        seen.extend([config["tags"], configurable["mine"], configurable["both"], metadata["who"], metadata["what"]])

    graph = single(saver, look).with_config(
        {"configurable": {"mine": 1, "both": 1}}, tags=["a"], metadata={"who": "ada"}
    )

    graph.invoke(
        {"trail": []}, {"configurable": {"thread_id": "t", "both": 2}, "tags": ["b"], "metadata": {"what": "x"}}
    )

    assert seen == [["a", "b"], 1, 2, "ada", "x"]


def test_parallel_nodes_share_the_long_term_memory(saver: BaseCheckpointSaver) -> None:
    async def remember(number: int, store: BaseStore) -> dict[str, Any]:
        await store.aput(("n",), str(number), {"n": number})
        found = await store.aget(("n",), str(number))
        return {"trail": [isinstance(store, BaseStore) and found is not None]}

    store = InMemoryStore()
    builder = StateGraph(Trail).add_node("remember", remember)
    builder.add_conditional_edges(START, lambda state: [Send("remember", number) for number in range(51)], ["remember"])

    output = builder.compile(saver, store=store).invoke({"trail": []}, CONFIG)

    assert output == {"trail": [True] * 51}
    assert sorted(item.value["n"] for item in store.search(("n",), limit=100)) == list(range(51))
