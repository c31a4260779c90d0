"""What terminals say beside positions, on the running program: answered, stored once, shown to its store alone."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from bench.servers import ChildServer, start_carillon
from core.rights import NODE, ROLES
from storage.database import Database
from storage.inbox import InboxLog
from storage.people import People, Store
from storage.query import ask
from tests.clickhouse_server import clickhouse_server
from tests.line.conftest import Line, Terminal, until
from tests.samples import NOON_MS, body_of

MEANT = {
    0x0301: "driver.event.reported", 0x0302: "question.answered", 0x0303: "information.ordered",
    0x0701: "waybill.reported", 0x0702: "driver.card.inserted", 0x1005: "passengers.counted",
    0x1206: "recording.uploaded", 0x0108: "upgrade.finished", 0x1210: "alarm.files.announced",
}  # fmt: skip
"""Message -> the event that it is."""
ROWS = (0x0705, 0x0900, 0x0901, 0x0A00, 0x1211, 0x1FC4)
"""Messages that are answered and stored, and no event."""
REPLIES = (0x0104, 0x0201, 0x0500, 0x0700, 0x0802, 0x0805, 0x1003, 0x1205)
"""Messages that are answers themselves: nobody answers them."""


def tell(terminal: Terminal, message: int) -> None:
    """Say a message and hear its answer."""
    said = terminal.say(message, body_of(message, terminal.version))
    assert terminal.answer() == (said, message, 0), f"{message:#06x}"


def rows_of(server: ChildServer, vehicle_id: int) -> list[dict[str, Any]]:
    sql = f"SELECT message, serial, sequence, version FROM uplink WHERE vehicle_id = {vehicle_id} ORDER BY sequence"
    table = ask(server.data / "run" / "query.sock", sql)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def get(server: ChildServer, path: str, key: str) -> tuple[int, Any]:
    """Ask the API with a key."""
    request = urllib.request.Request(f"http://{server.http}/api/v1{path}", headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def key_of(people: People, role: str, store: int) -> str:
    """Enter somebody of a store; return a key with all their rights."""
    login = f"{role}.{store}"
    _, token = people.create_account(NODE, login=login, name=login, role=role, stores=[store])
    who = people.take_invitation(token, "korrekt-pferd-batterie").principal
    return people.create_key(who, name=login, rights=ROLES[role])[1]


def test_what_a_terminal_says_is_answered_stored_and_read_by_its_store_and_no_other(line: Line) -> None:
    server = line.server
    terminal = line.terminal("13900000301").login()
    for message in (*MEANT, *ROWS):
        tell(terminal, message)
    for message in REPLIES:
        terminal.say(message, body_of(message, 2013))
    said = terminal.say(0x1212, body_of(0x1212, 2013))
    missing: Any = terminal.hear(0x9212)
    assert missing.body.result == 1
    assert [(part.offset, part.length) for part in missing.body.parts] == [(0, 20_480)]
    new = line.terminal("13900000302", version=2019).login()
    tell(new, 0x0702)
    car, other = line.vehicle_of("13900000301"), line.vehicle_of("13900000302")

    kinds = sorted((*MEANT, *ROWS, *REPLIES, 0x1212))
    rows = until(lambda: found if len(found := rows_of(server, car)) == len(kinds) else None)
    assert sorted(row["message"] for row in rows) == kinds
    assert next(row for row in rows if row["message"] == 0x1212)["serial"] == said
    assert {row["version"] for row in rows} == {2013}
    until(lambda: rows_of(server, other))
    events = {
        event["type"]: event["payload"] for event in line.events("", vehicle_id=car) if "sequence" in event["payload"]
    }
    assert set(MEANT.values()) <= set(events)
    by_message = {row["message"]: row["sequence"] for row in rows}
    for message, kind in MEANT.items():
        assert (events[kind]["message"], events[kind]["sequence"]) == (f"0x{message:04X}", by_message[message]), kind
    assert "王测甲" not in json.dumps(events, ensure_ascii=False)

    database = Database(f"sqlite:///{server.data / 'carillon.db'}")
    people = People(database, log=InboxLog(database))
    north, south = (people.save_store(NODE, Store(code=code, name_zh=code, name_en=code)).id for code in ("U-N", "U-S"))
    for vehicle, store in ((car, north), (other, south)):
        assert server.ask("PATCH", f"/api/v1/vehicles/{vehicle}", {"store": store})[0] == 200
    manager, operator, stranger = (
        key_of(people, role, store) for role, store in (("manager", north), ("operator", north), ("manager", south))
    )
    database.close()
    status, page = get(server, f"/vehicles/{car}/messages?limit=200", manager)
    assert status == 200
    assert {int(one["message"], 16) for one in page["items"]} == set(kinds)
    assert not [one for one in page["items"] if one["fields"] is None]
    [card] = [one for one in page["items"] if one["message"] == "0x0702"]
    assert (card["fields"]["name"], card["fields"]["time_ms"]) == ("王测甲", NOON_MS)
    path = f"/vehicles/{car}/messages/{card['node']}/{card['sequence']}"
    assert get(server, path, manager)[1]["frame"].startswith("7E0702")
    _, masked = get(server, path, operator)
    assert (masked["fields"]["name"], masked["fields"]["certificate"]) == ("王**", "**************0042")
    assert (masked["frame"], masked["withheld"]) == (None, "drivers.read")
    for asked in (f"/vehicles/{car}/messages", path):
        assert get(server, asked, stranger)[0] == 404
    assert get(server, f"/vehicles/{other}/messages", stranger)[1]["items"][0]["version"] == 2019


def test_no_message_is_lost_or_doubled_with_the_store_away_and_the_process_killed(tmp_path: Path) -> None:
    place, data, phone = tmp_path / "clickhouse", tmp_path / "data", "13900000303"
    with clickhouse_server(place) as dsn:
        settings = {"report_dsn": f"{dsn}/carillon"}
        server = start_carillon(data, **settings)
        first = Terminal(server.port, phone).login()
        for _ in range(5):
            tell(first, 0x0701)
        until(lambda: server.figure("carillon_recorder_uplinks_total") == 5)
    # The store is away; what is said is acknowledged, and waits in the journal.
    for _ in range(5):
        tell(first, 0x0701)
    until(lambda: server.figure("carillon_recorder_failures_total") > 0)
    tcp = server.port
    server.kill()
    first.close()
    with clickhouse_server(place, int(dsn.rpartition(":")[2])), start_carillon(data, tcp=tcp, **settings) as server:
        again = Terminal(server.port, phone)
        again.code, again.serial = first.code, first.serial
        again.login()
        for _ in range(5):
            tell(again, 0x0701)
        rows = until(lambda: found if len(found := rows_of(server, 1)) >= 15 else None)
        again.close()
        # As they lie, repeats not merged: each record went in once.
        count = f"{dsn.replace('clickhouse://default@', 'http://')}/?query=SELECT+count()+FROM+carillon.uplink"
        with urllib.request.urlopen(count, timeout=10) as answer:
            assert int(answer.read()) == 15
        assert len({row["sequence"] for row in rows}) == len(rows) == 15
        events = server.ask("GET", "/api/v1/events?type=waybill.&limit=100")[1]["items"]
        assert {event["payload"]["sequence"] for event in events} == {row["sequence"] for row in rows}
        server.stop()
