"""The people at work: what they do becomes frames and requests, and what the platform makes of it is written down.

A town tells the past first (what forms, counters and lists told the group in the years before), then does every act of
its people's plans at its time. It acts through two things only: `Platform`, the HTTP API as a person at a counter, a
web site or a partner uses it, and `Cars`, what somebody in a car can do. Nothing is set behind anybody's back; what the
platform refuses is counted and stays refused.

No clock and no socket in here: the caller says what time it is. The same calls, and the same answers, give the same
acts.
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol, TextIO

import msgspec

from simulators.world.lives import Act, day_ms, plans
from simulators.world.outside import answers
from simulators.world.people import DAY_MS, Capture, People, captures

VISIT_MS: Final = 2_400_000
"""Who has not arrived at the store after forty minutes has turned round on the way."""
LOOK_MS: Final = 2_000
"""How often the door is looked at for those on their way."""
CALL_AFTER_MS: Final = 90_000
"""Who has broken down calls so long after pressing the button."""
EVIDENCE: Final = {"web": "form", "counter": "document", "event": "form", "partner": "document", "call": "call"}
"""What shows that somebody agreed, by the source that took it down."""
TYPING_SHARE: Final = 0.04
BEHIND_MS: Final = 600_000
"""An act so long ago (the town was stopped, or its machine slept) is not made good: nobody calls ten minutes late."""
DONE_MAX: Final = 100_000
"""Acts under way at once, at any pace; more are let go and counted."""


class Told(NamedTuple):
    """What the platform made of a capture."""

    capture: int
    """Its number there; 0: it was refused."""
    person: int
    """Whose it is, by the platform's numbers; 0: nobody's yet (quarantine, or refused)."""
    state: str
    """new, linked, stated, repeated, quarantined, or the code of a refusal."""


class Platform(Protocol):
    """What the world can ask the platform for. Every method may be called again with the same id: it is done once.

    Raises:
        PlatformError: it could not be asked, or answered nothing that one can go on with. It is tried again later.
        NoDoorError: it has no such door.
    """

    def vehicles(self) -> dict[str, int]:
        """Return the platform's numbers of cars by VIN, and by plate where nobody has entered a VIN."""
        ...

    def tell(self, captures: list[tuple[str, Capture]]) -> list[Told]:
        """Hand over captures, each with an id of its own; at most TELL_MAX at once."""
        ...

    def link(self, id_: str, person: int, vehicle: int, role: str, from_ms: int, to_ms: int) -> str:
        """Say that a person is owner or driver of a car. Return `done` or the code of a refusal."""
        ...

    def end(self, id_: str, person: int, vehicle: int, role: str, to_ms: int) -> str:
        """Say that a person is that no longer."""
        ...

    def read(self, id_: str, vehicle: int, odometer_km: int) -> str:
        """Enter what an advisor has read off a car's instrument."""
        ...

    def consent(self, id_: str, person: int, what: str, evidence: str) -> str:
        """Say what a person agreed to: service, marketing or share."""
        ...

    def withdraw(self, id_: str, person: int) -> str:
        """Take back everything that a person agreed to."""
        ...

    def forget(self, id_: str, person: int) -> str:
        """Ask for a person to be forgotten."""
        ...


class Cars(Protocol):
    """What somebody in a car can do."""

    def drive(self, number: int, store: int) -> None:
        """Set out for a store."""
        ...

    def is_at(self, number: int, store: int) -> bool:
        """Tell whether the car is parked there."""
        ...

    def press(self, number: int) -> None:
        """Press the emergency button."""
        ...

    def odometer_km(self, number: int) -> int:
        """Return what the instrument shows."""
        ...


class PlatformError(Exception):
    """The platform could not be asked, or its answer cannot be gone on with."""


class NoDoorError(Exception):
    """The platform is not one that can be told this: what is done goes unheard, now and in every later run."""


