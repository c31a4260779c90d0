"""A world of two stores that must not see each other, and how each route is called in it.

Everything that is of one side carries marks: ids, names, phones, plates, coordinates that occur nowhere else. An answer
to one store that holds a mark of the other is a leak, whatever the route.
"""

import io
import itertools
import re
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import insert, select

from actors.detectors.cleaning import Cleaning
from api.app import create_app
from api.intents import intent
from core.arming import Schedule
from core.events import AlarmSeen, CommandRequested, Event, FenceCrossed, TripClosed, derive_id
from core.events.consent import (
    Cell,
    ConsentGiveRequested,
    ConsentTextRequested,
    ConsentWithdrawalRequested,
    GlassRequested,
)
from core.events.garage import OdometerReadingRequested, VehiclePersonRequested
from core.events.identity import HouseholdRequested
from core.events.organisation import DutyRequested, NodeRequested, RosterRequested, SkillDefineRequested
from core.rights import NODE, RIGHTS, Principal
from core.rules import Rules
from protocols.jt808.codec import Header, encode_frame
from protocols.jt808.media import Waybill
from protocols.report import FLAG_NO_FIX, REPORT
from storage.areas import AreaRow, save
from storage.audit import Line, append
from storage.clickhouse import TrackPoint
from storage.database import Database
from storage.media import NewMedia
from storage.people import Store
from storage.registry import NewTerminal
from storage.tables.business import COUNTER, GEOFENCE, OUTBOX, TERMINAL, VEHICLE
from storage.tables.incident import INCIDENT
from storage.tables.organisation import NODE as TREE
from storage.tables.organisation import PLACE, SHIFT
from storage.tables.spine import BUSINESS_COUNTER, PARKED
from storage.tables.uplink import Uplink
from storage.vault import NewCapture
from tests.api.conftest import KEY, NOW_MS, Node, driven

PASSWORD: Final = "korrekt-pferd-batterie"
LON_1E7: Final = 1_000_000_000
VEHICLES_BEFORE: Final = 4000
TERMINALS_BEFORE: Final = 6000
MEDIA_BEFORE: Final = 71_000_000
PERSONS_BEFORE: Final = 52_000_000
CUSTOMERS_BEFORE: Final = 53_000_000
"""Ids begin behind these, so that an id in an answer is not taken for another small number."""


class Side(NamedTuple):
    """One store, somebody who manages it, and a few things that are its own."""

    store: int
    code: str
    login: str
    account: int
    api_key: int
    headers: dict[str, str]
    """The manager's key: every right of a manager, this store only."""
    vehicle: int
    terminal: int
    phone: str
    plate: str
    fence: int
    event: int
    """seq"""
    event_id: str
    command: str
    outbox: str
    person: int
    """Owner of the car, by number."""
    customer: int
    other_customer: int
    match: int
    quarantined: int
    household: int
    media: int
    lat_1e7: int
    helper: int
    """Account of somebody who works there too."""
    department: str
    shift: int
    place: int
    """Of the helper."""
    incident: int
    marks: tuple[str, ...]


def _without_fix(*sides: Side) -> np.ndarray:
    """Return a report of each side's terminal that has no fix."""
    rows = np.zeros(len(sides), REPORT)
    rows["terminal"] = [side.terminal for side in sides]
    rows["vehicle_id"] = [side.vehicle for side in sides]
    rows["report_id"] = [side.vehicle for side in sides]
    rows["time_ms"] = rows["arrival_ms"] = NOW_MS
    rows["flags"] = FLAG_NO_FIX
    return rows


