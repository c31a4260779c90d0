"""The garage: histories that agree with the registry, odometers that only a signature turns back, owners one at a time,
and a record in which a changed byte is found."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.business.garage import (
    DAY_MS,
    GARAGE,
    IN_USE_M,
    MARK_M,
    Alias,
    Binding,
    Car,
    Entry,
    Held,
    Link,
    Terminal,
    same_person,
)
from core import limits
from core.business import Business
from core.chain import first_broken
from core.events import (
    CrashConfirmed,
    DevicePower,
    DevicePresence,
    Event,
    OdometerAdvanced,
    TerminalRegistered,
    TheftCleared,
    TripClosed,
    VehicleChanged,
    derive_id,
)
from core.events.garage import (
    LINK_ROLES,
    STATE_REASONS,
    STEPS,
    VEHICLE_STATES,
    OdometerCorrectionRequested,
    OdometerReadingRequested,
    OdometerReviewRequested,
    VehiclePersonRequested,
    VehicleStateRequested,
)
from core.events.identity import PersonErased, PersonMerged, PersonUnmerged
from core.health_record import parts
from core.rights import NODE
from storage.bindings import Book
from storage.bindings import Entry as Entered
from tests.business.memory import MemoryLog
from tests.business.toy import blank

NOW_MS = 1_760_000_000_000
KM = 1000
SIGNED = "account:7"
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How long an example takes depends on who else is on the machine."""


class World:
    """A garage over a log in memory, and the events that people and cars make, an hour apart."""

    def __init__(self) -> None:
        self.log = MemoryLog(Business((GARAGE,)))
        self.time_ms = NOW_MS
        self.told: list[Event] = []
        self._count = 0

    def event(self, type_: str, payload: msgspec.Struct, **about: Any) -> Event:
        """Return an event about vehicle 1, an hour behind the one before, not told yet."""
        self._count += 1
        self.time_ms += 3_600_000
        fields: dict[str, Any] = {
            "id": derive_id("test", type_, 1, (), str(self._count)),
            "type": type_,
            "time_ms": self.time_ms,
            "subject": "vehicle:1",
            "store": 3,
            "actor": SIGNED,
            "payload": payload,
        }
        return Event(**{**fields, **about})

    def tell(self, *events: Event) -> list[Event]:
        """Tell them to the log; return what the garage said."""
        self.told += events
        got = self.log.take(events)
        return [event for event in got if event.actor == "garage"]

    def say(self, type_: str, payload: msgspec.Struct, **about: Any) -> list[Event]:
        return self.tell(self.event(type_, payload, **about))

    def ask(self, type_: str, payload: msgspec.Struct, **about: Any) -> Event:
        """Ask for something; return the decision."""
        asked = self.event(type_, payload, **about)
        [decision] = [event for event in self.tell(asked) if event.answers == asked.id]
        return decision

    def known(self) -> "World":
        """Let car 1 be known, by its terminal 1."""
        self.say("terminal.registered", blank(TerminalRegistered, terminal=1, vehicle_id=1))
        return self

    def rows(self, row: type) -> list[Any]:
        kept = next(kept for kept in GARAGE.kept if kept.row is row)
        table = self.log.tables.rows.get(kept.table, {})
        return [table[key] for key in sorted(table)]

    @property
    def car(self) -> Car:
        return next(car for car in self.rows(Car) if car.vehicle_id == 1)

    def advance(self, odometer_m: int, advance_m: int = 0, **fields: Any) -> list[Event]:
        return self.say("odometer.advanced", advanced(odometer_m, advance_m, **fields))

    def link(self, person: int, role: str = "owner", **fields: Any) -> Event:
        return self.ask("vehicle.person.requested", wanted(person, role, **fields))

    def step(self, state: str, reason: str = "reported") -> Event:
        return self.ask("vehicle.state.requested", VehicleStateRequested(vehicle_id=1, state=state, reason=reason))


def advanced(odometer_m: int, advance_m: int, *, base: int = 1, source: str = "odometer", rebased: str = "") -> Any:
    return blank(
        OdometerAdvanced, vehicle_id=1, terminal=1, odometer_m=odometer_m, advance_m=advance_m, source=source,
        base=base, rebased=rebased,
    )  # fmt: skip


