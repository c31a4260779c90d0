"""Garage: cars, what speaks for them, whose they are, how far they have come, and a health record nobody can change.

Cars and bindings follow what the registry says; owners, drivers, states and readings are decided here, in the order of
the log. Three rules carry the rest:

- Of two statements about a terminal the later one (by its revision) holds from its own moment on. So a binding that is
  corrected, or told late, leaves the same history.
- Where a car stands is one reading plus the distance since. Another device, or a counter that was set back, adds its
  distance; a reading of its own that does not fit is held for a person. Only a signed correction takes anything away.
- The health record is only ever added to. Each entry's hash holds the hash before it, and is told to the log.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from core import limits
from core.business import BusinessActor, Kept, Refused, Rule, State
from core.chain import START, link
from core.events import Event
from core.events.garage import (
    CORRECTION_REASONS,
    LINK_ENDS,
    LINK_ROLES,
    LINK_SOURCES,
    READING_SOURCES,
    STATE_REASONS,
    STEPS,
    VEHICLE_STATES,
    HealthRecorded,
    OdometerCorrected,
    OdometerDismissed,
    OdometerHeld,
    OdometerRead,
    VehiclePersonEnded,
    VehiclePersonLinked,
    VehiclePersonVerified,
    VehicleStateChanged,
)
from core.health_record import ENTRIES, parts

IN_USE_M: Final = 300_000
"""A car that came so far under our eyes is in use, though nobody said so: lorries, test drives and the way from one
store to another stay below."""
MARK_M: Final = 1_000_000
"""Every 1,000 km are an entry of the health record."""
GAP_M: Final = 5_000
"""Two counters of one car differ by less: one begins a few kilometres later, another counts wheel turns."""
DAY_M_MAX: Final = 2_000_000
"""No car comes farther in a day: 83 km/h day and night. What somebody reads beyond that is a typing mistake."""
DAY_MS: Final = 86_400_000


class Car(msgspec.Struct, frozen=True, kw_only=True):
    """A car as its business knows it."""

    vehicle_id: int
    group_id: int
    store_id: int
    state: str = "pre_delivery"
    state_ms: int
    """Since when, UTC epoch ms."""
    owner: int = 0
    """The person who owns it now; 0: nobody that we know."""
    owner_ms: int = 0
    owners: int = 0
    """How many owners it has had, as far as we know."""
    odometer_m: int = 0
    """Where it stands."""
    odometer_ms: int = 0
    """When its distance was last heard of; 0: never."""
    odometer_from: str = ""
    """device, positions (a sum from where we first heard it, no reading at all), or READING_SOURCES."""
    driven_m: int = 0
    """Under our eyes."""
    base: int = 0
    """The counter that its reading began with, as odometer.advanced numbers them; 0: none yet."""
    trips: int = 0
    trip_id: str = ""
    trip_from_ms: int = 0
    trip_to_ms: int = 0
    trip_m: int = 0
    """Its last trip."""
    held: int = 0
    """Number of the reading that waits for a person; 0: none does."""
    helds: int = 0
    unplugged_ms: int = 0
    entries: int = 0
    head: str = START
    """Of its health record: how many entries, and the hash of the last one."""


class Terminal(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a device."""

    terminal: int
    group_id: int
    store_id: int
    vehicle_id: int
    """Whose it speaks for; 0: nobody's, retired."""
    state: str
    """bound, active (it was heard there), silent, unbound (a vehicle of its own), retired."""
    state_ms: int
    revision: int


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch in which a terminal spoke for a car. Those of one terminal follow each other and never overlap."""

    terminal: int
    from_ms: int
    to_ms: int | None
    """None while it lasts."""
    vehicle_id: int
    """0: it was retired."""
    role: str
    revision: int
    """Of the statement behind it."""
    group_id: int
    store_id: int


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch in which a person was something to a car."""

    vehicle_id: int
    person: int
    role: str
    from_ms: int
    to_ms: int | None
    """None while it lasts."""
    source: str
    verified: bool
    ended_by: str
    """LINK_ENDS; empty while it lasts."""
    group_id: int
    store_id: int


class Alias(msgspec.Struct, frozen=True, kw_only=True):
    """A person who turned out to be another one. Links keep the number they were made with: merges can be undone."""

    person: int
    whole: int
    """Whom they were merged into."""
    group_id: int
    store_id: int


