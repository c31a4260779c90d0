"""The registry, one body on SQLite and on PostgreSQL."""

import threading

import msgspec
import pytest

from core.events import TerminalRegistered
from storage.errors import RegistryFullError
from storage.eventlog import EventLog
from storage.registry import NewTerminal, Registry

CAR = NewTerminal(
    phone="13912345678", terminal_id="T1", maker="70111", model="BSJ", plate="粤B12345", plate_colour=1, province=44,
    city=300, group=2, store=5, event_id="e1", time_ms=1_760_000_000_000,
)  # fmt: skip


def test_a_new_phone_becomes_terminal_vehicle_binding_and_event(log: EventLog) -> None:
    registry = Registry(log)
    rows = registry.register([CAR, NewTerminal(phone="A0")])
    assert registry.load() == rows
    row = rows[0]
    assert (row.terminal, row.vehicle_id, row.phone, row.group, row.store) == (1, 1, "13912345678", 2, 5)
    assert (row.plate, row.created_ms, rows[1].terminal, rows[1].vehicle_id) == ("粤B12345", CAR.time_ms, 2, 2)
    first, second = log.read(0)
    assert (first.type, first.id, first.time_ms, first.subject) == (
        "terminal.registered",
        "e1",
        CAR.time_ms,
        "vehicle:1",
    )
    assert (first.group, first.store) == (2, 5)
    assert first.payload == TerminalRegistered(
        terminal=1, vehicle_id=1, phone="13912345678", terminal_id="T1", maker="70111", model="BSJ", plate="粤B12345",
        plate_colour=1, province=44, city=300,
    )  # fmt: skip
    assert second.payload.phone == "A0"


def test_registering_again_changes_nothing(log: EventLog) -> None:
    registry = Registry(log)
    rows = registry.register([CAR])
    padded = msgspec.structs.replace(CAR, phone="00000000013912345678", event_id="e2")
    assert registry.register([CAR, CAR, padded]) == rows * 3
    assert registry.register([NewTerminal(phone=CAR.phone)]) == rows, "an empty field leaves what is known"
    assert log.head() == 1
    assert registry.register([]) == []


def test_a_known_phone_updates_what_it_says_of_itself(log: EventLog) -> None:
    registry = Registry(log)
    registry.register([CAR])
    sold = msgspec.structs.replace(CAR, plate="沪A1", event_id="e2")
    row = registry.register([sold])[0]
    assert (row.plate, row.terminal, row.vehicle_id, row.revision) == ("沪A1", 1, 1, 2)
    assert registry.register([CAR])[0].plate == "沪A1", "a replay of the first must not undo the second"
    assert registry.register([msgspec.structs.replace(CAR, event_id="e3")])[0].plate == CAR.plate
    assert registry.load()[0].plate == CAR.plate
    assert [event.payload.plate for event in log.read(0)] == [CAR.plate, "沪A1", CAR.plate]


def test_another_device_under_a_known_phone_changes_nothing(log: EventLog) -> None:
    registry = Registry(log)
    rows = registry.register([CAR])
    thief = msgspec.structs.replace(CAR, terminal_id="T2", plate="X", event_id="e2")
    assert registry.register([thief]) == rows
    assert (registry.load(), log.head()) == (rows, 1)
    entered = registry.register([NewTerminal(phone="5")])[0]
    chosen = registry.register([NewTerminal(phone="5", terminal_id="T9")])[0]
    assert (entered.terminal_id, chosen.terminal_id, chosen.terminal) == ("", "T9", entered.terminal)


def test_a_wrong_phone_or_a_full_fleet_writes_nothing(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(log)
    with pytest.raises(ValueError, match="digits"):
        registry.register([CAR, NewTerminal(phone="12x")])
    monkeypatch.setattr("core.limits.VEHICLES_MAX", 4)
    with pytest.raises(RegistryFullError):
        registry.register([NewTerminal(phone=str(number)) for number in range(4)])
    with monkeypatch.context() as terminals:
        terminals.setattr("core.limits.TERMINALS_MAX", 3)
        with pytest.raises(RegistryFullError):
            registry.register([NewTerminal(phone=str(number)) for number in range(3)])
    assert (registry.load(), log.head()) == ([], 0)
    assert registry.register([NewTerminal(phone=str(number)) for number in range(3)])[-1].vehicle_id == 3


def test_a_nul_in_what_a_terminal_says_stops_nobody(log: EventLog) -> None:
    row = Registry(log).register([NewTerminal(phone="1", terminal_id="T\0\0", plate="\0")])[0]
    assert (row.terminal_id, row.plate) == ("T", "")
    assert Registry(log).load() == [row]


def test_many_terminals_registered_at_once_are_numbered_densely(log: EventLog) -> None:
    registry = Registry(log)
    rows = registry.register([NewTerminal(phone=str(number)) for number in range(1, 1001)])
    assert [(row.terminal, row.vehicle_id) for row in rows] == [(number, number) for number in range(1, 1001)]
    assert log.head() == 1000


def test_every_start_gets_a_number_of_its_own(log: EventLog) -> None:
    registry = Registry(log)
    numbers: list[int] = []
    threads = [threading.Thread(target=lambda: numbers.append(registry.next_boot())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 9))
    assert Registry(log).next_boot() == 9