TELL_MAX: Final = 100
"""Captures handed over at once while the past is told."""


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the truth: an act, and what the platform made of it. Numbers only, nothing personal."""

    time_ms: int
    what: str
    id: str
    """Of the act; `past-N` of the N-th capture before the town came to life."""
    person: int
    """Truth."""
    told: int = 0
    """Number of the capture with the platform; 0: none."""
    taken_for: int = 0
    """Whom the platform takes it for; 0: nobody."""
    outcome: str = ""
    """done, unheard, skipped, the state of a capture, or the code of a refusal."""


class Known:
    """What the town knows of how the platform knows its people. Read back from the truth after a stop."""

    def __init__(self) -> None:
        self.past = 0
        """Captures of the past that were told."""
        self.persons: dict[int, int] = {}
        """The platform's number of each person, as it said last."""
        self.linked: set[tuple[int, int, str]] = set()
        """(person, car, role) that were entered, or refused once."""
        self.agreed: dict[int, set[str]] = {}
        self.sold: dict[int, int] = {}
        """Car -> who has bought it since the town came to life."""
        self.gone: set[int] = set()


class Town:
    """Everybody at work. `turn` it.

    There is one thing that nobody can be told of yet: who pays, for there is no contract to pay. Such acts are
    `unheard`. A complaint is a call and a referral a form, and they are taken down as these.

    Args:
        pace: how many times as much happens as in life.
        truth: where lines of the truth go, behind those of earlier runs.
        known: what was known at the end of an earlier run (`read_truth`): the past is told on from there.
    """

    def __init__(
        self,
        world: People,
        platform: Platform,
        cars: Cars,
        *,
        pace: float = 1.0,
        truth: TextIO | None = None,
        known: Known | None = None,
    ) -> None:
        self.world = world
        self.platform = platform
        self.cars = cars
        self.pace = pace
        self.counts: Counter[str] = Counter()
        self.known = known or Known()
        self._truth = truth
        told = self.known.past
        self._past: Iterator[Capture] | None = (one for one in captures(world) if one.number >= told)
        self._handing: list[Capture] = []
        """Taken from the past and not handed over yet: a generator cannot be asked twice."""
        self._vehicles: dict[str, int] | None = None
        self._due: list[tuple[int, int, Act, Callable[[Act, int], None]]] = []
        self._count = 0
        self._planned = -1

    @property
    def remembering(self) -> bool:
        """Whether the past is still being told."""
        return self._past is not None

    def turn(self, now_ms: int) -> int | None:
        """Do what is due; return when there is more, UTC epoch ms, or None at once.

        Raises:
            PlatformError: the platform cannot be asked now. What was to be done is done at the next turn.
        """
        if self._vehicles is None:
            self._vehicles = self.platform.vehicles()
        if self._past is not None:
            self._remember(self._past)
            return None
        self._plan(now_ms)
        while self._due and self._due[0][0] <= now_ms:
            due_ms, _, act, do = first = heapq.heappop(self._due)
            if now_ms - due_ms > BEHIND_MS:
                self.counts["late"] += 1
                continue
            try:
                do(act, now_ms)
            except NoDoorError:
                self._say(act, "unheard")
            except PlatformError:
                heapq.heappush(self._due, first)
                raise
        self._flush()
        return self._due[0][0] if self._due else day_ms(self.world, self._planned + 1)

    # --- the past

    def _remember(self, past: Iterator[Capture]) -> None:
        self._handing = self._handing or list(itertools.islice(past, TELL_MAX))
        if not self._handing:
            self._past = None
            return
        try:
            told = self.platform.tell([(f"past-{one.number}", one) for one in self._handing])
        except NoDoorError:
            # Not written down: a platform that can be told later has not been told.
            self.counts["past.unheard"] += 1
            self._past = None
            return
        for one, answer in zip(list(self._handing), told, strict=True):
            self._note(f"past-{one.number}", one.time_ms, "told", one.person, answer)
            self._after(f"past-{one.number}", one, answer)
            self.known.past = one.number + 1
            del self._handing[0]
        self._flush()

    # --- the plans

    def _plan(self, now_ms: int) -> None:
        day = (now_ms - day_ms(self.world, 0)) // DAY_MS
        if day <= self._planned:
            return
        # Whoever comes to life at noon has no morning; the days after the first are whole.
        begins_ms = now_ms if self._planned < 0 else 0
        self._planned = day
        for act in plans(self.world, day, self.pace):
            if act.time_ms >= begins_ms:
                self._later(act.time_ms, act, self._do)

    def _later(self, at_ms: int, act: Act, do: Callable[[Act, int], None]) -> None:
        if len(self._due) >= DONE_MAX:
            self.counts["let_go"] += 1
            return
        self._count += 1
        heapq.heappush(self._due, (at_ms, self._count, act, do))

    def _do(self, act: Act, now_ms: int) -> None:
        if act.person in self.known.gone or act.other in self.known.gone:
            self._say(act, "skipped")
            return
        match act.what:
            case "visit":
                self.cars.drive(act.car, act.store)
                self._later(now_ms + LOOK_MS, act, self._arrive)
            case "sos":
                self.cars.press(act.car)
                self._say(act, "done")
            case "breakdown":
                self.cars.press(act.car)
                self._later(act.time_ms + CALL_AFTER_MS, act, self._tell)
            case "listed":
                self._listed(act)
            case "sell":
                self._sell(act)
            case "withdraw":
                self._withdraw(act)
            case "leave":
                self._leave(act)
            case "pay":
                self._say(act, "unheard")
            case _:
                self._tell(act, now_ms)

    def _arrive(self, act: Act, now_ms: int) -> None:
        """Somebody is on the way to their store: written down once they are there."""
        if self.cars.is_at(act.car, act.store):
            try:
                self._tell(act, now_ms)
            except NoDoorError:
                self._say(act, "unheard")
            vehicle = self._vehicle(act.car)
            if vehicle is not None:
                shown_km = self.cars.odometer_km(act.car)
                # One in twenty-five is typed without its last digit.
                typed_km = shown_km // 10 if act.draw < TYPING_SHARE else shown_km
                self._read(act, vehicle, typed_km)
        elif now_ms < act.time_ms + VISIT_MS:
            self._later(now_ms + LOOK_MS, act, self._arrive)
        else:
            self._say(act, "skipped")

    def _read(self, act: Act, vehicle: int, typed_km: int) -> None:
        try:
            outcome = self.platform.read(act.id, vehicle, typed_km)
        except NoDoorError:
            outcome = "unheard"
        self.counts[f"reading.{outcome}"] += 1

    def _listed(self, act: Act) -> None:
        """An insurer's list names somebody: late, twice or never."""
        said = answers("insurer", self.world.seed, act.id, act.time_ms)
        if not said:
            self._say(act, "skipped")
        for answer in said:
            # A day late is a long time for whoever looks on: hours of an insurer are minutes here at a pace of sixty.
            at_ms = act.time_ms + int((answer.at_ms - act.time_ms) / max(self.pace, 1.0))
            self._later(at_ms, act, self._tell)

    def _tell(self, act: Act, now_ms: int) -> None:
        assert act.capture is not None
        # What is sent twice by whoever fills it in is two requests; what an insurer sends twice is one list twice.
        capture = msgspec.structs.replace(act.capture, arrival_ms=now_ms)
        [answer] = self.platform.tell([(act.id, capture)])
        self._note(act.id, capture.time_ms, act.what, capture.person, answer)
        self._after(act.id, capture, answer)

    def _after(self, id_: str, capture: Capture, answer: Told) -> None:
        """What follows at the counter, or from the form: whose car it is is said, and what was agreed to."""
        if not answer.person:
            return
        self.known.persons[capture.person] = answer.person
        if capture.source == "counter":
            for number in self.world.cars_of.get(capture.person, ()):
                self._link_all(id_, capture.person, number, capture.time_ms)
        if capture.consent and capture.consent not in self.known.agreed.setdefault(capture.person, set()):
            try:
                evidence = f"{EVIDENCE[capture.source]}:{answer.capture}"
                outcome = self.platform.consent(f"{id_}-{capture.consent}", answer.person, capture.consent, evidence)
            except NoDoorError:
                outcome = "unheard"
            self.counts[f"consent.{outcome}"] += 1
            if outcome == "done":
                self.known.agreed[capture.person].add(capture.consent)

    def _vehicle(self, number: int) -> int | None:
        """Return the platform's number of a car; None while it does not know it."""
        car, known = self.world.cars[number], self._vehicles or {}
        return known.get(car.vin) or known.get(car.plate)

    def _link_all(self, id_: str, person: int, number: int, time_ms: int) -> None:
        vehicle = self._vehicle(number)
        for holding in self.world.cars[number].holdings:
            if holding.person != person or holding.from_ms > time_ms or vehicle is None:
                continue
            key = (person, number, holding.role)
            to_ms = holding.to_ms if holding.to_ms and holding.to_ms <= time_ms else 0
            if key in self.known.linked or number in self.known.sold:
                continue
            said = (self.known.persons[person], vehicle, holding.role, holding.from_ms, to_ms)
            try:
                outcome = self.platform.link(f"{id_}-{number}-{holding.role}", *said)
            except NoDoorError:
                outcome = "unheard"
            self.counts[f"link.{outcome}"] += 1
            self.known.linked.add(key)

    def _sell(self, act: Act) -> None:
        """Somebody sells their car to somebody else; the store that has both enters it."""
        vehicle = self._vehicle(act.car)
        seller, buyer = self.known.persons.get(act.person), self.known.persons.get(act.other)
        if vehicle is None or not seller or not buyer or act.car in self.known.sold:
            self._say(act, "skipped")
            return
        for person, number, role in sorted(self.known.linked):
            if number == act.car:
                self.platform.end(f"{act.id}-{person}-{role}", self.known.persons[person], vehicle, role, act.time_ms)
        self.known.linked -= {one for one in self.known.linked if one[1] == act.car}
        outcome = self.platform.link(f"{act.id}-new", buyer, vehicle, "owner", act.time_ms, 0)
        self.known.sold[act.car] = act.other
        self._say(act, outcome)

    def _withdraw(self, act: Act) -> None:
        person = self.known.persons.get(act.person)
        if not person or not self.known.agreed.get(act.person):
            self._say(act, "skipped")
            return
        outcome = self.platform.withdraw(act.id, person)
        self.known.agreed[act.person] = set()
        self._say(act, outcome)

    def _leave(self, act: Act) -> None:
        person = self.known.persons.get(act.person)
        if not person:
            self._say(act, "skipped")
            return
        outcome = self.platform.forget(act.id, person)
        self.known.gone.add(act.person)
        self._say(act, outcome)

    # --- the truth

    def _note(self, id_: str, time_ms: int, what: str, person: int, answer: Told) -> None:
        self.counts[f"{what}.{answer.state}"] += 1
        line = Line(
            time_ms=time_ms,
            what=what,
            id=id_,
            person=person,
            told=answer.capture,
            taken_for=answer.person,
            outcome=answer.state,
        )
        self._write(line)

    def _say(self, act: Act, outcome: str) -> None:
        self.counts[f"{act.what}.{outcome}"] += 1
        self._write(
            Line(
                time_ms=act.time_ms,
                what=act.what,
                id=act.id,
                person=act.person,
                taken_for=self.known.persons.get(act.person, 0),
                outcome=outcome,
            )
        )

    def _write(self, line: Line) -> None:
        if self._truth:
            self._truth.write(msgspec.json.encode(line).decode() + "\n")

    def _flush(self) -> None:
        if self._truth:
            self._truth.flush()


def read_truth(lines: Iterator[str] | TextIO) -> tuple[list[Line], Known]:
    """Return the lines of a truth, and what a town that goes on from there knows.

    A last line without its end, of a town that was killed, is left out.
    """
    found = [msgspec.json.decode(line, type=Line) for line in lines if line.endswith("\n")]
    known = Known()
    for line in found:
        if line.id.startswith("past-"):
            known.past = max(known.past, int(line.id[5:]) + 1)
        if line.taken_for:
            known.persons[line.person] = line.taken_for
        if line.what == "leave" and line.outcome == "done":
            known.gone.add(line.person)
    return found, known
