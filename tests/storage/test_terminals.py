"""What people change of terminals, cars and bindings: one body on SQLite and on PostgreSQL."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from core import limits
from core.events import Event, TerminalBound
from core.rights import ROLES, Principal, Scope
from storage.bindings import Entry
from storage.eventlog import EventLog
from storage.marks import RefusedError, phone_of, plate_of, vin_of, vin_warning
from storage.registry import NewTerminal, Registry
from storage.tables.business import BINDING, EVENT, STORE, TERMINAL, VEHICLE
from storage.terminals import TerminalChange, Terminals, VehicleChange

START_MS = 1_760_000_000_000
ALL = Scope()
SOUTH = 1
NORTH = 2


def principal(*stores: int) -> Principal:
    scope = Scope(stores=stores or None)
    return Principal(account=7, role="manager", rights=ROLES["manager"], scope=scope)


BOSS = principal()


class Clock:
    """Each look at it is a second later."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        self.now_ms += 1000
        return self.now_ms


@pytest.fixture
def terminals(log: EventLog) -> Terminals:
    add_stores(log)
    return Terminals(log, Clock())


def add_stores(log: EventLog) -> None:
    places = ((SOUTH, "S01", "城南店", "South"), (NORTH, "N01", "城北店", "North"))
    rows = [
        {"id": number, "group_id": 1, "code": code, "name_zh": zh, "name_en": en, "time_zone": "Asia/Shanghai"}
        | {"created_ms": START_MS}
        for number, code, zh, en in places
    ]
    with log.database.write() as connection:
        connection.execute(insert(STORE), rows)


def refused(call: Callable[[], Any]) -> list[tuple[str, str]]:
    with pytest.raises(RefusedError) as caught:
        call()
    return [(one.field, one.code) for one in caught.value.refusals]


def test_an_entered_terminal_has_a_car_a_binding_and_an_event_of_ids_only(terminals: Terminals, log: EventLog) -> None:
    entry = Entry(phone="139 1234-5678", maker="博实结", plate="粤B·12345", plate_colour=1, store="城南店", line=2)
    report = terminals.enter(BOSS, [entry])
    assert (report.written, report.counts["added"]) == (True, 1)
    outcome = report.outcomes[0]
    assert (outcome.what, outcome.phone, outcome.plate, outcome.line) == ("added", "13912345678", "粤B12345", 2)
    view = terminals.terminal(ALL, outcome.terminal)
    assert view is not None
    assert (view.plate, view.store, view.role, view.maker, view.vehicle_id) == ("粤B12345", SOUTH, "main", "博实结", 1)
    event = log.read(0)[0]
    assert (event.type, event.store, event.actor, event.subject) == (
        "terminal.entered",
        SOUTH,
        "account:7",
        "terminal:1",
    )
    assert set(event.payload.__struct_fields__) == {"terminal", "vehicle_id", "role", "from_ms", "revision"}
    again = terminals.enter(BOSS, [entry])
    assert (again.outcomes[0].what, log.head()) == ("unchanged", 1)


def test_every_row_of_a_list_says_what_became_of_it(terminals: Terminals, log: EventLog) -> None:
    terminals.enter(BOSS, [Entry(phone="1", plate="粤B11111", store=1), Entry(phone="2"), Entry(phone="4", maker="M")])
    report = terminals.enter(
        BOSS,
        [
            Entry(phone="3", line=2, plate="粤B33333", vin="1M8GDM9A1KP042788"),
            Entry(phone="1", line=3, model="X9", store="N01"),
            Entry(phone="4", line=4, maker="M"),
            Entry(phone="1.39E+10", line=5),
            Entry(phone="03", line=6),
            Entry(phone="5", line=7, plate="粤B11111"),
            Entry(phone="6", line=8, store="西店", vin="12"),
            Entry(phone="7", line=9, plate="粤B11111", role="camera"),
        ],
    )
    assert [one.what for one in report.outcomes] == [
        "added", "changed", "unchanged", "refused", "refused", "refused", "refused", "added",
    ]  # fmt: skip
    codes = [[(r.field, r.code) for r in one.refusals] for one in report.outcomes[3:7]]
    assert codes == [
        [("phone", "phone_rounded")],
        [("phone", "phone_repeated")],
        [("plate", "main_taken")],
        [("vin", "vin_wrong"), ("store", "store_wrong")],
    ]
    assert report.outcomes[0].warnings == ("vin_check_digit",)
    assert report.outcomes[1].changes == ("model", "store")
    assert report.outcomes[7].vehicle_id == 1, "a camera rides along with the car its plate names"
    view = terminals.terminal(ALL, report.outcomes[7].terminal)
    assert view is not None
    assert view.store == NORTH, "the car had just moved"
    assert [event.type for event in log.read(3)] == [
        "terminal.entered", "terminal.changed", "vehicle.changed", "terminal.entered",
    ]  # fmt: skip