def wanted(person: int, role: str = "owner", **fields: Any) -> VehiclePersonRequested:
    return VehiclePersonRequested(vehicle_id=1, person=person, role=role, **fields)


def code(decision: Event) -> str:
    """Return why an intent was refused."""
    assert decision.type == "intent.refused", decision
    return str(decision.payload.code)


def sound(world: World) -> bool:
    """Tell whether every record in the table verifies, without a gap."""
    by_car: dict[int, list[Entry]] = {}
    for entry in world.rows(Entry):
        by_car.setdefault(entry.vehicle_id, []).append(entry)
    for entries in by_car.values():
        assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
    heads = {car.vehicle_id: (car.entries, car.head) for car in world.rows(Car) if car.entries}
    assert heads == {vehicle: (len(entries), entries[-1].hash) for vehicle, entries in by_car.items()}
    return all(first_broken((parts(one), one.hash) for one in entries) is None for entries in by_car.values())


# --- states -----------------------------------------------------------------------------------------------------------


@UNHURRIED
@given(st.lists(st.tuples(st.sampled_from(VEHICLE_STATES), st.sampled_from(STATE_REASONS)), max_size=12))
def test_a_car_takes_the_steps_there_are_and_every_other_one_is_refused(asked: list[tuple[str, str]]) -> None:
    world = World().known()
    state = "pre_delivery"
    for to, reason in asked:
        decision = world.step(to, reason)
        if to in STEPS[state]:
            assert (decision.payload.before, decision.payload.state) == (state, to)
            state = to
        else:
            assert code(decision) == "step_unknown"
        assert world.car.state == state
    assert sound(world)


def test_a_car_with_an_owner_or_that_drives_far_is_in_use_and_one_for_sale_is_with_its_next_owner() -> None:
    world = World().known()
    assert world.car.state == "pre_delivery"
    world.link(5)
    assert world.car.state == "in_use"
    world.step("for_sale", "offered")
    world.link(6)
    assert world.car.state == "in_use"
    driven = World().known()
    driven.advance(IN_USE_M - 1, IN_USE_M - 1, source="positions", rebased="first")
    assert driven.car.state == "pre_delivery"
    [changed, _] = driven.advance(IN_USE_M, 1, source="positions")
    assert (changed.type, changed.payload.reason, driven.car.state) == ("vehicle.state.changed", "driven", "in_use")


def test_a_stolen_car_that_a_person_says_was_found_is_recovered_and_one_that_was_not_stolen_stays() -> None:
    world = World().known()
    world.link(5)
    cleared = TheftCleared(vehicle_id=1, reason="recovered")
    assert world.say("theft.cleared", cleared) == []
    world.step("stolen")
    assert world.say("theft.cleared", TheftCleared(vehicle_id=1, reason="returned")) == []
    assert world.car.state == "stolen"
    assert world.say("theft.cleared", cleared)[0].payload.state == "recovered"


def test_an_intent_about_a_car_nobody_knows_or_with_a_word_nobody_knows_is_refused() -> None:
    world = World().known()
    nobody = VehicleStateRequested(vehicle_id=9, state="in_use", reason="owner")
    assert code(world.ask("vehicle.state.requested", nobody)) == "vehicle_unknown"
    assert code(world.step("flying")) == "state_unknown"
    assert code(world.step("in_use", "because")) == "reason_unknown"
    assert code(world.link(5, "friend")) == "role_unknown"
    assert code(world.link(5, source="dream")) == "source_unknown"
    assert code(world.link(5, action="adopt")) == "action_unknown"


# --- bindings ---------------------------------------------------------------------------------------------------------

operations = st.lists(
    st.tuples(
        st.sampled_from(["enter", "bind", "unbind", "retire", "reinstate"]),
        st.integers(0, 3),  # which terminal
        st.integers(0, 3),  # which car
        st.integers(0, 6),  # so many steps ago
        st.booleans(),
    ),
    max_size=14,
)