class Counter(msgspec.Struct, frozen=True, kw_only=True):
    """What one counter of a car has shown. Least, greatest and the way to it do not depend on the order of reports."""

    vehicle_id: int
    base: int
    first_m: int
    last_m: int
    into_m: int
    """From the counter before to this one's first reading."""
    group_id: int
    store_id: int

    @property
    def driven_m(self) -> int:
        return self.into_m + self.last_m - self.first_m


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A reading that did not fit, and what was decided of it."""

    vehicle_id: int
    number: int
    """From 1, of this car."""
    state: str
    """open, accepted, dismissed"""
    why: str
    """lower, higher"""
    source: str
    reading_m: int
    stands_m: int
    """Where the car stood then. An accepted reading moves it by the difference: it has driven on since."""
    times: int
    """How often such a reading came: one car has at most one that waits, the newest."""
    first_ms: int
    last_ms: int
    event: str
    """Id of the event that brought the newest."""
    decided_ms: int
    decided_by: str
    group_id: int
    store_id: int


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a health record."""

    vehicle_id: int
    number: int
    """From 1, without a gap."""
    kind: str
    """core.health_record.ENTRIES"""
    time_ms: int
    """When it happened; an entry stands where it was told."""
    event: str
    """Id of the event behind it."""
    detail: str
    """JSON with sorted keys, kept as text: one byte that changes is found."""
    group_id: int
    store_id: int
    hash: str


# --- cars and their record --------------------------------------------------------------------------------------------


def _car(state: State, event: Event, vehicle_id: int) -> Car:
    known = state.get(Car, vehicle_id)
    return known or Car(vehicle_id=vehicle_id, group_id=event.group, store_id=event.store, state_ms=event.time_ms)


def _record(state: State, event: Event, car: Car, kind: str, /, *, time_ms: int = 0, **detail: int | str) -> Car:
    """Add an entry to a car's health record; return the car with its new head."""
    assert kind in ENTRIES
    entry = Entry(
        vehicle_id=car.vehicle_id,
        number=car.entries + 1,
        kind=kind,
        time_ms=time_ms or event.time_ms,
        event=event.id,
        detail=msgspec.json.encode(detail, order="sorted").decode(),
        group_id=car.group_id,
        store_id=car.store_id,
        hash="",
    )
    entry = msgspec.structs.replace(entry, hash=link(car.head, *parts(entry)))
    state.put(entry)
    told = HealthRecorded(vehicle_id=car.vehicle_id, number=entry.number, kind=kind, of=event.id, hash=entry.hash)
    _tell(state, car, "health.recorded", told, purpose="service", part=str(entry.number))
    return msgspec.structs.replace(car, entries=entry.number, head=entry.hash)


def _tell(state: State, car: Car, kind: str, payload: msgspec.Struct, *, purpose: str = "", part: str = "") -> None:
    """Say something about a car, whatever the event behind it is about."""
    whose = f"vehicle:{car.vehicle_id}"
    state.emit(kind, payload, subject=whose, key=whose, store=car.store_id, purpose=purpose, part=part)


def _stepped(
    state: State, event: Event, car: Car, to: str, reason: str, *, decides: bool = False, time_ms: int = 0
) -> Car:
    """Let a car take a step that is known to be one."""
    time_ms = time_ms or event.time_ms
    told = VehicleStateChanged(vehicle_id=car.vehicle_id, state=to, before=car.state, reason=reason)
    if decides:
        state.decide("vehicle.state.changed", told)
    else:
        _tell(state, car, "vehicle.state.changed", told)
    car = _record(state, event, car, "state", time_ms=time_ms, state=to, before=car.state, reason=reason)
    return msgspec.structs.replace(car, state=to, state_ms=time_ms)


def _in_use(state: State, event: Event, car: Car, reason: str, *, time_ms: int = 0) -> Car:
    """A car that waited for its owner, or for its next one, waits no longer."""
    if car.state not in ("pre_delivery", "for_sale"):
        return car
    return _stepped(state, event, car, "in_use", reason, time_ms=time_ms)


