"""A car's conversation, rule by rule: who may speak, what is answered when, what becomes of commands and fragments."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import trio
import trio.testing
from trio.testing import wait_all_tasks_blocked

from actors.vehicle import COUNTS, MAILBOX_AT_REST, Epochs
from core.events import Event, SessionOpened, TerminalBound
from core.intake.links import KIND_ASSEMBLED
from core.limits import FRAGMENT_S_MAX, LOGINS_AT_ONCE_MAX, LOGINS_PER_MINUTE_MAX, MAILBOX_FRAMES_MAX
from protocols.jt808.dialects import QueryTime, TimeReply
from protocols.jt808.messages import (
    Heartbeat,
    Logout,
    PlatformGeneralReply,
    QueryServerTime,
    RegisterReply,
    ResendRequest,
    ServerTime,
    TerminalGeneralReply,
)
from protocols.report import phone_key
from protocols.seam import CLASS_FRAGMENT, CLASS_LOGIN, CLASS_UNKNOWN
from tests.actors.test_fragments import fragment
from tests.actors.world import BOOT, Caller, World, link, row

Clock = trio.testing.MockClock
PHONE = "13912345678"


@asynccontextmanager
async def running(world: World) -> AsyncIterator[None]:
    """Run the world's actors; what fails in one fails the test."""
    with trio.fail_after(24 * 3600):
        async with trio.open_nursery() as nursery:
            world.nursery = nursery
            nursery.start_soon(world.reception.run)
            yield
            nursery.cancel_scope.cancel()
    assert set(world.counts) <= set(COUNTS)


def one_car() -> tuple[World, Caller]:
    world = World()
    world.know(row(1, 1, PHONE, "T000001", group=2, store=7))
    return world, Caller(world, PHONE)


async def say(world: World, *frames: object) -> None:
    for frame in frames:
        world.route(frame)  # type: ignore[arg-type]
    await wait_all_tasks_blocked()


# --- registering ------------------------------------------------------------------------------------------------------


async def test_a_known_terminal_that_registers_again_gets_its_code(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.register(link(1)))
    (reply,) = world.links.sent(link(1))
    assert reply.body == RegisterReply(1, 0, world.credentials.issue(PHONE, "T000001"))
    assert reply.header.message == 0x8100
    assert world.log.events == []
    assert world.position.open == 0