def registry_history(made: list[tuple[str, int, int, int, bool]]) -> Book:
    """Return a book in which these things were done, as far as they can be."""
    book = Book(NOW_MS, SIGNED, NODE.scope)
    for number, (what, which, car, ago, replace) in enumerate(made, 1):
        book.now_ms = NOW_MS + number * 1000
        phone = f"1380000000{which}"
        device = book.devices.get(book.phones.get(phone, 0))
        from_ms = book.now_ms - ago * 1000
        if what in ("enter", "reinstate") or device is None:
            if device is None or device.retired_ms:
                book.enter(Entered(phone=phone, plate=f"京A1000{which}"), {})
        elif device.retired_ms:
            continue
        elif what == "bind":
            cars = sorted(book.cars)
            main = book.main_of(cars[car % len(cars)], but=device.id)
            if not main or replace:
                book.bind(device, book.cars[cars[car % len(cars)]], "main", from_ms, replace=replace)
        elif what == "unbind":
            book.unbind(device, from_ms)
        elif what == "retire":
            book.retire(device)
    return book


def stretches(rows: list[Binding]) -> dict[int, list[tuple[int, int | None, int, str]]]:
    """Return each terminal's stretches with a car: those that touch and say the same as one."""
    found: dict[int, list[tuple[int, int | None, int, str]]] = {}
    for row in sorted(rows, key=lambda one: (one.terminal, one.from_ms)):
        ours = found.setdefault(row.terminal, [])
        if not row.vehicle_id or row.to_ms == row.from_ms:
            continue
        if ours and ours[-1][1:] == (row.from_ms, row.vehicle_id, row.role):
            ours[-1] = (ours[-1][0], row.to_ms, row.vehicle_id, row.role)
        else:
            ours.append((row.from_ms, row.to_ms, row.vehicle_id, row.role))
    return found


@UNHURRIED
@given(operations, st.randoms(use_true_random=False))
def test_bindings_are_those_of_the_registry_whatever_was_corrected_and_in_whatever_order_it_is_told(
    made: list[tuple[str, int, int, int, bool]], random: Any
) -> None:
    book = registry_history(made)
    theirs = {
        terminal: [(stay.from_ms, stay.to_ms, stay.vehicle, stay.role) for stay in stays]
        for terminal, stays in book.stays.items()
    }
    world = World()
    world.tell(*book.events)
    assert stretches(world.rows(Binding)) == theirs
    assert sound(world)
    for terminal in world.rows(Terminal):
        stay = book.stay(terminal.terminal)
        assert terminal.vehicle_id == (stay.vehicle if stay else 0)
        assert (terminal.state == "retired") == bool(book.devices[terminal.terminal].retired_ms)
    shuffled = World()
    events = list(book.events)
    random.shuffle(events)
    shuffled.tell(*events)
    assert shuffled.rows(Binding) == world.rows(Binding)


def test_what_a_terminal_says_of_itself_again_moves_nothing() -> None:
    world = World().known()
    book = registry_history([("enter", 0, 0, 0, False), ("enter", 1, 0, 0, False), ("bind", 1, 0, 0, True)])
    world = World()
    world.tell(*book.events)
    before = world.rows(Binding)
    world.say("terminal.registered", blank(TerminalRegistered, terminal=2, vehicle_id=1))
    assert world.rows(Binding) == before


def test_a_bound_terminal_that_is_heard_is_active_and_one_that_is_not_is_silent() -> None:
    world = World().known()
    seen = DevicePresence(vehicle_id=1, terminal=1, since_ms=NOW_MS)
    states = []
    for type_ in ("device.online", "device.silent", "device.online"):
        world.say(type_, seen)
        states.append(world.rows(Terminal)[0].state)
    assert states == ["active", "silent", "active"]
    world.say("device.silent", seen, time_ms=NOW_MS)
    assert world.rows(Terminal)[0].state == "active", "an old word does not count"


# --- odometers --------------------------------------------------------------------------------------------------------


