"""Budgets of functions that call tasks: a run that has reached a limit pauses before the next one."""

from collections import Counter
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

import treadle.types
from scheduler.scripts import Scripts
from tests.workers.asking import CONFIG, Trail, asked
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.func import entrypoint, task
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.runtime import get_runtime
from treadle.types import Command, interrupt


class Shop:
    """Sells one thing after the other, for 100 tokens each, and counts the sales."""

    def __init__(self) -> None:
        self.sold: Counter[int] = Counter()
        self.buy = task(self._sell, name="buy")

    def _sell(self, number: int) -> int:
        get_runtime().spend(tokens=100)
        self.sold[number] += 1
        return number

    def plain(self, saver: BaseCheckpointSaver | None, **options: Any) -> CompiledStateGraph:
        @entrypoint(checkpointer=saver, **options)
        def shopping(count: int) -> list[int]:
            return [self.buy(number).result() for number in range(count)]

        return shopping

    def asynchronous(self, saver: BaseCheckpointSaver | None, **options: Any) -> CompiledStateGraph:
        @task
        async def buy(number: int) -> int:
            return self._sell(number)

        @entrypoint(checkpointer=saver, **options)
        async def shopping(count: int) -> list[int]:
            return [await buy(number) for number in range(count)]

        return shopping

    @property
    def once(self) -> bool:
        """Whether nothing was sold twice."""
        return set(self.sold.values()) <= {1}


Kind = Callable[..., CompiledStateGraph]


@pytest.mark.parametrize("kind", [Shop.plain, Shop.asynchronous], ids=["plain", "async"])
def test_a_function_pauses_before_its_next_task_and_goes_on_with_it(saver: BaseCheckpointSaver, kind: Kind) -> None:
    shop = Shop()
    shopping = kind(shop, saver, budget={"tokens": 250})

    (question,) = shopping.invoke(6, CONFIG)["__interrupt__"]

    assert question.value["reason"] == "budget: 300 of 250 tokens of the run; raise it and go on?"
    assert sum(shop.sold.values()) == 3
    thread = shopping.threads.get("t")
    assert thread.status == "paused"
    (paused,) = saver.client.runs.recent("t", 9)
    assert (paused.status, paused.spent["tokens"], paused.breach[0]["limit"]) == ("interrupted", 300, 250)
    reasons = [entry.data["why"] for entry in saver.client.log.read("t") if "why" in entry.data]
    assert set(reasons) == {"budget: 300 of 250 tokens of the run"}
    assert "__interrupt__" in shopping.invoke(None, CONFIG, budget={"tokens": 200})
    assert shopping.invoke(None, CONFIG, budget={"tokens": 1000}) == [*range(6)]
    assert shop.once
    assert shopping.threads.budget("t").spent["tokens"] == 600


def test_a_threads_limit_pauses_a_function_until_it_is_raised(saver: BaseCheckpointSaver) -> None:
    shop = Shop()
    shopping = shop.plain(saver)
    shopping.threads.create("t", budget={"tokens": 200})

    assert "200 of 200 tokens of the thread" in asked(shopping.invoke(4, CONFIG))[0]["reason"]
    shopping.threads.set_budget("t", {"tokens": 300})
    assert "300 of 300 tokens of the thread" in asked(shopping.invoke(None, CONFIG))[0]["reason"]
    shopping.threads.set_budget("t", {"tokens": None})

    assert shopping.invoke(None, CONFIG) == [0, 1, 2, 3]
    assert shop.once


def test_tasks_that_have_begun_are_seen_through(saver: BaseCheckpointSaver) -> None:
    shop, other_began, spent = Shop(), Event(), Event()

    @task
    def slow() -> str:
        other_began.set()
        assert spent.wait(10)
        return "slow"

    @task
    def costly() -> str:
        assert other_began.wait(10)
        shop._sell(0)
        spent.set()
        return "costly"

    @entrypoint(checkpointer=saver, budget={"tokens": 100})
    def both(_: Any) -> list[Any]:
        begun = [slow(), costly()]
        first = begun[1].result()
        return [shop.buy(1).result(), first, begun[0].result()]

    assert "100 of 100 tokens" in asked(both.invoke(1, CONFIG))[0]["reason"]
    kept = [entry.data["node"] for entry in saver.client.log.read("t") if entry.kind == "task"]
    assert sorted(kept) == ["costly", "slow"]
    other_began.clear()  # nobody would set it: neither runs again

    assert both.invoke(None, CONFIG) == [1, "costly", "slow"]
    assert shop.once


def test_an_answer_to_the_pause_of_a_budget_is_for_no_question_of_the_function(saver: BaseCheckpointSaver) -> None:
    shop = Shop()

    @entrypoint(checkpointer=saver, budget={"tokens": 100})
    def shopping(_: Any) -> list[Any]:
        first = interrupt("first?")
        bought = [shop.buy(number).result() for number in range(2)]
        return [first, *bought, interrupt("second?")]

    assert asked(shopping.invoke(1, CONFIG)) == ["first?"]
    assert "tokens" in asked(shopping.invoke(Command(resume="one"), CONFIG))[0]["reason"]
    assert asked(shopping.invoke(Command(resume="go on"), CONFIG)) == ["second?"]

    assert shopping.invoke(Command(resume="two"), CONFIG) == ["one", 0, 1, "two"]
    assert shop.once