def change_state(event: Event, state: State) -> None:
    """vehicle.state.requested: take the step, if it is one of STEPS."""
    about = event.payload
    _among("state", about.state, VEHICLE_STATES)
    _among("reason", about.reason, STATE_REASONS)
    car = _known(state, about.vehicle_id)
    if about.state not in STEPS[car.state]:
        may = ", ".join(STEPS[car.state]) or "nothing, it is the end"
        raise Refused("step_unknown", f"from {car.state} a car comes to {may}; not to {about.state}")
    state.put(_stepped(state, event, car, about.state, about.reason, decides=True))


def theft_cleared(event: Event, state: State) -> None:
    """theft.cleared: a stolen car that was found again is recovered."""
    car = state.get(Car, event.payload.vehicle_id)
    if car is not None and car.state == "stolen" and event.payload.reason == "recovered":
        state.put(_stepped(state, event, car, "recovered", "found"))


def car_changed(event: Event, state: State) -> None:
    """vehicle.changed: a car follows its store, and its record says that it was given another plate or VIN."""
    about = event.payload
    car = msgspec.structs.replace(_car(state, event, about.vehicle_id), store_id=about.store)
    for name in ("plate", "vin"):
        if name in about.fields:
            car = _record(state, event, car, name, revision=about.revision)
    state.put(car)


def crashed(event: Event, state: State) -> None:
    """crash.confirmed: the record says how hard."""
    about = event.payload
    car = _car(state, event, about.vehicle_id)
    detail = {"severity": about.severity, "confidence_percent": about.confidence_percent, "late": int(about.late)}
    state.put(_record(state, event, car, "crash", time_ms=about.impact_ms, **detail))


def unplugged(event: Event, state: State) -> None:
    """device.unplugged: the record says it once a day: a loose plug says it with every bump."""
    car = _car(state, event, event.payload.vehicle_id)
    if abs(event.time_ms - car.unplugged_ms) >= DAY_MS:
        car = _record(state, event, car, "unplugged", terminal=event.payload.terminal)
        state.put(msgspec.structs.replace(car, unplugged_ms=event.time_ms))


# --- what speaks for a car --------------------------------------------------------------------------------------------


def terminal_known(event: Event, state: State) -> None:
    """terminal.registered, terminal.entered: a terminal speaks for a car since it is known.

    What a terminal says of itself later tells nothing new of its binding: it has the least revision.
    """
    about = event.payload
    is_entered = event.type == "terminal.entered"
    from_ms = (about.from_ms if is_entered else 0) or event.time_ms
    role = about.role if is_entered else "main"
    _speaks(state, event, about.terminal, about.vehicle_id, role, from_ms, about.revision if is_entered else 0, "bound")


def terminal_bound(event: Event, state: State) -> None:
    """terminal.bound, terminal.unbound: from a moment on it speaks for another car, or for itself."""
    about = event.payload
    is_bound = event.type == "terminal.bound"
    _speaks(
        state, event, about.terminal, about.vehicle_id, about.role if is_bound else "main", about.from_ms,
        about.revision, "bound" if is_bound else "unbound", before=about.vehicle_before,
    )  # fmt: skip


def terminal_retired(event: Event, state: State) -> None:
    """terminal.retired: it speaks for nobody."""
    about = event.payload
    _speaks(state, event, about.terminal, 0, "", about.from_ms, about.revision, "retired", before=about.vehicle_before)


def _speaks(
    state: State,
    event: Event,
    terminal: int,
    vehicle_id: int,
    role: str,
    from_ms: int,
    revision: int,
    became: str,
    *,
    before: int = 0,
) -> None:
    """Enter a statement into a terminal's history: what was said before of the time behind it goes, what was said since
    stays."""
    stretches = sorted(state.find(Binding, terminal=terminal), key=lambda one: one.from_ms)
    if any(one.from_ms <= from_ms and one.revision >= revision for one in stretches):
        return
    for one in stretches:
        if one.from_ms >= from_ms and one.revision <= revision:
            state.drop(Binding, terminal, one.from_ms)
    left = [one for one in stretches if one.from_ms < from_ms]
    right = [one for one in stretches if one.from_ms >= from_ms and one.revision > revision]
    if left:
        state.put(msgspec.structs.replace(left[-1], to_ms=from_ms))
    state.put(
        Binding(
            terminal=terminal, from_ms=from_ms, to_ms=right[0].from_ms if right else None, vehicle_id=vehicle_id,
            role=role, revision=revision, group_id=event.group, store_id=event.store,
        )
    )  # fmt: skip
    if not right:
        state.put(
            Terminal(
                terminal=terminal, group_id=event.group, store_id=event.store, vehicle_id=vehicle_id, state=became,
                state_ms=from_ms, revision=revision,
            )
        )  # fmt: skip
    if before and before != vehicle_id:
        car = _car(state, event, before)
        state.put(_record(state, event, car, "removed", time_ms=from_ms, terminal=terminal))
    if vehicle_id and before != vehicle_id:
        car = _car(state, event, vehicle_id)
        # A vehicle of its own is a place holder, nobody's car.
        if became != "unbound":
            car = _record(state, event, car, "fitted", time_ms=from_ms, terminal=terminal, role=role)
        state.put(car)


