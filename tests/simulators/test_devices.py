"""What a simulated terminal does with every downlink in every edition; fragments both ways; what it keeps, bounded."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.jt808 import control, media, recorder
from protocols.jt808.codec import Decoded, Header, decode, encode, encode_body
from protocols.jt808.framing import unwrap, wrap
from protocols.jt808.messages import MESSAGES, ResendRequest, Unknown, answer_to, is_downlink
from simulators.devices import (
    AGENDA_MAX,
    AREAS_MAX,
    ASK_MS,
    CONFIRM_MS,
    GATHERING_MAX,
    HANDLERS,
    MEDIA_MAX,
    MENU_MAX,
    SILENT,
    TEXTS_MAX,
)
from simulators.equipment import number_of
from simulators.terminals import MODELS, ONLINE, Fix, Ledger, Terminal, identity, of_edition
from tests.samples import EDITIONS, PROTOCOL_ANSWERS, body_of, knowing
from tests.simulators.scripted import Platform

START_MS = 1_767_240_000_000
FIX = Fix(0, 0x1003, 30_012_345, 150_067_890, 25, 431, 87, START_MS, 123_456, 331, 21, 14)
ORDERS = sorted(message for message in MESSAGES if is_downlink(message) and message not in PROTOCOL_ANSWERS)
LATER = {0x8302: 0x0302, 0x8301: 0x0301, 0x8303: 0x0303, 0x8108: 0x0108, 0x9206: 0x1206, 0x8804: 0x0801, 0x8900: 0x0900}
"""Orders that are answered at once and bring forth something else later."""


class Car:
    """A terminal of one edition that is logged in, and the platform's end of its link."""

    def __init__(self, version: int, number: int = 7) -> None:
        self.version = version
        self.platform = Platform()
        self.fix = FIX
        self.terminal = Terminal(of_edition(identity(number), version), lambda: self.fix, Ledger(), START_MS, 0.5)
        self.now_ms = START_MS
        self.serial = 500
        self.terminal.connected(START_MS)
        self.carry()
        assert self.terminal.state == ONLINE
        self.platform.frames.clear()
        self.platform.wires.clear()

    def carry(self, answering: bool = True) -> list[Decoded]:
        """Carry frames to and fro until both are silent; return what the terminal said."""
        said: list[Decoded] = []
        for _ in range(50):
            wires = self.terminal.take()
            if not wires:
                return said
            for wire in wires:
                frame = decode(unwrap(wire), self.version if self.version < 2019 else None)
                assert not frame.faults, frame
                assert frame.header.version == self.version
                said.append(frame)
            answer = self.platform.receive(b"".join(wires))
            if answering and answer:
                self.terminal.receive(answer, self.now_ms)
        raise AssertionError("they never stop talking")

    def wire(self, message: int, body: Any, serial: int | None = None) -> bytes:
        self.serial += 1
        phone = self.terminal.identity.phone
        return encode(body, Header(message, phone, self.serial if serial is None else serial, self.version))

    def ask(self, message: int, body: Any = None) -> list[Decoded]:
        """Send an order and return what the terminal says to it at once."""
        self.terminal.receive(self.wire(message, body_of(message, self.version) if body is None else body), self.now_ms)
        return self.carry()

    def wait(self, seconds: float) -> list[Decoded]:
        """Let time go by in steps of 100 ms; return what the terminal says."""
        said: list[Decoded] = []
        for _ in range(int(seconds * 10)):
            self.now_ms += 100
            if self.terminal.due_ms <= self.now_ms:
                self.terminal.tick(self.now_ms)
            said += self.carry()
        return said


def messages(said: list[Decoded]) -> list[int]:
    return [frame.header.message for frame in said]


def result_of(said: list[Decoded]) -> tuple[int, int, int]:
    """Return (serial, message, result) of the one general reply among what was said."""
    (reply,) = [frame.body for frame in said if frame.header.message == 0x0001]
    return reply.reply_serial, reply.reply_message, reply.result


