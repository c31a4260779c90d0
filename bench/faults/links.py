"""Faults of links: connections that die in every state, and all terminals that come back at once."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from bench.faults import EMBEDDED, Fault
from bench.faults.notes import Notes
from bench.faults.story import place
from bench.faults.terminal import LinkError, Terminal
from bench.faults.world import OTHERS_FIRST, PHONE_FIRST, World
from protocols.jt808.codec import Header, encode_fragment, fragments_of
from protocols.jt808.messages import Authenticate

DYING: Final = 64
"""Terminals whose links die, again and again."""
UNREAD: Final = 4_000
"""Reports whose answers nobody reads: more than a socket's buffers hold."""


class Dying:
    """A terminal whose links die. Its reports are noted, and told apart from the load's by their number."""

    def __init__(self, world: World, notes: Notes, number: int) -> None:
        self.number = number
        self.terminal = Terminal(world.server.port, str(PHONE_FIRST + number))
        self.notes = notes
        self.time_s = world.story.epoch_s
        self._waiting: dict[int, int] = {}

    def report(self) -> bytes:
        """Return the next report, noted as sent."""
        self.time_s += 1
        serial = self.terminal.next_serial()
        self._waiting[serial] = self.time_s
        self.notes.sent(self.number, serial, self.time_s)
        # Far from everybody: one place for each.
        return self.terminal.frame(0x0200, place(-60 - self.number % 50, 0.0, 0, 0, self.time_s), serial)

    def hear(self, count: int) -> None:
        """Note so many answers to reports."""
        while count:
            answer: Any = self.terminal.hear(0x8001).body
            if answer.reply_message == 0x0200 and answer.reply_serial in self._waiting:
                time_s = self._waiting.pop(answer.reply_serial)
                self.notes.answered(self.number, answer.reply_serial, time_s, answer.result)
                count -= 1


def _connected(world: World, one: Dying) -> None:
    one.terminal.connect()


def _mid_registration(world: World, one: Dying) -> None:
    one.terminal.connect()
    frame = one.terminal.frame(0x0100, one.terminal.registration())
    one.terminal.send(frame[: world.draw.randrange(1, len(frame))])


def _registered(world: World, one: Dying) -> None:
    one.terminal.connect()
    one.terminal.send(one.terminal.frame(0x0100, one.terminal.registration()))
    reply: Any = one.terminal.hear(0x8100).body
    one.terminal.code = reply.code


def _mid_login(world: World, one: Dying) -> None:
    if not one.terminal.code:
        _registered(world, one)
    else:
        one.terminal.connect()
    frame = one.terminal.frame(0x0102, Authenticate(one.terminal.code))
    one.terminal.send(frame[: world.draw.randrange(1, len(frame))])


def _login_unheard(world: World, one: Dying) -> None:
    if not one.terminal.code:
        _registered(world, one)
    else:
        one.terminal.connect()
    one.terminal.send(one.terminal.frame(0x0102, Authenticate(one.terminal.code)))


def _logged_in(world: World, one: Dying) -> None:
    one.terminal.login()


def _mid_frame(world: World, one: Dying) -> None:
    one.terminal.login()
    one.terminal.send(one.report())
    one.hear(1)
    frame = one.report()
    one.terminal.send(frame[: world.draw.randrange(1, len(frame))])


def _unanswered(world: World, one: Dying) -> None:
    one.terminal.login()
    one.terminal.send(b"".join(one.report() for _ in range(world.draw.randrange(1, 40))))


def _mid_answers(world: World, one: Dying) -> None:
    one.terminal.login()
    one.terminal.send(b"".join(one.report() for _ in range(20)))
    one.hear(world.draw.randrange(1, 20))


