"""One reads for every purpose; a person gives and takes back consents at random among the events of their car. Counted
are fields that the purpose lacks or the person does not allow, and places told too exactly: there are none, ever."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import storage
from actors.business.consent import CONSENT
from core.business import Business
from core.data_classes import CONSENTED, HOLDS, OPERATIONAL, REFERENCE, class_of, fields_of, lesser
from core.events import EVENTS, PURPOSES, Event, derive_id
from core.events.consent import Cell, ConsentGiveRequested, ConsentTextRequested, ConsentWithdrawalRequested
from core.events.garage import VehiclePersonLinked
from core.rights import PRECISION_1E7
from storage.database import Database
from storage.eventlog import EventLog
from storage.reader import Reader
from tests.consent.people import T0, reads_for
from tests.storage.test_reader import Reports

_NUMBERS = itertools.count(1)
LAT, LON = 312_304_157, 1_214_737_043
CAR_TYPES = sorted(
    (type_, version)
    for type_, version in EVENTS
    if type_.startswith(("trip.", "odometer.advanced", "sos.", "crash.", "theft.", "fence.", "device.", "overspeed."))
)
TEXTS = {
    purpose: tuple(
        Cell(name, rung if name == "position" else "exact") for name, rung in sorted(HOLDS[purpose].items())
        if name != "contact"
    )
    for purpose in CONSENTED
}  # fmt: skip


def filled(payload: type[msgspec.Struct]) -> msgspec.Struct:
    """Return a payload with something in every field."""
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(payload):
        if field.name.endswith("lat_1e7"):
            values[field.name] = LAT
        elif field.name.endswith("lon_1e7"):
            values[field.name] = LON
        else:
            some = {int: 7, str: "x", bool: True, float: 0.5}
            values[field.name] = some.get(field.type, () if "tuple" in str(field.type) else 7)
    return payload(**values)


class World:
    """A log with the actor on it, a reader, and what the person allows as this test knows it."""

    def __init__(self, path: Path) -> None:
        dsn = f"sqlite:///{path}"
        self.database = Database(dsn)
        self.log = EventLog(self.database, business=Business((CONSENT,)))
        self.reader = Reader(self.database, Reports())  # type: ignore[arg-type]
        self.allowed: dict[str, dict[str, str]] = {purpose: {} for purpose in CONSENTED}
        self.time_ms = T0
        linked = VehiclePersonLinked(vehicle_id=1, person=11, role="owner", from_ms=T0, source="sale")
        self.say("vehicle.person.linked", linked, "vehicle:1")
        for purpose, cells in TEXTS.items():
            words = {"title_zh": "甲", "title_en": "a", "body_zh": "甲", "body_en": "a"}
            text = ConsentTextRequested(text=purpose, purpose=purpose, cells=cells, **words)
            self.say("consent.text.requested", text, f"text:{purpose}")

    def say(
        self, type_: str, payload: msgspec.Struct, subject: str, purpose: str = "service", version: int = 1
    ) -> None:
        self.time_ms += 1_000
        number = next(_NUMBERS)
        event = Event(
            id=derive_id("test", type_, 1, (str(number),), ""), type=type_, version=version, time_ms=self.time_ms,
            subject=subject, store=1, actor="account:7", purpose=purpose, payload=payload,
        )  # fmt: skip
        self.log.append([event])

    def give(self, purpose: str, some: list[int]) -> None:
        cells = tuple(cell for at, cell in enumerate(TEXTS[purpose]) if at in some)
        asked = ConsentGiveRequested(person=11, text=purpose, version=1, evidence="form:1", cells=cells)
        self.say("consent.give.requested", asked, "person:11")
        for cell in cells or TEXTS[purpose]:
            self.allowed[purpose][cell.data_class] = cell.precision

    def withdraw(self, purpose: str) -> None:
        self.say("consent.withdrawal.requested", ConsentWithdrawalRequested(person=11, purpose=purpose), "person:11")
        for one in CONSENTED if not purpose else (purpose,):
            self.allowed[one] = {}

    def forbidden(self, *purposes: str) -> list[str]:
        """Return every field that whoever reads for these purposes is shown and must not be."""
        best: dict[str, str] = {}
        for purpose in purposes:
            for name, rung in self.allowed.get(purpose, {}).items():
                most = lesser(HOLDS[purpose].get(name, "none"), rung)
                best[name] = max(best.get(name, "none"), most, key=["none", "area", *reversed(PRECISION_1E7)].index)
        found = []
        for event in self.reader.events(reads_for(*purposes)).items:
            if event.purpose in purposes and event.purpose in OPERATIONAL:
                continue
            if event.subject != "vehicle:1":
                found.append(f"{event.type} itself")
                continue
            if class_of(event.type) not in best:
                found.append(f"{event.type} itself")
            for name, value in msgspec.to_builtins(event.payload).items():
                told = fields_of(event.type, event.version).get(name, "position")
                if told != REFERENCE and told not in best:
                    found.append(f"{event.type}.{name}")
                elif name.endswith("_1e7") and (best[told] == "area" or value % PRECISION_1E7[best[told]]):
                    found.append(f"{event.type}.{name} as {value}")
        return found

    def close(self) -> None:
        self.database.close()


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Path]:
    """Return empty business databases, one after another; they are migrated once."""
    first = tmp_path / "empty.db"
    storage.migrate(f"sqlite:///{first}")
    return (Path(shutil.copy(first, tmp_path / f"{number}.db")) for number in itertools.count())


CAR = st.tuples(st.just("car"), st.sampled_from(CAR_TYPES), st.sampled_from(PURPOSES))
GIVE = st.tuples(st.just("give"), st.sampled_from(CONSENTED), st.lists(st.integers(0, 9), max_size=6))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CAR | GIVE, min_size=4, max_size=14), st.data())
def test_whoever_reads_for_every_purpose_is_shown_no_forbidden_field(
    places: Iterator[Path], steps: list[Any], data: st.DataObject
) -> None:
    world = World(next(places))
    at = data.draw(st.integers(0, len(steps)), label="withdrawn before")
    purpose = data.draw(st.sampled_from(["", *CONSENTED]), label="what is withdrawn")
    try:
        for number, step in enumerate([*steps[:at], ("withdraw", purpose), *steps[at:]]):
            match step:
                case ("car", (type_, version), used_for):
                    world.say(type_, filled(EVENTS[type_, version]), "vehicle:1", used_for, version)
                case ("give", name, some):
                    world.give(name, some)
                case ("withdraw", name):
                    world.withdraw(name)
            for one in CONSENTED:
                assert world.forbidden(one) == [], (number, one)
            assert world.forbidden(*PURPOSES) == []
        world.withdraw("")
        # From that commit on nothing is delivered for these purposes, old or new.
        for one in CONSENTED:
            assert world.reader.events(reads_for(one)).items == []
        alone = [event for event in world.reader.events(reads_for(*PURPOSES)).items if event.purpose in CONSENTED]
        assert alone == []
        safety = [step for step in steps if step[0] == "car" and step[2] == "safety"]
        assert len(world.reader.events(reads_for("safety")).items) == len(safety), "the safety floor is never blocked"
    finally:
        world.close()