def whole(said: list[Decoded], message: int, version: int) -> Any:
    """Return the body that fragments or one frame of a message make."""
    frames = [frame for frame in said if frame.header.message == message]
    if not frames[0].header.total:
        return frames[0].body
    assert [frame.header.index for frame in frames] == list(range(1, frames[0].header.total + 1))
    data = b"".join(frame.body.data for frame in frames)
    header = msgspec.structs.replace(frames[0].header, total=0, index=0)
    head = encode(Unknown(message, b""), header)
    made = decode(unwrap(head) + data, version if version < 2019 else None)
    return made.body


@pytest.mark.parametrize("version", EDITIONS)
@pytest.mark.parametrize("message", ORDERS, ids=hex)
def test_every_order_is_answered_as_the_table_says(message: int, version: int) -> None:
    car = Car(version)
    if message == 0x8805:
        car.ask(0x8801)
        car.wait(1)
    elif message == 0x9102:
        car.ask(0x9101)
    elif message == 0x9207:
        car.ask(0x9206)
    elif message == 0x8608 and version == 2019:
        car.ask(0x8600)
    fields = {"upload_serial": car.serial} if message == 0x9207 else {}
    body = body_of(message, version) if version in knowing(message) else body_of(message, knowing(message)[0])
    said = car.ask(message, msgspec.structs.replace(body, **fields))
    asked = car.serial
    if version not in knowing(message):
        assert messages(said) == [0x0001]
        assert result_of(said) == (asked, message, 3)
        return
    answer = answer_to(message)
    if answer == 0x0500:
        assert result_of(said) == (asked, message, 0)
        said = car.wait(1)
    if answer == 0:
        assert said == []
        return
    if version not in knowing(answer):
        answer = 0x0001
    assert answer in messages(said), [hex(one) for one in messages(said)]
    if answer == 0x0001:
        assert result_of(said) == (asked, message, 0)
    else:
        reply = whole(said, answer, version)
        assert getattr(reply, "reply_serial", None) in (None, asked)
    if message in LATER:
        assert LATER[message] in messages(car.wait(5))


def test_every_declared_downlink_has_a_handler() -> None:
    declared = {message for message in MESSAGES if is_downlink(message)}
    # The position is asked for so often that the terminal answers it itself.
    assert declared - {0x8201} == set(HANDLERS) | (SILENT & declared)


@pytest.mark.parametrize("version", EDITIONS)
def test_what_is_not_declared_is_unsupported_and_what_is_cut_short_is_wrong(version: int) -> None:
    car = Car(version)
    said = car.ask(0x8F01, Unknown(0x8F01, b"\x00"))
    assert result_of(said) == (car.serial, 0x8F01, 3)
    said = car.ask(0x8202, Unknown(0x8202, b"\x00"))
    assert result_of(said) == (car.serial, 0x8202, 2)
    for silent in SILENT - {0x8100, 0x8001}:
        assert car.ask(silent, Unknown(silent, b"\x00")) == []


@pytest.mark.parametrize("version", EDITIONS)
def test_parameters_that_were_set_are_reported_and_live_on(version: int) -> None:
    car = Car(version)
    before = {one.id for one in whole(car.ask(0x8104), 0x0104, version).parameters}
    assert len(before) > 40
    assert {0x0001, 0x0013, 0x0029, 0x0055, 0x0083, 0x0084} <= before
    assert result_of(car.ask(0x8103))[2] == 0
    after = {one.id: number_of(one) for one in whole(car.ask(0x8104), 0x0104, version).parameters}
    assert (after[0x29], after[0x55]) == (20, 100)
    assert car.terminal.interval_ms == 20_000
    if version > 2011:
        some = whole(car.ask(0x8106), 0x0104, version).parameters
        assert [one.id for one in some] == [0x01, 0x29]


def test_factory_reset_forgets_what_was_set_and_registers_anew() -> None:
    car = Car(2013)
    car.ask(0x8103)
    car.ask(0x8600)
    assert result_of(car.ask(0x8105, control.TerminalControl(5)))[2] == 0
    assert not car.terminal.hang_up
    car.wait(1)
    assert car.terminal.hang_up
    car.terminal.lost(car.now_ms)
    assert car.terminal.dial_ms >= car.now_ms + 15_000
    assert number_of(car.terminal.device.parameters[0x29]) == 10
    assert not car.terminal.device.areas[1]
    car.terminal.connected(car.terminal.dial_ms)
    assert messages(car.carry()) == [0x0100, 0x0102]