class World:
    """Two stores of group 1, something of group 2, and a server over it all."""

    def __init__(self, database: Database) -> None:
        self.node = node = Node(database, cars=0)
        self._numbers = itertools.count(1)
        self._texts = False
        with database.write() as connection:
            other = {"group_id": 2, "store_id": 0, "created_ms": NOW_MS}
            car = {"plate": "沪Z66666", "plate_colour": 1, "vin": "OTHERGROUPSVIN000"}
            connection.execute(insert(VEHICLE).values(id=VEHICLES_BEFORE, **car, **other))
            box = {"phone": "13999966666", "terminal_id": "OTHER66", "maker": "", "model": "", "province": 0, "city": 0}
            connection.execute(insert(TERMINAL).values(id=TERMINALS_BEFORE, revision=1, **box, **other))
            # Numbers that are given out begin where no other small number is.
            for place, kind in enumerate(("person", "match", "household")):
                first = CUSTOMERS_BEFORE + place * 1_000_000
                connection.execute(insert(BUSINESS_COUNTER).values(actor="identity", name=kind, number=first))
            connection.execute(insert(COUNTER).values(name="capture", number=CUSTOMERS_BEFORE + 3_000_000))
        self.strangers = (str(VEHICLES_BEFORE), str(TERMINALS_BEFORE), "13999966666", "沪Z66666", "OTHERGROUPSVIN000")
        """Marks of the other group, which nobody here may see."""
        self.north = self._side("north", "13711110001", "京A11111", 411_111_111)
        self.south = self._side("south", "13722220002", "粤B22222", 222_222_222)
        node.table = driven(self.north.vehicle, self.south.vehicle, capacity=TERMINALS_BEFORE + 64)
        for side in (self.north, self.south):
            node.table.group[side.vehicle], node.table.store[side.vehicle] = 1, side.store
            node.table.position["lat_1e7"][side.vehicle] = side.lat_1e7
            node.table.position["lon_1e7"][side.vehicle] = LON_1E7
            node.registry.guards.arm(NODE, side.vehicle, by_hand=False, schedule=Schedule())
        node.live._table = node.table
        node.cleaning = Cleaning(node.table, Rules().of("cleaning"))
        node.cleaning.clean(_without_fix(self.north, self.south))
        self._lacking: dict[str, dict[str, str]] = {}

    def _side(self, name: str, phone: str, plate: str, lat_1e7: int) -> Side:
        node, people = self.node, self.node.people
        store = people.save_store(NODE, Store(code=f"{name}-code", name_zh=f"{name}店", name_en=f"{name} store")).id
        who, headers, api_key = self.somebody("manager", f"{name}.manager", store)
        [row] = node.registry.register(
            [NewTerminal(phone=phone, terminal_id=f"{name}T", plate=plate, store=store, time_ms=NOW_MS)]
        )
        vehicle = row.vehicle_id
        ids = [derive_id("test", name, 1, (), kind) for kind in ("sos", "command", "crossing")]
        where: dict[str, Any] = {"lat_1e7": lat_1e7, "lon_1e7": LON_1E7, "speed_kmh10": 0}
        sos = AlarmSeen(
            vehicle_id=vehicle, terminal=row.terminal, report_id="1", alarm=1, evidence="alarm.0", has_fix=True, **where
        )
        asked = CommandRequested(vehicle_id=vehicle, message="0x8201", fields={})
        whose: dict[str, Any] = {"subject": f"vehicle:{vehicle}", "store": store, "actor": "test", "time_ms": NOW_MS}
        seqs = node.eventlog.append(
            [
                Event(id=ids[0], type="sos.pressed", purpose="safety", payload=sos, **whose),
                Event(id=ids[1], type="command.requested", payload=asked, **whose),
            ]
        )
        with node.database.read() as connection:
            # Of its emergency call.
            own = select(INCIDENT.c.incident).where(INCIDENT.c.vehicle_id == vehicle)
            case = connection.execute(own).scalar_one()
        point = TrackPoint(NOW_MS, NOW_MS, 1, lat_1e7, LON_1E7, 0, 0, 0, 0, 3, 0, 0)
        data = encode_frame(Waybill(f"{name} waybill".encode()), Header(0x0701, phone, 7))
        node.reports.said.append(Uplink(vehicle, row.terminal, 0x0701, 2013, 7, NOW_MS, "node1", 9, 0, len(data), data))
        node.reports.tracks[vehicle] = [point, point._replace(time_ms=NOW_MS + 1000, report_id=2)]
        outbox = derive_id("test", name, 1, (), "outbox")
        with node.database.write() as connection:
            group: dict[str, Any] = {"group_id": 1, "store_id": store}
            circle = f'{{"centre": [100, {lat_1e7 / 1e7}], "radius_m": 200}}'
            fence = connection.execute(
                insert(GEOFENCE)
                .values(name=f"{name} yard", kind="circle", geometry=circle, active=True, **group)
                .returning(GEOFENCE.c.id)
            ).scalar_one()
            kept = AreaRow(fence=fence, terminal=row.terminal, vehicle=vehicle, group=1, store=store, since_ms=NOW_MS)
            save(connection, [kept], [])
            message = {"adapter": "message", "channel": "sms", "account": who.account, "address": f"{name}-address"}
            message |= {"subject": f"{name} subject", "body": f"{name} body", "about": f"vehicle:{vehicle}"}
            message |= {"cause": ids[0], "state": "requested", "reason": ""}
            times = {"requested_ms": NOW_MS, "changed_ms": NOW_MS}
            connection.execute(insert(OUTBOX).values(id=outbox, **message, **times, **group))
        crossed = FenceCrossed(vehicle_id=vehicle, fence_id=fence, report_id="1", **where)
        trip = TripClosed(
            vehicle_id=vehicle, terminal=row.terminal, trip_id="1", report_id="2", started_ms=NOW_MS,
            start_lat_1e7=lat_1e7, start_lon_1e7=LON_1E7, lat_1e7=lat_1e7, lon_1e7=LON_1E7, duration_ms=0, distance_m=0,
            distance_from="odometer", max_kmh10=0, idle_ms=0, reports=2, began_by="ignition", ended_by="ignition",
        )  # fmt: skip
        node.eventlog.append(
            [
                Event(id=ids[2], type="fence.entered", payload=crossed, **whose),
                Event(id=derive_id("test", name, 1, (), "trip"), type="trip.closed", payload=trip, **whose),
            ]
        )
        with node.database.write() as connection:
            look = Line(
                time_ms=NOW_MS, group=1, account=who.account, api_key=api_key, what="track", vehicle=vehicle, rows=2,
                address=f"{name}-reader",
            )  # fmt: skip
            append(connection, [look])
            stopped = {"event": ids[2], "type": "fence.entered", "reason": f"{name} subject", "time_ms": NOW_MS}
            connection.execute(
                insert(PARKED).values(actor="spine", key=f"vehicle:{vehicle}", group_id=1, store_id=store, **stopped)
            )
        shot = NewMedia(
            group=1, store=store, vehicle=vehicle, terminal=row.terminal, media_id=MEDIA_BEFORE + vehicle, kind=0,
            format=0, event=0, channel=1, time_ms=NOW_MS, arrival_ms=NOW_MS, lat_1e7=lat_1e7, lon_1e7=LON_1E7,
        )  # fmt: skip
        # What it shows is a mark as well: the other store must not see it, whatever the route.
        kept = node.media.put(shot, b"\xff\xd8\xff" + f" {name}-picture ".encode())
        # Whose the car is, and a reading that waits: what the garage says of it is folded from the log.
        person = PERSONS_BEFORE + vehicle
        owner = VehiclePersonRequested(vehicle_id=vehicle, person=person, role="owner", source="sale")
        read = OdometerReadingRequested(vehicle_id=vehicle, odometer_m=90_000_000, source="workshop")
        lower = OdometerReadingRequested(vehicle_id=vehicle, odometer_m=9_000_000, source="owner")
        asked_for = (("vehicle.person", owner), ("odometer.reading", read), ("odometer.reading", lower))
        for number, (kind, payload) in enumerate(asked_for):
            intent = derive_id("test", name, 1, (), f"garage{number}")
            node.eventlog.append([Event(id=intent, type=f"{kind}.requested", payload=payload, **whose)])
        self._consents(name, whose, who.account, person, vehicle)
        # Two customers that may be one, and a partner's record that waits: who they are stands in the vault alone.
        numbers, told = self._customers(store, name)
        marks = (
            f"{name}-incident",
            *told,
            str(person),
            str(vehicle),
            str(row.terminal),
            phone,
            plate,
            *ids,
            outbox,
            who.login,
            f"{name} yard",
        )
        helper, department, shift, place = self._organised(name, store)
        marks += (f"{name}.helper", f"{name}部")
        marks += (str(person), str(vehicle), str(row.terminal), phone, plate, *ids, outbox, who.login, f"{name} yard")
        marks += (
            f"{name}-code",
            f"{name}-picture",
            str(MEDIA_BEFORE + vehicle),
            f"{name}T",
            f"{name} subject",
            f"{name}-reader",
            str(lat_1e7)[:6],
            f"{lat_1e7 / 1e7:.4f}",
        )
        return Side(
            store, f"{name}-code", who.login, who.account, api_key, headers, vehicle, row.terminal, phone, plate, fence,
            seqs[0], ids[0], ids[1], outbox, person, *numbers,
            kept.media, lat_1e7, helper, department, shift, place, case, marks,
        )  # fmt: skip

    def _consents(self, name: str, whose: dict[str, Any], account: int, person: int, vehicle: int) -> None:
        """Let the person agree to a text, and somebody break the glass for their car."""
        words = {"title_zh": "关怀", "title_en": "Care", "body_zh": "同意", "body_en": "I agree"}
        text = ConsentTextRequested(text="care", purpose="care", cells=(Cell("mileage"),), **words)
        agreed = ConsentGiveRequested(person=person, text="care", version=1, evidence=f"form:{name}")
        look = GlassRequested(vehicle_id=vehicle, incident=f"{name}-incident", reason="crash")
        about = f"person:{person}"
        acts = [("consent.give.requested", agreed, about), ("breakglass.requested", look, f"vehicle:{vehicle}")]
        if not self._texts:
            acts.insert(0, ("consent.text.requested", text, "consent-text:care"))
            self._texts = True
        for type_, payload, subject in acts:
            said = {**whose, "subject": subject, "actor": f"account:{account}"}
            id_ = derive_id("test", name, 1, (), type_)
            self.node.eventlog.append([Event(id=id_, type=type_, payload=payload, **said)])
        taken = ConsentWithdrawalRequested(person=person, purpose="research")
        id_ = derive_id("test", name, 1, (), "withdrawal")
        self.node.eventlog.append(
            [Event(id=id_, type="consent.withdrawal.requested", payload=taken, **{**whose, "subject": about})]
        )

    def _organised(self, name: str, store: int) -> tuple[int, str, int, int]:
        """Enter a department, and somebody who is on duty at the store tomorrow."""
        helper, _, _ = self.somebody("viewer", f"{name}.helper", store)
        tomorrow_ms = time.time_ns() // 1_000_000 + 86_400_000
        shift = RosterRequested(
            node=f"store:{store}", account=helper.account, duty="desk", from_ms=tomorrow_ms,
            to_ms=tomorrow_ms + 3_600_000,
        )  # fmt: skip
        for type_, payload in (
            ("duty.requested", DutyRequested(duty="desk", name_zh="前台")),
            ("skill.define.requested", SkillDefineRequested(skill="crash.handling", name_zh="事故处理")),
            ("node.requested", NodeRequested(kind="department", parent=f"store:{store}", name_zh=f"{name}部")),
            ("roster.requested", shift),
        ):
            self.node.eventlog.append([intent(NODE, type_, payload, subject=f"store:{store}")])
        with self.node.database.read() as connection:
            department = select(TREE.c.node).where(TREE.c.parent == f"store:{store}")
            number = select(SHIFT.c.shift).where(SHIFT.c.account == helper.account)
            place = select(PLACE.c.place).where(PLACE.c.account == helper.account)
            asked = (connection.execute(one).scalar_one() for one in (department, number, place))
            return helper.account, *asked  # type: ignore[return-value]

    def _customers(self, store: int, name: str) -> tuple[list[int], tuple[str, ...]]:
        """Tell of two customers that may be one, and of one whose consent is missing; return their numbers, and marks.

        Who they are stands in the vault; the garage's owner is another number, for nobody told of them.
        """
        surname, tail = {"north": ("王", "1"), "south": ("李", "2")}[name]
        full, phone = f"{surname}{'北' if tail == '1' else '南'}铭", f"1381234000{tail}"
        told = [
            NewCapture(source="counter", store=store, traits={"name": full, "phone": phone}, time_ms=NOW_MS),
            NewCapture(source="call", store=store, traits={"name": f"{surname}先生", "phone": phone}, time_ms=NOW_MS),
            NewCapture(source="partner", store=store, traits={"phone": f"1391234000{tail}"}, time_ms=NOW_MS),
        ]
        one, other, held = self.node.vault.take(NODE, told)
        assert other.matches == 1
        assert held.state == "quarantined"
        pair = self.node.eventlog.read(0, 10_000, type_prefix="person.match.found")[-1].payload
        home = HouseholdRequested(kind="company", members=(one.person, other.person))
        self.node.eventlog.append(
            [
                Event(
                    id=derive_id("test", name, 1, (), "home"), type="household.requested", payload=home, time_ms=NOW_MS,
                    subject=f"person:{one.person}", store=store, actor="test",
                )
            ]
        )  # fmt: skip
        opened = self.node.eventlog.read(0, 10_000, type_prefix="household.opened")[-1].payload
        numbers = [one.person, other.person, pair.match, held.capture, opened.household]
        return numbers, (str(one.person), str(other.person), full)

    def somebody(self, role: str, login: str = "", store: int = 0) -> tuple[Principal, dict[str, str], int]:
        """Enter an account; return who it is, headers with a key that holds all its rights, and that key's id."""
        login = login or f"person{next(self._numbers)}"
        people = self.node.people
        _, token = people.create_account(NODE, login=login, name="", role=role, stores=[store] if store else None)
        who = people.take_invitation(token, PASSWORD).principal
        about, key = people.create_key(who, name=login, rights=who.rights)
        return who, {"Authorization": f"Bearer {key}"}, about.id

    def lacking(self, right: str) -> dict[str, str]:
        """Return headers of somebody of the whole group who holds every right but this one."""
        if right not in self._lacking:
            who, _, _ = self.somebody("administrator")
            _, key = self.node.people.create_key(who, name=right, rights=set(RIGHTS) - {right})
            self._lacking[right] = {"Authorization": f"Bearer {key}"}
        return self._lacking[right]

    def app(self) -> Litestar:
        """Return the application over this world."""
        return create_app(self.node.parts(metrics_open=False))

    @contextmanager
    def served(self) -> Iterator[TestClient]:
        """Serve it. Answers are not followed to where they redirect."""
        with TestClient(self.app()) as client:
            client.follow_redirects = False
            yield client


