"""A client on a machine of its own: ``python -m tests.system.far_client '[["chain", "t1", []]]'`` runs and waits."""

import json
import sys

from tests.system.graphs import compiled
from treadle.checkpoint.redis import RedisSaver


def main() -> None:
    """Begin every run, say so, wait for all, and print what came out."""
    saver = RedisSaver()
    handles = {
        thread_id: compiled(graph, saver).submit({"trail": trail}, {"thread_id": thread_id})
        for graph, thread_id, trail in json.loads(sys.argv[1])
    }
    print("begun", flush=True)
    print(json.dumps({thread_id: handle.result(timeout=90)["trail"] for thread_id, handle in handles.items()}))


if __name__ == "__main__":
    main()
