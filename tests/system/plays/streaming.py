"""Plays on what a stream shows, mode by mode."""

from typing import Any

from tests.system.plays.stage import State, asks, fan, line, says
from tests.system.scenario import Config, Sights, chunks, plain, scenario
from treadle.config import get_stream_writer
from treadle.graph import CompiledStateGraph
from treadle.types import Command, StreamWriter


def _works(state: State, writer: StreamWriter) -> State:
    writer({"done": 1})
    get_stream_writer()({"done": 2})
    return {"said": ["work"]}


def _start(node: str, given: Any) -> dict[str, Any]:
    return {"name": node, "input": given, "triggers": (f"branch:to:{node}",)}


def _end(node: str, result: Any, **more: Any) -> dict[str, Any]:
    return {"name": node, "error": None, "result": result, "interrupts": [], **more}


@scenario(line(work=_works, after=says("after")))
def modes_come_in_their_order_within_a_step(graph: CompiledStateGraph, config: Config) -> Sights:
    modes = ["values", "updates", "custom", "tasks"]
    yield (
        chunks(graph, {"said": ["go"]}, config, stream_mode=modes),
        [
            ("values", {"said": ["go"]}),
            ("tasks", _start("work", {"said": ["go"]})),
            ("custom", {"done": 1}),
            ("custom", {"done": 2}),
            ("updates", {"work": {"said": ["work"]}}),
            ("tasks", _end("work", {"said": ["work"]})),
            ("values", {"said": ["go", "work"]}),
            ("tasks", _start("after", {"said": ["go", "work"]})),
            ("updates", {"after": {"said": ["after"]}}),
            ("tasks", _end("after", {"said": ["after"]})),
            ("values", {"said": ["go", "work", "after"]}),
        ],
    )


@scenario(line(silent=lambda state: None, many=lambda state: [{"said": [1]}, Command(update={"said": [2]})]))
def an_update_shows_what_a_node_returned(graph: CompiledStateGraph, config: Config) -> Sights:
    yield (
        chunks(graph, {}, config, stream_mode=["updates", "values"]),
        [
            ("values", {"said": []}),
            ("updates", {"silent": None}),
            ("updates", {"many": [{"said": [1]}, {"said": [2]}]}),
            ("values", {"said": [1, 2]}),
        ],
    )
    yield graph.invoke({}, config, stream_mode="updates"), [{"silent": None}, {"many": [{"said": [1]}, {"said": [2]}]}]


@scenario(line(work=_works, inside=line(work=_works).compile()))
def what_happens_inside_is_shown_where_it_happens(graph: CompiledStateGraph, config: Config) -> Sights:
    modes = ["updates", "custom"]
    yield (
        chunks(graph, {}, config, stream_mode=modes),
        [
            ("custom", {"done": 1}),
            ("custom", {"done": 2}),
            ("updates", {"work": {"said": ["work"]}}),
            ("custom", {"done": 1}),
            ("custom", {"done": 2}),
            ("updates", {"inside": {"said": ["work", "work"]}}),
        ],
    )
    yield (
        chunks(graph, {}, {"thread_id": f"{config['thread_id']} 2"}, stream_mode=modes, subgraphs=True)[2:],
        [
            ((), "updates", {"work": {"said": ["work"]}}),
            (("inside",), "custom", {"done": 1}),
            (("inside",), "custom", {"done": 2}),
            (("inside",), "updates", {"work": {"said": ["work"]}}),
            ((), "updates", {"inside": {"said": ["work", "work"]}}),
        ],
    )


@scenario(line(a=says("a"), ask=asks("?")))
def a_question_is_shown_and_the_answer_goes_on(graph: CompiledStateGraph, config: Config) -> Sights:
    modes = ["updates", "values", "tasks"]
    yield (
        chunks(graph, {}, config, stream_mode=modes)[5:],
        [
            ("tasks", _start("ask", {"said": ["a"]})),
            ("updates", {"__interrupt__": ("?",)}),
            ("tasks", _end("ask", {}, interrupts=[{"value": "?", "response_schema": None}])),
            ("values", {"said": ["a"], "__interrupt__": ("?",)}),
        ],
    )
    yield (
        chunks(graph, Command(resume="yes"), config, stream_mode=modes),
        [
            ("values", {"said": ["a"]}),
            ("tasks", _start("ask", {"said": ["a"]})),
            ("updates", {"ask": {"said": ["yes"]}}),
            ("tasks", _end("ask", {"said": ["yes"]})),
            ("values", {"said": ["a", "yes"]}),
        ],
    )


@scenario(fan(a=says("a"), b=says("b")))
def steps_begin_and_write_in_the_order_of_their_names(graph: CompiledStateGraph, config: Config) -> Sights:
    seen = chunks(graph, {}, config, stream_mode=["tasks", "values"])
    yield [data["name"] for mode, data in seen if mode == "tasks" and "input" in data], ["a", "b"]
    yield sorted(data["name"] for mode, data in seen if mode == "tasks" and "result" in data), ["a", "b"]
    yield seen[-1], ("values", {"said": ["a", "b"]})


@scenario(line(work=_works, ask=asks("?")))
def the_second_version_gives_every_part_one_shape(graph: CompiledStateGraph, config: Config) -> Sights:
    parts = graph.stream({}, config, stream_mode=["updates", "custom", "values"], version="v2")
    yield (
        [(part["type"], part["ns"], plain(part["data"]), plain(part.get("interrupts"))) for part in parts],
        [
            ("values", (), {"said": []}, ()),
            ("custom", (), {"done": 1}, None),
            ("custom", (), {"done": 2}, None),
            ("updates", (), {"work": {"said": ["work"]}}, None),
            ("values", (), {"said": ["work"]}, ()),
            ("updates", (), {"__interrupt__": ("?",)}, None),
            ("values", (), {"said": ["work"]}, ("?",)),
        ],
    )
    output = graph.invoke(None, config, version="v2")
    yield (output.value, plain(output.interrupts)), ({"said": ["work"]}, ("?",))
    yield graph.invoke(Command(resume=1), config, version="v2")["said"], ["work", 1]


@scenario(line(a=says("a")))
def debug_tells_of_checkpoints_and_tasks(graph: CompiledStateGraph, config: Config) -> Sights:
    seen = graph.stream({}, config, stream_mode="debug")
    yield (
        [(part["type"], part["step"]) for part in seen],
        [
            ("checkpoint", -1),
            ("checkpoint", 0),
            ("task", 1),
            ("task_result", 1),
            ("checkpoint", 1),
        ],
    )
