"""The fleet: known terminals without a query, first registrations in batches, whoever sits on which connection."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import trio
from hypothesis import given
from hypothesis import strategies as st

from actors.fleet import Fleet, Occupancy
from core.limits import REGISTRATION_BATCH
from protocols.report import phone_key
from storage.database import Database, migrate
from storage.eventlog import EventLog
from storage.registry import NewTerminal, Registry
from tests.actors.world import MemoryRegistry, row


def new(phone: str, terminal_id: str = "T1") -> NewTerminal:
    return NewTerminal(phone=phone, terminal_id=terminal_id)


async def test_ten_thousand_first_registrations_go_through_in_batches() -> None:
    registry = MemoryRegistry()
    fleet = Fleet(registry, "open")
    terminals = await fleet.register([new(f"139{i:08}") for i in range(10_000)])
    assert [terminal.phone for terminal in terminals if terminal] == [f"139{i:08}" for i in range(10_000)]
    assert len(registry.batches) == -(-10_000 // REGISTRATION_BATCH)
    assert max(registry.batches) == REGISTRATION_BATCH
    statistics = fleet.statistics()
    assert (statistics.terminals, statistics.registered, statistics.batches) == (10_000, 10_000, 20)


async def test_the_registry_itself_keeps_what_the_fleet_registers(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'business.db'}")
    try:
        migrate(database)
        log = EventLog(database)
        fleet = Fleet(Registry(log), "open")
        terminals = await fleet.register([new(f"139{i:08}") for i in range(2 * REGISTRATION_BATCH)])
        assert fleet.statistics().batches == 2
        assert len({terminal.vehicle_id for terminal in terminals if terminal}) == 2 * REGISTRATION_BATCH
        assert log.head() == 2 * REGISTRATION_BATCH
        assert log.read(0, 1)[0].type == "terminal.registered"
        # A new start of the program knows the same.
        again = Fleet(Registry(log))
        await again.load()
        assert [again.terminal(phone_key(f"139{i:08}")) for i in range(2 * REGISTRATION_BATCH)] == terminals
    finally:
        database.close()


async def test_a_known_phone_is_not_registered_again_and_a_phone_twice_in_a_batch_once() -> None:
    registry = MemoryRegistry()
    fleet = Fleet(registry, "open")
    (first,) = await fleet.register([new("139", "A")])
    again = await fleet.register([new("139", "B"), new("140", "C"), new("140", "D")])
    assert again[0] == first
    assert again[1] == again[2]
    assert again[1] is not None
    assert again[1].terminal_id == "C"
    assert registry.batches == [1, 1]


async def test_leading_zeros_make_no_other_terminal() -> None:
    fleet = Fleet(MemoryRegistry(), "open")
    (terminal,) = await fleet.register([new("13912345678")])
    assert fleet.terminal(phone_key("013912345678")) == terminal
    assert fleet.terminal(phone_key("00000000013912345678")) == terminal


async def test_load_knows_every_terminal_and_writes_the_vehicle_table() -> None:
    registry = MemoryRegistry()
    registry.rows = {
        "1": row(1, 5, "1", "A", group=2, store=7),
        "2": row(2, 5, "2", "B", group=2, store=7),
        "3": row(3, 6, "3", "C"),
    }
    table = SimpleNamespace(group=np.zeros(10, np.int32), store=np.zeros(10, np.int32))
    fleet = Fleet(registry, table=table)
    await fleet.load()
    assert sorted(t.terminal for t in fleet.terminals_of(5)) == [1, 2]
    assert fleet.terminals_of(9) == ()
    assert sorted(fleet.vehicles()) == [5, 6]
    assert (table.group[5], table.store[5], table.group[6], table.store[6]) == (2, 7, 1, 0)


async def test_a_terminal_bound_anew_leaves_its_old_vehicle() -> None:
    fleet = Fleet(MemoryRegistry())
    fleet.learn([row(1, 5, "1", "A"), row(2, 5, "2", "B")])
    fleet.learn([row(1, 6, "1", "A")])
    assert [t.terminal for t in fleet.terminals_of(5)] == [2]
    assert [t.terminal for t in fleet.terminals_of(6)] == [1]
    fleet.learn([row(2, 6, "2", "B")])
    assert fleet.vehicles() == (6,)


async def test_an_unreachable_registry_is_waited_for() -> None:
    registry = MemoryRegistry()
    registry.failures = 2
    fleet = Fleet(registry, "open")
    with trio.fail_after(20):
        (terminal,) = await fleet.register([new("1")])
    assert terminal is not None
    assert fleet.statistics().failures == 2


async def test_past_the_last_number_a_registration_is_refused_and_the_others_are_not() -> None:
    fleet = Fleet(MemoryRegistry(room=3), "open")
    terminals = await fleet.register([new(f"{i}") for i in range(1, 6)])
    assert [terminal is not None for terminal in terminals] == [True, True, True, False, False]


def test_occupancy_knows_who_must_hear_of_a_links_end() -> None:
    occupancy = Occupancy()
    occupancy.heard(7, 1)
    occupancy.heard(7, 2)
    occupancy.heard(8, 1)
    assert occupancy.vehicles(7) == {1, 2}
    occupancy.forget(7)
    assert occupancy.vehicles(7) == frozenset()
    assert occupancy.vehicles(8) == {1}


def test_occupancy_tells_when_the_last_terminal_has_left_a_link() -> None:
    occupancy = Occupancy()
    occupancy.opened(7, 1)
    occupancy.opened(7, 2)
    occupancy.opened(7, 2)
    assert (occupancy.sessions, occupancy.links, occupancy.lives(7)) == (2, 1, True)
    assert not occupancy.ended(7, 1)
    assert occupancy.ended(7, 2)
    assert occupancy.ended(7, 2)
    assert (occupancy.sessions, occupancy.links, occupancy.lives(7)) == (0, 0, False)


def test_refusals_are_counted_by_link_and_forgotten_with_it() -> None:
    occupancy = Occupancy()
    assert [occupancy.refused(7) for _ in range(3)] == [1, 2, 3]
    assert occupancy.refused(8) == 1
    occupancy.forget(7)
    assert occupancy.refused(7) == 1


async def test_a_terminal_entered_by_hand_chooses_its_id_once() -> None:
    registry = MemoryRegistry()
    registry.rows = {"1": row(1, 5, "1", "")}
    fleet = Fleet(registry)
    await fleet.load()
    (chosen,) = await fleet.register([new("1", "A")])
    assert chosen is not None
    assert (chosen.terminal, chosen.terminal_id) == (1, "A")
    (again,) = await fleet.register([new("1", "B")])
    assert again == chosen


def test_in_which_edition_a_terminal_spoke_is_known_after_it_has_gone() -> None:
    occupancy = Occupancy()
    assert occupancy.version(7) == 2013, "the header of 2011 and 2013 is one"
    occupancy.opened(1, 7, version=2011)
    occupancy.ended(1, 7)
    assert (occupancy.version(7), occupancy.version(8)) == (2011, 2013)
    occupancy.opened(2, 7, version=2013)
    assert occupancy.version(7) == 2013, "changed for a newer one"


@given(st.lists(st.tuples(st.sampled_from("oeh"), st.integers(1, 3), st.integers(1, 3)), max_size=30))
def test_occupancy_is_sets_however_it_keeps_them(calls: list[tuple[str, int, int]]) -> None:
    occupancy = Occupancy()
    heard: dict[int, set[int]] = {}
    there: dict[int, set[int]] = {}
    for call, link, member in calls:
        if call == "h":
            occupancy.heard(link, member)
            heard.setdefault(link, set()).add(member)
        elif call == "o":
            occupancy.opened(link, member)
            there.setdefault(link, set()).add(member)
        else:
            there.get(link, set()).discard(member)
            assert occupancy.ended(link, member) is (not there.get(link))
        there = {one: members for one, members in there.items() if members}
        assert occupancy.sessions == sum(map(len, there.values()))
        assert occupancy.links == len(there)
        assert all(occupancy.lives(one) is (one in there) for one in (1, 2, 3))
        assert all(occupancy.vehicles(one) == heard.get(one, set()) for one in (1, 2, 3))