class Instrument:
    """A car that drives, and devices whose counters count as they please: what detection makes of them."""

    def __init__(self) -> None:
        self.base = 0
        self.shown_m = 0
        self.source = "odometer"

    def swap(self, source: str, shown_m: int, reason: str) -> None:
        self.base += 1
        self.source, self.shown_m = source, shown_m if source == "odometer" else 0
        self._rebased = reason if self.base > 1 else "first"

    def drive(self, metres: int) -> Any:
        self.shown_m += metres
        rebased, self._rebased = self._rebased, ""
        return advanced(self.shown_m, metres, base=self.base, source=self.source, rebased=rebased)


metres = st.integers(0, 900 * KM)
acts = st.one_of(
    st.tuples(st.just("drive"), metres),
    st.tuples(st.just("swap"), st.sampled_from(["odometer", "positions"]), st.integers(0, 400_000 * KM)),
    st.tuples(st.just("read"), st.sampled_from(["workshop", "fitting", "owner"]), st.integers(0, 400_000 * KM)),
    st.tuples(st.just("correct"), st.integers(0, 400_000 * KM)),
    st.tuples(st.just("review"), st.booleans()),
)


@UNHURRIED
@given(st.lists(acts, max_size=25))
def test_an_odometer_never_goes_down_whatever_is_fitted_or_read_but_by_a_signed_correction(
    made: list[tuple[Any, ...]],
) -> None:
    world, car = World().known(), Instrument()
    car.swap("odometer", 1000 * KM, "first")
    stood_m = 0
    for act in made:
        before_m = world.car.odometer_m
        said: list[Event] = []
        if act[0] == "drive":
            said = world.say("odometer.advanced", car.drive(act[1]))
        elif act[0] == "swap":
            car.swap(act[1], act[2], "terminal")
        elif act[0] == "read":
            asked = OdometerReadingRequested(vehicle_id=1, odometer_m=act[2], source=act[1])
            said = [world.ask("odometer.reading.requested", asked)]
        elif act[0] == "correct":
            asked_m = OdometerCorrectionRequested(vehicle_id=1, odometer_m=act[1], reason="document")
            said = [world.ask("odometer.correction.requested", asked_m)]
            assert world.car.odometer_m == act[1]
        else:
            verdict = "accepted" if act[1] else "dismissed"
            review = OdometerReviewRequested(vehicle_id=1, held=world.car.held, verdict=verdict, reason="device_wrong")
            said = [world.ask("odometer.review.requested", review)]
        now_m = world.car.odometer_m
        corrected = [event for event in said if event.type == "odometer.corrected"]
        if corrected:
            assert corrected[0].payload.by == SIGNED
            assert (corrected[0].payload.before_m, corrected[0].payload.odometer_m) == (before_m, now_m)
        else:
            assert now_m >= before_m, act
        if act[0] == "drive" and not corrected:
            assert now_m - before_m >= act[1] or before_m == 0, "no metre is lost"
        stood_m = now_m
    assert world.car.odometer_m == stood_m
    assert sound(world)
    waiting = [held for held in world.rows(Held) if held.state == "open"]
    assert len(waiting) <= 1, "one reading at most waits of a car"
    assert [held.number for held in waiting] == ([world.car.held] if world.car.held else [])


@UNHURRIED
@given(
    st.lists(st.integers(0, 60 * KM), min_size=1, max_size=10),
    st.sampled_from(["odometer", "positions"]),
    st.randoms(use_true_random=False),
)
def test_the_order_in_which_a_counter_is_told_changes_neither_odometer_nor_distance_nor_last_trip(
    legs: list[int], source: str, random: Any
) -> None:
    car = Instrument()
    car.swap(source, 80_000 * KM, "first")
    world = World()
    events = []
    for number, leg in enumerate(legs):
        events.append(world.event("odometer.advanced", car.drive(leg)))
        trip = blank(TripClosed, vehicle_id=1, trip_id=f"{number:016x}", distance_m=leg, started_ms=world.time_ms)
        events.append(world.event("trip.closed", trip))
    shuffled, again = World(), list(events)
    random.shuffle(again)
    world.tell(*events)
    shuffled.tell(*again)
    fields = ("odometer_m", "odometer_ms", "driven_m", "trips", "trip_id", "trip_from_ms", "trip_to_ms", "trip_m")
    assert [getattr(world.car, name) for name in fields] == [getattr(shuffled.car, name) for name in fields]
    assert world.car.odometer_m == car.shown_m
    assert world.car.trip_id == f"{len(legs) - 1:016x}"