def test_reset_comes_back_and_only_authenticates() -> None:
    car = Car(2019)
    car.ask(0x8105)
    car.wait(1)
    assert car.terminal.hang_up
    car.terminal.lost(car.now_ms)
    car.terminal.connected(car.terminal.dial_ms)
    assert messages(car.carry()) == [0x0102]


@pytest.mark.parametrize(("version", "lock", "unlock"), [
    (2013, control.ControlVehicle(flags=1), control.ControlVehicle(flags=0)),
    (2019, control.ControlVehicle(controls=(control.Control(1, 0),)),
     control.ControlVehicle(controls=(control.Control(1, 1),))),
])  # fmt: skip
def test_doors_that_were_locked_are_locked_in_what_is_reported(version: int, lock: Any, unlock: Any) -> None:
    car = Car(version)
    for order, locked in ((unlock, False), (lock, True)):
        said = [*car.ask(0x8500, order), *car.wait(1)]
        assert messages(said) == [0x0001, 0x0500]
        assert bool(said[1].body.location.status >> 12 & 1) == locked
        car.terminal.report(FIX, car.now_ms)
        (report,) = car.carry()
        assert bool(report.body.status >> 12 & 1) == locked


def test_an_upgrade_in_fragments_is_put_together_and_changes_the_firmware() -> None:
    for version in (2013, 2019):
        car = Car(version)
        data = random.Random(version).randbytes(5000)
        wires = fragments(car, 0x8108, control.Upgrade(0, "CARIL", "2.0.1", data))
        assert len(wires) == 6
        random.Random(1).shuffle(wires)
        for wire in wires[:-1]:
            serial = decode(unwrap(wire)).header.serial
            for _ in range(2):
                car.terminal.receive(wire, car.now_ms)
                assert result_of(car.carry()) == (serial, 0x8108, 0)
        assert car.wait(0.5) == []
        for _ in range(2):
            # A repeat of the last one, its answer lost, is no second upgrade.
            car.terminal.receive(wires[-1], car.now_ms)
            assert result_of(car.carry())[1:] == (0x8108, 0)
        (done,) = car.wait(5)
        assert (done.header.message, done.body.result) == (0x0108, 0)
        assert whole(car.ask(0x8107), 0x0107, version).firmware == "2.0.1"


def fragments(car: Car, message: int, body: Any, first: int = 900, size: int = 900) -> list[bytes]:
    """Return a downlink in fragments with serials from `first`."""
    phone = car.terminal.identity.phone
    data = encode_body(body, Header(message, phone, 0, car.version))
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return [
        encode(Unknown(message, piece), Header(message, phone, first + n, car.version, len(pieces), n + 1))
        for n, piece in enumerate(pieces)
    ]


def test_missing_fragments_are_asked_for_since_2019_and_waited_for_before() -> None:
    for version in (2013, 2019):
        car = Car(version)
        wires = fragments(car, 0x8108, control.Upgrade(0, "CARIL", "2.0.1", bytes(5000)))
        for wire in (*wires[:1], *wires[2:4], wires[5]):
            car.terminal.receive(wire, car.now_ms)
        assert len(car.carry()) == 4
        said = car.wait(ASK_MS / 1000 + 0.2)
        if version == 2013:
            assert said == []
            continue
        assert messages(said) == [0x0005]
        assert said[0].body == ResendRequest(900, (2, 5))
        for index in (2, 5):
            car.terminal.receive(wires[index - 1], car.now_ms)
            assert result_of(car.carry()) == (900 + index - 1, 0x8108, 0)
        assert messages(car.wait(5)) == [0x0108]