WHOLE_GROUP: Final = {"Authorization": f"Bearer {KEY}"}

Kind = Literal["public", "self", "group", "list", "one"]


class Case(NamedTuple):
    """How a route is called, and what must hold; see tests/api/test_rights.py."""

    route: str
    kind: Kind
    path: Callable[[Side], str] | None = None
    """Where it is for one side; None: the route itself, which names nothing."""
    send: Callable[[Side], Mapping[str, Any]] = lambda side: {}
    """Arguments for the client: json=, params=, content= …"""
    status: int = 200
    """What the side itself gets."""
    foreign: int = 404
    """What the other side gets (kind `one`)."""
    shows: bool = True
    """Whether the side's own answer shows a mark of its own: a proof that the test would see one."""
    also: tuple[str, ...] = ()
    """Other ways to ask a list: queries (`format=csv`, `search=1`), each of which must hold the same."""
    search: str = ""
    """Name of its parameter that searches: searching for what is the other store's finds nothing."""
    check: Callable[["World"], None] | None = None
    """Instead of calling it twice: what must hold, for routes that no single request can try (a live feed)."""

    @property
    def method(self) -> str:
        return self.route.split(" ")[0]

    def where(self, side: Side) -> str:
        return self.path(side) if self.path else self.route.split(" ")[1]