def test_another_device_goes_on_from_where_the_car_stood_and_its_own_reading_is_held() -> None:
    world = World().known()
    world.advance(50_000 * KM, 0, rebased="first")
    world.advance(50_030 * KM, 30 * KM)
    [held, _] = world.advance(120_010 * KM, 10 * KM, base=2, rebased="terminal")
    assert (held.type, held.payload.why) == ("odometer.held", "higher")
    assert (held.payload.reading_m, held.payload.stands_m) == (120_010 * KM, 50_040 * KM)
    world.advance(120_090 * KM, 80 * KM, base=2)
    assert world.car.odometer_m == 50_120 * KM
    review = OdometerReviewRequested(vehicle_id=1, held=1, verdict="accepted", reason="cluster_replaced")
    decision = world.ask("odometer.review.requested", review)
    # Eighty kilometres on since the reading came.
    assert (decision.type, decision.payload.odometer_m, decision.payload.held) == (
        "odometer.corrected",
        120_090 * KM,
        1,
    )
    assert code(world.ask("odometer.review.requested", review)) == "held_over"


def test_two_counters_that_nearly_agree_are_one_and_a_sum_of_positions_gives_way_to_a_counter() -> None:
    world = World().known()
    world.advance(50_000 * KM, 0, rebased="first")
    assert world.advance(50_003 * KM, 2 * KM, base=2, rebased="terminal") == []
    assert world.car.odometer_m == 50_002 * KM
    summed = World().known()
    summed.advance(80 * KM, 80 * KM, source="positions", rebased="first")
    assert (summed.car.odometer_m, summed.car.odometer_from) == (80 * KM, "positions")
    summed.advance(64_000 * KM, 5 * KM, base=2, rebased="source")
    assert (summed.car.odometer_m, summed.car.odometer_from, summed.car.held) == (64_000 * KM, "device", 0)


def test_a_reading_lower_than_before_is_held_and_overwrites_nothing() -> None:
    world = World().known()
    world.advance(84_200 * KM, 0, rebased="first")
    asked = OdometerReadingRequested(vehicle_id=1, odometer_m=48_200 * KM, source="workshop")
    decision = world.ask("odometer.reading.requested", asked)
    assert (decision.type, decision.payload.why) == ("odometer.held", "lower")
    assert world.car.odometer_m == 84_200 * KM
    again = world.ask("odometer.reading.requested", msgspec.structs.replace(asked, odometer_m=48_300 * KM))
    assert again.payload.held == 1
    [held] = world.rows(Held)
    assert (held.times, held.reading_m, held.state) == (2, 48_300 * KM, "open"), "one waits: the newest"
    dismissed = world.ask(
        "odometer.review.requested", OdometerReviewRequested(vehicle_id=1, held=1, verdict="dismissed")
    )
    assert (dismissed.type, dismissed.payload.by) == ("odometer.dismissed", SIGNED)
    assert (world.car.odometer_m, world.car.held) == (84_200 * KM, 0)


def test_a_reading_farther_than_a_car_can_have_come_is_held_as_a_typing_mistake() -> None:
    world = World().known()
    world.advance(84_200 * KM, 0, rebased="first")
    asked = OdometerReadingRequested(vehicle_id=1, odometer_m=842_000 * KM, source="owner")
    assert world.ask("odometer.reading.requested", asked).payload.why == "higher"
    world.time_ms += 20 * DAY_MS
    later = OdometerReadingRequested(vehicle_id=1, odometer_m=90_000 * KM, source="owner")
    assert world.ask("odometer.reading.requested", later).type == "odometer.read", "it was away for three weeks"