async def test_another_terminal_id_is_disputed_and_the_running_session_lives_on(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        world.links.take()
        await say(world, car.register(link(2), "OTHERID"))
        (reply,) = world.links.sent(link(2))
        assert reply.body == RegisterReply(2, 3, "")
        (disputed,) = world.log.of("terminal.identity.disputed")
        assert disputed.payload.terminal_id_known == "T000001"
        assert disputed.payload.terminal_id_claimed == "OTHERID"
        assert disputed.payload.link == link(2)
        assert [verb for verb, _ in world.links.calls] == ["send"]
        assert world.vehicles[1].conversation.sessions[1].link == link(1)


async def test_a_registration_is_answered_only_when_its_event_is_durable(mock_clock: Clock) -> None:
    world, car = one_car()
    world.log.durable = trio.Event()
    async with running(world):
        await say(world, car.register(link(2), "OTHERID"))
        assert world.log.waiting == 1
        assert world.links.calls == []
        assert world.position.open == 1
        world.log.durable.set()
        await wait_all_tasks_blocked()
        assert len(world.links.calls) == 1
        assert world.position.open == 0


# --- logging in -------------------------------------------------------------------------------------------------------


async def test_a_right_code_opens_a_session_and_then_the_gate_with_the_answer(mock_clock: Clock) -> None:
    world, car = one_car()
    world.log.durable = trio.Event()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        assert world.links.calls == [], "nothing before the event is durable"
        world.log.durable.set()
        await wait_all_tasks_blocked()
    ((verb, arguments),) = world.links.calls
    assert verb == "admit"
    assert arguments[:4] == (link(1), phone_key(PHONE), 1, 1)
    (reply,) = world.links.sent(link(1))
    assert reply.body == PlatformGeneralReply(1, 0x0102, 0)
    (opened,) = world.log.events
    assert opened.type == "terminal.session.opened"
    assert opened.payload == SessionOpened(terminal=1, vehicle_id=1, link=link(1), epoch=BOOT << 32 | 1, node="n1")
    assert (opened.group, opened.store, opened.subject, opened.key) == (2, 7, "terminal:1", "vehicle:1")
    assert world.fleet.statistics().sessions == 1


async def test_a_second_login_elsewhere_ends_the_first(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        world.links.take()
        await say(world, car.authenticate(link(2)))
    verbs = [(verb, arguments[0]) for verb, arguments in world.links.calls]
    assert verbs == [("evict", link(1)), ("close", link(1)), ("admit", link(2))]
    assert world.links.calls[1][1] == (link(1), "replaced")
    assert world.log.types == ["terminal.session.opened", "terminal.session.closed", "terminal.session.opened"]
    assert world.log.events[1].payload.reason == "replaced"
    assert world.log.events[1].payload.epoch < world.log.events[2].payload.epoch


async def test_a_link_that_others_live_on_is_not_closed_when_one_moves_away(mock_clock: Clock) -> None:
    world, car = one_car()
    world.know(row(2, 2, "13900000002", "T2"))
    other = Caller(world, "13900000002", "T2")
    async with running(world):
        await say(world, car.authenticate(link(1)), other.authenticate(link(1)))
        world.links.take()
        await say(world, car.authenticate(link(2)))
        assert [verb for verb, _ in world.links.calls] == ["evict", "admit"]
        assert world.vehicles[2].conversation.sessions[2].link == link(1)
        # The last one to leave takes the light with it.
        world.links.take()
        await say(world, other.authenticate(link(3)))
        assert [verb for verb, _ in world.links.calls] == ["evict", "close", "admit"]


async def test_the_end_of_a_replaced_link_does_not_end_the_new_session(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)), car.authenticate(link(2)), world.close(link(1), "replaced"))
        assert world.vehicles[1].conversation.sessions[1].link == link(2)
        assert world.position.open == 0
    assert len(world.log.of("terminal.session.closed")) == 1


async def test_a_login_repeated_on_its_link_is_the_same_session(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)), car.authenticate(link(1)))
    assert [verb for verb, _ in world.links.calls] == ["admit", "admit"]
    assert world.log.types == ["terminal.session.opened"]
    assert world.fleet.statistics().sessions == 1


