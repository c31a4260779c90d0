"""What a terminal's messages mean: which become events, once, without a name in them, and what is answered when."""

import msgspec
import pytest
import trio
import trio.testing
from trio.testing import wait_all_tasks_blocked

from actors.uplinks import MEANINGS, Heard, Uplinks
from core.events import EVENTS, MessageReceived
from core.limits import UPLINK_EVENTS_PER_HOUR_MAX
from protocols.jt808 import control, media, safety, video
from protocols.jt808.messages import MESSAGES, PlatformGeneralReply
from tests.actors.test_vehicle import Clock, one_car, running, say
from tests.actors.world import Caller, World, link
from tests.samples import body_of

NAME, LICENCE, CARD = "张三丰", "440300199001011234", "身份证号码"
DRIVER = media.Driver(
    state=1,
    time_ms=1_700_000_000_000,
    result=0,
    name=NAME,
    certificate=LICENCE,
    issuer="深圳市",
    valid_until="20300101",
)
SAID = {
    0x0108: (control.UpgradeResult(0, 0), "upgrade.finished", {"target": 0, "result": 0}),
    0x0301: (control.EventReport(3), "driver.event.reported", {"event": 3}),
    0x0302: (control.QuestionReply(9, 2), "question.answered", {"answer": 2, "command": ""}),
    0x0303: (control.InfoOrder(4, 1), "information.ordered", {"information": 4}),
    0x0700: (media.RecorderData(reply_serial=0, command=0x10, block=b"\x55\x7a"), "recorder.reported", {"block": 0x10}),
    0x0701: (media.Waybill("运单：张三丰".encode("gbk")), "waybill.reported", {}),
    0x0702: (DRIVER, "driver.card.inserted", {"result": 0}),
    0x1005: (video.Passengers(1_700_000_000_000, 1_700_000_060_000, 5, 2), "passengers.counted", {"got_on": 5}),
    0x1206: (video.UploadDone(3, 1), "recording.uploaded", {"result": 1}),
    0x1210: (body_of(0x1210, 2013), "alarm.files.announced", {"files": 1}),
}
"""Message -> what a terminal says, the event that it is, and some of its payload."""


async def logged_in(world: World, car: Caller) -> None:
    await say(world, car.authenticate(link(1)))
    world.links.take()
    world.log.events.clear()


def answers(world: World) -> list[msgspec.Struct]:
    return [one.body for one in world.links.sent(link(1))]


@pytest.mark.parametrize("message", sorted(SAID))
async def test_a_message_that_means_something_is_an_event_with_ids_only(message: int, mock_clock: Clock) -> None:
    body, kind, fields = SAID[message]
    world, car = one_car()
    async with running(world):
        await logged_in(world, car)
        frame = car.frame(body, message, link(1))
        await say(world, frame)
    (event,) = world.log.events
    assert (event.type, event.subject, event.group, event.store) == (kind, "vehicle:1", 2, 7)
    assert isinstance(event.payload, MessageReceived)
    told = msgspec.to_builtins(event.payload)
    assert (told["node"], told["sequence"], told["message"]) == ("n1", frame.sequence, f"0x{message:04X}")
    assert told | fields == told
    text = msgspec.json.encode(event).decode()
    assert not [personal for personal in (NAME, LICENCE, CARD, "运单") if personal in text]
    # 0x0700 is an answer itself: nobody waits for one to it.
    expected = [] if message == 0x0700 else [PlatformGeneralReply(frame_serial(frame.data), message, 0)]
    assert answers(world) == expected


def frame_serial(data: bytes) -> int:
    return int.from_bytes(data[10:12], "big")


def test_every_meaning_is_of_a_declared_message_and_tried_here() -> None:
    assert set(SAID) == {message for message in MEANINGS if message in MESSAGES}
    kinds = {kind for _, kind, _ in SAID.values()} | {"driver.card.removed", "information.cancelled"}
    assert all((kind, 1) in EVENTS for kind in kinds)


async def test_a_card_that_goes_out_and_information_that_is_cancelled_have_words_of_their_own(
    mock_clock: Clock,
) -> None:
    world, car = one_car()
    async with running(world):
        await logged_in(world, car)
        await say(world, car.frame(msgspec.structs.replace(DRIVER, state=2), 0x0702, link(1)))
        await say(world, car.frame(control.InfoOrder(4, 0), 0x0303, link(1)))
    assert world.log.types == ["driver.card.removed", "information.cancelled"]


