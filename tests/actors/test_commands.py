"""Commands: what is sent when, what answers what, who must approve, when a car may be stopped, what a restart knows."""

from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import wait_all_tasks_blocked

from actors.commands import Fix, unsafe
from core.events import CommandProgress, CommandRequested, Event
from core.limits import (
    APPROVAL_S,
    COMMAND_BODY_BYTES_MAX,
    COMMAND_EXPIRES_S,
    COMMAND_REPLY_BYTES_MAX,
    COMMANDS_OPEN_BYTES_MAX,
    COMMANDS_OPEN_MAX,
    IMMOBILISE_FIX_MS_MAX,
    IMMOBILISE_KMH10_MAX,
    LOOK_AGAIN_S,
    TRANSFER_GRACE_S,
    TRANSFER_PAUSE_S,
    TRANSFER_RESENDS_MAX,
    TRANSFER_WINDOW,
    TRANSFERS_MAX,
)
from protocols.jt808.codec import BODY_BYTES_MAX, Decoded, encode_body
from protocols.jt808.commands import SENDABLE, TIMEOUT_S, TRIES, policy_of, reply_of
from protocols.jt808.control import ControlReply, ControlVehicle, Upgrade, UpgradeResult
from protocols.jt808.media import Driver, RecorderData, ShootReply
from protocols.jt808.messages import (
    MESSAGES,
    Location,
    LocationReply,
    Odometer,
    QueryLocation,
    ResendRequest,
    TerminalGeneralReply,
    Text,
)
from tests.actors.test_vehicle import PHONE, one_car, running, say
from tests.actors.world import BOOT, Caller, World, link, row

Clock = trio.testing.MockClock
LOCK = {"controls": [{"kind": 1, "value": 0}]}
"""0x8500 of 2019: lock the doors."""


def location() -> Location:
    return Location(0, 2, 39_908_823, 116_397_470, 50, 604, 90, 1_768_437_045_000, (Odometer(1234),))


def acked(car: Caller, message: int, serial: int, result: int = 0, on: int = 1) -> Any:
    return car.frame(TerminalGeneralReply(serial, message, result), 0x0001, link(on))


def states(world: World, name: str = "c1") -> list[str]:
    """Return what became of a command, as the log has it."""
    events = [e for e in world.log.events if getattr(e.payload, "command", "") == name]
    return [event.type.removeprefix("command.") for event in events]


def sent(world: World, message: int, on: int = 1) -> list[Decoded]:
    return [one for one in world.links.sent(link(on)) if one.header.message == message]


async def passes(seconds: float) -> None:
    """Let time go by, and everybody do what they do then."""
    await trio.sleep(seconds)
    await wait_all_tasks_blocked()


async def logged_in(version: int = 2013) -> tuple[World, Caller]:
    """Return a car that is to be logged in: by `await say(world, car.authenticate(link(1)))` inside `running`."""
    world = World()
    world.know(row(1, 1, PHONE, "T000001", group=2, store=7))
    return world, Caller(world, PHONE, version=version)


# --- sent and answered ------------------------------------------------------------------------------------------------


