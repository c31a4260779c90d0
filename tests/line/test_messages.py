"""Every declared message through a running server, both ways and in every edition that knows it, and what people see.

Three simulated terminals, one an edition, say every message that terminals send (what they say is in tests/samples.py)
and carry out every order. What each said is read back through the API, what was ordered is compared with what came
and the story of the command with the answer. A message that is declared and stands in none of the tables below
fails.
"""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx
import msgspec
import pytest

from bench.servers import ChildServer
from protocols.jt808.commands import reply_of
from protocols.jt808.forms import sendable
from protocols.jt808.messages import MESSAGES, ResendRequest, answer_to, is_downlink
from protocols.jt808.plain import to_plain
from simulators.console import Heard, Station
from simulators.terminals import ONLINE, identity, of_edition
from tests.line.conftest import until
from tests.samples import EDITIONS, NOON_MS, PROTOCOL_ANSWERS, body_of, fields_of, knowing

SEEN: Final[dict[int, str]] = {
    0x0001: "command",
    0x0002: "answered",
    0x0003: "session",
    0x0004: "answered",
    0x0005: "command",
    0x0100: "terminal",
    0x0102: "session",
    0x0200: "track",
    0x0704: "track",
    0x0109: "answered",
    0x0506: "answered",
    0x0801: "media",
} | dict.fromkeys(
    (0x0104, 0x0107, 0x0108, 0x0201, 0x0210, 0x0301, 0x0302, 0x0303, 0x0500, 0x0608, 0x0700, 0x0701, 0x0702, 0x0705,
     0x0800, 0x0802, 0x0805, 0x0900, 0x0901, 0x0A00, 0x1003, 0x1005, 0x1205, 0x1206, 0x1210, 0x1211, 0x1212, 0x1FC4,
     0x6006),
    "messages",
)  # fmt: skip
"""Where a user reads what an uplink carried: its vehicle's messages, its track, its gallery, a command's story, the
terminal's page, its sessions in the log; `answered`: it carries nothing but the wish for an answer."""

PROVOKED: Final[dict[int, str]] = {
    0x8001: "any message",
    0x8003: "a long message that comes with a gap",
    0x8004: "0x0004",
    0x8100: "0x0100",
    0x8109: "0x0109",
    0x8800: "0x0801",
    0x9212: "0x1212",
}
"""The platform's own answers, and what brings them forth."""

FIRST: Final = (0x9101, 0x8801, 0x9206, 0x9207)
"""Orders that others need: a live channel to close, a picture to upload, an upload to control while it lasts."""
LAST: Final = (0x8601, 0x8603, 0x8605, 0x8607, 0x8105)
"""Orders that undo what others look at; the reset ends the link."""


def orders_of(version: int) -> list[int]:
    """Return the orders that an edition knows, in the order in which they are sent."""
    known = [message for message in sendable() if version in knowing(message)]
    between = [message for message in known if message not in FIRST and message not in LAST]
    return [*(m for m in FIRST if m in known), *between, *(m for m in LAST if m in known)]