async def test_the_answer_leaves_after_the_event_is_durable(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await logged_in(world, car)
        world.log.durable = trio.Event()
        await say(world, car.frame(SAID[0x0701][0], 0x0701, link(1)))
        assert world.links.calls == []
        assert world.position.open == 1
        world.log.durable.set()
        await wait_all_tasks_blocked()
        assert len(answers(world)) == 1
        assert world.position.open == 0


async def test_a_message_said_again_because_its_answer_was_lost_is_one_event_answered_twice(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await logged_in(world, car)
        frame = car.frame(SAID[0x0701][0], 0x0701, link(1))
        again = frame._replace(sequence=world.next_sequence())
        await say(world, frame, again)
        other = car.frame(SAID[0x0701][0], 0x0701, link(1))
        await say(world, other)
    assert world.log.types == ["waybill.reported"] * 2
    assert len(answers(world)) == 3
    assert world.log.events[0].payload.sequence == frame.sequence


@pytest.mark.parametrize(
    ("message", "body"),
    [
        (0x0705, media.CanData(time="1234567890", frames=(media.CanFrame(1, bytes(8)),))),
        (0x0900, media.Transparent(kind=0xF1, data=b"anything")),
        (0x0901, media.Compressed(b"\x1f\x8b")),
        (0x0A00, media.RsaKey(65537, bytes(128))),
    ],
)
async def test_what_comes_often_is_answered_and_no_event(message: int, body: msgspec.Struct, mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await logged_in(world, car)
        frame = car.frame(body, message, link(1))
        await say(world, frame)
    assert world.log.events == []
    assert answers(world) == [PlatformGeneralReply(frame_serial(frame.data), message, 0)]


async def test_a_file_that_did_not_come_on_this_link_is_said_to_be_missing_whole(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await logged_in(world, car)
        await say(world, car.frame(safety.FileInfo("00_64_6401_0_x.jpg", 0, 70_000), 0x1212, link(1)))
    (reply,) = world.links.sent(link(1))
    assert reply.header.message == 0x9212
    assert reply.body == safety.FileReply(
        name="00_64_6401_0_x.jpg", kind=0, result=1, parts=(safety.FilePart(0, 70_000),)
    )


async def test_one_event_past_the_bound_of_an_hour_is_answered_and_counted_and_no_event(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await logged_in(world, car)
        for number in range(UPLINK_EVENTS_PER_HOUR_MAX + 1):
            await say(world, car.frame(control.EventReport(number % 256), 0x0301, link(1)))
            assert len(world.links.take()) == 1
        assert len(world.log.events) == UPLINK_EVENTS_PER_HOUR_MAX
        assert world.counts["uplink_events_refused"] == 1
        mock_clock.jump(3600)
        await say(world, car.frame(control.EventReport(1), 0x0301, link(1)))
        assert len(world.log.events) == UPLINK_EVENTS_PER_HOUR_MAX + 1


async def test_a_message_that_cannot_be_read_is_no_event_and_answered_as_wrong(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await logged_in(world, car)
        await say(world, car.raw(0x0303, b"\x01", link(1)))
    assert world.log.events == []
    (reply,) = answers(world)
    assert isinstance(reply, PlatformGeneralReply)
    assert reply.result == 2


@pytest.mark.parametrize(("message", "expected"), [(0x0302, 1), (0x0108, 1), (0x1206, 1), (0x0700, 0), (0x0702, 0)])
def test_an_answer_to_a_command_names_it_and_what_was_asked_for_is_no_event_of_its_own(
    message: int, expected: int
) -> None:
    heard = Heard(1, 1, 1, 0, "n1", 5, 1_700_000_000_000, 9, message, SAID[message][0], b"frame")
    event, refused = Uplinks().event(heard, "the command")
    assert (event is not None, refused) == (bool(expected), False)
    if event is not None:
        assert (event.payload.command, event.cause, event.correlation) == ("the command",) * 3
    unasked, _ = Uplinks().event(heard)
    assert unasked is not None
    assert unasked.cause == ""
