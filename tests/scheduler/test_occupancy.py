"""How limits stand, as commands and metrics are told."""

from scheduler.client import Client
from scheduler.connection import open_connection
from scheduler.occupancy import Occupancy, occupancies
from scheduler.sealing import new_key
from scheduler.settings import Settings

from .limiting import HOURLY, TENANTS, Limiting


def test_slots_are_told_of_the_graph_and_of_each_key(limiting: Limiting) -> None:
    for name, tenant in {"t1": "a b", "t2": "a b", "t3": "c"}.items():
        limiting.enter(limiting.begin(name, tenant=tenant), TENANTS)

    found = list(occupancies(limiting.connection, [TENANTS, TENANTS]))

    assert found == [
        Occupancy("line", "steps", None, 2, 3, 1),
        Occupancy("line", "tenant", "a b", 1, 1, 1),
        Occupancy("line", "tenant", "c", 1, 1, 0),
    ]
    assert list(occupancies(limiting.connection, [TENANTS], keys=False)) == found[:1]


def test_of_a_pace_it_is_told_how_many_wait_for_their_turn(limiting: Limiting) -> None:
    assert [one.waiting for one in occupancies(limiting.connection, [HOURLY])] == [0]

    for name in "abc":
        limiting.enter(limiting.begin(name), HOURLY)

    (one,) = occupancies(limiting.connection, [HOURLY])
    assert (one.what, one.used, one.waiting) == ("a", None, 2)
    assert one.most == 1 / 3600


def test_a_key_is_a_hash_where_values_are_sealed(limiting: Limiting, client: Client) -> None:
    sealed = open_connection(
        limiting.connection.client, Settings(encryption_keys=f"one:{new_key()}"), limiting.connection.dispatcher
    )
    hidden = Limiting(sealed, Client(sealed, lambda call: call()))
    hidden.enter(hidden.begin("t", tenant="Jane Doe"), TENANTS)

    _, one = occupancies(sealed, [TENANTS])

    assert one.used == 1
    assert "Jane" not in str(one.key)