def test_one_message_half_received_too_many_lets_the_oldest_go() -> None:
    car = Car(2019)
    sets = [fragments(car, 0x8108, control.Upgrade(0, "CARIL", "2", bytes(1500)), 1000 * n) for n in range(1, 7)]
    for wires in sets[: GATHERING_MAX + 1]:
        car.terminal.receive(wires[0], car.now_ms)
    car.carry()
    for wires in reversed(sets[: GATHERING_MAX + 1]):
        car.terminal.receive(wires[1], car.now_ms)
    car.carry()
    assert messages(car.wait(3.1)) == [0x0108] * GATHERING_MAX + [0x0005]
    assert car.terminal.device.counts["dropped"] == 1


def test_fragments_are_sent_again_byte_for_byte_when_the_platform_asks() -> None:
    car = Car(2013)
    said = car.ask(0x9205)
    wires = list(car.platform.wires)
    total = said[0].header.total
    assert total > 3
    first = said[0].header.serial
    car.platform.wires.clear()
    said = car.ask(0x8003, ResendRequest(first, (2, total)))
    assert car.platform.wires == [wires[1], wires[total - 1]]
    assert car.terminal.device.counts["fragments_again"] == 2
    assert result_of(car.ask(0x8003, ResendRequest(first + 3000, (1,))))[2] == 1


@pytest.mark.parametrize("version", EDITIONS)
def test_a_picture_is_announced_sent_in_fragments_and_sent_again_where_it_is_wanted(version: int) -> None:
    car = Car(version)
    order = msgspec.structs.replace(body_of(0x8801, version), command=1)
    said = car.ask(0x8801, order)
    if version == 2011:
        assert result_of(said)[2] == 0
    else:
        assert said[0].body.media_ids == (1,)
    said = car.wait(1)
    assert messages(said)[0] == 0x0800
    serial = said[1].header.serial
    if version == 2011:
        pieces = [frame.body for frame in said[1:]]
        assert [one.number for one in pieces] == list(range(1, pieces[0].total + 1))
        picture = b"".join(one.data for one in pieces)
    else:
        assert said[1].header.total > 3
        picture = whole(said, 0x0801, version).data
    assert picture[:2] == b"\xff\xd8"
    assert picture[-2:] == b"\xff\xd9"
    wires = car.platform.wires[-len(said) + 1 :]
    car.platform.wires.clear()
    old = {"reply_serial": serial} if version == 2011 else {}
    said = car.ask(0x8800, media.MediaReply(media_id=1, missing=(2, 3), **old))
    assert car.platform.wires == wires[1:3]
    assert car.ask(0x8800, media.MediaReply(media_id=1, **old)) == []
    # It is still kept, and found.
    found = whole(car.ask(0x8802, media.SearchMedia(0, 0, 0)), 0x0802, version)
    assert found.total == 1


def test_a_picture_that_nobody_confirmed_is_sent_twice_and_stays_stored() -> None:
    car = Car(2013)
    car.ask(0x8801, msgspec.structs.replace(body_of(0x8801, 2013), command=1))
    first = messages(car.wait(1)).count(0x0801)
    assert messages(car.wait(CONFIRM_MS / 1000 + 1)).count(0x0801) == first
    assert 0x0801 not in messages(car.wait(3 * CONFIRM_MS / 1000))
    assert result_of(car.ask(0x8805))[2] == 0
    assert messages(car.wait(1)).count(0x0801) == first


def test_what_was_on_its_way_when_the_link_broke_is_sent_again_after_the_login() -> None:
    car = Car(2019)
    car.ask(0x8801, msgspec.structs.replace(body_of(0x8801, 2019), command=1))
    car.wait(1)
    wires = [wire for wire in car.platform.wires if wire[1:3] == b"\x08\x01"]
    car.terminal.lost(car.now_ms)
    car.platform.wires.clear()
    car.terminal.connected(car.now_ms)
    car.carry()
    assert [wire for wire in car.platform.wires if wire[1:3] == b"\x08\x01"] == wires


