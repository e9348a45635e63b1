"""Search by meaning on real workers, with the index of a server that has vector sets: TREADLE_TEST_REDIS names one."""

from typing import Any

import pytest
from redis import ResponseError

from graphs.store import PutOp
from scheduler.keys import Keys
from tests.system.conftest import Deployment
from tests.system.meaning import DOCUMENTS, finder, store
from treadle.checkpoint.redis import RedisSaver

pytestmark = pytest.mark.system

#: More than are compared one by one.
COUNT = 2_500


def indexed(saver: RedisSaver) -> int | None:
    """Return how many vectors the server's index holds; None: it can have none."""
    ask: Any = saver.engine.connection.client.execute_command
    try:
        return int(ask("VCARD", Keys().memory_vectors()))
    except ResponseError:
        return None


def test_nodes_find_by_meaning_what_another_process_has_put(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.worker("first", graphs="tests.system.meaning:graph")
    deployment.scheduler()
    with store(deployment.url) as memory:
        memory.batch([PutOp(DOCUMENTS, f"{n:04}", {"text": f"document {n}"}) for n in range(COUNT)])
        memory.setup()
    graph = finder(saver, deployment.url)

    results = [graph.invoke({"question": f"document {n}"}, {"thread_id": f"t{n}"}) for n in (7, 1_234)]

    assert [result["found"][0] for result in results] == ["0007", "1234"]
    assert [result["remembered"] for result in results] == [["document 7"], ["document 1234"]]
    assert indexed(saver) in (None, COUNT + len(results))
