"""The prompt of one simulated terminal: what may be typed, what is shown, and what a script's exit status says."""

import argparse
import contextlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.jt808.control import ControlVehicle, Upgrade
from protocols.jt808.messages import MESSAGES, ResendRequest, ServerTime, Text, is_downlink
from simulators import console
from simulators.console import EXIT_FAILED, EXIT_OK, EXIT_USAGE, Fault, fields_from, help_of, main, words_of
from simulators.terminals import identity, of_edition
from tests.samples import EDITIONS, body_of, knowing
from tests.simulators.scripted import Platform, Server

ROOT = Path(__file__).parents[2]


class Asking(Platform):
    """A platform that also orders: what `orders` says goes out behind the answer to the first location."""

    def __init__(self, script: dict[int, int | None] | None = None, orders: tuple[tuple[int, Any], ...] = ()) -> None:
        super().__init__(script)
        self._orders = orders

    def _answer(self, frame: Any) -> bytes:
        if frame.header.message == 0x0004:
            return self.ask(ServerTime(1_767_240_000_000), 0x8004, frame.header)
        out = super()._answer(frame)
        if frame.header.message == 0x0200:
            orders, self._orders = self._orders, ()
            for message, body in orders:
                out += self.ask(body, message, frame.header)
        return out


def play(lines: str, tmp_path: Path, platform: Platform | None = None, **options: Any) -> tuple[int, str, Platform]:
    """Carry out a script against a scripted platform; return exit status, what was shown, and the platform."""
    platform = platform or Asking()
    script = tmp_path / "script.txt"
    script.write_text(lines, "utf-8")
    shown = io.StringIO()
    with Server(lambda: platform) as server:
        given = {"tcp": server.address, "phone": "13909990001", "edition": 2013, "terminal_id": "", "plate": ""}
        status = main(argparse.Namespace(**{**given, "script": str(script), **options}), shown)
    return status, shown.getvalue(), platform


def test_a_script_says_what_it_was_told_to_and_ends_well(tmp_path: Path) -> None:
    status, shown, platform = play(
        """# a working day
        drive 30.1 -150.2 60.5 90
        alarm sos, collision
        send 0x0702 state="card in" time_ms=2026-01-01T12:00:00 result=0 name="王 测甲" certificate=9
        send QuestionReply reply_serial=7 answer_id=0x02
        send 0x0705 time=1200000123 frames=[{"id": 5, "data": "0011223344556677"}]
        send 0x0301 {"event_id": 3}
        ignition off
        quit
        send nothing of this
        """,
        tmp_path,
    )  # fmt: skip
    assert status == EXIT_OK, shown
    said = [frame.header.message for frame in platform.frames]
    assert said == [0x0100, 0x0102, 0x0200, 0x0200, 0x0702, 0x0302, 0x0705, 0x0301, 0x0200]
    drove, alarmed = (frame.body for frame in platform.of(0x0200)[:2])
    assert (drove.latitude, drove.longitude, drove.status & 12, drove.speed_kmh10, drove.course_deg) == (
        30_100_000, 150_200_000, 8, 605, 90)  # fmt: skip
    assert alarmed.alarm == 1 | 1 << 29
    (driver,) = (frame.body for frame in platform.of(0x0702))
    assert (driver.state, driver.name, driver.time_ms) == (1, "王 测甲", 1_767_240_000_000)
    assert platform.of(0x0302)[0].body.answer_id == 2
    assert platform.of(0x0200)[2].body.status & 1 == 0
    assert "◀ 0x8001 ok: 0x0702" in shown


def test_every_order_is_shown_field_by_field_and_carried_out_by_itself(tmp_path: Path) -> None:
    orders = ((0x8300, Text(flags=8, text="请到店保养")), (0x8500, ControlVehicle(flags=1)))
    status, shown, platform = play("drive 30 150\nwait 0x8500 10\nwait 1", tmp_path, Asking(orders=orders))
    assert status == EXIT_OK, shown
    assert "◀ 0x8300 text" in shown
    assert "    text = 请到店保养" in shown
    assert "    flags = 1  (lock doors)" in shown
    assert [f.body.result for f in platform.of(0x0001)] == [0, 0]
    assert platform.of(0x0500)[0].body.location.status & 1 << 12


def test_with_auto_off_whoever_types_answers_and_the_serial_is_filled_in(tmp_path: Path) -> None:
    platform = Asking(orders=((0x8302, body_of(0x8302, 2013)),))
    status, shown, platform = play(
        "auto off\ndrive 30 150\nwait 0x8302\nsend 0x0302 answer_id=2\nwait 0.3", tmp_path, platform
    )
    assert status == EXIT_OK, shown
    assert not platform.of(0x0001)
    reply = platform.of(0x0302)[0].body
    assert (reply.reply_serial, reply.answer_id) == (platform._serial - 1, 2) or reply.answer_id == 2
    assert reply.reply_serial > 100


