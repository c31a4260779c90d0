"""Commands on the running program: waiting, split, approved by two, and none lost or doubled when it is killed."""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from api.guards import COOKIE
from bench.servers import ChildServer, start_carillon
from core.rights import NODE
from protocols.jt808.codec import BODY_BYTES_MAX, Decoded
from protocols.jt808.control import ControlReply, ParametersReply, UpgradeResult
from protocols.jt808.messages import Heartbeat, Location, ResendRequest, TerminalGeneralReply
from protocols.jt808.plain import from_plain
from storage.database import Database
from storage.people import People
from tests.line.conftest import Line, Terminal, until

LOCK: dict[str, Any] = {"message": "0x8500", "fields": {"controls": [{"kind": 1, "value": 0}]}}


def send(server: ChildServer, vehicle_id: int, order: dict[str, Any]) -> str:
    status, taken = server.ask("POST", f"/api/v1/vehicles/{vehicle_id}/commands", order)
    assert status == 202, taken
    return str(taken["id"])


def command(server: ChildServer, name: str) -> dict[str, Any]:
    told: dict[str, Any] = server.ask("GET", f"/api/v1/commands/{name}")[1]
    return told


def reaches(server: ChildServer, name: str, state: str) -> dict[str, Any]:
    """Wait until a command is in a state."""
    told: dict[str, Any] = until(lambda: now if (now := command(server, name))["state"] == state else None)
    return told


def ack(terminal: Terminal, order: Decoded, serial: int | None = None) -> None:
    said = order.header.serial if serial is None else serial
    terminal.say(0x0001, TerminalGeneralReply(said, order.header.message, 0))


def parameters(serial: int) -> Any:
    fields = {"reply_serial": serial, "parameters": [{"id": "0x0001", "value": 60}]}
    return from_plain(ParametersReply, fields, 2013)


def here_now(speed_kmh10: int) -> Location:
    """Return a fix of this moment."""
    now_ms = time.time_ns() // 1_000_000_000 * 1000
    return Location(0, 3, 30_000_000, 150_000_000, speed_kmh10=speed_kmh10, time_ms=now_ms)