_HEARD: Final = {"terminal.session.opened": "active", "device.online": "active", "device.silent": "silent"}


def terminal_heard(event: Event, state: State) -> None:
    """terminal.session.opened, device.online, device.silent: a bound terminal is active, or silent."""
    about = event.payload
    row = state.get(Terminal, about.terminal)
    if row is None or row.state not in ("bound", "active", "silent") or event.time_ms < row.state_ms:
        return
    if row.vehicle_id == about.vehicle_id and row.state != _HEARD[event.type]:
        state.put(msgspec.structs.replace(row, state=_HEARD[event.type], state_ms=event.time_ms))


# --- how far it has come ----------------------------------------------------------------------------------------------


def trip_closed(event: Event, state: State) -> None:
    """trip.closed: a car's last trip is the one that ended last, whichever was told last."""
    about = event.payload
    car = _car(state, event, about.vehicle_id)
    car = msgspec.structs.replace(car, trips=car.trips + 1)
    if (event.time_ms, about.trip_id) >= (car.trip_to_ms, car.trip_id):
        car = msgspec.structs.replace(
            car,
            trip_id=about.trip_id,
            trip_from_ms=about.started_ms,
            trip_to_ms=event.time_ms,
            trip_m=about.distance_m,
        )
    state.put(car)


def odometer_advanced(event: Event, state: State) -> None:
    """odometer.advanced: add the distance. The counter that a car began with is where it stands; of every other one
    only the distance counts, and a reading that does not fit is held."""
    about = event.payload
    car = _car(state, event, about.vehicle_id)
    before = car
    row = state.get(Counter, car.vehicle_id, about.base)
    is_new, driven_m, last_m = row is None, row.driven_m if row else 0, row.last_m if row else 0
    row = Counter(
        vehicle_id=car.vehicle_id,
        base=about.base,
        first_m=min(row.first_m, about.odometer_m) if row else about.odometer_m,
        last_m=max(last_m, about.odometer_m),
        into_m=about.advance_m if about.rebased else row.into_m if row else 0,
        group_id=car.group_id,
        store_id=car.store_id,
    )
    state.put(row)
    is_device = about.source == "odometer"
    # Where somebody has read it already, a counter adds to that.
    begins = not car.base and not car.odometer_from
    base = about.base if begins else car.base
    come_m = row.last_m - last_m if about.base == base else row.driven_m - driven_m
    car = msgspec.structs.replace(
        car,
        base=base,
        odometer_m=car.odometer_m + come_m,
        odometer_ms=max(car.odometer_ms, event.time_ms),
        driven_m=car.driven_m + row.driven_m - driven_m,
        odometer_from=car.odometer_from or ("device" if is_device else "positions"),
    )
    # Whoever fitted the device has said where the car stands, because the device does not know it.
    if is_new and not begins and is_device and car.odometer_from != "fitting":
        gap_m = about.odometer_m - car.odometer_m
        if car.odometer_from == "positions" and gap_m > 0:
            # What stood was no reading, only what we had seen of it.
            car = msgspec.structs.replace(car, odometer_m=about.odometer_m, odometer_from="device")
        elif abs(gap_m) > GAP_M:
            car = _hold(state, event, car, about.odometer_m, "device")
    if car.odometer_m // MARK_M > before.odometer_m // MARK_M and not begins:
        car = _record(state, event, car, "odometer", odometer_m=car.odometer_m, source=car.odometer_from)
    if car.state == "pre_delivery" and car.driven_m >= IN_USE_M:
        car = _in_use(state, event, car, "driven")
    state.put(car)


