"""The API serves from a thread beside Trio: over the live table, the real event log, and the log writer's lane."""

import socket

import httpx
import msgspec
import pytest
import trio

from api.app import create_app
from api.embedded import LiveCars, append_through
from api.server import ApiServer, ServerError, in_trio
from core.events import CommandProgress, CommandRequested, Event
from core.log import LogWriter
from tests.api.conftest import KEY, Node, driven


def test_cars_are_read_from_the_live_table() -> None:
    cars = LiveCars(driven(3, 5, 8), lambda vehicle: vehicle == 3)
    assert [row["vehicle_id"] for row in cars.rows()] == [3, 5, 8]
    assert [last.vehicle_id for last in cars.last_positions([8, 4, 3])] == [3, 8]
    [first] = cars.last_positions([3])
    assert (first.lat_1e7, first.lon_1e7, first.speed_kmh10) == (312_304_100, 1_214_737_000, 605)
    assert cars.last_positions([]) == []
    assert cars.online([3, 4]) == [True, False]


async def test_a_command_crosses_to_the_log_and_its_progress_comes_back(node: Node) -> None:
    writer = LogWriter(node.eventlog.append)
    token = trio.lowlevel.current_trio_token()
    parts = msgspec.structs.replace(node.parts(), append=append_through(token, writer.append))
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
        first = events["items"][0]["seq"]
        assert [event["seq"] for event in events["items"]] == [first, first + 1, first + 2]
        nursery.cancel_scope.cancel()
    await trio.to_thread.run_sync(server.stop)
    stored = node.log()[0]
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