def test_whoever_fits_a_device_enters_where_the_car_stands_and_mileage_goes_on_from_there() -> None:
    world = World().known()
    fitted = OdometerReadingRequested(vehicle_id=1, odometer_m=61_000 * KM, source="fitting")
    assert world.ask("odometer.reading.requested", fitted).type == "odometer.read"
    world.advance(12 * KM, 12 * KM, rebased="first")
    world.advance(20 * KM, 8 * KM)
    assert (world.car.odometer_m, world.car.held) == (61_020 * KM, 0)


def test_a_program_signs_no_correction() -> None:
    world = World().known()
    world.advance(84_200 * KM, 0, rebased="first")
    asked = OdometerCorrectionRequested(vehicle_id=1, odometer_m=4_200 * KM, reason="document")
    assert code(world.ask("odometer.correction.requested", asked, actor="node")) == "signature_needed"
    assert world.car.odometer_m == 84_200 * KM
    too_far = msgspec.structs.replace(asked, odometer_m=limits.ODOMETER_M_MAX + 1)
    assert code(world.ask("odometer.correction.requested", too_far)) == "odometer_unfit"


# --- people -----------------------------------------------------------------------------------------------------------

asked_of_people = st.lists(
    st.tuples(
        st.sampled_from(["link", "link", "verify", "end"]),
        st.integers(1, 4),
        # Owners in every second one: only theirs may not overlap with anybody's.
        st.sampled_from(["owner", "owner", "owner", *LINK_ROLES[1:]]),
        st.integers(0, 8),
        st.integers(0, 8),
    ),
    max_size=20,
)


@UNHURRIED
@given(asked_of_people)
def test_owners_follow_each_other_nobody_is_twice_the_same_and_the_log_tells_all_of_it(
    made: list[tuple[str, int, str, int, int]],
) -> None:
    world = World().known()
    # All of the hours asked for have passed.
    world.time_ms += 10 * 3_600_000
    told: dict[tuple[int, str, int], int | None] = {}
    for action, person, role, from_h, to_h in made:
        hours = [NOW_MS + hour * 3_600_000 if hour else 0 for hour in (from_h, to_h)]
        asked = world.event(
            "vehicle.person.requested", wanted(person, role, action=action, from_ms=hours[0], to_ms=hours[1])
        )
        said = world.tell(asked)
        assert len([event for event in said if event.answers == asked.id]) == 1
        for event in sorted(said, key=lambda one: one.type == "vehicle.person.linked"):
            about = event.payload
            if event.type == "vehicle.person.linked":
                assert (about.person, about.role, about.from_ms) not in told
                told[about.person, about.role, about.from_ms] = about.to_ms or None
            elif event.type == "vehicle.person.ended":
                assert told[about.person, about.role, about.from_ms] is None
                told[about.person, about.role, about.from_ms] = about.to_ms
    links: list[Link] = world.rows(Link)
    assert told == {(link.person, link.role, link.from_ms): link.to_ms for link in links}
    for number, one in enumerate(links):
        for other in links[number + 1 :]:
            if one.role == other.role and (one.role == "owner" or one.person == other.person):
                ends = [(link.from_ms, link.to_ms or 1 << 60) for link in sorted((one, other), key=lambda o: o.from_ms)]
                assert ends[0][1] <= ends[1][0], (one, other)
    owner = next((link.person for link in links if link.role == "owner" and link.to_ms is None), 0)
    assert world.car.owner == owner
    assert sound(world)


def test_a_sold_car_loses_its_owner_and_whoever_was_called_for_them_and_the_person_keeps_their_history() -> None:
    world = World().known()
    world.link(5, source="sale", verified=True)
    world.link(6, "driver")
    world.link(6, "emergency")
    world.step("for_sale", "offered")
    said = world.tell(world.event("vehicle.person.requested", wanted(9, source="sale", verified=True)))
    ended = {(e.payload.person, e.payload.role, e.payload.reason) for e in said if e.type == "vehicle.person.ended"}
    assert ended == {(5, "owner", "sold"), (6, "driver", "owner_changed"), (6, "emergency", "owner_changed")}
    assert (world.car.owner, world.car.owners, world.car.state) == (9, 2, "in_use")
    # The next car joins the same person; nothing of the first is lost.
    world.say("terminal.registered", blank(TerminalRegistered, terminal=2, vehicle_id=2), subject="vehicle:2")
    second = VehiclePersonRequested(vehicle_id=2, person=5, role="owner", source="sale")
    assert world.ask("vehicle.person.requested", second, subject="vehicle:2").type == "vehicle.person.linked"
    of_person = [(link.vehicle_id, link.to_ms is None) for link in world.rows(Link) if link.person == 5]
    assert of_person == [(1, False), (2, True)]