def test_areas_are_kept_reported_and_withdrawn() -> None:
    car = Car(2019)
    for message in (0x8600, 0x8602, 0x8604, 0x8606):
        assert result_of(car.ask(message))[2] == 0
    for kind, message, field in ((1, 0x8600, "circles"), (2, 0x8602, "rectangles")):
        reply = whole(car.ask(0x8608, control.QueryAreas(kind)), 0x0608, 2019)
        assert getattr(reply, field) == getattr(body_of(message, 2019), field)
    assert whole(car.ask(0x8608, control.QueryAreas(3)), 0x0608, 2019).polygons == (body_of(0x8604, 2019),)
    assert whole(car.ask(0x8608, control.QueryAreas(4)), 0x0608, 2019).routes == (body_of(0x8606, 2019),)
    for message in (0x8601, 0x8603, 0x8605, 0x8607):
        assert result_of(car.ask(message))[2] == 0
    assert not any(car.terminal.device.areas.values())


def crossing_items(report: Decoded) -> list[tuple[int, int, int]]:
    return [(one.kind, one.area_id, one.direction) for one in report.body.items if type(one).__name__ == "AreaCrossing"]


def test_crossings_of_areas_are_told_in_the_report() -> None:
    car = Car(2013)
    circle = control.Circle(id=7, attributes=0b101000, latitude=30_100_000, longitude=150_000_000, radius_m=500)
    car.ask(0x8600, control.SetCircles(setting=1, circles=(circle,)))
    box = control.Vertex
    polygon = control.SetPolygon(
        id=9,
        attributes=0b1000,
        vertices=(box(30_099_000, 149_900_000), box(30_200_000, 149_900_000), box(30_200_000, 150_100_000),
                  box(30_099_000, 150_100_000)),
    )  # fmt: skip
    car.ask(0x8604, polygon)
    point = control.RoutePoint
    route = control.SetRoute(
        id=10,
        attributes=0b101000,
        points=tuple(
            point(
                id=n, section_id=n, latitude=30_000_000 + n * 50_000, longitude=150_000_000, width_m=100, attributes=0
            )
            for n in range(3)
        ),
    )
    car.ask(0x8606, route)
    told = []
    for step in range(12):
        latitude = 30_090_000 + step * 2_000
        fix = FIX._replace(latitude=latitude, longitude=150_000_000, time_ms=START_MS + step * 10_000)
        car.terminal.report(fix, car.now_ms)
        (report,) = car.carry()
        told += crossing_items(report)
        if crossing_items(report):
            assert report.body.alarm & (1 << 20 | 1 << 21)
    assert told == [(1, 7, 0), (3, 9, 0), (4, 10, 1), (1, 7, 1)]


def test_speed_over_the_parameter_is_an_alarm_once_it_has_lasted() -> None:
    car = Car(2019)
    car.ask(0x8103)
    alarms = []
    for second in range(0, 30, 5):
        car.terminal.report(FIX._replace(speed_kmh10=1200, time_ms=START_MS + second * 1000), car.now_ms)
        alarms.append(car.carry()[0].body.alarm)
    assert alarms == [0, 0, 2, 2, 2, 2]


def test_the_driver_answers_the_question_and_orders_from_the_menu() -> None:
    car = Car(2013)
    car.ask(0x8302)
    asked = car.serial
    (reply,) = car.wait(3)
    assert reply.body == control.QuestionReply(asked, 1)
    car.ask(0x8303)
    (order,) = car.wait(3)
    assert order.body == control.InfoOrder(2, 1)
    assert list(car.terminal.device.texts) == ["今天到店吗"]


def test_peripherals_say_how_and_what_they_are() -> None:
    car = Car(2013)
    for kind in (0xF7, 0xF8):
        assert result_of(car.ask(0x8900, media.TransparentOrder(kind=kind, peripherals=(0x64, 0x65))))[2] == 0
        (reply,) = car.wait(1)
        assert reply.header.message == 0x0900
        data = encode_body(reply.body, reply.header)
        assert data[:3] == bytes((kind, 2, 0x64))


def test_the_files_of_an_alarm_are_announced_by_the_alarm_s_id() -> None:
    car = Car(2013)
    order = body_of(0x9208, 2013)
    assert result_of(car.ask(0x9208, order))[2] == 0
    said = car.wait(8)
    assert messages(said) == [0x1210, 0x1211, 0x1212]
    assert said[0].body.alarm_id == order.alarm_id
    assert said[1].body.name == said[0].body.files[0].name