def _hold(state: State, event: Event, car: Car, reading_m: int, source: str, *, decides: bool = False) -> Car:
    """Hold a reading for a person. One that waits already gives way to the newer one, and says how often it came."""
    waiting = state.get(Held, car.vehicle_id, car.held) if car.held else None
    number = waiting.number if waiting else car.helds + 1
    why = "lower" if reading_m < car.odometer_m else "higher"
    held = Held(
        vehicle_id=car.vehicle_id,
        number=number,
        state="open",
        why=why,
        source=source,
        reading_m=reading_m,
        stands_m=car.odometer_m,
        times=waiting.times + 1 if waiting else 1,
        first_ms=waiting.first_ms if waiting else event.time_ms,
        last_ms=event.time_ms,
        event=event.id,
        decided_ms=0,
        decided_by="",
        group_id=car.group_id,
        store_id=car.store_id,
    )
    state.put(held)
    told = OdometerHeld(
        vehicle_id=car.vehicle_id, held=number, reading_m=reading_m, stands_m=car.odometer_m, source=source, why=why
    )
    if decides:
        state.decide("odometer.held", told)
    else:
        _tell(state, car, "odometer.held", told)
    if waiting is None:
        car = _record(state, event, car, "odometer_held", reading_m=reading_m, stands_m=car.odometer_m, source=source)
    return msgspec.structs.replace(car, held=number, helds=max(car.helds, number))


def odometer_reading(event: Event, state: State) -> None:
    """odometer.reading.requested: somebody has read it. Distance is added to the reading from here on; one that is
    lower than where the car stands, or farther than it can have come, is held."""
    about = event.payload
    _among("source", about.source, READING_SOURCES)
    _odometer_fits(about.odometer_m)
    car = _known(state, about.vehicle_id)
    gap_m = about.odometer_m - car.odometer_m
    days = abs(event.time_ms - car.odometer_ms) // DAY_MS + 1
    # Of a reading that is older than what we heard last: as much lower as the car may have come since.
    lower_m = GAP_M + (DAY_M_MAX * days if event.time_ms < car.odometer_ms else 0)
    is_reading = car.odometer_from not in ("", "positions")
    if gap_m < -lower_m or (is_reading and gap_m > GAP_M + DAY_M_MAX * days):
        state.put(_hold(state, event, car, about.odometer_m, about.source, decides=True))
        return
    before_m = car.odometer_m
    car = msgspec.structs.replace(
        car,
        odometer_m=max(car.odometer_m, about.odometer_m),
        odometer_ms=max(car.odometer_ms, event.time_ms),
        odometer_from=about.source,
    )
    told = OdometerRead(vehicle_id=car.vehicle_id, odometer_m=car.odometer_m, before_m=before_m, source=about.source)
    state.decide("odometer.read", told)
    state.put(_record(state, event, car, "odometer", odometer_m=car.odometer_m, source=about.source))


def odometer_correction(event: Event, state: State) -> None:
    """odometer.correction.requested: a person sets it and signs. What was held is settled with it."""
    about = event.payload
    _among("reason", about.reason, CORRECTION_REASONS)
    _odometer_fits(about.odometer_m)
    car = _known(state, about.vehicle_id)
    if car.held:
        car = _settled(state, event, car, "dismissed")
    state.put(_corrected(state, event, car, about.odometer_m, about.reason))


def odometer_review(event: Event, state: State) -> None:
    """odometer.review.requested: a person accepts a held reading, which sets the odometer, or dismisses it."""
    about = event.payload
    _among("verdict", about.verdict, ("accepted", "dismissed"))
    car = _known(state, about.vehicle_id)
    held = state.get(Held, about.vehicle_id, about.held)
    if held is None or held.state != "open":
        raise Refused("held_over", f"reading {about.held} of vehicle {about.vehicle_id} does not wait")
    if about.verdict == "accepted":
        _among("reason", about.reason, CORRECTION_REASONS)
        # It has driven on since the reading came.
        odometer_m = max(0, car.odometer_m + held.reading_m - held.stands_m)
        car = _settled(state, event, car, "accepted")
        state.put(_corrected(state, event, car, odometer_m, about.reason, held=held.number))
        return
    _signed(event)
    told = OdometerDismissed(vehicle_id=car.vehicle_id, held=held.number, reading_m=held.reading_m, by=event.actor)
    state.decide("odometer.dismissed", told)
    state.put(_settled(state, event, car, "dismissed"))