def test_a_question_that_is_asked_beside_a_limit_gets_the_answer(saver: BaseCheckpointSaver) -> None:
    shop, asks = Shop(), Event()

    @task
    def ask() -> Any:
        asks.set()
        return interrupt("which?")

    @task
    def spend() -> int:
        assert asks.wait(10)
        return shop._sell(0)

    @entrypoint(checkpointer=saver, budget={"tokens": 100})
    def shopping(_: Any) -> list[Any]:
        which, bought = ask(), spend().result()
        return [shop.buy(1).result(), bought, which.result()]

    which, reason = asked(shopping.invoke(1, CONFIG))
    assert (which, reason["over"][0]["unit"]) == ("which?", "tokens")

    assert shopping.invoke(Command(resume="this"), CONFIG) == [1, 0, "this"]
    assert shop.once


def test_tasks_of_a_node_in_a_graph_inside_pause_the_run(saver: BaseCheckpointSaver) -> None:
    shop = Shop()

    @task
    def pair(number: int) -> int:
        return shop.buy(number).result() + shop.buy(number + 1).result()

    def node(state: Trail) -> dict[str, Any]:
        return {"trail": [pair(0).result(), pair(2).result()]}

    inner = StateGraph(Trail).add_node("node", node).add_edge(START, "node").compile()
    graph = StateGraph(Trail).add_node("inner", inner).add_edge(START, "inner").compile(saver)

    output = graph.invoke({"trail": []}, CONFIG, budget={"tokens": 300})

    assert "300 of 300 tokens of the run" in asked(output)[0]["reason"]
    assert sum(shop.sold.values()) == 3
    assert graph.invoke(None, CONFIG, budget={"tokens": 300})["trail"] == [1, 5]
    assert shop.once


def test_time_counts_that_the_attempt_has_taken_so_far(saver: BaseCheckpointSaver) -> None:
    shop = Shop()

    @entrypoint(checkpointer=saver)
    def waiting(_: Any) -> int:
        assert not Event().wait(0.05)
        return shop.buy(0).result()

    assert "seconds of the run" in asked(waiting.invoke(1, CONFIG, budget={"seconds": 0.05}))[0]["reason"]
    assert waiting.invoke(None, CONFIG, budget={"seconds": 600}) == 0


def test_a_function_that_has_swallowed_the_pause_pauses_all_the_same(saver: BaseCheckpointSaver) -> None:
    shop = Shop()

    @entrypoint(checkpointer=saver, budget={"tokens": 100})
    def shopping(count: int) -> list[int]:
        return [buy.result() for buy in [shop.buy(number) for number in range(count)] if not buy.exception()]

    assert "tokens" in asked(shopping.invoke(3, {**CONFIG, "max_concurrency": 1}))[0]["reason"]
    assert shop.sold == {0: 1}


def test_a_task_that_sleeps_beside_a_limit_wakes_before_the_run_pauses(saver: BaseCheckpointSaver) -> None:
    shop, naps, lies = Shop(), Counter[str](), Event()

    @task
    def nap() -> None:
        naps["begun"] += 1
        lies.set()
        treadle.types.sleep(0.03)
        naps["over"] += 1

    @task
    def spend() -> int:
        assert lies.wait(10)
        return shop._sell(0)

    @entrypoint(checkpointer=saver, budget={"tokens": 100})
    def shopping(_: Any) -> list[Any]:
        napping, bought = nap(), spend().result()
        return [shop.buy(1).result(), bought, napping.result()]

    assert "tokens" in asked(shopping.invoke(1, CONFIG))[0]["reason"]
    kinds = [entry.kind for entry in saver.client.log.read("t")]
    assert kinds.index("slept") < kinds.index("interrupted")

    assert shopping.invoke(None, CONFIG) == [1, 0, None]
    assert naps == {"begun": 2, "over": 1}
    assert shop.once


def test_a_stream_tells_of_the_pause_once(saver: BaseCheckpointSaver) -> None:
    shopping = Shop().plain(saver, budget={"tokens": 100})

    parts = list(shopping.stream(2, CONFIG, stream_mode="updates"))

    assert [part for part in parts if "__interrupt__" in part] == [{"__interrupt__": ()}]


def test_without_a_limit_and_for_recorded_tasks_nobody_looks(
    saver: BaseCheckpointSaver, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, look = [], Scripts.look_at_budget

    def counted(self: Scripts, *args: Any, **more: Any) -> str:
        looks.append(1)
        return look(self, *args, **more)

    monkeypatch.setattr(Scripts, "look_at_budget", counted)
    shopping = Shop().plain(saver)

    shopping.invoke(3, {"thread_id": "free"})
    assert looks == []
    shopping.invoke(4, CONFIG, budget={"tokens": 300})
    assert len(looks) == 4
    shopping.invoke(None, CONFIG, budget={"tokens": 300})
    assert len(looks) == 5