@pytest.mark.parametrize("version", EDITIONS)
def test_what_people_in_the_car_do_is_said_as_declared(version: int) -> None:
    car = Car(version)
    device = car.terminal.device
    device.card(True, car.now_ms)
    device.waybill(car.now_ms)
    device.can(car.now_ms)
    device.passengers(car.now_ms - 60_000, car.now_ms, 3, 1, car.now_ms)
    device.photograph(3, 1, car.now_ms)
    device.card(False, car.now_ms)
    said = messages(car.carry())
    driver = 1 if version == 2011 else 2
    assert said.count(0x0702) == driver
    assert said.count(0x0705) == (0 if version == 2011 else 1)
    assert {0x0701, 0x1005, 0x0800, 0x0801} <= set(said)


def test_one_past_each_bound_is_refused_or_puts_out_the_oldest() -> None:
    car = Car(2013)
    device = car.terminal.device
    circles = tuple(
        control.Circle(id=n, attributes=0, latitude=1, longitude=1, radius_m=1) for n in range(AREAS_MAX // 2 + 1)
    )
    assert result_of(car.ask(0x8600, control.SetCircles(setting=0, circles=circles)))[2] == 0
    more = tuple(msgspec.structs.replace(one, id=one.id + 1000) for one in circles)
    assert result_of(car.ask(0x8600, control.SetCircles(setting=1, circles=more)))[2] == 1
    assert len(device.areas[1]) == len(circles)
    for n in range(TEXTS_MAX + 1):
        car.ask(0x8300, msgspec.structs.replace(body_of(0x8300, 2013), text=f"{n}"))
    assert len(device.texts) == TEXTS_MAX
    assert device.texts[0] == "1"
    events = tuple(control.Event(n, "x") for n in range(MENU_MAX + 1))
    assert result_of(car.ask(0x8301, control.SetEvents(kind=1, events=events)))[2] == 1
    store = msgspec.structs.replace(body_of(0x8801, 2013), command=10, store=1)
    for _ in range(MEDIA_MAX // 10 + 1):
        car.ask(0x8801, store)
    assert len(device.media) == MEDIA_MAX
    assert device.counts["failures"] == 2
    results = [result_of(car.ask(0x8500))[2] for _ in range(AGENDA_MAX + 1)]
    assert results == [0] * AGENDA_MAX + [1]


def recorded(car: Car, command: int, **asked: Any) -> Any:
    """Return the block that the car's recorder answers a command with."""
    if command in recorder.RECORDS:
        asked = {"range": recorder.RecordRange(start_ms=START_MS, end_ms=START_MS + 3_600_000, blocks_max=60)} | asked
    order = recorder.RecorderOrder(command=command, **asked)
    kind: Any = media.RecorderSet if command >= 0x80 else media.RecorderCollect
    message = 0x8701 if command >= 0x80 else 0x8700
    old = car.version == 2011 and message == 0x8700
    body = kind(command=command) if old else kind(block=order)
    return whole(car.ask(message, body), 0x0700, car.version).block


@pytest.mark.parametrize("version", EDITIONS)
def test_the_recorder_tells_of_its_own_drive(version: int) -> None:
    car = Car(version)
    car.terminal.device.card(True, START_MS)
    for step in range(31):
        # Five minutes: off, driving, standing.
        speed = 0 if step in (0, 30) else 600
        status = FIX.status if step else FIX.status & ~1
        fix = FIX._replace(status=status, speed_kmh10=speed, time_ms=START_MS + step * 10_000)
        car.terminal.report(fix, car.now_ms)
        car.carry()
    car.fix = FIX._replace(speed_kmh10=0, time_ms=START_MS + 300_000)
    car.now_ms = START_MS + 300_000
    asked: dict[str, Any] = {}
    if version > 2011:
        asked = {"range": recorder.RecordRange(start_ms=START_MS, end_ms=START_MS + 240_000, blocks_max=3)}
    speeds = recorded(car, 0x08, **asked).speeds
    # The newest three, or in 2011, which cannot ask for some, all six.
    assert len(speeds) == (6 if version == 2011 else 3)
    assert {one.speed_kmh for one in speeds[-2 if version > 2011 else 2].seconds} == {60}
    (hour,) = recorded(car, 0x09).positions
    assert len(hour.minutes) == 60
    assert sum(one.speed_kmh != 0xFF for one in hour.minutes) == 6
    (stop,) = recorded(car, 0x10).accidents
    assert stop.end_ms == START_MS + 300_000
    assert (stop.steps[0].speed_kmh, stop.steps[99].speed_kmh) == (0, 60)
    assert stop.place.latitude == FIX.latitude * 6 // 10
    assert [one.kind for one in recorded(car, 0x12).logins] == [1]
    assert [one.kind for one in recorded(car, 0x13).power] == [2, 1]
    states = recorded(car, 0x15).speed_states
    assert all(one.seconds[0].recorder_kmh == 60 for one in states)
    assert recorded(car, 0x02).clock_ms == car.now_ms
    assert recorded(car, 0x03).mileage.total_km10 == FIX.odometer_km10


@pytest.mark.parametrize("version", EDITIONS)
def test_what_is_set_in_the_recorder_is_told_and_noted(version: int) -> None:
    car = Car(version)
    vehicle = recorder.RecordedVehicle(vin="TEST0000000000042", plate="测A00042", plate_class="大型客车")
    assert recorded(car, 0x82, vehicle=vehicle).command == 0x82
    pulses = recorder.PulseCoefficient(clock_ms=car.now_ms, pulses_per_km=4000)
    assert recorded(car, 0xC3, pulses=pulses).command == 0xC3
    assert recorded(car, 0x05).vehicle == vehicle
    assert recorded(car, 0x04).pulses.pulses_per_km == 4000
    assert [one.command for one in recorded(car, 0x14).changes] == [0x82, 0xC3]
    assert recorded(car, 0x20).command == recorder.COLLECT_FAILED
    assert recorded(car, 0x99).command == recorder.SET_FAILED


def test_a_car_without_a_recorder_cannot_be_asked_for_its_blocks() -> None:
    car = Car(2013)
    car.terminal.identity = car.terminal.identity._replace(model=MODELS[0])
    assert recorded(car, 0x02).command == recorder.COLLECT_FAILED


BODIES = st.lists(st.sampled_from(b"\x00\x01\x02\x7d\x7e\xff\x30"), max_size=60).map(bytes)


@given(
    st.sampled_from(EDITIONS),
    st.lists(
        st.tuples(
            st.sampled_from(ORDERS + sorted(PROTOCOL_ANSWERS)),
            BODIES,
            st.integers(0, 3),
            st.integers(0, 3),
            st.integers(0, 3),
        ),
        max_size=12,
    ),
)
@settings(deadline=None, max_examples=120)
def test_no_order_however_mangled_breaks_a_terminal(
    version: int, orders: list[tuple[int, bytes, int, int, int]]
) -> None:
    """Any body under any id, whole or as a fragment of few: what it answers can be read, and it lives on."""
    car = Car(version)
    for message, body, total, index, serial in orders:
        header = Header(message, car.terminal.identity.phone, serial, version)
        if total and 1 <= index <= total:
            header = msgspec.structs.replace(header, total=total, index=index)
        car.terminal.receive(encode(Unknown(message, body), header), car.now_ms)
        car.carry()
        if car.terminal.hang_up:
            car.terminal.lost(car.now_ms)
            car.terminal.connected(car.now_ms)
            car.carry()
    car.wait(1)
    if car.terminal.state == ONLINE:
        car.terminal.report(FIX, car.now_ms)
        assert 0x0200 in messages(car.carry())


@given(st.binary(max_size=300), st.integers(0, 300))
@settings(deadline=None, max_examples=100)
def test_any_bytes_cut_anywhere_are_read_past(data: bytes, cut: int) -> None:
    car = Car(2019)
    frame = wrap(data)
    for piece in (data[:cut], data[cut:], frame[:cut], frame[cut:], b"\x7e"):
        car.terminal.receive(piece, car.now_ms)
    assert [one.body.result for one in car.ask(0x8204) if getattr(one.body, "reply_message", 0) == 0x8204] == [0]