def test_all_or_nothing_writes_nothing_for_one_refusal_and_a_preview_never(terminals: Terminals, log: EventLog) -> None:
    entries = [Entry(phone="1"), Entry(phone="x")]
    assert terminals.preview(BOSS, entries[:1]).counts["added"] == 1
    report = terminals.enter(BOSS, entries, whole=True)
    assert (report.written, report.counts) == (False, {"added": 1, "changed": 0, "unchanged": 0, "refused": 1})
    assert (terminals.page(ALL).items, log.head()) == ([], 0)


def test_a_list_one_past_the_bound_is_refused(terminals: Terminals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.limits.TERMINALS_IMPORT_MAX", 2)
    entries = [Entry(phone=str(number)) for number in (1, 2, 3)]
    assert refused(lambda: terminals.preview(BOSS, entries)) == [("rows", "too_many")]
    assert terminals.enter(BOSS, entries[:2]).written


def test_a_store_user_enters_into_their_own_store_only(terminals: Terminals) -> None:
    south = principal(SOUTH)
    assert terminals.enter(south, [Entry(phone="1")]).outcomes[0].what == "added"
    view = terminals.terminal(ALL, 1)
    assert view is not None
    assert view.store == SOUTH, "their only store needs no naming"
    codes = [
        [(r.field, r.code) for r in one.refusals]
        for one in terminals.enter(
            south, [Entry(phone="2", store="N01"), Entry(phone="3", store=0), Entry(phone="4", store="S01")]
        ).outcomes
    ]
    assert codes == [[("store", "store_outside")], [("store", "store_outside")], []]
    outcome = terminals.enter(principal(SOUTH, NORTH), [Entry(phone="5")]).outcomes[0]
    assert [(r.field, r.code) for r in outcome.refusals] == [("store", "store_missing")]


def test_what_is_another_stores_is_neither_seen_nor_changed(terminals: Terminals) -> None:
    terminals.enter(BOSS, [Entry(phone="1", plate="粤B11111", store=NORTH), Entry(phone="2", store=SOUTH)])
    south = principal(SOUTH)
    assert [view.phone for view in terminals.page(south.scope).items] == ["2"]
    assert terminals.terminal(south.scope, 1) is None
    assert terminals.bindings(south.scope, 1) is None
    assert terminals.change(south, 1, TerminalChange(maker="x")) is None
    assert terminals.retire(south, 1) is None
    assert terminals.change_vehicle(south, 1, VehicleChange(plate="x")) is None
    assert terminals.counts(south.scope) == {"service": 1, "unbound": 1, "retired": 0}
    assert refused(lambda: terminals.bind(south, 2, 1)) == [("vehicle_id", "vehicle_unknown")]
    outcomes = terminals.enter(south, [Entry(phone="1", maker="x"), Entry(phone="3", plate="粤B11111")]).outcomes
    assert [one.refusals[0].code for one in outcomes] == ["phone_taken", "car_elsewhere"]
    assert refused(lambda: terminals.change_vehicle(south, 2, VehicleChange(store=NORTH))) == [
        ("store", "store_outside")
    ]
    with pytest.raises(RefusedError) as caught:
        terminals.change_vehicle(south, 2, VehicleChange(plate="粤B11111"))
    assert (caught.value.refusals[0].code, caught.value.refusals[0].detail) == ("plate_taken", ""), "no car is named"


def test_a_car_moves_with_its_terminals_and_tells_its_new_store(terminals: Terminals, log: EventLog) -> None:
    terminals.enter(BOSS, [Entry(phone="1", plate="粤B11111", store=SOUTH)])
    terminals.enter(BOSS, [Entry(phone="2", plate="粤B11111", role="camera")])
    car = terminals.change_vehicle(BOSS, 1, VehicleChange(store=NORTH, plate="粤BD12345", plate_colour=94))
    assert car is not None
    assert (car.store, car.plate, car.plate_colour, car.warnings) == (NORTH, "粤BD12345", 94, ())
    assert [view.store for view in terminals.page(ALL).items] == [NORTH, NORTH]
    assert [(row.vehicle_id, row.store) for row in Registry(log).load_vehicles()] == [(1, NORTH)]
    event = log.read(2)[0]
    assert (event.type, event.store, event.payload.store_before) == ("vehicle.changed", NORTH, SOUTH)
    assert set(event.payload.fields) == {"plate", "plate_colour", "store"}
    assert terminals.change_vehicle(BOSS, 1, VehicleChange(store=NORTH)) == car
    assert log.head() == 3, "what changes nothing is not told"


def test_two_cars_of_a_group_do_not_share_a_plate_or_a_vin(terminals: Terminals) -> None:
    vins = ("LSVAU033872345678", "1M8GDM9AXKP042788")
    terminals.enter(BOSS, [Entry(phone=str(n), plate=f"粤B1111{n}", vin=vin) for n, vin in enumerate(vins, 1)])
    change = VehicleChange(plate="粤B11112", vin=vins[1], plate_colour=7, store=99)
    wrong = [("plate_colour", "plate_colour_unknown"), ("store", "store_wrong")]
    assert refused(lambda: terminals.change_vehicle(BOSS, 1, change)) == wrong
    change = VehicleChange(plate="粤B11112", vin=vins[1])
    taken = [("plate", "plate_taken"), ("vin", "vin_taken")]
    assert refused(lambda: terminals.change_vehicle(BOSS, 1, change)) == taken
    outcome = terminals.enter(BOSS, [Entry(phone="3", plate="粤B11111", vin=vins[1])]).outcomes[0]
    assert [r.code for r in outcome.refusals] == ["plate_taken"], "plate and VIN name two cars"


def test_a_device_is_exchanged_in_one_step(terminals: Terminals, log: EventLog) -> None:
    terminals.enter(BOSS, [Entry(phone="1", plate="粤B11111", store=SOUTH), Entry(phone="2", store=NORTH)])
    assert refused(lambda: terminals.bind(BOSS, 2, 1)) == [("vehicle_id", "main_taken")]
    view = terminals.bind(BOSS, 2, 1, replace=True)
    assert view is not None
    assert (view.vehicle_id, view.store, view.plate) == (1, SOUTH, "粤B11111")
    old = terminals.terminal(ALL, 1)
    assert old is not None
    assert (old.vehicle_id, old.plate, old.store) == (3, "", SOUTH), "the old one is a vehicle of its own"
    assert [event.type for event in log.read(2)] == ["terminal.unbound", "terminal.bound"]
    back = terminals.bind(BOSS, 1, 1, replace=True)
    assert back is not None
    other = terminals.terminal(ALL, 2)
    assert other is not None
    assert other.vehicle_id == 2, "back to the nameless vehicle it had, not to a new one"


def test_a_corrected_binding_rewrites_the_history_behind_it(terminals: Terminals, log: EventLog) -> None:
    terminals.enter(BOSS, [Entry(phone=str(n), plate=f"粤B1111{n}") for n in (1, 2, 3)])
    terminals.enter(BOSS, [Entry(phone="9")])
    terminals.bind(BOSS, 4, 1, role="camera")
    terminals.bind(BOSS, 4, 2, role="camera")
    history = terminals.bindings(ALL, 4)
    assert history is not None
    assert [stay.vehicle_id for stay in history] == [2, 1, 4]
    since_ms = (history[1].from_ms + history[2].from_ms) // 2
    terminals.bind(BOSS, 4, 3, role="camera", from_ms=since_ms)
    corrected = terminals.bindings(ALL, 4)
    assert corrected is not None
    assert [(stay.vehicle_id, stay.from_ms, stay.to_ms) for stay in corrected] == [
        (3, since_ms, 0), (4, history[2].from_ms, since_ms),
    ]  # fmt: skip
    payload = log.read(log.head() - 1)[0].payload
    assert payload == TerminalBound(
        terminal=4, vehicle_id=3, vehicle_before=2, role="camera", from_ms=since_ms, revision=payload.revision
    )
    assert refused(lambda: terminals.bind(BOSS, 4, 2, from_ms=START_MS * 2)) == [("from_ms", "from_future")]
    assert refused(lambda: terminals.bind(BOSS, 4, 2, from_ms=1)) == [("from_ms", "from_past")]


def test_a_history_is_read_up_to_its_bound_from_the_newest_stay_back(
    terminals: Terminals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BINDINGS_READ_MAX", 2)
    terminals.enter(BOSS, [Entry(phone=str(n), plate=f"粤B1111{n}") for n in (1, 2)])
    terminals.enter(BOSS, [Entry(phone="9")])
    for car in (1, 2):
        terminals.bind(BOSS, 3, car, role="camera")
    history = terminals.bindings(ALL, 3)
    assert history is not None
    assert [stay.vehicle_id for stay in history] == [2, 1], "its own first car is past the bound"


def test_a_retired_terminal_is_known_and_never_registered_anew(terminals: Terminals, log: EventLog) -> None:
    terminals.enter(BOSS, [Entry(phone="1", plate="粤B11111", store=SOUTH)])
    view = terminals.retire(BOSS, 1)
    assert view is not None
    assert (view.retired_ms > 0, view.vehicle_id) == (True, 0)
    head = log.head()
    assert terminals.retire(BOSS, 1) == view
    row = Registry(log).register([NewTerminal(phone="1", terminal_id="T1")])[0]
    assert (row.retired_ms, row.vehicle_id, log.head()) == (view.retired_ms, 0, head)
    assert refused(lambda: terminals.bind(BOSS, 1, 1)) == [("terminal", "terminal_retired")]
    assert refused(lambda: terminals.change(BOSS, 1, TerminalChange(maker="x"))) == [("terminal", "terminal_retired")]
    assert [v.phone for v in terminals.page(ALL).items] == []
    assert [v.phone for v in terminals.page(ALL, state="retired").items] == ["1"]
    outcome = terminals.enter(BOSS, [Entry(phone="1", plate="粤B11111")]).outcomes[0]
    assert (outcome.what, outcome.changes, outcome.terminal, outcome.vehicle_id) == ("changed", ("state",), 1, 1)


def test_a_terminal_does_not_rename_a_car_that_a_person_named(terminals: Terminals, log: EventLog) -> None:
    registry = Registry(log)
    registry.register([NewTerminal(phone="1", terminal_id="T1", plate="粤B11111", event_id="e1")])
    terminals.enter(BOSS, [Entry(phone="2", plate="粤B22222")])
    terminals.retire(BOSS, 2)
    terminals.bind(BOSS, 1, 2)
    row = registry.register([NewTerminal(phone="1", terminal_id="T1", plate="粤B11111", vin="V", event_id="e2")])[0]
    assert (row.vehicle_id, row.plate, row.vin) == (2, "粤B22222", "V"), "an empty field it may fill"


def test_a_list_is_searched_paged_and_filtered(terminals: Terminals) -> None:
    terminals.enter(BOSS, [Entry(phone=f"138{n:04}", plate=f"粤B{n:05}", store=1 + n % 2) for n in range(1, 8)])
    terminals.enter(BOSS, [Entry(phone="777", terminal_id="abc%d")])
    first = terminals.page(ALL, limit=3)
    assert [view.terminal for view in first.items] == [1, 2, 3]
    assert first.next == 3
    rest = terminals.page(ALL, first.next, 10)
    assert ([view.terminal for view in rest.items], rest.next) == ([4, 5, 6, 7, 8], 0)
    assert [view.terminal for view in terminals.page(ALL, limit=2, newest_first=True).items] == [8, 7]
    assert [view.terminal for view in terminals.page(ALL, search="b00003").items] == [3]
    assert [view.terminal for view in terminals.page(ALL, search="C%D").items] == [8]
    assert [view.terminal for view in terminals.page(ALL, search="%").items] == [8]
    assert [view.terminal for view in terminals.page(ALL, store=NORTH).items] == [1, 3, 5, 7]
    assert [view.terminal for view in terminals.page(ALL, store=0).items] == [8]
    assert [view.terminal for view in terminals.page(ALL, state="unbound").items] == [8]


def test_a_list_says_of_each_terminal_what_the_log_says_last_of_its_sessions(
    terminals: Terminals, log: EventLog
) -> None:
    terminals.enter(BOSS, [Entry(phone="1"), Entry(phone="2"), Entry(phone="3")])
    for number, (terminal, kind) in enumerate(
        ((1, "opened"), (2, "opened"), (1, "closed"), (1, "opened"), (2, "closed"))
    ):
        log.append(
            [
                Event(id=f"s{number}", type=f"terminal.session.{kind}", time_ms=START_MS + number, actor="vehicle",
                      subject=f"terminal:{terminal}")
            ]
        )  # fmt: skip
    shown = [(v.session_ms, v.session_open, v.session_end_ms) for v in terminals.page(ALL).items]
    assert shown == [(START_MS + 3, True, 0), (START_MS + 1, False, START_MS + 4), (0, False, 0)]


MARKS = (
    (phone_of, "+86139", "phone_wrong"), (phone_of, "", "phone_missing"), (phone_of, "000", "phone_wrong"),
    (phone_of, "1,39123E+10", "phone_rounded"), (plate_of, "粤B12345678901", "plate_wrong"),
    (plate_of, "粤B;345", "plate_wrong"), (vin_of, "LSVAU03387234567", "vin_wrong"),
    (vin_of, "LSVAU03387234567O", "vin_wrong"),
)  # fmt: skip


@pytest.mark.parametrize(("make", "text", "code"), MARKS)
def test_a_mark_that_is_none_is_refused_with_its_reason(make: Callable[[str], str], text: str, code: str) -> None:
    assert [found for _, found in refused(lambda: make(text))] == [code]


def test_the_check_digit_of_a_vin_is_that_of_the_standard() -> None:
    # ISO 3779's own example, and one with the ninth sign changed.
    assert vin_warning("1M8GDM9AXKP042788") == ""
    assert vin_warning("1M8GDM9A1KP042788") == "vin_check_digit"
    assert vin_warning("11111111111111111") == ""


# --- any sequence of changes ------------------------------------------------------------------------------------------

PHONES = st.integers(1, 5)
PLATES = st.sampled_from(["", "粤B00001", "粤B00002", "粤B00003"])
CARS = st.integers(1, 8)
BACK_S = st.integers(0, 60)
STEPS = st.one_of(
    st.tuples(
        st.just("enter"), PHONES, PLATES, st.sampled_from([None, 0, SOUTH, NORTH]), st.sampled_from(["", "camera"])
    ),
    st.tuples(st.just("bind"), PHONES, CARS, BACK_S, st.sampled_from(["main", "camera"]), st.booleans()),
    st.tuples(st.just("unbind"), PHONES, BACK_S),
    st.tuples(st.just("retire"), PHONES),
    st.tuples(st.just("move"), CARS, st.sampled_from([0, SOUTH, NORTH])),
    st.tuples(st.just("say"), PHONES, st.sampled_from(["", "A", "B"])),
)  # fmt: skip


def take(terminals: Terminals, clock: Clock, step: tuple[Any, ...]) -> None:
    match step:
        case "enter", phone, plate, store, role:
            terminals.enter(BOSS, [Entry(phone=str(phone), plate=plate, store=store, role=role)])
        case "bind", terminal, car, back_s, role, replace:
            since_ms = clock.now_ms - back_s * 1000
            terminals.bind(BOSS, terminal, car, role=role, from_ms=since_ms, replace=replace)
        case "unbind", terminal, back_s:
            terminals.unbind(BOSS, terminal, from_ms=clock.now_ms - back_s * 1000)
        case "retire", terminal:
            terminals.retire(BOSS, terminal)
        case "move", car, store:
            terminals.change_vehicle(BOSS, car, VehicleChange(store=store))
        case "say", terminal, maker:
            terminals.change(BOSS, terminal, TerminalChange(maker=maker))


def replayed(events: list[Event]) -> dict[int, tuple[int, str, int]]:
    """Return terminal -> (car, role, store) as the events alone say it."""
    now: dict[int, tuple[int, str, int]] = {}
    for event in events:
        said = event.payload
        if event.type == "vehicle.changed":
            ours = [terminal for terminal, (car, _, _) in now.items() if car == said.vehicle_id]
            now |= {terminal: (*now[terminal][:2], event.store) for terminal in ours}
        elif event.type == "terminal.retired":
            del now[said.terminal]
        elif event.type != "terminal.changed":
            now[said.terminal] = (said.vehicle_id, getattr(said, "role", "main"), event.store)
    return now


def tables(log: EventLog) -> tuple[list[Any], ...]:
    with log.database.read() as connection:
        return tuple(
            [tuple(row) for row in connection.execute(select(table).order_by(table.c.id))]
            for table in (VEHICLE, TERMINAL, BINDING)
        )


@given(st.lists(STEPS, min_size=1, max_size=25))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_sequence_of_changes_breaks_history_or_goes_untold(log: EventLog, steps: list[tuple[Any, ...]]) -> None:
    with log.database.write() as connection:
        for table in (BINDING, TERMINAL, VEHICLE, EVENT, STORE):
            connection.execute(table.delete())
        connection.exec_driver_sql("UPDATE log_owner SET head = 0")
    add_stores(log)
    clock = Clock()
    terminals = Terminals(log, clock)
    for step in steps:
        before, head = tables(log), log.head()
        try:
            take(terminals, clock, step)
        except RefusedError:
            assert tables(log) == before, "a refusal leaves no trace"
        assert (tables(log) != before) == (log.head() > head), f"{step}: every change is told, and nothing else"
    rows = Registry(log).load()
    served = {row.terminal: (row.vehicle_id, row.role, row.store) for row in rows if not row.retired_ms}
    assert served == replayed(log.read(0)), "loading is replaying"
    assert all(row.vehicle_id == 0 for row in rows if row.retired_ms)
    cars = {car.vehicle_id: car.store for car in Registry(log).load_vehicles()}
    assert all(cars[car] == store for car, _, store in served.values()), "a terminal is of its car's store"
    assert sum(role == "main" for _, role, _ in served.values()) == len(
        {car for car, role, _ in served.values() if role == "main"}
    ), "a car has one main terminal"
    for row in rows:
        history = terminals.bindings(ALL, row.terminal)
        assert history is not None
        stays = history[::-1]
        assert sum(stay.to_ms == 0 for stay in stays) == (0 if row.retired_ms else 1)
        assert all(stay.to_ms == 0 or stay.from_ms < stay.to_ms for stay in stays)
        assert all(one.to_ms <= other.from_ms and one.to_ms for one, other in pairwise(stays))