class Side:
    """One terminal of one edition on the running server, what it was told and said, and what a user sees of it."""

    def __init__(self, server: ChildServer, version: int, people: list[httpx.Client]) -> None:
        self.server = server
        self.people = people
        self.version = version
        self.shown: list[str] = []
        number = 7_770_000 + version
        who = of_edition(identity(number), version)._replace(phone=f"1390777{version}")
        self.station = Station(who, ("127.0.0.1", server.port), self.shown.append)
        self.phone = who.phone
        self.vehicle_id = 0
        self.said: dict[int, tuple[int, Any]] = {}
        """Message -> (serial, body) of what was said of itself."""
        self.orders: dict[int, str] = {}
        """Message -> id of the command."""
        self.stories: dict[str, dict[str, Any]] = {}
        self.missed = ""
        self.fault = ""

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = self.server.ask(method, path, body)
        assert status < 300, (method, path, status, answer)
        return answer

    def hears(self, which: Callable[[Heard], bool], bound_s: float = 20.0) -> Heard:
        """Wait until a frame of the platform has come that is the one."""
        found: list[Heard] = []

        def came() -> bool:
            found[:] = [heard for heard in self.station.heard if which(heard)]
            return bool(found)

        with self.station.lock:
            assert self.station.lock.wait_for(came, bound_s), self.shown[-12:]
        return found[-1]

    def say(self, message: int, body: msgspec.Struct | None = None) -> int:
        """Say a message of the samples, or this one; return its serial."""
        body = body_of(message, self.version) if body is None else body
        with self.station.lock:
            serial = self.station.send(message, body)
        self.said[message] = (serial, body)
        return serial

    def heard(self, message: int) -> list[Any]:
        return [heard.body for heard in self.station.heard if heard.message == message]

    def messages(self, message: int) -> list[dict[str, Any]]:
        """Return the messages of this kind that a user sees."""
        page = self.ask("GET", f"/api/v1/vehicles/{self.vehicle_id}/messages?message={message:#06x}&limit=100")
        return list(page["items"])

    def message(self, sequence: int) -> dict[str, Any]:
        """Return one message whole."""
        path = f"/api/v1/vehicles/{self.vehicle_id}/messages/node1/{sequence}"
        return dict(until(lambda: (found := self.server.ask("GET", path))[0] == 200 and found[1]))

    def events(self, kind: str) -> list[dict[str, Any]]:
        page = self.ask("GET", f"/api/v1/events?type={kind}&subject=&limit=500")
        return [one for one in page["items"] if one["payload"].get("vehicle_id") == self.vehicle_id]

    # --- the whole exchange

    def play(self) -> None:
        """Do everything. What goes wrong is kept for the tests."""
        try:
            self._play()
        except Exception as error:
            self.fault = f"{type(error).__name__}: {error}"

    def _play(self) -> None:
        self.station.start()
        with self.station.lock:
            assert self.station.lock.wait_for(lambda: self.station.terminal.state == ONLINE, 20), self.shown
        self.vehicle_id = self.vehicle()
        self._uplinks()
        self._gap()
        self._miss()
        self._commands()
        self._logout()

    def vehicle(self) -> int:
        page = self.ask("GET", f"/api/v1/vehicles?search={self.phone}")
        (item,) = [one for one in page["items"] if self.phone in one["phones"]]
        return int(item["vehicle_id"])

    def _uplinks(self) -> None:
        for message in sorted(SEEN):
            if self.version in knowing(message) and message not in (0x0001, 0x0003, 0x0005, 0x0100, 0x0102):
                self.say(message)
        for message, (serial, _) in self.said.items():
            answer = answer_to(message)
            if answer == 0x8001:
                about = (serial, message)
                heard = self.hears(
                    lambda one, about=about: (
                        one.message == 0x8001 and (one.body.reply_serial, one.body.reply_message) == about
                    )  # type: ignore[attr-defined]
                )
                assert heard.body.result == 0, (hex(message), heard)  # type: ignore[attr-defined]
            elif answer:
                self.hears(lambda one, answer=answer: one.message == answer)

    def _gap(self) -> None:
        """A long message comes without its second fragment: the platform asks, and has it again byte for byte."""
        if self.version == 2011:
            return
        with self.station.lock:
            self.station.lose = {2}
            first = self.station.send(0x0900, LONG)
        asked = self.hears(lambda one: one.message == 0x8003)
        assert asked.body == ResendRequest(first, (2,))

    def _commands(self) -> None:
        for message in orders_of(self.version):
            fields = fields_of(message, self.version)
            if message == 0x9207:
                fields["upload_serial"] = self.hears(lambda one: one.message == 0x9206).serial
            if message == 0x8500:
                # It may stop the car: only one that stands, by a fix of this moment.
                with self.station.lock:
                    self.station.report()
            if message in LAST:
                self._settle()
            self.order(message, fields)
            if len(self.orders) % 12 == 0 or message == 0x8801:
                self._settle()
        self._settle()

    def order(self, message: int, fields: dict[str, Any]) -> str:
        """Ask for a command, have it approved where it needs that, and return its id."""
        path = f"/api/v1/vehicles/{self.vehicle_id}/commands"
        taken = self.ask("POST", path, {"message": f"0x{message:04X}", "fields": fields})
        self.orders[message] = taken["id"]
        for person in self.people[: taken["approvals_needed"]]:
            answer = person.post(f"/api/v1/commands/{taken['id']}/approve", json={})
            assert answer.status_code == 200, answer.text
        return str(taken["id"])

    def _settle(self) -> None:
        """Wait until everything ordered so far has come to its end."""

        def ended() -> bool:
            page = self.ask("GET", f"/api/v1/vehicles/{self.vehicle_id}/commands?limit=100")
            self.stories = {one["id"]: one for one in page["items"]}
            return all(self.stories.get(one, {}).get("ended") for one in self.orders.values())

        until(ended, bound_s=30)

    def _miss(self) -> None:
        """An order in fragments of which the terminal misses one: since 2019 it asks, and has it again."""
        if self.version < 2019:
            return
        with self.station.lock:
            self.station.miss = {3}
        package = {**fields_of(0x8108, self.version), "release": "3.0", "data": "5a" * 5000}
        self.missed = self.order(0x8108, package)
        self._settle()

    def _logout(self) -> None:
        """Say good-bye, when the terminal is back from its reset."""
        with self.station.lock:
            assert self.station.lock.wait_for(lambda: self.station.terminal.state != ONLINE, 20), self.shown[-5:]
            self.station.dial()
            assert self.station.lock.wait_for(lambda: self.station.terminal.state == ONLINE, 20), self.shown[-5:]
        serial = self.say(0x0003)
        self.hears(lambda one: one.message == 0x8001 and one.body.reply_serial == serial)  # type: ignore[attr-defined]