def test_a_link_is_proposed_then_verified_and_what_cannot_be_is_refused() -> None:
    world = World().known()
    assert world.link(5, source="call").payload.verified is False
    assert world.link(5, action="verify", source="document").type == "vehicle.person.verified"
    assert code(world.link(5, action="verify", source="document")) == "link_verified"
    assert code(world.link(5)) == "link_exists"
    assert code(world.link(6, action="end")) == "link_none"
    assert code(world.link(6, from_ms=world.time_ms + 10 * DAY_MS)) == "from_future"
    assert code(world.link(6, from_ms=NOW_MS)) == "owner_overlaps"
    assert code(world.link(5, action="end", to_ms=1)) == "ends_before"
    before = wanted(4, from_ms=NOW_MS - DAY_MS, to_ms=NOW_MS, source="import")
    assert world.ask("vehicle.person.requested", before).payload.to_ms == NOW_MS, "an earlier owner is entered"
    world.step("for_sale", "offered")
    world.step("scrapped", "dismantled")
    assert code(world.link(7)) == "vehicle_scrapped"


def test_a_car_holds_so_many_links_and_one_more_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LINKS_OF_CAR_MAX", 3)
    world = World().known()
    for person in (1, 2, 3):
        assert world.link(person, "driver").type == "vehicle.person.linked"
    assert code(world.link(4, "driver")) == "links_full"


def test_a_person_who_was_two_is_one_owner_and_is_two_again_when_the_merge_is_taken_back() -> None:
    world = World().known()
    world.link(5)
    world.say("person.merged", PersonMerged(person=8, into=5, how="reviewed"), subject="person:8")
    assert code(world.link(8)) == "link_exists", "it is theirs already"
    assert world.link(8, action="verify", source="document").payload.person == 5
    world.say("person.unmerged", PersonUnmerged(person=8, from_person=5), subject="person:8")
    assert world.link(8).type == "vehicle.person.linked"
    assert (world.car.owner, world.car.owners) == (8, 2)


def test_a_person_who_is_erased_is_nothing_to_any_car_and_the_stretches_stay() -> None:
    world = World().known()
    world.say("terminal.registered", blank(TerminalRegistered, terminal=2, vehicle_id=2), subject="vehicle:2")
    world.link(5)
    world.link(6, "driver")
    second = VehiclePersonRequested(vehicle_id=2, person=6, role="owner")
    world.ask("vehicle.person.requested", second, subject="vehicle:2")
    erased = PersonErased(person=6, persons=(6, 7), captures=(), ranges=())
    ended = world.say("person.erased", erased, subject="person:6")
    assert [(one.subject, one.payload.role) for one in ended if one.type == "vehicle.person.ended"] == [
        ("vehicle:1", "driver"),
        ("vehicle:2", "owner"),
    ]
    assert [(link.person, link.to_ms is None) for link in world.rows(Link)] == [(5, True), (6, False), (6, False)]
    assert [car.owner for car in world.rows(Car)] == [5, 0]
    assert sound(world)


class Merged:
    """Merges in a row, each person into the next one, as State.get would give them."""

    def __init__(self, persons: int) -> None:
        self._persons = persons

    def get(self, row: type, person: int) -> Alias | None:
        whole = person + 1
        return Alias(person=person, whole=whole, group_id=1, store_id=0) if person < self._persons else None


def test_merges_are_followed_so_far_and_no_farther(monkeypatch: pytest.MonkeyPatch) -> None:
    state: Any = Merged(5)
    assert same_person(state, 1, 5)
    monkeypatch.setattr(limits, "MERGES_FOLLOWED_MAX", 3)
    assert same_person(state, 2, 5)
    assert not same_person(state, 1, 5)