def _settled(state: State, event: Event, car: Car, verdict: str) -> Car:
    held = state.get(Held, car.vehicle_id, car.held)
    if held is not None:
        state.put(msgspec.structs.replace(held, state=verdict, decided_ms=event.time_ms, decided_by=event.actor))
    return msgspec.structs.replace(car, held=0)


def _corrected(state: State, event: Event, car: Car, odometer_m: int, reason: str, *, held: int = 0) -> Car:
    _signed(event)
    told = OdometerCorrected(
        vehicle_id=car.vehicle_id, odometer_m=odometer_m, before_m=car.odometer_m, reason=reason, by=event.actor,
        held=held,
    )  # fmt: skip
    state.decide("odometer.corrected", told)
    before_m = car.odometer_m
    car = _record(state, event, car, "odometer_corrected", odometer_m=odometer_m, before_m=before_m, reason=reason)
    kept = car.odometer_from if car.odometer_from not in ("", "positions") else "device"
    return msgspec.structs.replace(car, odometer_m=odometer_m, odometer_from=kept)


# --- whose it is ------------------------------------------------------------------------------------------------------


def person_asked(event: Event, state: State) -> None:
    """vehicle.person.requested: link a person to a car, verify a link, or end it. A car has one owner at a time: a new
    one ends the one before, and with them whoever drove, paid or was called for them."""
    about = event.payload
    _among("role", about.role, LINK_ROLES)
    _among("action", about.action, ("link", "verify", "end"))
    car = _known(state, about.vehicle_id)
    if max(about.from_ms, about.to_ms) > event.time_ms:
        raise Refused("from_future", "what has not happened yet is not entered")
    links = state.find(Link, vehicle_id=about.vehicle_id)
    ours = [one for one in links if one.role == about.role and same_person(state, one.person, about.person)]
    lasting = next((one for one in ours if one.to_ms is None), None)
    if about.action == "link":
        state.put(_linked(state, event, car, links, ours))
    elif lasting is None:
        raise Refused("link_none", f"person {about.person} is not {about.role} of vehicle {about.vehicle_id}")
    elif about.action == "verify":
        _among("source", about.source, LINK_SOURCES)
        if lasting.verified:
            raise Refused("link_verified", "this link is verified already")
        state.put(msgspec.structs.replace(lasting, verified=True, source=about.source))
        told = VehiclePersonVerified(
            vehicle_id=car.vehicle_id, person=lasting.person, role=lasting.role, from_ms=lasting.from_ms,
            source=about.source,
        )  # fmt: skip
        state.decide("vehicle.person.verified", told)
    else:
        _among("reason", about.reason or "left", LINK_ENDS)
        to_ms = about.to_ms or event.time_ms
        if to_ms <= lasting.from_ms:
            raise Refused("ends_before", "a link does not end before it began")
        car = _ended(state, event, car, lasting, to_ms, about.reason or "left", decides=True)
        if lasting.role == "owner":
            _follow_owner(state, event, car, to_ms)
            car = _record(state, event, car, "owner_left", time_ms=to_ms)
        state.put(car)