def marks_in(text: str, marks: tuple[str, ...]) -> list[str]:
    """Return those of the marks that stand in the text on their own, not as a part of a longer number or word."""
    found = []
    for mark in marks:
        tail = "" if (mark[:3].isdigit() and len(mark) == 6) or "." in mark else r"(?![0-9A-Za-z])"
        if re.search(rf"(?<![0-9A-Za-z]){re.escape(mark)}{tail}", text):
            found.append(mark)
    return found


def text_of(answer: Any) -> str:
    """Return what an answer says: its text, and of a workbook what stands in its sheets."""
    if "spreadsheetml" not in answer.headers.get("content-type", ""):
        return str(answer.text)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
        return "\n".join(book.read(name).decode() for name in book.namelist() if name.endswith(".xml"))


def routes_of(app: Litestar) -> dict[str, Any]:
    """Return every route of an application: 'METHOD /path' (WS for a WebSocket) -> its handler."""
    found: dict[str, Any] = {}
    for route in app.routes:
        for handler in route.route_handlers if hasattr(route, "route_handlers") else [route.route_handler]:
            methods = sorted(getattr(handler, "http_methods", {"WS"}))
            for method in methods:
                # Litestar answers OPTIONS itself: which methods there are, nothing more.
                if method != "OPTIONS":
                    found[f"{method} {route.path_format if hasattr(route, 'path_format') else route.path}"] = handler
    return found