def test_fragments_are_left_out_once_and_sent_when_they_are_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "picture.jpg"
    file.write_bytes(bytes(range(256)) * 16)
    asked: list[int] = []

    class Missing(Asking):
        def _answer(self, frame: Any) -> bytes:
            header = frame.header
            if header.message == 0x0801 and header.index == header.total and not asked:
                asked.append(header.serial - header.index + 1)
                return self.ask(ResendRequest(asked[0], (2, 3)), 0x8003, header)
            return super()._answer(frame)

    status, shown, platform = play(f"lose 2,3\nfragment 0x0801 {file} event=3", tmp_path, Missing())
    # The scripted platform never says 0x8800: a script that waits for it says so.
    assert status == EXIT_FAILED
    assert "0x8800 did not come" in shown
    assert [f.header.index for f in platform.of(0x0801)][:5] == [1, 4, 5, 2, 3]
    assert "fragment 2 of 5 is lost" in shown


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "ANSWER_S", 1.0)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("fly", "'fly': no such command; there are send, fragment"),
        ("send", "send what?"),
        ("send 0x0702 nam=x", "nam: 0x0702 has no such field; there are "),
        ("send 0x0702 state=one", "state: 'one' is no number, or one of card in, card out"),
        ("send 0x0702 state=1 time_ms=yesterday", "time_ms: 'yesterday' is no time"),
        ("send 0x0301 event_id=256", "0x0301: event_id: 256 does not fit into 1 bytes"),
        ("send 0x0301", "0x0301: event_id: missing"),
        ('send 0x0301 {"event_id": }', "the JSON is wrong at character 14"),
        ("send 0x0705 time=1 frames=[1", "frames: lists and objects are JSON; wrong at character 3"),
        ("send 0x8300 text=x", "0x8300 is sent by the platform"),
        ("send 0x0F01", "0x0f01 is not declared"),
        ("send banana", "'banana' is no message"),
        ("send 0x0301 3", "'3' is no field: name=value"),
        ('send 0x0301 event_id="3', "'0x0301 event_id=\"3': no closing quotation"),
        ("send hex 7E00G2", "'G' at 5 is no hexadecimal digit"),
        ("send hex 7E0", "half a byte"),
        ("drive 30", "drive where?"),
        ("drive 91 150", "latitude: 91 is not between -90 and 90"),
        ("drive north 150", "latitude: 'north' is no number"),
        ("drive 30 150 nan", "speed: 'nan' is no number"),
        ("drive 30 150 900", "a speed is 0 to 500"),
        ("alarm everything", "'everything' is no alarm"),
        ("alarm 32", "'32' is no alarm"),
        ("lose two", "'two': numbers of fragments"),
        ("lose 0", "lose which?"),
        ("fragment 0x0801 /nowhere/picture.jpg", "/nowhere/picture.jpg: No such file"),
        ("fragment 0x0301 {script}", "0x0301 has no field for a file's bytes"),
        ("ignition maybe", "ignition is on or off, not 'maybe'"),
        ("every -1", "every how many seconds?"),
        ("wait", "wait for what?"),
        ("wait 1e9", "seconds: 1e+09 is not between"),
        ("show me", "show what?"),
        ("help 0x0F01", "0x0f01 is not declared"),
    ],
)
def test_a_line_that_cannot_be_done_says_what_is_wrong_and_where(line: str, told: str) -> None:
    station = console.Station(of_edition(identity(1), 2013), ("127.0.0.1", 1), print)
    prompt = console.Console(station, print, script=True)
    with pytest.raises(Fault) as fault:
        prompt.do(line.replace("{script}", __file__))
    assert str(fault.value).startswith(told)


def test_the_first_line_of_a_script_that_cannot_be_done_ends_it_and_is_named(tmp_path: Path) -> None:
    status, shown, platform = play("drive 30 150\nfly\ndrive 30 151", tmp_path)
    assert status == EXIT_USAGE
    assert "! script.txt: 2: 'fly': no such command" in shown
    assert len(platform.of(0x0200)) == 1