def _linked(state: State, event: Event, car: Car, links: list[Link], ours: list[Link]) -> Car:
    about = event.payload
    _among("source", about.source, LINK_SOURCES)
    if car.state == "scrapped":
        raise Refused("vehicle_scrapped", "a scrapped car is nobody's any more")
    if len(links) >= limits.LINKS_OF_CAR_MAX:
        raise Refused("links_full", f"a car holds at most {limits.LINKS_OF_CAR_MAX} links")
    from_ms, to_ms = about.from_ms or event.time_ms, about.to_ms or None
    if to_ms is not None and to_ms <= from_ms:
        raise Refused("ends_before", "a link does not end before it began")
    if any(_overlap(one, from_ms, to_ms) for one in ours):
        raise Refused("link_exists", f"person {about.person} is {about.role} of this car at that time already")
    if about.role == "owner":
        for one in links:
            if one.role != "owner" or not _overlap(one, from_ms, to_ms):
                continue
            if one.to_ms is not None or to_ms is not None or one.from_ms >= from_ms:
                raise Refused("owner_overlaps", "the car has another owner at that time")
            car = _ended(state, event, car, one, from_ms, "sold")
            _follow_owner(state, event, car, from_ms)
    state.put(
        Link(
            vehicle_id=car.vehicle_id, person=about.person, role=about.role, from_ms=from_ms, to_ms=to_ms,
            source=about.source, verified=about.verified, ended_by="" if to_ms is None else about.reason or "left",
            group_id=car.group_id, store_id=car.store_id,
        )
    )  # fmt: skip
    told = VehiclePersonLinked(
        vehicle_id=car.vehicle_id, person=about.person, role=about.role, from_ms=from_ms, source=about.source,
        verified=about.verified, to_ms=to_ms or 0,
    )  # fmt: skip
    state.decide("vehicle.person.linked", told)
    if about.role == "owner":
        car = msgspec.structs.replace(car, owners=car.owners + 1)
        car = _record(state, event, car, "owner", time_ms=from_ms, owner=car.owners, verified=int(about.verified))
        if to_ms is None:
            car = msgspec.structs.replace(car, owner=about.person, owner_ms=from_ms)
            car = _in_use(state, event, car, "owner", time_ms=from_ms)
    return car


def _overlap(one: Link, from_ms: int, to_ms: int | None) -> bool:
    return (one.to_ms is None or from_ms < one.to_ms) and (to_ms is None or one.from_ms < to_ms)


def _ended(state: State, event: Event, car: Car, one: Link, to_ms: int, reason: str, *, decides: bool = False) -> Car:
    # What began behind the end, in the same sale, has no length: it ends where it began.
    to_ms = max(to_ms, one.from_ms)
    state.put(msgspec.structs.replace(one, to_ms=to_ms, ended_by=reason))
    told = VehiclePersonEnded(
        vehicle_id=one.vehicle_id, person=one.person, role=one.role, from_ms=one.from_ms, to_ms=to_ms,
        source=one.source, reason=reason,
    )  # fmt: skip
    if decides:
        state.decide("vehicle.person.ended", told)
    else:
        _tell(state, car, "vehicle.person.ended", told, part=f"{one.person}:{one.role}:{one.from_ms}")
    if one.role == "owner":
        return msgspec.structs.replace(car, owner=0, owner_ms=0)
    return car


def _follow_owner(state: State, event: Event, car: Car, to_ms: int) -> None:
    """End what others were to the car for its owner: who was called for the last owner is not called for the next."""
    for one in state.find(Link, vehicle_id=car.vehicle_id):
        if one.role != "owner" and one.to_ms is None:
            _ended(state, event, car, one, to_ms, "owner_changed")


def person_merged(event: Event, state: State) -> None:
    """person.merged: one person was two."""
    about = event.payload
    state.put(Alias(person=about.person, whole=about.into, group_id=event.group, store_id=event.store))


def person_unmerged(event: Event, state: State) -> None:
    """person.unmerged: they were two after all."""
    state.drop(Alias, event.payload.person)


def person_erased(event: Event, state: State) -> None:
    """person.erased: nobody is left whom a link could mean. Its stretches stay, as numbers."""
    for person in sorted({event.payload.person, *event.payload.persons}):
        for one in state.find(Link, person=person):
            car = state.get(Car, one.vehicle_id)
            if one.to_ms is None and car is not None:
                car = _ended(state, event, car, one, event.time_ms, "erased")
                state.put(_record(state, event, car, "owner_left") if one.role == "owner" else car)


def same_person(state: State, one: int, other: int) -> bool:
    """Tell whether two numbers are one person's, by the merges so far."""
    return one == other or _whole(state, one) == _whole(state, other)


def _whole(state: State, person: int) -> int:
    """Return whom a person was merged into. A ring of merges, which identity does not make, ends too."""
    for _ in range(limits.MERGES_FOLLOWED_MAX):
        alias = state.get(Alias, person)
        if alias is None:
            break
        person = alias.whole
    return person


