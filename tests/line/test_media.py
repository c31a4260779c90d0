"""Pictures over real sockets: lost packets are asked for, and a process killed between its steps doubles none."""

import hashlib
import sqlite3
import sys
import urllib.request
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from bench.servers import BenchError, ChildServer, start_carillon
from protocols.jt808.codec import Header, encode
from protocols.jt808.location import LocationHead
from protocols.jt808.media import MediaData, MediaEvent, MediaReply
from protocols.jt808.messages import Unknown
from protocols.jt808.wire import Writer, write
from simulators.pictures import picture
from tests.line.conftest import START_MS, Line, Terminal, place, until

JPEG = picture(5, "2026-11-22", width=128, height=96)
SHA256 = hashlib.sha256(JPEG).hexdigest()
CRASH = 1 << 29


def packets(terminal: Terminal, media_id: int, size: int = 400, data: bytes = JPEG) -> list[bytes]:
    """Return a picture of a crash as its frames."""
    head = LocationHead(CRASH, 3, 30_000_000, 150_000_000, 0, 435, 0, START_MS)
    writer = Writer(terminal.version)
    write(MediaData(media_id=media_id, kind=0, format=0, event=3, channel=2, location=head, data=data), writer)
    body = bytes(writer.data)
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    first = terminal.serial + 1
    terminal.serial += len(pieces)
    return [
        encode(
            Unknown(0x0801, piece),
            Header(0x0801, terminal.phone, first + number, terminal.version, len(pieces), number + 1),
        )
        for number, piece in enumerate(pieces)
    ]


def media_of(server: ChildServer, vehicle: int) -> list[dict[str, Any]]:
    status, page = server.ask("GET", f"/api/v1/vehicles/{vehicle}/media")
    assert status == 200, page
    items: list[dict[str, Any]] = page["items"]
    return items


def content_of(server: ChildServer, number: int) -> tuple[str, bytes]:
    key = (server.data / "run" / "api.key").read_text().strip()
    request = urllib.request.Request(
        f"http://{server.http}/api/v1/media/{number}/content", headers={"Authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers["Content-Type"], answer.read()


def test_a_picture_of_a_crash_comes_whole_and_stands_beside_it(line: Line) -> None:
    terminals = [line.terminal(f"1386660{version}", version=version).login() for version in (2013, 2019)]
    lost = []
    for terminal in terminals:
        terminal.report(place(0, alarm=CRASH, speed_kmh10=435))
        serial = terminal.say(0x0800, MediaEvent(9, 0, 0, 3, 2))
        assert terminal.answer() == (serial, 0x0800, 0)
        vehicle = line.vehicle_of(terminal.phone)
        assert [item["state"] for item in media_of(line.server, vehicle)] == ["announced"]
        frames = packets(terminal, 9)
        # The second is lost, the others come backwards and one twice.
        terminal.socket.sendall(b"".join([*frames[:1:-1], frames[0], frames[0]]))
        until(lambda car=vehicle: line.server.ask("GET", f"/api/v1/vehicles/{car}/media")[1]["coming"])
        lost.append(frames[1])
    for terminal, frame in zip(terminals, lost, strict=True):
        assert terminal.hear(0x8800).body == MediaReply(media_id=9, missing=(2,))
        terminal.socket.sendall(frame)
        assert terminal.hear(0x8800).body == MediaReply(media_id=9)
        vehicle = line.vehicle_of(terminal.phone)
        (item,) = media_of(line.server, vehicle)
        assert (item["state"], item["sha256"], item["lat_1e7"]) == ("stored", SHA256, 300_000_000)
        assert content_of(line.server, item["id"]) == ("image/jpeg", JPEG)
        (crash,) = line.events("crash.suspected", vehicle_id=vehicle)
        until(lambda car=vehicle, cause=crash["id"]: media_of(line.server, car)[0]["cause"] == cause)
        (stored,) = line.events("media.stored", vehicle_id=vehicle)
        assert stored["payload"]["media"] == item["id"]


DYING = """
import os, signal, sys
import storage.media as media

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[1] == "row":
    media._store_row = die
else:
    put = media.MediaStore.put
    media.MediaStore.put = lambda *arguments: (put(*arguments), die())
from carillon import main
sys.exit(main(sys.argv[2:]))
"""
"""A server that dies when a picture's file is written and its row is not, or its row is and its answer is not."""


def rows_and_files(data: Path) -> tuple[int, list[bytes]]:
    """Return how many rows of media are stored, and the files, as a dead server has left them."""
    with closing(sqlite3.connect(f"file:{data}/carillon.db?mode=ro", uri=True)) as database:
        (rows,) = database.execute("SELECT count(*) FROM media WHERE sha256 <> ''").fetchone()
    return rows, [file.read_bytes() for file in (data / "media").rglob("*") if file.is_file()]


def test_killed_between_file_row_and_answer_there_is_one_of_each_and_the_terminal_hears_it(tmp_path: Path) -> None:
    data = tmp_path / "data"

    def dying(moment: str) -> ChildServer:
        command = [sys.executable, "-c", DYING, moment, "up", "--http", "127.0.0.1:0", "--registration", "open"]
        return ChildServer(command, data)

    server = dying("row")
    terminal = Terminal(server.port, "13866600003")
    try:
        terminal.login()
        terminal.socket.sendall(b"".join(packets(terminal, 1)))
        # Every packet is acknowledged, so it is in the journal; then the process dies.
        assert terminal.ended()
        terminal.close()
        server.wait()
        assert rows_and_files(data) == (0, [JPEG])
        # The next one reads the packets again, writes the row and dies, perhaps before it is ready.
        with suppress(BenchError):
            server = dying("answer")
        server.wait()
        assert rows_and_files(data) == (1, [JPEG])
        server = start_carillon(data)
        terminal = Terminal(server.port, "13866600003")
        terminal.login()
        # It does not send the picture again, and hears that it is there.
        assert terminal.hear(0x8800).body == MediaReply(media_id=1)
        assert len(Line(server).events("media.stored", media_id=1)) == 1
        server.stop()
        assert rows_and_files(data) == (1, [JPEG])
    finally:
        terminal.close()
        server.kill()
