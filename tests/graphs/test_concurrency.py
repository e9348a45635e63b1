"""How many steps of a graph run at once: the ways in which that is said, and what is refused."""

from typing import Any

import pytest

from graphs.concurrency import Concurrency, concurrency_of
from graphs.errors import InvalidGraph


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, None),
        (50, Concurrency(50)),
        ({"graph": 50}, Concurrency(50)),
        ({"tenant": 5}, Concurrency(None, "tenant", 5)),
        ({"graph": 50, "tenant": 5}, Concurrency(50, "tenant", 5)),
    ],
)
def test_a_limit_is_of_the_graph_of_each_tenant_or_both(given: Any, meant: Concurrency | None) -> None:
    assert concurrency_of(given) == meant


@pytest.mark.parametrize("given", [0, -1, 1.5, True, "50", {"graph": 0}, {"tenant": None}, {"graph": 5, "tenant": "5"}])
def test_a_limit_is_a_whole_number_of_one_or_more(given: Any) -> None:
    with pytest.raises(InvalidGraph, match=r"max_concurrency of '(graph|tenant)' is a whole number of 1 or more"):
        concurrency_of(given)


@pytest.mark.parametrize("given", [{}, {"a": 1, "b": 1}, {7: 1}, {"": 1}, {"__private": 1}])
def test_a_limit_has_one_name_at_the_most_beside_that_of_the_graph(given: Any) -> None:
    with pytest.raises(InvalidGraph, match="under one name of yours"):
        concurrency_of(given)
