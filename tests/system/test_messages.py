"""The messages of chat models that run on real workers."""

import pytest

from tests.system.conftest import Deployment
from treadle.checkpoint.redis import RedisSaver

pytest.importorskip("langchain_core")

from langchain_core.messages import AIMessage, HumanMessage

from tests.system.models import compiled

pytestmark = pytest.mark.system


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_tokens_of_a_model_on_a_worker_are_shown_to_its_caller(
    deployment: Deployment, saver: RedisSaver, pool: str
) -> None:
    deployment.worker("one", "-P", pool, graphs="tests.system.models:graph")
    graph, config = compiled(saver), {"thread_id": "t"}

    found = list(graph.stream({"messages": "hi"}, config, stream_mode="messages"))

    assert [message.content for message, _ in found] == ["hello", " ", "big", " ", "world"]
    assert {metadata["langgraph_node"] for _, metadata in found} == {"ask"}
    messages = graph.get_state(config).values["messages"]
    assert [(type(one), one.content) for one in messages] == [(HumanMessage, "hi"), (AIMessage, "hello big world")]