# --- what is asked of an intent ---------------------------------------------------------------------------------------


def _known(state: State, vehicle_id: int) -> Car:
    car = state.get(Car, vehicle_id)
    if car is None:
        raise Refused("vehicle_unknown", f"no vehicle {vehicle_id}")
    return car


def _among(field: str, value: str, allowed: Iterable[str]) -> None:
    if value not in allowed:
        raise Refused(f"{field}_unknown", f"{field} is one of {', '.join(allowed)}")


def _odometer_fits(odometer_m: int) -> None:
    if not 0 <= odometer_m <= limits.ODOMETER_M_MAX:
        raise Refused("odometer_unfit", f"an odometer shows 0 to {limits.ODOMETER_M_MAX // 1000} km")


def _signed(event: Event) -> None:
    """A correction is somebody's: a program does not sign."""
    if not event.actor.startswith("account:"):
        raise Refused("signature_needed", "an odometer is set by a person who stands for it")


def _of_car(event: Event) -> Iterable[tuple[type[Any], tuple[Any, ...]]]:
    yield Car, (event.payload.vehicle_id,)


def _of_counter(event: Event) -> Iterable[tuple[type[Any], tuple[Any, ...]]]:
    yield Car, (event.payload.vehicle_id,)
    yield Counter, (event.payload.vehicle_id, event.payload.base)


def _of_terminal(event: Event) -> Iterable[tuple[type[Any], tuple[Any, ...]]]:
    yield Terminal, (event.payload.terminal,)


GARAGE: Final = BusinessActor(
    name="garage",
    says="Cars over time: what speaks for them, whose they are, how far they have come, and their health record.",
    kept=(
        Kept(Car, "garage_car", ("vehicle_id",)),
        Kept(Terminal, "garage_terminal", ("terminal",)),
        Kept(Binding, "garage_binding", ("terminal", "from_ms")),
        Kept(Link, "garage_link", ("vehicle_id", "person", "role", "from_ms")),
        Kept(Alias, "garage_alias", ("person",)),
        Kept(Counter, "garage_counter", ("vehicle_id", "base")),
        Kept(Held, "garage_held", ("vehicle_id", "number")),
        Kept(Entry, "garage_entry", ("vehicle_id", "number")),
    ),
    rules=(
        Rule("terminal_known", ("terminal.registered", "terminal.entered"), terminal_known),
        Rule("terminal_bound", ("terminal.bound", "terminal.unbound"), terminal_bound),
        Rule("terminal_retired", ("terminal.retired",), terminal_retired),
        Rule("terminal_heard", tuple(_HEARD), terminal_heard, _of_terminal),
        Rule("car_changed", ("vehicle.changed",), car_changed, _of_car),
        Rule("odometer_advanced", ("odometer.advanced",), odometer_advanced, _of_counter),
        Rule("trip_closed", ("trip.closed",), trip_closed, _of_car),
        Rule("crashed", ("crash.confirmed",), crashed, _of_car),
        Rule("unplugged", ("device.unplugged",), unplugged, _of_car),
        Rule("theft_cleared", ("theft.cleared",), theft_cleared, _of_car),
        Rule("change_state", ("vehicle.state.requested",), change_state, _of_car),
        Rule("odometer_reading", ("odometer.reading.requested",), odometer_reading, _of_car),
        Rule("odometer_correction", ("odometer.correction.requested",), odometer_correction, _of_car),
        Rule("odometer_review", ("odometer.review.requested",), odometer_review, _of_car),
        Rule("person_asked", ("vehicle.person.requested",), person_asked, _of_car),
        Rule("person_merged", ("person.merged",), person_merged),
        Rule("person_unmerged", ("person.unmerged",), person_unmerged),
        Rule("person_erased", ("person.erased",), person_erased),
    ),
    decides=(
        "vehicle.state.requested",
        "vehicle.person.requested",
        "odometer.reading.requested",
        "odometer.correction.requested",
        "odometer.review.requested",
    ),
    emits=(
        "vehicle.state.changed",
        "vehicle.person.linked",
        "vehicle.person.verified",
        "vehicle.person.ended",
        "odometer.read",
        "odometer.held",
        "odometer.dismissed",
        "odometer.corrected",
        "health.recorded",
    ),
    always=True,
)