def _mid_answer(world: World, one: Dying) -> None:
    """Nobody reads: the answers fill what the sockets hold, and the link ends in the middle of one."""
    one.terminal.login()
    for _ in range(UNREAD // 200):
        one.terminal.send(b"".join(one.report() for _ in range(200)))


def _mid_fragment(world: World, one: Dying) -> None:
    one.terminal.login()
    body = world.draw.randbytes(2_500)
    first = Header(0x0900, one.terminal.phone, one.terminal.next_serial(), 2013)
    for _ in range(fragments_of(len(body)) - 1):
        one.terminal.next_serial()
    sent = world.draw.randrange(1, fragments_of(len(body)))
    for index in range(1, sent + 1):
        one.terminal.send(encode_fragment(body, first, index))
    if world.draw.random() < 0.5:
        one.terminal.send(encode_fragment(body, first, sent + 1)[:500])


STATES: Final[dict[str, Callable[[World, Dying], None]]] = {
    "connected": _connected,
    "mid-registration": _mid_registration,
    "registered": _registered,
    "mid-login": _mid_login,
    "login unheard": _login_unheard,
    "logged in": _logged_in,
    "mid-frame": _mid_frame,
    "unanswered": _unanswered,
    "mid-answers": _mid_answers,
    "mid-answer": _mid_answer,
    "mid-fragment": _mid_fragment,
}
WAYS: Final = ("close", "reset", "half-close", "vanish")
"""How a link ends: FIN; RST; FIN of our half, while we listen on; not at all: nothing is ever said again."""


def die(world: World, one: Dying, state: str, way: str, vanished: list[Terminal]) -> None:
    """Bring a link into a state, and end it."""
    try:
        STATES[state](world, one)
        if way == "reset":
            one.terminal.reset()
        elif way == "half-close":
            one.terminal.half_close()
            one.terminal.hear(0xFFFF, 2.0)
        elif way == "vanish":
            vanished.append(one.terminal)
            fresh = Terminal(one.terminal.port, one.terminal.phone)
            fresh.code, fresh.serial = one.terminal.code, one.terminal.serial
            one.terminal = fresh
    except LinkError:
        # Silent to its end, or ended by the server first, as it should be with some of these.
        pass
    finally:
        if way != "vanish":
            one.terminal.close()


def dying(world: World) -> None:
    """Links die in every state and in every way; nobody else feels it, and none of them is kept."""
    world.begin()
    notes = Notes(world.work / "dying.record")
    world.records.append(notes.path)
    crowd = [Dying(world, notes, OTHERS_FIRST + n) for n in range(DYING)]
    vanished: list[Terminal] = []
    kinds = [(state, way) for state in STATES for way in WAYS]
    with world.fault(tried=0):
        for _ in range(world.times(8, 1)):
            world.draw.shuffle(kinds)
            for state, way in kinds:
                die(world, world.draw.choice(crowd), state, way, vanished)
                world.outcome.tried += 1
    for terminal in vanished:
        terminal.reset()
    expected = world.client.plan.terminals + len(world.story.phones)
    world.wait(lambda: world.figure("carillon_intake_links_live") == expected, "no dead link is kept", 60.0)
    world.note(states=len(STATES), ways=len(WAYS), acked_of_the_dying=notes.acked)
    # Whoever died logs in once more, and is heard.
    for one in crowd[: world.times(DYING, 8)]:
        one.terminal.login()
        one.terminal.send(one.report())
        one.hear(1)
        one.terminal.close()
    world.acked_beside += notes.acked
    notes.close()


def _cut(world: World, cuts: int) -> bool:
    return world.client.result().cuts > cuts


def storm(world: World) -> None:
    """Every terminal loses its link in the same moment, and dials at once."""
    world.begin(terminals=world.times(10_000, 500), reports_per_s=2_000)
    for _ in range(world.times(3, 1)):
        world.let_it_work(1.0, 5.0)
        cuts = world.client.result().cuts
        with world.fault():
            began = time.monotonic()
            world.client.cut_all()
            world.wait(partial(_cut, world, cuts), "terminals lose their links")
            world.wait(lambda: world.client.ready == world.client.plan.terminals, "every terminal is back")
            seconds = round(time.monotonic() - began, 2)
        world.outcome.recover_s = max(world.outcome.recover_s, seconds)
        world.note(terminals=world.client.plan.terminals, all_back_s=seconds)


ROWS: Final = (
    Fault("dying-links", "links die in every state, in every way", dying, EMBEDDED),
    Fault("reconnect-storm", "10,000 terminals lose their links at once", storm, EMBEDDED),
)
