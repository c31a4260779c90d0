"""The people's doors are HTTP and their truth is a file: what fails is tried again, what is not there is unheard."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from core.data_classes import HOLDS
from simulators.run import simulate
from simulators.world.doors import ANSWER_BYTES_MAX, TEXTS, Doors, Http
from simulators.world.living import open_truth
from simulators.world.people import captures, people
from simulators.world.town import NoDoorError, PlatformError


class Scripted(http.server.BaseHTTPRequestHandler):
    """Answers each path with what the test says."""

    protocol_version = "HTTP/1.1"
    answers: ClassVar[dict[str, tuple[int, bytes]]] = {}
    seen: ClassVar[list[tuple[str, str, Any, str]]] = []

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        path = self.path.removeprefix("/api/v1").partition("?")[0]
        self.seen.append((self.command, path, body, self.headers.get("Authorization") or ""))
        status, data = self.answers.get(path, (404, b'{"code":"not_found"}'))
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = _answer  # noqa: N815 the base class looks for these names

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[http.server.HTTPServer]:
    Scripted.answers, Scripted.seen = {}, []
    made = http.server.HTTPServer(("127.0.0.1", 0), Scripted)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def ask(server: http.server.HTTPServer) -> Iterator[Http]:
    opened = Http(f"127.0.0.1:{server.server_address[1]}", "the-key")
    yield opened
    opened.close()


def test_people_come_with_their_key_and_what_was_refused_is_named(ask: Http) -> None:
    doors = Doors(ask.ask)
    Scripted.answers["/vehicles/7/people"] = (200, b"{}")
    assert doors.link("a", 3, 7, "owner", 1, 0) == "done"
    [(method, _, body, key)] = Scripted.seen
    assert (method, key) == ("POST", "Bearer the-key")
    assert body == {"person": 3, "role": "owner", "source": "workshop", "from_ms": 1, "to_ms": 0}
    Scripted.answers["/vehicles/7/people"] = (409, b'{"code":"intent_refused","field":"link_known"}')
    assert doors.link("a", 3, 7, "owner", 1, 0) == "link_known"
    Scripted.answers["/vehicles/7/people"] = (404, b'{"code":"vehicle_unknown"}')
    assert doors.link("a", 3, 7, "owner", 1, 0) == "vehicle_unknown"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_cannot_be_done_now_is_asked_again(ask: Http, status: int) -> None:
    Scripted.answers["/vehicles/7/odometer"] = (status, b"{}")
    with pytest.raises(PlatformError, match=str(status)):
        Doors(ask.ask).read("a", 7, 40_000)
    assert ask.failures == 1


def test_a_door_that_is_not_there_is_no_failure(ask: Http) -> None:
    with pytest.raises(NoDoorError):
        Doors(ask.ask).read("a", 7, 40_000)
    assert ask.failures == 0


def test_a_server_that_is_away_is_asked_again() -> None:
    ask = Http("127.0.0.1:1", "the-key")
    with pytest.raises(PlatformError):
        ask.ask("GET", "/vehicles", None, "")
    assert ask.failures == 1


def test_an_answer_past_the_bound_is_not_kept(ask: Http) -> None:
    Scripted.answers["/vehicles"] = (200, b" " * (ANSWER_BYTES_MAX + 1))
    with pytest.raises(PlatformError, match="an answer over 4194304 bytes"):
        ask.ask("GET", "/vehicles", None, "")


def test_cars_are_known_by_vin_or_by_plate_over_all_pages(ask: Http) -> None:
    one = {"items": [{"vin": "V1", "plate": "P1", "vehicle_id": 1}, {"vin": "", "plate": "P2", "vehicle_id": 2}]}
    Scripted.answers["/vehicles"] = (200, json.dumps({**one, "next": None}).encode())
    assert Doors(ask.ask).vehicles() == {"V1": 1, "P2": 2}


def test_a_truth_that_was_cut_off_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "world.truth"
    line = '{"time_ms":5,"what":"told","id":"past-41","person":7,"told":3,"taken_for":9,"outcome":"accepted"}\n'
    path.write_text(line + '{"time_ms":6,"wha', encoding="utf-8")
    file, known = open_truth(path)
    with file:
        assert known.past == 42
        assert known.persons == {7: 9}
        file.write(line.replace("past-41", "past-42"))
    assert path.read_text() == line + line.replace("past-41", "past-42")
    file, known = open_truth(path)
    file.close()
    assert known.past == 43


def test_a_new_truth_is_read_by_nobody_else(tmp_path: Path) -> None:
    file, known = open_truth(tmp_path / "world.truth")
    file.close()
    assert known.past == 0
    assert (tmp_path / "world.truth").stat().st_mode & 0o777 == 0o600


def test_people_do_not_live_faster_than_the_platform(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="people live at the platform's speed"):
        simulate(1, scenario="world", speed=2.0)
    with pytest.raises(OSError, match="nowhere"):
        simulate(1, scenario="world", key_file=tmp_path / "nowhere")


def test_what_was_agreed_to_is_the_newest_version_of_its_text(ask: Http) -> None:
    rows = [{"text": "care-basic", "version": n} for n in (1, 2)] + [{"text": "insurer", "version": 1}]
    texts = {"items": [*rows, {"text": "offers", "version": 4}]}
    Scripted.answers["/consents/texts"] = (200, json.dumps(texts).encode())
    Scripted.answers["/persons/9/consents"] = (200, b"{}")
    doors = Doors(ask.ask)
    assert doors.consent("a", 9, "service", "form:7") == "done"
    assert Scripted.seen[-1][2] == {"text": "care-basic", "version": 2, "evidence": "form:7"}
    parts = [doors.consent(f"b{n}", 9, "marketing", "form:8") for n in range(40)]
    assert set(parts) == {"done"}
    said = [body for _, path, body, _ in Scripted.seen if path == "/persons/9/consents" and body["text"] == "offers"]
    assert 0 < sum("cells" in body for body in said) < 20


def test_the_texts_hold_what_their_purpose_may_hold() -> None:
    for text in TEXTS.values():
        for cell in text["cells"]:
            assert cell["data_class"] in HOLDS[text["purpose"]]


def test_what_is_told_is_said_in_the_platforms_words(ask: Http) -> None:
    world = people(40, cars=20)
    some = [(f"past-{one.number}", one) for one in captures(world)][:20]
    stores = {"items": [{"id": 12, "code": "S02"}, {"id": 11, "code": "S01"}], "next": None}
    Scripted.answers["/stores"] = (200, json.dumps(stores).encode())
    answer = {"state": "new", "capture": 5, "person": 8, "code": ""}
    Scripted.answers["/captures/import"] = (200, json.dumps({"items": [answer] * len(some)}).encode())
    told = Doors(ask.ask).tell(some)
    assert {(one.capture, one.person, one.state) for one in told} == {(5, 8, "new")}
    _, _, body, _ = Scripted.seen[-1]
    for (reference, one), said in zip(some, body["items"], strict=True):
        assert said["reference"] == ("" if one.source == "web" else reference)
        assert said["store"] == (11, 12)[one.store % 2]
        assert said["traits"].get("phone", "") == one.phone
        assert "" not in said["traits"].values()
        assert said["shared"] == (one.consent == "share")