class Person:
    """Somebody with a browser."""

    def __init__(self, server: ChildServer, people: People, login: str) -> None:
        _, token = people.create_account(NODE, login=login, name=login, role="manager", stores=None)
        self.cookie = f"{COOKIE}={people.take_invitation(token, 'korrekt-pferd-batterie').token}"
        self.http = server.http

    def post(self, path: str, body: Any, http: str = "") -> tuple[int, Any]:
        headers = {"Cookie": self.cookie, "Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}
        url = f"http://{http or self.http}/api/v1{path}"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


def staff(server: ChildServer, *logins: str) -> list[Person]:
    database = Database(f"sqlite:///{server.data / 'carillon.db'}")
    try:
        return [Person(server, People(database), login) for login in logins]
    finally:
        database.close()


def test_a_command_waits_for_its_car_is_sent_at_the_login_and_answered_in_words(line: Line) -> None:
    terminal = line.terminal("13900000401").login()
    vehicle_id = line.vehicle_of("13900000401")
    terminal.socket.close()
    until(lambda: line.events("terminal.session.closed", vehicle_id=vehicle_id))
    name = send(line.server, vehicle_id, {"message": "0x8104", "expires_s": 3600})
    assert reaches(line.server, name, "queued")["steps"][-1]["why"] == "offline"
    again = terminal.again()
    again.login()
    order = again.hear(0x8104)
    ack(again, order)
    again.say(0x0104, parameters(order.header.serial))
    told = reaches(line.server, name, "effective")
    assert [step["state"] for step in told["steps"]] == ["requested", "queued", "sent", "acked", "effective"]
    [parameter] = told["steps"][-1]["reply"]["parameters"]
    assert (parameter["name"], parameter["value"]) == ("heartbeat_interval_s", 60)
    assert told["steps"][-1]["sequence"] > 0


def test_a_long_command_arrives_in_fragments_and_is_sent_again_byte_for_byte(line: Line) -> None:
    terminal = line.terminal("13900000402", version=2019).login()
    vehicle_id = line.vehicle_of("13900000402")
    data = bytes(range(256)) * 40
    fields = {"target": 0, "maker": "CARIL", "release": "2.0", "data": data.hex()}
    name = send(line.server, vehicle_id, {"message": "0x8108", "fields": fields})
    pieces: dict[int, bytes] = {}
    total = -(-(len(data) + 1 + 5 + 4 + 4) // BODY_BYTES_MAX)
    while len(pieces) < total:
        piece = terminal.hear(0x8108)
        body: Any = piece.body
        assert piece.header.total == total
        pieces[piece.header.index] = body.data
        first = piece.header.serial - piece.header.index + 1
        if piece.header.index == 3:
            # It was lost on the way to where it is put together.
            terminal.say(0x0005, ResendRequest(first, (2, 3)))
            for index in (2, 3):
                while (same := terminal.hear(0x8108)).header.index != index:
                    pieces[same.header.index] = same.body.data  # type: ignore[attr-defined]
                    ack(terminal, same)
                assert (same.header.serial, same.body.data) == (first + index - 1, pieces[index])  # type: ignore[attr-defined]
                ack(terminal, same)
        ack(terminal, piece)
    whole = b"".join(pieces[index] for index in sorted(pieces))
    assert whole[-len(data) :] == data
    reaches(line.server, name, "acked")
    terminal.say(0x0108, UpgradeResult(0, 0))
    told = reaches(line.server, name, "effective")
    assert told["steps"][-1]["reply"] == {"target": 0, "result": 0}
    sent = [step for step in told["steps"] if step["state"] == "sent"]
    assert sent[-1]["parts_sent"] == sent[-1]["parts"] == total


def test_a_car_is_locked_when_two_others_have_said_so_and_it_stands(line: Line) -> None:
    terminal = line.terminal("13900000403", version=2019).login()
    vehicle_id = line.vehicle_of("13900000403")
    asker, second, third = staff(line.server, "asks", "agrees", "agrees.too")
    status, taken = asker.post(f"/vehicles/{vehicle_id}/commands", LOCK)
    assert (status, taken["approvals_needed"]) == (202, 2)
    name = taken["id"]
    assert asker.post(f"/commands/{name}/approve", {})[1]["code"] == "approval_own"
    assert line.server.ask("POST", f"/api/v1/commands/{name}/approve", {})[1]["code"] == "session_needed"
    assert second.post(f"/commands/{name}/approve", {})[0] == 200
    assert second.post(f"/commands/{name}/approve", {})[1]["code"] == "approval_twice"
    assert [one["id"] for one in line.server.ask("GET", "/api/v1/commands")[1]["items"]] == [name]
    terminal.report(here_now(305))
    car = f"/api/v1/vehicles/{vehicle_id}"
    until(lambda: line.server.ask("GET", car)[1]["position"])
    assert third.post(f"/commands/{name}/approve", {"reason": "reported stolen"})[0] == 200
    held = reaches(line.server, name, "queued")
    assert held["steps"][-1]["why"] in ("driving", "fix_old")
    terminal.report(here_now(0))
    order = terminal.hear(0x8500)
    ack(terminal, order)
    terminal.say(0x0500, ControlReply(reply_serial=order.header.serial, location=here_now(0)))
    told = reaches(line.server, name, "effective")
    assert [step["state"] for step in told["steps"]].count("sent") == 1


def test_a_killed_server_neither_loses_nor_doubles_a_command_nor_locks_without_two(tmp_path: Path) -> None:
    phones = ("13900000411", "13900000412")
    server = start_carillon(tmp_path / "data")
    try:
        first = Terminal(server.port, phones[0]).login()
        away = Terminal(server.port, phones[1]).login()
        away.socket.close()
        names = {
            "acked": send(server, 1, {"message": "0x8104", "expires_s": 3600}),
            "answered": send(server, 1, {"message": "0x8106", "fields": {"ids": [1]}, "expires_s": 3600}),
            "unanswered": send(server, 1, {"message": "0x8107", "expires_s": 3600}),
            "waiting": send(server, 2, {"message": "0x8104", "expires_s": 3600}),
        }
        order, question = first.hear(0x8104), first.hear(0x8106)
        first.hear(0x8107)
        ack(first, order)
        reaches(server, names["acked"], "acked")
        reaches(server, names["waiting"], "queued")
        asker, second, third = staff(server, "asks", "agrees", "agrees.too")
        names["lock"] = asker.post("/vehicles/1/commands", {**LOCK, "fields": {"flags": 1}})[1]["id"]
        assert second.post(f"/commands/{names['lock']}/approve", {})[0] == 200
        # Said, and not yet in the log: the journal has it, or the terminal says it again.
        first.say(0x0104, parameters(question.header.serial))
        until(lambda: command(server, names["answered"])["state"] in ("sent", "effective"))
        tcp = server.port
        server.kill()
        first.close()
        server = start_carillon(tmp_path / "data", tcp=tcp)
        again = first.again().login()
        again.report(here_now(0))
        heard = [again.hear().header.message]
        if command(server, names["answered"])["state"] != "effective":
            heard.append(again.hear().header.message)
        assert 0x8107 in heard
        assert not {0x8104, 0x8500} & set(heard), "one is acknowledged, one is not approved"
        away.again().login().hear(0x8104)
        reaches(server, names["waiting"], "sent")
        again.report(here_now(0))
        assert third.post(f"/commands/{names['lock']}/approve", {}, http=server.http)[0] == 200
        locked = again.hear(0x8500)
        ack(again, locked)
        again.say(0x0104, parameters(order.header.serial))
        reaches(server, names["acked"], "effective")
        tcp = server.port
        server.kill()
        server = start_carillon(tmp_path / "data", tcp=tcp)
        last = again.again().login()
        last.report(here_now(0))
        said = last.say(0x0002, Heartbeat())
        while (frame := last.hear()).header.message != 0x8001 or frame.body.reply_serial != said:  # type: ignore[attr-defined]
            assert frame.header.message != 0x8500, "locked twice"
        steps = command(server, names["lock"])["steps"]
        assert [step["state"] for step in steps].count("sent") == 1
        last.close()
    finally:
        server.kill()
        first.close()
        away.close()