async def test_a_forged_code_is_refused_and_never_disturbs_the_running_session(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        world.links.take()
        await say(world, car.authenticate(link(2), "FORGED"), car.authenticate(link(2), ""))
        replies = world.links.sent(link(2))
        assert [reply.body for reply in replies] == [
            PlatformGeneralReply(2, 0x0102, 1),
            PlatformGeneralReply(3, 0x0102, 1),
        ]
        assert [verb for verb, _ in world.links.calls] == ["send", "send"]
        assert world.counts["forged"] == 2
        await say(world, car.authenticate(link(2), "FORGED"))
        assert world.links.calls[-1] == ("close", (link(2), "refused"))
        assert world.vehicles[1].conversation.sessions[1].link == link(1)
    assert world.log.types == ["terminal.session.opened"]


async def test_logins_in_a_loop_are_refused_and_whoever_is_logged_in_stays(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, *(car.authenticate(link(1 + n)) for n in range(LOGINS_AT_ONCE_MAX)))
        assert world.counts["logins_refused"] == 0
        world.links.take()
        await say(world, car.authenticate(link(99)))
        assert world.links.sent(link(99))[0].body == PlatformGeneralReply(LOGINS_AT_ONCE_MAX + 1, 0x0102, 1)
        assert world.links.calls[-1] == ("close", (link(99), "refused"))
        assert world.vehicles[1].conversation.sessions[1].link == link(LOGINS_AT_ONCE_MAX)
        # Asking again on its own connection is no new login, and after a while there is room for one.
        await say(world, car.authenticate(link(LOGINS_AT_ONCE_MAX)))
        assert world.counts["logins_again"] == 1
        await trio.sleep(60 / LOGINS_PER_MINUTE_MAX)
        await say(world, car.authenticate(link(100)))
        assert world.vehicles[1].conversation.sessions[1].link == link(100)
    assert world.counts["logins_refused"] == 1
    assert len(world.log.of("terminal.session.opened")) == LOGINS_AT_ONCE_MAX + 1


async def test_forged_codes_do_not_close_a_link_on_which_somebody_lives(mock_clock: Clock) -> None:
    world, car = one_car()
    world.know(row(2, 2, "13900000002", "T2"))
    other = Caller(world, "13900000002", "T2")
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await say(world, *(other.authenticate(link(1), "FORGED") for _ in range(5)))
    assert "close" not in [verb for verb, _ in world.links.calls]
    assert world.counts["forged"] == 5


async def test_two_terminals_on_one_car_keep_their_own_sessions(mock_clock: Clock) -> None:
    world, car = one_car()
    world.know(row(2, 1, "13900000002", "T2"))
    second = Caller(world, "13900000002", "T2")
    async with running(world):
        await say(world, car.authenticate(link(1)), second.authenticate(link(2)))
        sessions = world.vehicles[1].conversation.sessions
        assert {terminal: session.link for terminal, session in sessions.items()} == {1: link(1), 2: link(2)}
        await say(world, world.close(link(2)))
        assert list(sessions) == [1]
    assert [event.payload.terminal for event in world.log.of("terminal.session.closed")] == [2]


async def test_two_cars_on_one_link_both_hear_of_its_end(mock_clock: Clock) -> None:
    world, car = one_car()
    world.know(row(2, 2, "13900000002", "T2"))
    other = Caller(world, "13900000002", "T2")
    async with running(world):
        await say(world, car.authenticate(link(1)), other.authenticate(link(1)), world.close(link(1), "silent"))
        assert [event.payload.reason for event in world.log.of("terminal.session.closed")] == ["silent"] * 2
        assert world.fleet.statistics().sessions == 0
        assert world.position.open == 0


async def test_a_login_read_behind_its_links_end_leaves_no_session(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        # Both in the mailbox before the task runs.
        world.route(car.authenticate(link(1)))
        world.route(world.close(link(1)))
        await wait_all_tasks_blocked()
        assert world.vehicles[1].conversation.sessions == {}
    assert world.log.types == ["terminal.session.opened", "terminal.session.closed"]


async def test_a_logout_ends_the_session_and_closes_the_gate_before_its_answer(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        world.links.take()
        await say(world, car.frame(Logout(), 0x0003, link(1)))
        assert [verb for verb, _ in world.links.calls] == ["evict", "send"]
        assert world.links.sent(link(1))[0].body == PlatformGeneralReply(2, 0x0003, 0)
        assert world.log.events[-1].payload.reason == "logout"
        await say(world, world.close(link(1)))
    assert len(world.log.of("terminal.session.closed")) == 1


async def test_a_higher_epoch_of_another_node_ends_our_session(mock_clock: Clock) -> None:
    world, car = one_car()

    def elsewhere(epoch: int, node: str = "n2") -> Event:
        payload = SessionOpened(terminal=1, vehicle_id=1, link=1, epoch=epoch, node=node)
        kind = "terminal.session.opened"
        return Event(id=f"e{epoch}", type=kind, time_ms=1, subject="terminal:1", actor="vehicle", payload=payload)

    async with running(world):
        await say(world, car.authenticate(link(1)))
        ours = world.vehicles[1].conversation.sessions[1].epoch
        world.links.take()
        for event in (elsewhere(ours - 1), elsewhere(ours), elsewhere(ours + 1, "n1")):
            assert world.vehicles[1].request(event)
        await wait_all_tasks_blocked()
        assert world.links.calls == []
        assert world.vehicles[1].request(elsewhere(ours + 1))
        await wait_all_tasks_blocked()
        assert [verb for verb, _ in world.links.calls] == ["evict", "close"]
    assert world.log.events[-1].payload.reason == "replaced"


# --- answering --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "phone"), [(2013, PHONE), (2019, PHONE), (2019, "12345678901234567890")])
async def test_answers_have_the_header_form_of_the_terminals_frame(mock_clock: Clock, version: int, phone: str) -> None:
    world = World()
    world.know(row(1, 1, phone, "T000001"))
    car = Caller(world, phone, version=version)
    async with running(world):
        await say(world, car.authenticate(link(1)), car.frame(Heartbeat(), 0x0002, link(1)))
    for reply in world.links.sent(link(1)):
        assert (reply.header.version, reply.header.phone, reply.header.protocol_version) == (version, phone, 1)
    # The platform's own serials rise.
    assert [reply.header.serial for reply in world.links.sent(link(1))] == [0, 1]


async def test_any_other_frame_is_answered_ok_and_done(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        world.links.take()
        await say(world, car.frame(Heartbeat(), 0x0002, link(1)))
        assert world.position.open == 0
    (reply,) = world.links.sent(link(1))
    assert reply.body == PlatformGeneralReply(2, 0x0002, 0)


async def test_what_is_not_declared_is_unsupported_and_what_cannot_be_read_is_wrong(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        world.links.take()
        await say(world, car.raw(0x0F01, b"?", link(1)), car.raw(0x0100, b"\1", link(1), CLASS_LOGIN))
    results = [(reply.body.reply_message, reply.body.result) for reply in world.links.sent(link(1))]  # type: ignore[attr-defined]
    assert results == [(0x0F01, 3), (0x0100, 2)]
    assert world.position.open == 0


async def test_what_the_intake_has_answered_is_not_answered_again(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        world.links.take()
        await say(world, car.raw(0x0F01, b"?", link(1), CLASS_UNKNOWN))
        assert world.links.calls == []
        assert world.position.open == 0


async def test_a_reply_is_not_answered(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        world.links.take()
        await say(world, car.frame(TerminalGeneralReply(9, 0x8300, 0), 0x0001, link(1)))
        await say(world, car.raw(0x0104, b"\0\1\0", link(1)))
        assert world.links.calls == []
        assert world.counts["replies_unmatched"] == 2
        assert world.position.open == 0


async def test_the_time_is_told_to_whoever_asks(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.frame(QueryServerTime(), 0x0004, link(1), admitted=False, frame_class=CLASS_LOGIN))
        (reply,) = world.links.sent(link(1))
        assert reply.header.message == 0x8004
        assert reply.body == ServerTime(world.clock() // 1000 * 1000)


async def test_a_dialect_s_question_for_the_time_has_its_own_answer(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await say(world, car.frame(QueryTime(), 0x0109, link(1)))
        reply = world.links.sent(link(1))[-1]
        now = datetime.fromtimestamp(world.clock() // 1000, UTC)
        assert reply.header.message == 0x8109
        assert reply.body == TimeReply(now.year, now.month, now.day, now.hour, now.minute, now.second)


async def test_an_answer_waits_for_a_full_command_queue(mock_clock: Clock) -> None:
    world, car = one_car()
    world.links.full = 5
    async with running(world):
        await say(world, car.authenticate(link(1)))
        await trio.sleep(1)
        assert [verb for verb, _ in world.links.calls] == ["admit"]
    assert world.counts["links_full"] == 5


async def test_frames_of_a_terminal_bound_to_another_car_are_let_go(mock_clock: Clock) -> None:
    world, car = one_car()
    frame = car.frame(Heartbeat(), 0x0002, link(1))._replace(phone=phone_key("99"))
    world.position.taken(frame.sequence)
    async with running(world):
        world.vehicle(1).put(frame)
        await wait_all_tasks_blocked()
        assert world.counts["frames_orphaned"] == 1
        assert world.position.open == 0


async def test_a_full_mailbox_refuses_the_frame_and_nobody_elses(mock_clock: Clock) -> None:
    world, car = one_car()
    vehicle = world.vehicle(1)
    frames = [car.frame(Heartbeat(), 0x0002, link(1)) for _ in range(MAILBOX_FRAMES_MAX + 1)]
    assert [vehicle.put(frame) for frame in frames] == [True] * MAILBOX_FRAMES_MAX + [False]
    assert vehicle.mailbox.crowded


async def test_a_car_at_rest_has_neither_task_nor_mailbox_and_a_car_that_waits_for_something_has_both(
    mock_clock: Clock,
) -> None:
    world, car = one_car()
    async with running(world):
        tasks = tasks_living()
        await say(world, car.authenticate(link(1)))
        vehicle = world.vehicles[1]
        assert not vehicle.awake
        assert tasks_living() == tasks
        assert vehicle.statistics().mailbox == MAILBOX_AT_REST
        # A fragment of two: the rest of it is due some time.
        await say(world, fragment(world.next_sequence(), 0x0900, 2, 1, b"a", link=link(1)))
        assert vehicle.awake
        assert tasks_living() == tasks + 1
        await trio.sleep(FRAGMENT_S_MAX + 60)
        assert not vehicle.awake
        assert tasks_living() == tasks
        assert world.position.open == 0


def tasks_living() -> int:
    return trio.lowlevel.current_statistics().tasks_living


# --- after a restart --------------------------------------------------------------------------------------------------


async def test_frames_read_again_after_a_restart_repeat_their_events_and_nothing_else(mock_clock: Clock) -> None:
    world, car = one_car()
    frames = [
        car.register(link(1)),
        car.register(link(1), "OTHERID"),
        car.authenticate(link(1)),
        car.frame(Heartbeat(), 0x0002, link(1)),
        car.frame(Logout(), 0x0003, link(1)),
        car.authenticate(link(1)),
        world.close(link(1)),
    ]
    async with running(world):
        await say(world, *frames)
    before = list(world.log.events)
    world.links.take()
    world.boot(BOOT + 1)
    async with running(world):
        await say(world, *frames)
        assert world.vehicles[1].conversation.sessions == {}
        assert world.position.open == 0
    assert world.log.events == before
    assert world.links.calls == []
    assert world.counts["logins_replayed"] == 2


async def test_events_lost_in_a_crash_are_made_when_the_frames_are_read_again(mock_clock: Clock) -> None:
    world, car = one_car()
    dispute = car.register(link(1), "OTHERID")
    logout = car.frame(Logout(), 0x0003, link(1))
    world.boot(BOOT + 1)
    async with running(world):
        await say(world, dispute, logout)
    assert world.log.types == ["terminal.identity.disputed", "terminal.session.closed"]
    assert world.log.events[1].payload.link == link(1)
    assert world.links.calls == []


def test_epochs_rise_over_restarts() -> None:
    first, second = Epochs(3), Epochs(4)
    epochs = [first(), first(), second(), second()]
    assert epochs == sorted(set(epochs))
    assert epochs[0] == 3 << 32 | 1


# --- fragments --------------------------------------------------------------------------------------------------------


async def test_fragments_become_one_frame_and_hold_the_position_until_it_is_in_the_journal(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        world.links.take()
        parts = [fragment(world.next_sequence(), 0x0801, 3, n, bytes([n]) * 5, link=link(1)) for n in (2, 3, 1)]
        oldest = parts[0].sequence
        await say(world, parts[0], parts[1])
        assert world.links.calls == []
        assert world.position.oldest_open_sequence == oldest
        assert world.vehicles[1].conversation.oldest_open_sequence == oldest
        await say(world, parts[2])
        ((verb, (on, terminal, vehicle_id, data)),) = world.links.take()
        assert (verb, on, terminal, vehicle_id) == ("reenter", link(1), 1, 1)
        assert data[12:] == b"\1\1\1\1\1\2\2\2\2\2\3\3\3\3\3"
        assert world.position.oldest_open_sequence == oldest, "not in the journal yet"
        await say(world, car.assembled(data, link(1)))
        assert world.position.open == 0
        assert world.vehicles[1].conversation.oldest_open_sequence is None
        assert world.links.calls == [], "its fragments are acknowledged already"


async def test_missing_fragments_are_asked_for_in_the_terminals_form(mock_clock: Clock) -> None:
    world, car = one_car()
    async with running(world):
        await say(world, car.authenticate(link(1)))
        world.links.take()
        await say(world, fragment(world.next_sequence(), 0x0801, 4, 2, b"b", link=link(1)))
        await trio.sleep(FRAGMENT_S_MAX + 1)
        questions = world.links.sent(link(1))
        assert [question.body for question in questions] == [ResendRequest(10, (1, 3, 4))] * 3
        assert world.position.open == 0
    assert world.counts["messages_expired"] == 1


async def test_nobody_is_asked_for_fragments_on_a_dead_link(mock_clock: Clock) -> None:
    world, _ = one_car()
    async with running(world):
        await say(world, fragment(world.next_sequence(), 0x0801, 2, 1, b"b", link=link(1, BOOT - 1)))
        await trio.sleep(FRAGMENT_S_MAX + 1)
        assert world.links.calls == []
        assert world.position.open == 0


async def test_fragments_of_an_earlier_start_are_put_together_all_the_same(mock_clock: Clock) -> None:
    world, _ = one_car()
    old = link(1, BOOT - 1)
    async with running(world):
        await say(world, *(fragment(world.next_sequence(), 0x0801, 2, n, b"x", link=old) for n in (1, 2)))
        assert [verb for verb, _ in world.links.calls] == ["reenter"]


async def test_an_assembled_registration_is_handled_like_any_other(mock_clock: Clock) -> None:
    world, car = one_car()
    frame = car.register(link(1))._replace(kind=KIND_ASSEMBLED)
    async with running(world):
        await say(world, frame)
        assert len(world.links.sent(link(1))) == 1


async def test_a_packet_item_that_makes_no_sense_is_counted_and_done(mock_clock: Clock) -> None:
    world, _ = one_car()
    async with running(world):
        await say(world, fragment(world.next_sequence(), 0x0801, 2, 3, b"b", link=link(1)))
        assert world.counts["fragments_bad"] == 1
        assert world.position.open == 0


# --- failing ----------------------------------------------------------------------------------------------------------


async def test_a_frame_at_which_the_task_fails_is_left_out_at_its_next_start(mock_clock: Clock) -> None:
    world, car = one_car()
    vehicle = world.vehicle(1)
    bad = car.frame(Heartbeat(), 0x0002, link(1))
    good = car.frame(Heartbeat(), 0x0002, link(1))
    for frame in (bad, good):
        world.position.taken(frame.sequence)
        vehicle.put(frame)
    world.links.send = lambda *_: 1 / 0  # type: ignore[attr-defined]
    with pytest.raises(ZeroDivisionError):
        await vehicle.run()
    del world.links.send
    assert world.position.oldest_open_sequence == bad.sequence
    with trio.move_on_after(1):
        await vehicle.run()
    assert world.position.open == 0
    assert world.counts["frames_failed"] == 1
    assert len(world.links.sent(link(1))) == 1


def test_a_fragment_is_of_class_fragment() -> None:
    assert fragment(1, 0x0801, 1, 1, b"").frame_class == CLASS_FRAGMENT


async def test_a_terminal_that_speaks_for_another_car_is_logged_out_and_logs_in_there() -> None:
    world, caller = one_car()
    async with running(world):
        await say(world, caller.authenticate(link(1)))
        world.links.take()
        bound = Event(
            id="b1", type="terminal.bound", time_ms=5, subject="terminal:1", actor="account:1",
            payload=TerminalBound(terminal=1, vehicle_id=2, vehicle_before=1, role="main", from_ms=5, revision=2),
        )  # fmt: skip
        assert world.vehicle(1).request(bound)
        await wait_all_tasks_blocked()
        assert world.log.of("terminal.session.closed") == [], "it is still this car's: the rows say so"
        world.know(row(1, 2, PHONE, "T000001", group=2, store=9))
        assert world.vehicle(1).request(bound)
        await wait_all_tasks_blocked()
        closed = world.log.of("terminal.session.closed")[0]
        assert (closed.payload.reason, closed.payload.vehicle_id, closed.store, closed.group) == ("rebound", 1, 9, 2)
        assert [verb for verb, _ in world.links.take()] == ["evict", "close"]
        await say(world, world.close(link(1)), caller.authenticate(link(2)))
        assert world.log.of("terminal.session.opened")[-1].payload.vehicle_id == 2
        assert world.fleet.occupancy.since[1].version == 2013