async def test_a_position_asked_for_is_effective_with_the_position(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await world.ask(world.command("0x8201"))
        (query,) = sent(world, 0x8201)
        assert query.body == QueryLocation()
        said = world.log.events[-1]
        assert (said.type, said.answers) == ("command.sent", "")
        assert (said.payload.serial, said.payload.terminal, said.payload.attempt) == (query.header.serial, 1, 1)
        reply = LocationReply(reply_serial=query.header.serial, location=location())
        await say(world, acked(car, 0x8201, query.header.serial))
        frame = car.frame(reply, 0x0201, link(1))
        await say(world, frame)
        assert world.vehicles[1].conversation.commands_open == 0
        await passes(3600)
    assert states(world) == ["sent", "acked", "effective"]
    effective = world.log.events[-1]
    assert (effective.answers, effective.cause, effective.correlation, effective.depth) == ("c1", "c1", "c1", 1)
    place = effective.payload.reply["location"]
    assert (place["lat_1e7"], place["lon_1e7"], place["fixed"]) == (399_088_230, 1_163_974_700, True)
    assert place["items"] == [{"item": "Odometer", "distance_km10": 1234}]
    assert effective.payload.reply["reply_serial"] == query.header.serial
    assert (effective.payload.node, effective.payload.sequence) == ("n1", frame.sequence)


async def test_a_reply_of_2011_without_a_serial_answers_the_oldest_question(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        car.version = 2011
        await say(world, car.register(link(1)))
        await world.ask(world.command("0x8201"))
        await world.ask(world.command("0x8201", "c2"))
        await say(world, car.frame(LocationReply(location=location()), 0x0201, link(1)))
        assert (states(world)[-1], states(world, "c2")[-1]) == ("effective", "sent")
        # The same terminal changed for one of 2013 is read as one of 2013.
        car.version = 2013
        world.links.take()
        await say(world, car.register(link(1)))
        assert world.links.sent(link(1))[0].body.result == 0  # type: ignore[attr-defined]
    assert world.log.events[-1].payload.reply["location"]["lat_1e7"] == 399_088_230


async def test_a_text_is_done_when_it_is_acknowledged(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await world.ask(world.command("0x8300", fields={"flags": 8, "text": "您好"}))
        (text,) = sent(world, 0x8300)
        assert text.body == Text(flags=8, text="您好")
        # Neither another serial nor another message is an answer to it.
        serial = text.header.serial
        await say(world, acked(car, 0x8300, serial + 1), acked(car, 0x8201, serial))
        assert states(world) == ["sent"]
        await say(world, acked(car, 0x8300, serial))
    assert states(world) == ["sent", "acked"]
    assert world.log.events[-1].answers == "c1"


async def test_a_terminal_that_says_no_fails_the_command(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await world.ask(world.command("0x8201"))
        await say(world, acked(car, 0x8201, sent(world, 0x8201)[0].header.serial, 3))
    failed = world.log.events[-1]
    assert failed.type == "command.failed"
    assert (failed.payload.result, failed.payload.why, failed.payload.reason) == (3, "refused", "unsupported")


async def test_an_answer_of_its_own_that_says_no_fails_the_command_with_what_it_says(mock_clock: Clock) -> None:
    world, car = one_car()
    shot = {
        "channel": 1, "command": 1, "interval_s": 0, "store": 0, "resolution": 1, "quality": 5, "brightness": 1,
        "contrast": 1, "saturation": 1, "chroma": 1,
    }  # fmt: skip
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await world.ask(world.command("0x8801", fields=shot))
        await say(world, car.frame(ShootReply(sent(world, 0x8801)[0].header.serial, 2), 0x0805, link(1)))
    failed = world.log.events[-1]
    assert (failed.type, failed.payload.reason) == ("command.failed", "channel unsupported")
    assert failed.payload.reply["result"] == 2


async def test_waits_grow_as_the_standard_says_and_then_nobody_can_say(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await world.ask(world.command("0x8201"))
        await passes(TIMEOUT_S - 1)
        assert len(sent(world, 0x8201)) == 1
        await passes(2)
        queries = sent(world, 0x8201)
        assert len(queries) == TRIES == 2
        assert queries[0].header.serial == queries[1].header.serial, "a repeat is the same message"
        await passes(2 * TIMEOUT_S - 2)
        assert states(world) == ["sent"], "T(n+1) = T(n) * (n+1)"
        await passes(2)
        assert len(sent(world, 0x8201)) == TRIES
    assert states(world) == ["sent", "unknown"]
    assert world.log.events[-1].payload.why == "no_answer"


async def test_one_that_was_acknowledged_and_not_answered_is_not_sent_again(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await world.ask(world.command("0x8104"))
        await say(world, acked(car, 0x8104, sent(world, 0x8104)[0].header.serial))
        await passes(policy_of(0x8104).effect_s + 1)
        assert len(sent(world, 0x8104)) == 1
    assert states(world) == ["sent", "acked", "unknown"]
    assert world.log.events[-1].payload.reason == "acknowledged, and no 0x0104 came"


async def test_answers_without_a_serial_come_long_after_the_acknowledgement(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        fields = {"target": 0, "maker": "CARIL", "release": "2", "data": "00"}
        await world.ask(world.command("0x8108", fields=fields))
        await say(world, acked(car, 0x8108, sent(world, 0x8108)[0].header.serial))
        assert states(world) == ["sent", "acked"]
        # It starts anew with what it was given, and comes back on another connection.
        await say(world, world.close(link(1)), car.authenticate(link(2)))
        assert sent(world, 0x8108, on=2) == []
        await passes(1800)
        await say(world, car.frame(UpgradeResult(0, 0), 0x0108, link(2)))
    assert states(world)[:3] == ["sent", "acked", "effective"]
    # What the terminal said is an event of its own, which names the command.
    (finished,) = world.log.of("upgrade.finished")
    assert (finished.payload.command, finished.cause) == ("c1", "c1")


async def test_what_nothing_answers_is_unknown_as_soon_as_it_is_out(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await world.ask(world.command("0x9105", fields={"channel": 1, "loss_percent": 3}))
        assert len(sent(world, 0x9105)) == 1
    assert states(world) == ["sent", "unknown"]


async def test_an_answer_that_names_people_is_named_and_not_copied(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await world.ask(world.command("0x8702"))
        driver = Driver(
            state=1,
            time_ms=1_768_437_045_000,
            result=0,
            name="李明",
            certificate="C1",
            issuer="粤",
            valid_until="20300101",
        )
        frame = car.frame(driver, 0x0702, link(1))
        await say(world, frame)
        await world.ask(world.command("0x8700", "c2", fields={"command": 0x12}))
        await say(
            world,
            car.frame(
                RecorderData(reply_serial=sent(world, 0x8700)[0].header.serial, command=0x12, block=b"x"),
                0x0700,
                link(1),
            ),
        )
        await world.ask(world.command("0x8700", "c3", fields={"command": 0x00}))
        await say(
            world,
            car.frame(
                RecorderData(reply_serial=sent(world, 0x8700)[1].header.serial, command=0x00, block=b"\x12\0"),
                0x0700,
                link(1),
            ),
        )
    ends = {event.answers: event.payload for event in world.log.of("command.effective")}
    assert (ends["c1"].reply, ends["c1"].node, ends["c1"].sequence) == ({}, "n1", frame.sequence)
    assert ends["c2"].reply == {}
    assert ends["c3"].reply != {}
    assert "李明" not in str(world.log.events)


async def test_an_answer_too_long_for_an_event_is_named_too(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        for name, size, copied in (("c1", 100, True), ("c2", COMMAND_REPLY_BYTES_MAX // 2, False)):
            await world.ask(world.command("0x8700", name, fields={"command": 0x02}))
            reply = RecorderData(
                reply_serial=sent(world, 0x8700)[-1].header.serial, command=0x02, block=bytes(min(size, 1000))
            )
            frame = car.frame(reply, 0x0700, link(1))
            # What fragments made is longer than a frame.
            await say(world, frame._replace(data=frame.data + bytes(max(0, size - 1000))))
            end = world.log.of("command.effective")[-1].payload
            assert (end.reply != {}, end.sequence) == (copied, frame.sequence)


# --- waiting ----------------------------------------------------------------------------------------------------------


async def test_a_command_waits_for_an_offline_car_and_goes_out_when_it_comes(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await world.ask(world.command("0x8201"))
        await passes(COMMAND_EXPIRES_S - 1)
        assert world.links.calls == []
        await say(world, car.authenticate(link(1)))
        assert [verb for verb, _ in world.links.calls] == ["admit", "send"]
    assert world.log.types == ["command.queued", "terminal.session.opened", "command.sent"]
    assert world.log.events[0].payload.why == "offline"


async def test_a_command_for_a_car_that_does_not_come_expires(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await world.ask(world.command("0x8201"))
        await world.ask(world.command("0x8201", "c2", expires_ms=world.clock() + 3_600_000))
        await passes(COMMAND_EXPIRES_S + 1)
        assert (states(world), states(world, "c2")) == (["queued", "expired"], ["queued"])
        await passes(3600)
        assert states(world, "c2") == ["queued", "expired"]
        await say(world, car.authenticate(link(1)))
        assert [verb for verb, _ in world.links.calls] == ["admit"]


async def test_a_command_that_was_too_old_when_it_came_is_never_sent(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await world.ask(world.command("0x8201", expires_ms=world.clock()))
        assert sent(world, 0x8201) == []
    assert states(world) == ["expired"]


async def test_a_command_in_the_air_goes_out_again_when_the_car_reconnects(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await world.ask(world.command("0x8201"))
        await say(world, world.close(link(1)))
        assert states(world) == ["sent", "queued"]
        assert world.log.events[-1].payload.why == "lost"
        await passes(1)
        await say(world, car.authenticate(link(2)))
        (query,) = sent(world, 0x8201, on=2)
        reply = LocationReply(reply_serial=query.header.serial, location=location())
        await say(world, car.frame(reply, 0x0201, link(2)))
    assert states(world) == ["sent", "queued", "sent", "effective"]
    assert [event.payload.attempt for event in world.log.of("command.sent")] == [1, 2]


async def test_one_that_went_out_and_whose_car_never_came_back_is_unknown_and_not_expired(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await world.ask(world.command("0x8201"))
        await say(world, world.close(link(1)))
        await passes(COMMAND_EXPIRES_S + 1)
    assert states(world) == ["sent", "queued", "unknown"]
    assert world.log.events[-1].payload.why == "lost"


async def test_one_command_too_many_is_busy(mock_clock: Clock) -> None:
    world, _ = one_car()
    async with running(world):
        for i in range(COMMANDS_OPEN_MAX):
            await world.ask(world.command("0x8201", f"c{i}"))
        assert world.log.of("command.failed") == []
        await world.ask(world.command("0x8201", "one more"))
        assert world.vehicles[1].statistics().commands_open == COMMANDS_OPEN_MAX
    (failed,) = world.log.of("command.failed")
    assert (failed.answers, failed.payload.why) == ("one more", "busy")


async def test_the_fields_of_all_open_commands_are_bounded_and_let_go_at_their_end(mock_clock: Clock) -> None:
    world, _ = one_car()
    fields = {"flags": 1, "text": "x" * 100}
    async with running(world):
        await world.ask(world.command("0x8300", fields=fields))
        held = world.room.bytes
        assert held > 100
        world.room.bytes = COMMANDS_OPEN_BYTES_MAX - held
        await world.ask(world.command("0x8300", "fits", fields=fields))
        await world.ask(world.command("0x8300", "past", fields=fields))
        assert (states(world, "fits"), states(world, "past")) == (["queued"], ["failed"])
        await passes(COMMAND_EXPIRES_S + 1)
        assert world.room.bytes == COMMANDS_OPEN_BYTES_MAX - 2 * held


async def test_a_command_goes_to_the_terminal_that_logged_in_last(mock_clock: Clock) -> None:
    world, car = one_car()
    world.know(row(2, 1, "13900000002", "T2"))
    second = Caller(world, "13900000002", "T2")
    async with running(world):
        await say(world, car.authenticate(link(1)), second.authenticate(link(2)))
        await world.ask(world.command("0x8201"))
        (query,) = sent(world, 0x8201, on=2)
        assert query.header.phone == "13900000002"
        # The other terminal's answer with the same serial is not the answer.
        reply = LocationReply(reply_serial=query.header.serial, location=location())
        await say(world, car.frame(reply, 0x0201, link(1)))
        assert states(world) == ["sent"]
        await say(world, second.frame(reply, 0x0201, link(2)))
    assert states(world) == ["sent", "effective"]
    assert isinstance(world.command("0x8201").payload, CommandRequested)


async def test_a_command_that_names_its_terminal_goes_there_and_waits_for_it(mock_clock: Clock) -> None:
    world, car = one_car()
    world.know(row(2, 1, "13900000002", "T2"))
    second = Caller(world, "13900000002", "T2")
    async with running(world):
        await say(world, second.authenticate(link(2)))
        await world.ask(world.command("0x8201", terminal=1))
        assert states(world) == ["queued"]
        await say(world, car.authenticate(link(1)), second.authenticate(link(3)))
        assert [query.header.phone for query in sent(world, 0x8201, on=1)] == ["13912345678"]
    assert states(world) == ["queued", "sent"]


# --- what can be sent -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "fields", "reason"),
    [
        ("0x8001", {}, "invalid: 0x8001 cannot be sent as a command"),
        ("0x0200", {}, "invalid: 0x0200 cannot be sent as a command"),
        ("hello", {}, "invalid: 'hello' is no message id"),
        ("0x8300", {"text": "x"}, "invalid: flags: missing"),
        ("0x8300", {"flags": 1, "text": "x", "colour": 1}, "invalid: colour: no such field"),
        ("0x8300", {"flags": 256, "text": "x"}, "invalid: flags: 256 does not fit into 1 bytes"),
        ("0x8300", {"flags": 1, "text": "x" * 1022}, "invalid: text: 1022 bytes in GBK, a message holds 1021"),
        ("0x8300", {"flags": 1, "text": ""}, "invalid: text: there is nothing to send"),
        ("0x8400", {"kind": 0, "number": "☎"}, "invalid: number: '☎' at 0 is not in GBK"),
        ("0x8103", {"parameters": []}, "invalid: parameters: there is nothing to set"),
    ],
)
async def test_a_request_that_is_no_message_fails_with_the_reason(
    mock_clock: Clock, message: str, fields: dict[str, object], reason: str
) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        world.links.take()
        await world.ask(world.command(message, fields=fields))
        assert world.links.calls == []
        assert world.vehicles[1].conversation.commands_open == 0
    assert states(world) == ["failed"]
    assert world.log.events[-1].payload.reason.startswith(reason)


@pytest.mark.parametrize(
    ("version", "message", "fields"),
    [
        (2011, "0x8107", {}),
        (2013, "0x8204", {}),
        (2019, "0x8304", {"info_id": 1, "text": "x"}),
    ],
)
async def test_what_the_terminal_s_edition_does_not_know_is_not_sent(
    mock_clock: Clock, version: int, message: str, fields: dict[str, object]
) -> None:
    world = World()
    world.know(row(1, 1, PHONE, "T000001"))
    car = Caller(world, PHONE, version=version)
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await say(world, car.register(link(1)))
        await world.ask(world.command(message, fields=fields))
        assert sent(world, int(message, 16)) == []
    assert states(world) == ["failed"]
    assert world.log.events[-1].payload.reason.startswith(f"JT/T 808-{version} does not know {message}")


def test_every_downlink_that_a_person_may_send_has_an_answer_that_is_declared() -> None:
    assert len(SENDABLE) >= 50
    for message in SENDABLE:
        for version in (2011, 2013, 2019):
            reply = reply_of(message, version)
            assert reply == 0 or reply in MESSAGES
    # 2011 has no 0x0805: a shot is only acknowledged.
    assert (reply_of(0x8801, 2011), reply_of(0x8801, 2013)) == (0x0001, 0x0805)
    assert {message for message in SENDABLE if not reply_of(message, 2019)} == {0x9105}


# --- in fragments -----------------------------------------------------------------------------------------------------


def package(size: int) -> dict[str, object]:
    return {"target": 0, "maker": "CARIL", "release": "2", "data": bytes(i & 0xFF for i in range(size)).hex()}


def joined(frames: list[Decoded]) -> bytes:
    return b"".join(one.body.data for one in frames)  # type: ignore[attr-defined]


async def test_a_long_message_goes_in_fragments_with_serials_in_a_row(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        fields = package(2_500)
        await world.ask(world.command("0x8108", fields=fields))
        frames = sent(world, 0x8108)
        first = frames[0].header.serial
        assert [(f.header.total, f.header.index, f.header.serial) for f in frames] == [
            (3, n, first + n - 1) for n in (1, 2, 3)
        ]
        body = Upgrade(0, "CARIL", "2", bytes.fromhex(str(fields["data"])))
        assert joined(frames) == encode_body(body, frames[0].header)
        progress = world.log.of("command.sent")[-1].payload
        assert (progress.parts, progress.parts_sent, progress.serial) == (3, 3, first)
        # What is sent behind them has a serial behind theirs.
        await world.ask(world.command("0x8201", "c2"))
        assert sent(world, 0x8201)[0].header.serial == first + 3
        for one in frames:
            await say(world, acked(car, 0x8108, one.header.serial))
        assert states(world) == ["sent", "acked"]
        await say(world, car.frame(UpgradeResult(0, 0), 0x0108, link(1)))
    assert states(world)[:3] == ["sent", "acked", "effective"]
    assert world.room.transfers == 0


async def test_few_fragments_are_out_at_once_and_an_acknowledgement_lets_the_next_go(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await world.ask(world.command("0x8108", fields=package(20 * BODY_BYTES_MAX - 12)))
        assert len(sent(world, 0x8108)) == TRANSFER_WINDOW
        for n in range(16):
            frames = sent(world, 0x8108)
            assert len(frames) == TRANSFER_WINDOW + n
            await say(world, acked(car, 0x8108, frames[n].header.serial))
        # Others are answered in between.
        await world.ask(world.command("0x8201", "c2"))
        assert len(sent(world, 0x8201)) == 1
        for one in sent(world, 0x8108)[16:]:
            await say(world, acked(car, 0x8108, one.header.serial))
        assert [frame.header.index for frame in sent(world, 0x8108)] == list(range(1, 21))
    steps = world.log.of("command.sent")
    assert [event.payload.parts_sent for event in steps if event.answers == "" and event.payload.parts] == [
        4, 5, 10, 15, 20,
    ]  # fmt: skip
    assert states(world)[-1] == "acked"


async def test_a_terminal_that_acknowledges_none_is_sent_a_window_a_second_and_one_answer_is_for_all(
    mock_clock: Clock,
) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await world.ask(world.command("0x8108", fields=package(10 * BODY_BYTES_MAX)))
        for n in (4, 8, 11, 11):
            assert len(sent(world, 0x8108)) == n
            await passes(TRANSFER_PAUSE_S)
        first = sent(world, 0x8108)[0].header.serial
        await say(world, acked(car, 0x8108, first))
        assert states(world)[-1] == "sent", "it may be the first of eleven"
        await passes(TRANSFER_GRACE_S)
    assert states(world)[-1] == "acked"


async def test_fragments_asked_for_again_are_the_same_bytes(mock_clock: Clock) -> None:
    world, car = await logged_in(2019)
    async with running(world):
        await say(world, car.authenticate(link(1)))
        world.links.take()
        await world.ask(world.command("0x8108", fields=package(3_000)))
        before = [arguments[1] for verb, arguments in world.links.take() if verb == "send"]
        first = int.from_bytes(before[0][16:18], "big")
        await say(world, car.frame(ResendRequest(first, (3, 1, 9, 0)), 0x0005, link(1)))
        again = [arguments[1] for verb, arguments in world.links.take() if verb == "send"]
        assert again == [before[2], before[0]]
        # Nothing else is meant by another serial, and nobody answers the question itself.
        await say(world, car.frame(ResendRequest(first + 1, (1,)), 0x0005, link(1)))
        assert world.links.take() == []
        for _ in range(TRANSFER_RESENDS_MAX):
            await say(world, car.frame(ResendRequest(first, (1, 2, 3)), 0x0005, link(1)))
        assert states(world)[-1] == "failed"
        assert world.log.events[-1].payload.why == "resends"
    assert world.room.transfers == 0


async def test_a_terminal_that_acknowledges_each_fragment_but_one_has_not_the_whole(mock_clock: Clock) -> None:
    """Its acknowledgement of the last one is no word about the one it lacks, which it asks for afterwards."""
    world, car = await logged_in(2019)
    async with running(world):
        await say(world, car.authenticate(link(1)))
        world.links.take()
        await world.ask(world.command("0x8108", fields=package(3_000)))
        before = [arguments[1] for verb, arguments in world.links.take() if verb == "send"]
        first = int.from_bytes(before[0][16:18], "big")
        for serial in (first, first + 2):
            await say(world, acked(car, 0x8108, serial))
        assert states(world)[-1] == "sent"
        await say(world, car.frame(ResendRequest(first, (2,)), 0x0005, link(1)))
        again = [arguments[1] for verb, arguments in world.links.take() if verb == "send"]
        assert again == [before[1]]
        await say(world, acked(car, 0x8108, first + 1))
        assert states(world)[-1] == "acked"


async def test_a_fragment_that_is_refused_ends_the_message(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await world.ask(world.command("0x8108", fields=package(9_000)))
        await say(world, acked(car, 0x8108, sent(world, 0x8108)[1].header.serial, 1))
        await passes(60)
        assert len(sent(world, 0x8108)) == TRANSFER_WINDOW
    assert states(world) == ["sent", "failed"]


async def test_a_link_lost_in_the_middle_begins_again_with_the_first_fragment(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await world.ask(world.command("0x8108", fields=package(9_000), expires_ms=world.clock() + 3_600_000))
        await say(world, acked(car, 0x8108, sent(world, 0x8108)[0].header.serial), world.close(link(1)))
        assert world.room.transfers == 0
        await say(world, car.authenticate(link(2)))
        frames = sent(world, 0x8108, on=2)
        assert [frame.header.index for frame in frames] == [1, 2, 3, 4]
        assert frames[0].header.serial > sent(world, 0x8108)[-1].header.serial
    assert states(world)[-1] == "sent"


async def test_a_stalled_message_is_sent_again_where_it_is_not_acknowledged_and_then_unknown(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await world.ask(world.command("0x8108", fields=package(9_000)))
        await say(world, acked(car, 0x8108, sent(world, 0x8108)[0].header.serial))
        assert [frame.header.index for frame in sent(world, 0x8108)] == [1, 2, 3, 4, 5]
        await passes(TRANSFER_GRACE_S + TRANSFER_PAUSE_S)
        assert [frame.header.index for frame in sent(world, 0x8108)][5:] == [6, 7, 8, 9]
        await passes(policy_of(0x8108).timeout_s)
        assert [frame.header.index for frame in sent(world, 0x8108)][9:] == [2, 3, 4, 5]
        await passes(3 * policy_of(0x8108).timeout_s)
        assert [frame.header.index for frame in sent(world, 0x8108)][9:] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert states(world)[-1] == "unknown"
    assert world.room.transfers == 0


async def test_one_long_message_a_car_and_so_many_a_node_are_on_their_way(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        world.room.transfers = TRANSFERS_MAX
        await world.ask(world.command("0x8108", fields=package(2_000)))
        assert states(world) == ["queued"]
        assert world.log.events[-1].payload.why == "room"
        world.room.transfers = TRANSFERS_MAX - 1
        await passes(LOOK_AGAIN_S)
        assert states(world) == ["queued", "sent"]
        await world.ask(world.command("0x8108", "c2", fields=package(2_000)))
        assert states(world, "c2") == ["queued"]
        await say(world, acked(car, 0x8108, sent(world, 0x8108)[-1].header.serial))
        await passes(LOOK_AGAIN_S)
        assert states(world, "c2") == ["queued", "sent"]


async def test_a_body_past_the_bound_fails(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        # Target, maker, length and text of the release, length of the data.
        largest = COMMAND_BODY_BYTES_MAX - 1 - 5 - 2 - 4
        await world.ask(world.command("0x8108", fields=package(largest)))
        assert states(world) == ["sent"]
        await world.ask(world.command("0x8108", "c2", fields=package(largest + 1)))
        assert states(world, "c2") == ["failed"]


# --- approved by two --------------------------------------------------------------------------------------------------


async def standing(world: World, car: Caller) -> None:
    await say(world, car.authenticate(link(1)))
    world.stand()


async def test_two_others_approve_before_a_car_is_locked(mock_clock: Clock) -> None:
    world, car = await logged_in(2019)
    async with running(world):
        await standing(world, car)
        await world.ask(world.command("0x8500", fields=LOCK))
        await world.ask(world.judgement("command.approved", "account:2"))
        assert (sent(world, 0x8500), states(world)) == ([], [])
        await world.ask(world.judgement("command.approved", "account:3"))
        (order,) = sent(world, 0x8500)
        assert isinstance(order.body, ControlVehicle)
        serial = order.header.serial
        await say(world, acked(car, 0x8500, serial))
        await say(world, car.frame(ControlReply(reply_serial=serial, location=location()), 0x0500, link(1)))
    assert states(world) == ["sent", "acked", "effective"]


@pytest.mark.parametrize(
    "approvers",
    [
        ("account:2", "account:2"),
        ("account:2", "account:1"),
        ("account:2", "node"),
        ("account:2", "account:0"),
        ("account:2", "key:7"),
        ("node", "vehicle"),
        ("account:2",),
        (),
    ],
)
async def test_neither_who_asked_nor_one_person_twice_nor_a_program_is_the_second(
    mock_clock: Clock, approvers: tuple[str, ...]
) -> None:
    world, car = await logged_in(2019)
    async with running(world):
        await standing(world, car)
        await world.ask(world.command("0x8500", fields=LOCK, expires_ms=world.clock() + 86_400_000))
        for number, actor in enumerate(approvers):
            event = world.judgement("command.approved", actor)
            await world.ask(Event(**{**{n: getattr(event, n) for n in event.__struct_fields__}, "id": f"a{number}"}))
        for _ in range(10):
            await passes(APPROVAL_S / 10 + 0.1)
            world.stand()
        assert sent(world, 0x8500) == []
        assert states(world) == ["expired"], "ten minutes, whatever was asked for"
        # Too late.
        await world.ask(world.judgement("command.approved", "account:8"))
        await world.ask(world.judgement("command.approved", "account:9"))
        assert sent(world, 0x8500) == []


async def test_one_rejection_ends_it(mock_clock: Clock) -> None:
    world, car = await logged_in(2019)
    async with running(world):
        await standing(world, car)
        await world.ask(world.command("0x8500", fields=LOCK))
        await world.ask(world.judgement("command.rejected", "account:2"))
        assert world.vehicles[1].conversation.commands_open == 0
        for actor in ("account:3", "account:4"):
            await world.ask(world.judgement("command.approved", actor))
        assert sent(world, 0x8500) == []


@pytest.mark.parametrize(
    ("message", "fields", "needed"),
    [
        ("0x8105", {"command": 4}, True),
        ("0x8103", {"parameters": [{"id": "0x0013", "value": "10.0.0.1"}]}, True),
        ("0x8103", {"parameters": [{"id": "0x0018", "value": 7000}]}, True),
        ("0x8103", {"parameters": [{"id": "0x0040", "value": "13900000001"}]}, True),
        ("0x8103", {"parameters": [{"id": "0xF001", "data": "00"}]}, True),
        ("0x8103", {"parameters": [{"id": "0x0001", "value": 60}]}, False),
        ("0x8900", {"kind": 0xF0, "data": "00"}, True),
        ("0x8900", {"kind": 0x41, "data": "00"}, False),
        ("0x8300", {"flags": 1, "text": "x"}, False),
    ],
)
async def test_what_stops_or_redirects_a_terminal_waits_for_two_and_nothing_else_does(
    mock_clock: Clock, message: str, fields: dict[str, object], needed: bool
) -> None:
    world, car = one_car()
    async with running(world):
        await standing(world, car)
        await world.ask(world.command(message, fields=fields))
        number = int(message, 16)
        assert len(sent(world, number)) == (0 if needed else 1)
        for actor in ("account:2", "account:3"):
            await world.ask(world.judgement("command.approved", actor))
        assert len(sent(world, number)) == 1
        if needed:
            # What two people approved is sent once.
            await passes(10 * TIMEOUT_S)
            assert len(sent(world, number)) == 1
            assert states(world)[-1] == "unknown"


# --- only while it stands ---------------------------------------------------------------------------------------------


def test_a_fix_that_is_too_old_or_too_fast_by_a_tenth_holds_it_back() -> None:
    now_ms = 1_768_437_045_000

    def code(age_ms: int, speed_kmh10: int, **other: int) -> str:
        at = now_ms - age_ms
        fix = Fix(at, speed_kmh10, at, at)._replace(**other)
        return unsafe(fix, now_ms)[0]

    assert (IMMOBILISE_FIX_MS_MAX, IMMOBILISE_KMH10_MAX) == (10_000, 50)
    assert code(0, 0) == code(9_999, 50) == ""
    assert code(10_000, 0) == code(10_100, 0) == "fix_old"
    assert code(0, 51) == "driving"
    # A later report without a fix; a fast clock; a late report with a slow one; none at all.
    assert code(1_000, 0, heard_ms=now_ms) == "no_fix"
    assert code(-60_000, 0, arrival_ms=now_ms - 10_100) == "fix_old"
    assert code(10_100, 0, arrival_ms=now_ms) == "fix_old"
    assert unsafe(Fix(0, 0, 0, 0), now_ms)[0] == "no_fix"


@pytest.mark.parametrize(("age_ms", "speed_kmh10", "code"), [(10_100, 0, "fix_old"), (0, 51, "driving")])
async def test_a_car_is_locked_only_when_a_fix_shows_that_it_stands(
    mock_clock: Clock, age_ms: int, speed_kmh10: int, code: str
) -> None:
    world, car = await logged_in(2019)
    async with running(world):
        await standing(world, car)
        await world.ask(world.command("0x8500", fields=LOCK))
        world.stand(age_ms=age_ms, speed_kmh10=speed_kmh10)
        for actor in ("account:2", "account:3"):
            await world.ask(world.judgement("command.approved", actor))
        await passes(60)
        assert sent(world, 0x8500) == []
        assert states(world)[0] == "queued"
        assert world.log.of("command.queued")[0].payload.why == code
        world.stand(speed_kmh10=50)
        await passes(LOOK_AGAIN_S)
        assert len(sent(world, 0x8500)) == 1
    assert states(world)[-1] == "sent"


async def test_a_car_that_never_stands_is_never_locked(mock_clock: Clock) -> None:
    world, car = await logged_in(2019)
    async with running(world):
        await standing(world, car)
        await world.ask(world.command("0x8500", fields=LOCK))
        for actor in ("account:2", "account:3"):
            world.stand(speed_kmh10=300)
            await world.ask(world.judgement("command.approved", actor))
        await passes(APPROVAL_S)
        assert sent(world, 0x8500) == []
    assert states(world)[-1] == "expired"
    assert world.log.events[-1].payload.why in ("driving", "fix_old")


async def test_a_car_that_drives_off_while_the_log_writes_is_not_locked(mock_clock: Clock) -> None:
    world, car = await logged_in(2019)
    async with running(world):
        await standing(world, car)
        await world.ask(world.command("0x8500", fields=LOCK))
        await world.ask(world.judgement("command.approved", "account:2"))
        world.log.durable = trio.Event()
        await world.ask(world.judgement("command.approved", "account:3"))
        assert world.log.waiting == 1
        world.stand(speed_kmh10=200)
        world.log.durable.set()
        await wait_all_tasks_blocked()
        assert sent(world, 0x8500) == []
        assert states(world) == ["sent", "queued"]
        assert world.log.events[-1].payload.attempt == 1, "that sending did not go out"
        world.stand()
        await passes(LOOK_AGAIN_S)
        assert len(sent(world, 0x8500)) == 1


async def test_a_full_queue_of_the_intake_does_not_let_an_old_look_count(mock_clock: Clock) -> None:
    world, car = await logged_in(2019)
    async with running(world):
        await standing(world, car)
        await world.ask(world.command("0x8500", fields=LOCK))
        await world.ask(world.judgement("command.approved", "account:2"))
        world.links.full = 10_000
        await world.ask(world.judgement("command.approved", "account:3"))
        await passes(11)
        world.links.full = 0
        await passes(1)
        assert sent(world, 0x8500) == []
    assert world.log.events[-1].payload.why == "fix_old"


# --- after a restart --------------------------------------------------------------------------------------------------


def story(world: World, name: str = "c1") -> list[Event]:
    """Return what the log has of a command behind its request."""
    return [event for event in world.log.events if getattr(event.payload, "command", "") == name]


async def test_a_command_read_again_from_the_log_ends_once(mock_clock: Clock) -> None:
    world, car = one_car()
    event = world.command("0x8201")
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await world.ask(event)
        await world.ask(event)
        assert world.vehicles[1].conversation.commands_open == 1
        serial = sent(world, 0x8201)[-1].header.serial
        await say(world, car.frame(LocationReply(reply_serial=serial, location=location()), 0x0201, link(1)))
    world.boot(BOOT + 1)
    async with running(world):
        await world.ask(event)
        await passes(COMMAND_EXPIRES_S + 1)
    assert states(world)[:2] == ["sent", "effective"]
    assert len([e for e in world.log.events if e.answers == "c1"]) == 1


async def test_an_answer_that_a_restart_cut_off_is_still_known_as_one(mock_clock: Clock) -> None:
    world, car = one_car()
    event = world.command("0x8201", expires_ms=world.clock() + 3_600_000)
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await world.ask(event)
    serial = sent(world, 0x8201)[-1].header.serial
    reply = car.frame(LocationReply(reply_serial=serial, location=location()), 0x0201, link(1))
    world.boot(BOOT + 1)
    async with running(world):
        # As the gateway does it: what the log has first, then what the journal has.
        await world.ask(event, *story(world))
        await say(world, reply)
    assert states(world)[-1] == "effective"


async def test_what_went_out_before_a_restart_goes_out_once_more_and_what_was_acknowledged_does_not(
    mock_clock: Clock,
) -> None:
    world, car = one_car()
    late = world.clock() + 3_600_000
    events = {name: world.command("0x8104", name, expires_ms=late) for name in ("c1", "c2", "c3")}
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await world.ask(events["c1"])
        await world.ask(events["c2"])
        await say(world, acked(car, 0x8104, sent(world, 0x8104)[1].header.serial))
    world.boot(BOOT + 1)
    world.links.take()
    async with running(world):
        for name in ("c1", "c2"):
            await world.ask(events[name], *story(world, name))
        await world.ask(events["c3"])
        await say(world, car.authenticate(link(1, BOOT + 1)))
        again = [one for one in world.links.sent(link(1, BOOT + 1)) if one.header.message == 0x8104]
        assert len(again) == 2, "c1 once more, c3 for the first time, c2 not"
        assert min(one.header.serial for one in again) >= 2, "no serial that an old answer may name"
    assert [event.payload.attempt for event in world.log.of("command.sent") if event.payload.command == "c1"] == [1, 2]


async def test_a_restart_neither_locks_twice_nor_without_approvals(mock_clock: Clock) -> None:
    world, car = await logged_in(2019)
    event = world.command("0x8500", fields=LOCK)
    approvals = [world.judgement("command.approved", f"account:{n}") for n in (2, 3)]
    async with running(world):
        await standing(world, car)
        await world.ask(event)
        await world.ask(approvals[0])
    # Killed with one approval in the log.
    world.boot(BOOT + 1)
    async with running(world):
        await world.ask(event, approvals[0])
        await say(world, car.authenticate(link(2, BOOT + 1)))
        world.stand()
        await passes(5)
        await world.ask(approvals[0])
        assert [one.header.message for one in world.links.sent(link(2, BOOT + 1))] == [0x8001]
        world.stand()
        await world.ask(approvals[1])
        assert world.links.sent(link(2, BOOT + 1))[-1].header.message == 0x8500
    # Killed behind the sending, before any answer.
    world.boot(BOOT + 2)
    world.links.take()
    async with running(world):
        await world.ask(event, *approvals, *story(world))
        await say(world, car.authenticate(link(3, BOOT + 2)))
        world.stand()
        await passes(TIMEOUT_S + 1)
        assert [one.header.message for one in world.links.sent(link(3, BOOT + 2))] == [0x8001]
    assert states(world) == ["sent", "unknown"]


async def test_a_restart_between_the_log_and_the_wire_sends_what_was_held(mock_clock: Clock) -> None:
    world, car = await logged_in(2019)
    event = world.command("0x8500", fields=LOCK)
    known = [world.judgement("command.approved", f"account:{n}") for n in (2, 3)]

    def progress(kind: str, **more: Any) -> Event:
        payload = CommandProgress(command="c1", vehicle_id=1, terminal=1, attempt=1, **more)
        return Event(id=kind, type=kind, time_ms=1, subject="vehicle:1", actor="vehicle", payload=payload)

    async with running(world):
        await standing(world, car)
        await world.ask(event, *known, progress("command.sent", serial=7), progress("command.queued", why="driving"))
        assert len(sent(world, 0x8500)) == 1
        assert sent(world, 0x8500)[0].header.serial == 8
    assert world.log.of("command.sent")[-1].payload.attempt == 2