def test_what_the_platform_refuses_or_leaves_unanswered_fails_a_script(tmp_path: Path) -> None:
    status, shown, _ = play("send 0x0701 content=00", tmp_path, Asking({0x0701: 3}))
    assert (status, "0x0701: the platform says unsupported" in shown) == (EXIT_FAILED, True)
    status, shown, _ = play("send 0x0701 content=00", tmp_path, Asking({0x0701: None}))
    assert (status, "0x0701 was not answered within 1 s" in shown) == (EXIT_FAILED, True)
    status, shown, _ = play("wait 0x8300 0.2", tmp_path)
    assert (status, "0x8300 did not come within 0.2 s" in shown) == (EXIT_FAILED, True)


def test_a_platform_that_does_not_know_the_terminal_or_is_not_there_fails_a_script(tmp_path: Path) -> None:
    status, shown, _ = play("drive 30 150", tmp_path, Asking({0x0100: 4}))
    assert status == EXIT_FAILED
    assert "no such terminal" in shown
    status, shown, _ = play("drive 30 150", tmp_path, tcp="127.0.0.1:1")
    assert status == EXIT_FAILED
    assert "cannot reach 127.0.0.1:1" in shown


def test_options_that_say_nothing_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options, told in (
        ({"tcp": "nowhere"}, "an address is HOST:PORT"),
        ({"phone": "12x"}, "is not 1 to 20 digits"),
        ({"phone": "1234567890123"}, "takes 12"),
        ({"terminal_id": "12345678"}, "more than 7 bytes"),
        ({"plate": "测测测测测测"}, "more than 11 bytes"),
        ({"script": "/nowhere/at-all"}, "No such file"),
    ):
        assert play("", tmp_path, **options)[0] == EXIT_USAGE
        assert told in capsys.readouterr().err


def test_lines_are_read_from_a_pipe() -> None:
    with Server(lambda: Asking()) as server:
        done = subprocess.run(
            [sys.executable, str(ROOT / "carillon.py"), "terminal", "--tcp", server.address, "--edition", "2011"],
            input="drive 30 150 40\nsend 0x0301 event_id=9\nsend 0x0301\n",
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
        )
    assert done.returncode == EXIT_USAGE
    assert "! line 3: 0x0301: event_id: missing" in done.stdout
    assert [f.header.message for f in server.platforms[0].frames] == [0x0100, 0x0102, 0x0200, 0x0301]
    assert server.platforms[0].frames[0].header.version == 2011


@pytest.mark.parametrize("message", sorted(MESSAGES), ids=hex)
def test_every_message_can_be_helped_with_and_said_in_words(message: int) -> None:
    from protocols.jt808.codec import Header, encode, encode_body
    from protocols.jt808.framing import unwrap

    for version in EDITIONS:
        lines = help_of(message, version)
        assert lines[0].startswith(f"{message:#06x} ")
        assert len(lines) > 1
    for version in knowing(message):
        wire = encode(body_of(message, version), Header(message, "13909990001", 1, version))
        header, body, words = words_of(unwrap(wire), version)
        assert header.message == message
        assert encode_body(body, header) == encode_body(body_of(message, version), header)
        assert not any(line.startswith("    fault:") for line in words)


@given(st.sampled_from([m for m in MESSAGES if not is_downlink(m)]), st.text(max_size=60))
def test_whatever_is_typed_makes_fields_or_a_fault(message: int, text: str) -> None:
    with contextlib.suppress(Fault):
        fields_from(message, 2019, console.split(text), text.strip())


def test_a_long_order_is_shown_when_it_is_whole(tmp_path: Path) -> None:
    class Long(Asking):
        def _answer(self, frame: Any) -> bytes:
            from protocols.jt808.codec import Header, encode, encode_body
            from protocols.jt808.messages import Unknown

            out = super()._answer(frame)
            if frame.header.message == 0x0200:
                like = frame.header
                data = encode_body(Upgrade(0, "CARIL", "9.9", bytes(1500)), Header(0x8108, like.phone, 0, like.version))
                for index in (2, 1):
                    piece = data[(index - 1) * 1000 : index * 1000]
                    header = Header(0x8108, like.phone, 700 + index, like.version, 2, index)
                    out += encode(Unknown(0x8108, piece), header)
            return out

    # What is not heard is asked for, and comes again with the next report of this platform's.
    lines = "miss 1\ndrive 30 150\nwait 4\ndrive 30 150\nwait 0x8108\nwait 4"
    status, shown, platform = play(lines, tmp_path, Long(), edition=2019)
    assert status == EXIT_OK, shown
    assert "fragment 1 of 2 is not heard" in shown
    assert platform.of(0x0005)[0].body == ResendRequest(701, (1,))
    assert "put together of 2 fragments" in shown
    assert "    release = 9.9" in shown
    assert platform.of(0x0108)[0].body.result == 0