# --- the health record ------------------------------------------------------------------------------------------------


def eventful() -> World:
    """Return a world in which a little of everything has happened to car 1."""
    world = World().known()
    world.link(5, source="sale", verified=True)
    world.advance(50_000 * KM, 0, rebased="first")
    world.advance(51_200 * KM, 1_200 * KM)
    nothing: dict[str, Any] = {"evidence": (), "against": (), "blind": (), "peak_mg": None}
    nothing |= {"speed_before_kmh10": None, "speed_kmh10": None}
    crash = blank(CrashConfirmed, vehicle_id=1, severity="severe", impact_ms=NOW_MS, **nothing)
    world.say("crash.confirmed", crash, purpose="safety")
    world.say("device.unplugged", blank(DevicePower, vehicle_id=1, terminal=1))
    world.say("vehicle.changed", VehicleChanged(vehicle_id=1, fields=("plate",), store=4, store_before=3, revision=2))
    world.step("for_sale", "offered")
    world.link(9, source="sale")
    correction = OdometerCorrectionRequested(vehicle_id=1, odometer_m=51_000 * KM, reason="document")
    world.ask("odometer.correction.requested", correction)
    return world


def test_a_record_holds_what_happened_to_the_car_and_says_of_nobody_who_they_are() -> None:
    world = eventful()
    entries = world.rows(Entry)
    assert [entry.kind for entry in entries] == [
        "fitted", "owner", "state", "odometer", "crash", "unplugged", "plate", "state", "owner", "state",
        "odometer_corrected",
    ]  # fmt: skip
    assert sound(world)
    assert not [entry for entry in entries if "person" in entry.detail]
    told = [event.payload for event in world.log.events if event.type == "health.recorded"]
    assert [(one.number, one.hash) for one in told] == [(entry.number, entry.hash) for entry in entries]
    assert {event.purpose for event in world.log.events if event.type == "health.recorded"} == {"service"}


def test_a_plug_that_is_loose_is_an_entry_a_day_and_a_thousand_kilometres_are_one() -> None:
    world = World().known()
    for _ in range(30):
        world.say("device.unplugged", blank(DevicePower, vehicle_id=1, terminal=1))
    assert [entry.kind for entry in world.rows(Entry)].count("unplugged") == 2
    world.advance(999 * KM, 0, rebased="first")
    world.advance(MARK_M, KM)
    world.advance(MARK_M + KM, KM)
    assert [entry.kind for entry in world.rows(Entry)].count("odometer") == 1


@settings(UNHURRIED, max_examples=60)
@given(st.data())
def test_a_byte_that_is_changed_in_any_row_of_a_record_is_found_there(data: st.DataObject) -> None:
    entries = eventful().rows(Entry)
    at = data.draw(st.integers(0, len(entries) - 1))
    name = data.draw(st.sampled_from(Entry.__struct_fields__))
    value = getattr(entries[at], name)
    if isinstance(value, int):
        changed: int | str = value ^ (1 << data.draw(st.integers(0, 30)))
    else:
        byte = data.draw(st.integers(0, len(value) - 1))
        changed = value[:byte] + chr(ord(value[byte]) ^ (1 << data.draw(st.integers(0, 5)))) + value[byte + 1 :]
    entries[at] = msgspec.structs.replace(entries[at], **{name: changed})
    # A hash that was changed may show in the row behind it only where that row is the newest one: it is its own.
    assert first_broken((parts(one), one.hash) for one in entries) == at


# --- folds ------------------------------------------------------------------------------------------------------------


@settings(UNHURRIED, max_examples=25)
@given(st.data())
def test_stopping_anywhere_doubling_anything_and_folding_again_from_empty_give_the_same_garage(
    data: st.DataObject,
) -> None:
    whole = eventful()
    events = whole.told
    broken = World()
    for event in events:
        if data.draw(st.booleans()):
            broken.log.restart()
        broken.tell(*[event] * data.draw(st.integers(1, 2)))
    assert broken.log.tables.contents() == whole.log.tables.contents()
    assert [event.id for event in broken.log.events] == [event.id for event in whole.log.events]
