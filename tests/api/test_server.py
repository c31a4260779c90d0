"""The API serves from a thread beside Trio: over the live table, the real event log, and the log writer's lane."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
import trio

from api.app import create_app
from api.embedded import LiveCars, LogReads, append_through
from api.parts import Parts, Terminal
from api.server import ApiServer, ServerError, in_trio
from core.events import CommandProgress, CommandRequested, Event
from core.log import LogWriter
from core.rights import NODE
from core.vehicle_table import VehicleTable
from protocols.report import REPORT
from storage import migrate
from storage.eventlog import EventLog
from tests.api.conftest import KEY, Node


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    dsn = f"sqlite:///{tmp_path}/log.db"
    migrate(dsn)
    log = EventLog(dsn)
    yield log
    log.close()


def driven(*vehicles: int) -> VehicleTable:
    """Return a table in which these vehicles have reported once."""
    table = VehicleTable(capacity=64, terminals=64)
    rows = np.zeros(len(vehicles), REPORT)
    rows["vehicle_id"] = rows["terminal"] = vehicles
    rows["time_ms"] = 1_700_000_000_000
    rows["lat_1e7"], rows["lon_1e7"] = -1, 1_214_737_000
    rows["speed_kmh10"] = 605
    table.update_positions(rows)
    return table


def parts_over(node: Node, cars: LiveCars, log: EventLog) -> Parts:
    reads = LogReads(log)
    return msgspec.structs.replace(
        node.parts(), positions=cars.positions, vehicle=cars.vehicle, events=reads.events, command=reads.command
    )


def test_cars_are_read_from_the_live_table() -> None:
    known = {3: [Terminal(terminal=3, phone="13800000003")], 9: [Terminal(terminal=9, phone="13800000009")]}
    cars = LiveCars(driven(3, 5, 8), lambda vehicle: known.get(vehicle, ()), lambda vehicle: vehicle == 3)
    assert [car.vehicle_id for car in cars.positions(NODE, 0, 2)] == [3, 5]
    assert [(car.vehicle_id, car.online) for car in cars.positions(NODE, 3, 10)] == [(5, False), (8, False)]
    assert cars.positions(NODE, 8, 10) == []
    first = cars.positions(NODE, 0, 1)[0]
    assert (first.lat, first.lon, first.speed_kmh, first.online) == (-1e-7, 121.4737, 60.5, True)
    silent = cars.vehicle(NODE, 9)
    assert silent is not None
    assert (silent.position, silent.terminals[0].phone) == (None, "13800000009")
    assert cars.vehicle(NODE, 4) is None
    assert cars.vehicle(NODE, 64) is None


def test_a_story_that_does_not_begin_with_a_request_is_no_command(log: EventLog) -> None:
    payload = CommandProgress(command="c1", vehicle_id=1)
    event = Event(id="e1", type="command.sent", time_ms=1, subject="vehicle:1", actor="vehicle", payload=payload)
    log.append([event])
    assert LogReads(log).command(NODE, "e1") == []
    assert LogReads(log).command(NODE, "c1") == []


async def test_a_command_crosses_to_the_log_and_its_progress_comes_back(node: Node, log: EventLog) -> None:
    writer = LogWriter(log.append)
    cars = LiveCars(driven(3), lambda vehicle: (), lambda vehicle: True)
    token = trio.lowlevel.current_trio_token()
    parts = msgspec.structs.replace(parts_over(node, cars, log), append=append_through(token, writer.append))
    server = ApiServer(create_app(parts), "127.0.0.1", 0)
    await trio.to_thread.run_sync(server.start)
    async with (
        httpx.AsyncClient(base_url=f"http://{server.address}", headers={"Authorization": f"Bearer {KEY}"}) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(writer.run)
        answer = await client.post("/api/v1/vehicles/3/commands", json={"message": "0x8201"})
        assert answer.status_code == 202, answer.text
        command = answer.json()["id"]
        done = CommandProgress(command=command, vehicle_id=3, reply={"speed_kmh": 60})
        for kind in ("command.sent", "command.effective"):
            event = Event(
                id=kind, type=kind, time_ms=2, subject="vehicle:3", actor="vehicle", correlation=command, payload=done
            )
            await writer.append([event])
        state = (await client.get(answer.json()["status"])).json()
        assert [step["state"] for step in state["steps"]] == ["requested", "sent", "effective"]
        events = (await client.get("/api/v1/events", params={"type": "command."})).json()
        assert [event["seq"] for event in events["items"]] == [1, 2, 3]
        nursery.cancel_scope.cancel()
    await trio.to_thread.run_sync(server.stop)
    stored = log.read(0)[0]
    assert isinstance(stored.payload, CommandRequested)


def test_an_address_that_is_taken_is_said(node: Node) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        server = ApiServer(create_app(node.parts()), "127.0.0.1", port)
        with pytest.raises(ServerError, match=f"cannot listen on 127.0.0.1:{port}"):
            server.start()
        server.stop()


def test_a_server_that_has_stopped_listens_no_more_and_may_be_stopped_again(node: Node) -> None:
    server = ApiServer(create_app(node.parts()), "127.0.0.1", 0)
    server.start()
    address = server.address
    assert server.native_id > 0
    assert httpx.get(f"http://{address}/health").status_code == 200
    server.stop()
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{address}/health")


async def test_crossing_into_a_run_that_is_over_fails_plainly() -> None:
    token: list[trio.lowlevel.TrioToken] = []

    async def other() -> None:
        token.append(trio.lowlevel.current_trio_token())

    await trio.to_thread.run_sync(trio.run, other)

    def call() -> None:
        import asyncio

        with pytest.raises(trio.RunFinishedError):
            asyncio.run(in_trio(token[0], other))

    await trio.to_thread.run_sync(call)