LONG: Final = MESSAGES[0x0900].body(kind=0x42, data=bytes(n % 251 for n in range(3000)))


def person(server: ChildServer, login: str) -> httpx.Client:
    """Return somebody who is logged in and may approve what others ask for."""
    made = server.ask("POST", "/api/v1/accounts", {"login": login, "role": "administrator", "stores": None})
    assert made[0] == 201, made
    token = made[1]["invitation"]["link"].rpartition("/")[2]
    base = f"http://{server.http}"
    client = httpx.Client(base_url=base, headers={"Origin": base})
    taken = client.post("/api/v1/invitations", json={"token": token, "password": f"{login}-Kranich-88-Wolke"})
    assert taken.status_code == 200, taken.text
    return client


@pytest.fixture(scope="module")
def sides(server: ChildServer) -> Iterator[dict[int, Side]]:
    """The three exchanges, side by side, over."""
    people = [person(server, f"approver{n}") for n in (1, 2)]
    sides = {version: Side(server, version, people) for version in EDITIONS}
    threads = [threading.Thread(target=side.play, name=f"edition {side.version}") for side in sides.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    yield sides
    for side in sides.values():
        side.station.stop()
    for one in people:
        one.close()


def test_every_declared_message_stands_in_a_table() -> None:
    said = {message for message in MESSAGES if not is_downlink(message)}
    assert said == set(SEEN)
    assert {message for message in MESSAGES if is_downlink(message)} == set(sendable()) | set(PROVOKED)
    assert set(PROVOKED) == PROTOCOL_ANSWERS


@pytest.mark.parametrize("version", EDITIONS)
def test_the_exchange_came_to_its_end(sides: dict[int, Side], version: int) -> None:
    side = sides[version]
    assert not side.fault, (side.fault, side.shown[-10:])


ORDERS: Final = [(message, version) for version in EDITIONS for message in orders_of(version)]


@pytest.mark.parametrize(("message", "version"), ORDERS, ids=[f"{m:#06x}-{v}" for m, v in ORDERS])
def test_every_order_arrives_as_it_was_asked_for_and_its_story_ends_with_the_answer(
    sides: dict[int, Side], message: int, version: int
) -> None:
    side = sides[version]
    wanted = body_of(message, version)
    heard = side.heard(message)
    if message == 0x9207:
        wanted = msgspec.structs.replace(wanted, upload_serial=heard[-1].upload_serial)
    assert wanted in heard, heard
    story = side.stories[side.orders[message]]
    answer = reply_of(message, version)
    # What nothing answers went out, and nobody can say more.
    expected = "acked" if answer == 0x0001 else "effective" if answer else "unknown"
    assert story["state"] == expected, story
    if answer not in (0, 0x0001):
        last = story["steps"][-1]
        reply = last["reply"] or side.message(last["sequence"])["fields"]
        assert set(MESSAGES[answer].body.__struct_fields__) & set(reply), story


UPLINKS: Final = [(message, version) for message in SEEN for version in knowing(message)]


@pytest.mark.parametrize(("message", "version"), UPLINKS, ids=[f"{m:#06x}-{v}" for m, v in UPLINKS])
def test_every_uplink_is_answered_and_what_it_carried_is_read_by_a_user(
    sides: dict[int, Side], message: int, version: int
) -> None:
    side = sides[version]
    CHECKS[SEEN[message]](side, message)


def check_answered(side: Side, message: int) -> None:
    """Its answer was waited for in the exchange."""
    assert message in side.said


def check_message(side: Side, message: int) -> None:
    _, body = side.said[message]
    plain = json.loads(json.dumps(to_plain(body)))
    # What a compressed message holds is read out of it, and too long for a list.
    plain.pop("inflated", None)

    def stands() -> bool:
        for one in side.messages(message):
            # A long one stands in the list without its fields.
            fields = one["fields"] or side.message(one["sequence"])["fields"]
            if plain.items() <= fields.items():
                return True
        return False

    until(stands, bound_s=20)


def check_track(side: Side, message: int) -> None:
    _, body = side.said[message]
    for place in getattr(body, "locations", (body,)):

        def stands(place: Any = place) -> bool:
            page = side.ask(
                "GET", f"/api/v1/vehicles/{side.vehicle_id}/track?from={NOON_MS - 120_000}&to={NOON_MS + 1000}"
            )
            return f"{place.time_ms}" in json.dumps(page)

        until(stands, bound_s=20)


def check_media(side: Side, message: int) -> None:
    def stands() -> bool:
        items = side.ask("GET", f"/api/v1/vehicles/{side.vehicle_id}/media")["items"]
        return any(one["media_id"] == 5 for one in items)

    until(stands, bound_s=20)


def check_session(side: Side, message: int) -> None:
    if message == 0x0102:
        assert side.events("terminal.session.opened")
    else:
        until(lambda: any(one["payload"]["reason"] == "logout" for one in side.events("terminal.session.closed")))


def check_terminal(side: Side, message: int) -> None:
    page = side.ask("GET", f"/api/v1/vehicles/{side.vehicle_id}")
    assert side.phone in json.dumps(page)
    assert side.events("terminal.registered")


def check_command(side: Side, message: int) -> None:
    if message == 0x0001:
        assert any(story["state"] == "acked" for story in side.stories.values())
    else:
        story = side.ask("GET", f"/api/v1/commands/{side.missed}")
        assert story["state"] == "effective"
        assert side.station.terminal.device.firmware in ("3.0", "1.5.0")


CHECKS: Final[dict[str, Callable[[Side, int], None]]] = {
    "answered": check_answered,
    "messages": check_message,
    "track": check_track,
    "media": check_media,
    "session": check_session,
    "terminal": check_terminal,
    "command": check_command,
}


PROVOKED_IN: Final = [(message, version) for message in PROVOKED for version in knowing(message)]


@pytest.mark.parametrize(("message", "version"), PROVOKED_IN, ids=[f"{m:#06x}-{v}" for m, v in PROVOKED_IN])
def test_the_platform_answers_of_itself(sides: dict[int, Side], message: int, version: int) -> None:
    assert sides[version].heard(message), f"{message:#06x} is brought forth by {PROVOKED[message]}"
