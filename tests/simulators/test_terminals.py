"""A terminal's conversation: login, reports, what it keeps and sends again, what it answers."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.jt808.codec import Header, decode, encode, encode_body
from protocols.jt808.control import TrackTemporarily
from protocols.jt808.framing import unwrap
from protocols.jt808.kernels import read_stored_items
from protocols.jt808.messages import Odometer, PlatformGeneralReply, QueryLocation, RecorderSpeed, Text, Unknown
from protocols.report import REPORT
from simulators.terminals import (
    ALARM_SOS,
    ANSWER_TIMEOUT_MS,
    NEVER,
    OFFLINE,
    ONLINE,
    PENDING_MAX,
    STORED_MAX,
    Fix,
    Ledger,
    Terminal,
    body,
    identity,
    location,
    sensors,
)
from tests.simulators.scripted import Platform

START_MS = 1_767_225_600_000
FIX = Fix(0, 3, 30_012_345, 150_067_890, 25, 431, 87, START_MS, 123_456, 331, 21, 14)


def make(number: int = 0, **more: Any) -> Terminal:
    return Terminal(identity(number), lambda: FIX._replace(latitude=30_111_111), Ledger(), START_MS, 0.5, **more)


def exchange(terminal: Terminal, platform: Platform, now_ms: int, rounds: int = 20) -> list[bytes]:
    """Carry bytes to and fro until both are silent; return what the terminal sent."""
    sent = []
    for _ in range(rounds):
        frames = terminal.take()
        if not frames:
            return sent
        sent += frames
        answer = platform.receive(b"".join(frames))
        if answer:
            terminal.receive(answer, now_ms)
    raise AssertionError("they never stop talking")


def online(platform: Platform, number: int = 0) -> Terminal:
    terminal = make(number)
    terminal.connected(START_MS)
    exchange(terminal, platform, START_MS)
    assert terminal.state == ONLINE
    return terminal


def messages(sent: list[bytes]) -> list[int]:
    return [decode(unwrap(wire)).header.message for wire in sent]


fixes = st.builds(
    Fix,
    alarm=st.integers(0, 2**32 - 1),
    status=st.integers(0, 2**32 - 1),
    latitude=st.sampled_from([0, 0x7E7E7E7D, 30_012_345, 90_000_000]),
    longitude=st.sampled_from([0, 0x7D017E02, 150_067_890]),
    altitude_m=st.integers(-32768, 32767),
    speed_kmh10=st.sampled_from([0, 0x7E, 0x7D7E, 1200]),
    course_deg=st.integers(0, 359),
    time_ms=st.integers(1_262_304_000, 4_102_415_999).map(lambda s: s * 1000),
    odometer_km10=st.sampled_from([0, 0x7E7D7E7D, 123_456]),
    fuel_l10=st.integers(0, 65535),
    signal=st.integers(0, 255),
    satellites=st.integers(0, 255),
    acceleration_mg=st.sampled_from([0, 0, 1000, 1414, 16_000, 70_000]),
)


@given(fixes, st.booleans(), st.sampled_from([2013, 2019]))
def test_the_fast_body_is_the_declared_one(fix: Fix, recorder: bool, version: int) -> None:
    header = Header(0x0200, "13900000000", 0, version)
    assert body(fix, recorder) == encode_body(location(fix, recorder), header)


@pytest.mark.parametrize(("felt_mg", "read_mg"), [(1_000, 1_000), (1_414, 1_413), (9_500, 9_499), (70_000, 15_999)])
def test_an_acceleration_is_read_as_it_was_felt_up_to_the_sensors_range(felt_mg: int, read_mg: int) -> None:
    items = np.frombuffer(bytes((0xF6, 10)) + sensors(felt_mg), np.uint8)
    row = np.zeros(1, REPORT)
    row["items_length"] = len(items)
    read_stored_items(row.ctypes.data, 1, items.ctypes.data, len(items))
    assert abs(int(row["acceleration_mg"][0]) - read_mg) <= 1


@given(fixes, st.integers(0, 3), st.integers(0, 0xFFFF))
def test_the_fast_frame_is_the_declared_one(fix: Fix, number: int, serial: int) -> None:
    terminal = make(number)
    model = terminal.identity.model
    header = Header(0x0200, terminal.identity.phone, serial, model.version)
    assert terminal._frame(0x0200, body(fix, model.recorder), serial) == encode(location(fix, model.recorder), header)


def test_times_are_beijing_time_on_leap_days_and_new_years_eve() -> None:
    for time_ms, text in (
        (1_709_222_399_000, "240229235959"),
        (1_709_222_400_000, "240301000000"),
        (1_767_196_799_000, "251231235959"),
        (1_767_196_800_000, "260101000000"),
    ):
        assert body(FIX._replace(time_ms=time_ms), False)[22:28].hex() == text


def test_identities_are_unique_and_the_same_in_every_run() -> None:
    who = [identity(number) for number in range(5000)]
    assert len({i.phone for i in who}) == len({i.terminal_id for i in who}) == len({i.plate for i in who}) == 5000
    assert who == [identity(number) for number in range(5000)]
    assert {i.model.version for i in who} == {2011, 2013, 2019}
    assert all(i.plate.startswith("测") for i in who)
    with pytest.raises(ValueError, match="10000000"):
        identity(10_000_000)


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_it_registers_authenticates_and_reports(number: int) -> None:
    platform = Platform()
    terminal = online(platform, number)
    terminal.report(FIX, START_MS)
    exchange(terminal, platform, START_MS)
    assert [f.header.message for f in platform.frames] == [0x0100, 0x0102, 0x0200]
    assert [f.header.serial for f in platform.frames] == [0, 1, 2]
    assert all(not f.faults and not f.tail for f in platform.frames)
    register, authenticate, report = (f.body for f in platform.frames)
    who = terminal.identity
    assert platform.frames[0].header.version == who.model.version
    assert (register.terminal_id, register.plate) == (who.terminal_id, who.plate)
    assert authenticate.code == f"code-{who.phone}"
    assert report.item(Odometer).distance_km10 == FIX.odometer_km10
    assert (report.item(RecorderSpeed) is not None) == who.model.recorder
    assert terminal.unacknowledged == 0


def test_every_edition_is_among_the_first_twenty_and_2011_is_rare() -> None:
    versions = [identity(number).model.version for number in range(20)]
    assert set(versions[:4]) == {2013, 2019}
    assert versions.count(2011) == 1


def test_a_terminal_that_comes_back_only_authenticates() -> None:
    platform = Platform()
    terminal = online(platform)
    terminal.lost(START_MS + 1000)
    terminal.connected(START_MS + 5000)
    assert messages(exchange(terminal, platform, START_MS + 5000)) == [0x0102]


def test_a_refused_code_is_forgotten_and_the_terminal_registers_anew() -> None:
    platform = Platform()
    terminal = online(platform)
    platform.script[0x0102] = 1
    terminal.lost(START_MS)
    terminal.connected(START_MS)
    exchange(terminal, platform, START_MS)
    assert terminal.hang_up
    platform.script.clear()
    terminal.lost(START_MS)
    terminal.connected(START_MS)
    assert messages(exchange(terminal, platform, START_MS)) == [0x0100, 0x0102]
    assert terminal.state == ONLINE


def test_a_refused_registration_hangs_up_and_comes_back_late() -> None:
    platform = Platform({0x0100: 2})
    terminal = make()
    terminal.connected(START_MS)
    exchange(terminal, platform, START_MS)
    assert terminal.hang_up
    terminal.lost(START_MS)
    assert terminal.dial_ms - START_MS >= 30_000


def test_dialling_backs_off_from_one_second_to_one_minute() -> None:
    terminal = make()
    waits = []
    for _ in range(10):
        terminal.lost(START_MS)
        waits.append(terminal.dial_ms - START_MS)
    assert waits == [1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000, 60000]


def test_an_unanswered_report_is_sent_again_byte_for_byte_then_the_link_is_given_up() -> None:
    platform = Platform({0x0200: None, 0x0002: None})
    terminal = online(platform)
    terminal.report(FIX, START_MS)
    (first,) = exchange(terminal, platform, START_MS)
    sent_at = []
    for second in range(1, 200):
        now_ms = START_MS + second * 1000
        terminal.tick(now_ms)
        if first in terminal.take():
            sent_at.append(second)
        if terminal.hang_up:
            break
    t = ANSWER_TIMEOUT_MS // 1000
    assert sent_at == [t, 2 * t, 4 * t]
    assert second == 10 * t
    assert terminal.unacknowledged == 1


def test_after_a_new_login_what_was_sent_comes_first_then_what_was_kept_in_batches() -> None:
    platform = Platform({0x0200: None})
    terminal = online(platform)
    unanswered = []
    for n in range(3):
        terminal.report(FIX._replace(time_ms=START_MS + n * 1000), START_MS + n * 1000)
        unanswered += exchange(terminal, platform, START_MS)
    terminal.lost(START_MS + 3000)
    kept = [FIX._replace(time_ms=START_MS + n * 1000, speed_kmh10=n) for n in range(3, 60)]
    for fix in kept:
        terminal.report(fix, fix.time_ms)
    assert terminal.take() == []
    assert terminal.unacknowledged == 60

    back = Platform()
    terminal.connected(START_MS + 60_000)
    sent = exchange(terminal, back, START_MS + 60_000)
    assert sent[1:4] == unanswered
    assert messages(sent) == [0x0102, 0x0200, 0x0200, 0x0200, 0x0704, 0x0704, 0x0704]
    batches = [frame.body for frame in back.of(0x0704)]
    assert all(batch.kind == 1 for batch in batches)
    assert [one.time_ms for batch in batches for one in batch.locations] == [fix.time_ms for fix in kept]
    assert [one.speed_kmh10 for batch in batches for one in batch.locations] == [fix.speed_kmh10 for fix in kept]
    assert terminal.unacknowledged == 0
    # One past what fits would not be a frame: the codec itself refuses bodies over 1,023 bytes.
    one = len(body(FIX, terminal.identity.model.recorder)) + 2
    assert len(batches[0].locations) == (1023 - 3) // one


def test_batches_wait_for_one_another() -> None:
    platform = Platform()
    terminal = online(platform)
    terminal.lost(START_MS)
    for n in range(100):
        terminal.report(FIX._replace(time_ms=START_MS + n * 1000), START_MS)
    platform.script[0x0704] = None
    terminal.connected(START_MS)
    assert messages(exchange(terminal, platform, START_MS)) == [0x0102, 0x0704]
    # Live reports go on meanwhile.
    terminal.report(FIX, START_MS)
    assert messages(exchange(terminal, platform, START_MS)) == [0x0200]


def test_the_stored_reports_are_bounded_and_the_oldest_goes_first() -> None:
    terminal = make()
    for n in range(STORED_MAX + 1):
        terminal.report(FIX._replace(time_ms=START_MS + n * 1000), START_MS)
    assert terminal.unacknowledged == STORED_MAX
    assert terminal._ledger.given_up == 1
    assert terminal._stored[0][0] == START_MS + 1000


def test_one_report_past_the_window_waits_for_a_batch() -> None:
    platform = Platform({0x0200: None})
    terminal = online(platform)
    for n in range(PENDING_MAX + 1):
        terminal.report(FIX._replace(time_ms=START_MS + n * 1000), START_MS)
    assert len(exchange(terminal, platform, START_MS)) == PENDING_MAX
    assert terminal.unacknowledged == PENDING_MAX + 1


def test_a_report_refused_for_want_of_a_login_is_kept_and_the_login_repeated() -> None:
    platform = Platform({0x0200: 1})
    terminal = online(platform)
    terminal.report(FIX, START_MS)
    (wire,) = terminal.take()
    answer = platform.receive(wire)
    platform.script.clear()
    terminal.receive(answer, START_MS)
    sent = exchange(terminal, platform, START_MS)
    assert messages(sent) == [0x0102, 0x0200]
    assert sent[1] == wire
    assert terminal.unacknowledged == 0


def test_an_answer_to_something_else_acknowledges_nothing() -> None:
    platform = Platform({0x0200: None})
    terminal = online(platform)
    terminal.report(FIX, START_MS)
    (wire,) = exchange(terminal, platform, START_MS)
    header = decode(unwrap(wire)).header
    for serial, message in ((header.serial, 0x0002), (header.serial + 1, 0x0200)):
        terminal.receive(platform.ask(PlatformGeneralReply(serial, message, 0), 0x8001, header), START_MS)
        assert terminal.unacknowledged == 1
    terminal.receive(platform.ask(PlatformGeneralReply(header.serial, 0x0200, 0), 0x8001, header), START_MS)
    assert terminal.unacknowledged == 0


@pytest.mark.parametrize("number", [0, 1])
def test_it_answers_what_it_is_asked(number: int) -> None:
    platform = Platform()
    terminal = online(platform, number)
    like = platform.frames[0].header
    asked = [
        platform.ask(QueryLocation(), 0x8201, like),
        platform.ask(Text(flags=8, text="请到店保养"), 0x8300, like),
        platform.ask(Unknown(0x8105, b"\x04"), 0x8105, like),
        platform.ask(Unknown(0x8F01, b"\x00"), 0x8F01, like),
    ]
    stream = b"".join(asked)
    for cut in range(0, len(stream) + 1, 3):
        terminal.receive(stream[:cut], START_MS)
        terminal.receive(stream[cut:], START_MS)
        place, *general = [decode(unwrap(wire)) for wire in terminal.take()]
        serials = [decode(unwrap(wire)).header.serial for wire in asked]
        assert place.header.message == 0x0201
        assert place.body.reply_serial == serials[0]
        assert place.body.location.latitude == 30_111_111
        assert [(g.body.reply_serial, g.body.reply_message, g.body.result) for g in general] == [
            (serials[1], 0x8300, 0),
            (serials[2], 0x8105, 0),
            (serials[3], 0x8F01, 3),
        ]


def test_garbage_from_the_platform_is_counted_and_read_past() -> None:
    platform = Platform({0x0200: None})
    terminal = online(platform)
    terminal.report(FIX, START_MS)
    (wire,) = exchange(terminal, platform, START_MS)
    header = decode(unwrap(wire)).header
    good = platform.ask(PlatformGeneralReply(header.serial, 0x0200, 0), 0x8001, header)
    broken = bytes([*good[:5], good[5] ^ 1, *good[6:]])
    terminal.receive(b"\x00\xff" + broken + b"\x7e\x01\x7e" + b"\x55" * 5000, START_MS)
    assert terminal.unacknowledged == 1
    assert terminal._ledger.bad_frames >= 3
    terminal.receive(b"\x7e" + good, START_MS)
    assert terminal.unacknowledged == 0


def test_sos_is_in_every_report_until_one_of_them_is_acknowledged() -> None:
    platform = Platform({0x0200: None})
    terminal = online(platform)
    terminal.press_sos()
    for _ in range(2):
        terminal.report(FIX, START_MS)
        exchange(terminal, platform, START_MS)
    platform.script.clear()
    terminal.report(FIX, START_MS)
    exchange(terminal, platform, START_MS)
    terminal.report(FIX, START_MS)
    exchange(terminal, platform, START_MS)
    assert [f.body.alarm for f in platform.of(0x0200)] == [ALARM_SOS, ALARM_SOS, ALARM_SOS, 0]


def test_it_beats_when_it_has_nothing_else_to_say() -> None:
    platform = Platform()
    terminal = online(platform)
    beat_ms = terminal.identity.model.heartbeat_s * 1000
    assert terminal.due_ms == START_MS + beat_ms
    terminal.tick(START_MS + beat_ms - 1)
    assert terminal.take() == []
    terminal.tick(START_MS + beat_ms)
    assert messages(exchange(terminal, platform, START_MS + beat_ms)) == [0x0002]
    terminal.report(FIX, START_MS + beat_ms + 5000)
    exchange(terminal, platform, START_MS + beat_ms + 5000)
    assert terminal.due_ms == START_MS + 2 * beat_ms + 5000


def test_temporary_tracking_goes_before_the_interval_and_ends() -> None:
    platform = Platform()
    terminal = online(platform)
    like = platform.frames[0].header
    terminal.receive(platform.ask(TrackTemporarily(1, 5), 0x8202, like), START_MS)
    assert terminal.report_due_ms <= START_MS + 1000
    terminal.report(FIX, START_MS + 1000)
    assert terminal.report_due_ms == START_MS + 2000
    terminal.report(FIX, START_MS + 5000)
    assert terminal.report_due_ms == START_MS + 15_000
    for tracking in (TrackTemporarily(1, 60), TrackTemporarily(0)):
        terminal.receive(platform.ask(tracking, 0x8202, like), START_MS + 6000)
    terminal.report(FIX, START_MS + 7000)
    assert terminal.report_due_ms == START_MS + 17_000


def test_offline_it_has_nothing_to_do_but_dial() -> None:
    terminal = make()
    assert terminal.state == OFFLINE
    assert terminal.due_ms == terminal.dial_ms == START_MS
    terminal.lost(START_MS, NEVER)
    assert terminal.due_ms == NEVER
    terminal.tick(START_MS + 10**9)
    assert terminal.take() == []


def test_structs_of_the_fast_path_and_the_declared_ones_have_the_same_fields() -> None:
    declared = {field.name for field in msgspec.structs.fields(type(location(FIX, True)))} - {"items"}
    assert declared <= set(Fix._fields)
