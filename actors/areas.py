"""Areas: has terminals keep the geofences that are switched to be on terminals too, and take off those that are not.

Every terminal and geofence has a row (storage.areas): what the terminal is to keep, what it has confirmed, and the one
command that is on its way between the two. A change of a fence, a car or a terminal only moves what is wanted; so
however many changes there were, one command closes the gap. `wish`, `settle`, `step_of` and `answered` are the rules of
one row; `Areas` reads the log from a position of its own and writes rows, commands and position in one transaction.

A command is asked for by command.requested, its id counted in the row: whatever is killed, it is asked for once. It
goes to terminals that are logged in; for the others the row waits until they come. A lost answer is no answer: asked
again, a terminal puts the same area in the place of the same (JT/T 808: same id and kind, same area).
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, Protocol

import msgspec
from sqlalchemy import Connection

from core.events import CommandProgress, CommandRequested, Event, derive_id
from core.geofence import AreaKind, Geofence, TerminalRules
from core.limits import (
    AREA_ATTEMPTS_MAX,
    AREA_COMMAND_EXPIRES_S,
    AREA_COMMAND_LOST_S,
    AREA_COMMANDS_MAX,
    AREA_PAUSE_S,
    AREA_TERMINALS_AT_ONCE,
    AREAS_PER_TERMINAL_MAX,
    COMMAND_REPLY_BYTES_MAX,
)
from protocols.jt808 import control
from protocols.jt808.plain import to_plain
from storage import areas
from storage.areas import NEVER_MS, AreaRow, State, Target, Told
from storage.eventlog import EventLog, LogTransaction

ACTOR: Final = "areas"
TYPES: Final = ("geofence.", "terminal.", "vehicle.changed", "command.", "area.")
EVENTS_AT_ONCE: Final = 500
ROWS_AT_ONCE: Final = 1_000
"""Rows looked at for one round of commands; those of terminals that are away are put aside on the way."""
OVERSPEED_S: Final = 10
"""How long above a limit it counts, where a person has not said."""

SET: Final[Mapping[AreaKind, int]] = {"circle": 0x8600, "rectangle": 0x8602, "polygon": 0x8604, "route": 0x8606}
DELETE: Final[Mapping[AreaKind, int]] = {"circle": 0x8601, "rectangle": 0x8603, "polygon": 0x8605, "route": 0x8607}
QUERY: Final = 0x8608
QUERY_SINCE: Final = 2019
KIND_NUMBERS: Final[Mapping[AreaKind, int]] = {"circle": 1, "rectangle": 2, "polygon": 3, "route": 4}
APPEND, MODIFY = 1, 2
REPLY_BYTES: Final = COMMAND_REPLY_BYTES_MAX // 2
"""Our areas of a kind on one terminal, as plain values, above which they are asked for one by one: the terminal may
hold as many again that are not ours."""

INCOMPARABLE: Final = frozenset({"edition", "unanswered", "long"})
"""Why nothing can be said: its edition has no such message, no answer came, it was too long for the log."""
ENDS: Final = frozenset({"command.acked", "command.effective"})
"""Types of events that say that a terminal did what it was asked."""
FAILURES: Final = frozenset({"command.failed", "command.expired", "command.unknown", "command.rejected"})
CERTAIN: Final = frozenset({"refused", "invalid", "edition"})
"""Why a command fails where another try would not help."""


class SessionNow(Protocol):
    """What is needed of a session that is open: the edition that it speaks."""

    @property
    def version(self) -> int: ...


# --- one row ----------------------------------------------------------------------------------------------------------


Step = Literal["", "tell", "withdraw", "compare"]


def step_of(row: AreaRow) -> Step:
    """Return what is to be done next about a row; nothing while a command is on its way, or where it would not help."""
    if row.command:
        return ""
    if not row.kind:
        return "withdraw" if row.told_kind and row.verdict in ("", "full") else ""
    if not row.verdict:
        if row.told_kind not in ("", row.kind):
            return "withdraw"
        if row.told_revision != row.wanted_revision:
            return "tell"
    return "compare" if row.comparing else ""


def state_of(row: AreaRow) -> State:
    """Return what people are told of a row."""
    if row.doing == "tell":
        return "queued"
    if not row.kind:
        if row.verdict in ("refused", "unknown"):
            return row.verdict
        if row.told_kind:
            return "withdrawing"
        return "refused" if row.verdict == "full" else "withdrawn"
    if row.verdict in ("refused", "unknown", "differs"):
        return row.verdict
    is_told = row.told_kind == row.kind and row.told_revision == row.wanted_revision
    return "told" if is_told else "wanted"


def settle(row: AreaRow, now_ms: int) -> None:
    """Bring the state, since when it is so, and what is due into line with the rest of the row."""
    state = state_of(row)
    if state != row.state or not row.since_ms:
        row.state, row.since_ms = state, now_ms
    if not step_of(row):
        row.due_ms = NEVER_MS


def wish(row: AreaRow, kind: AreaKind, revision: int, now_ms: int, *, full: bool = False) -> bool:
    """Say what a terminal is to keep from now on; return whether that is something new.

    Args:
        kind: empty: nothing.
        full: it would be wanted if there were room.
    """
    if (row.kind, row.wanted_revision, row.verdict == "full") == (kind, revision, full):
        return False
    row.kind, row.wanted_revision = kind, revision
    row.verdict, row.reason = ("full", "full") if full else ("", "")
    row.attempts = 0
    row.compared_ms, row.differences, row.others = 0, (), ()
    row.comparing = row.comparing and bool(kind)
    row.due_ms = now_ms
    settle(row, now_ms)
    return True


def ask(row: AreaRow, step: Step, command: str, now_ms: int) -> None:
    """Note that a command is on its way."""
    row.doing, row.command = step, command
    row.asked_ms, row.asks = now_ms, row.asks + 1
    if step == "tell":
        row.asked_kind, row.asked_revision = row.kind, row.wanted_revision
        # From here on it may be there, whatever is heard of it.
        row.told_kind = row.kind
    settle(row, now_ms)


def answered(row: AreaRow, type_: str, progress: CommandProgress, now_ms: int) -> None:
    """Take what became of a row's command to tell or to withdraw."""
    doing, row.doing, row.command = row.doing, "", ""
    if type_ in ENDS:
        row.attempts = 0
        if row.verdict != "full":
            row.verdict, row.reason = "", ""
        if doing == "tell":
            row.told_kind, row.told_revision = row.asked_kind, row.asked_revision
        else:
            row.told_kind, row.told_revision = "", 0
        row.due_ms = now_ms
    elif progress.why in CERTAIN:
        row.attempts = 0
        if doing == "withdraw" and not row.told_revision:
            # It never confirmed that it has it, and says that it has not.
            row.told_kind = ""
            row.due_ms = now_ms
        elif doing == "tell" and row.told_revision:
            # Perhaps it has forgotten what it is to modify: then it takes it as a new one.
            row.told_revision = 0
            row.due_ms = now_ms
        elif (row.kind, row.wanted_revision) == (row.asked_kind, row.asked_revision) or doing == "withdraw":
            row.verdict, row.reason = "refused", progress.reason or progress.why
        else:
            row.due_ms = now_ms
    else:
        row.attempts += 1
        row.due_ms = now_ms + round(AREA_PAUSE_S * 1000 * 2 ** (row.attempts - 1))
        if row.attempts >= AREA_ATTEMPTS_MAX:
            row.verdict, row.reason = "unknown", progress.why or type_.removeprefix("command.")
    settle(row, now_ms)


def compared(row: AreaRow, differences: tuple[str, ...], others: tuple[int, ...], now_ms: int) -> None:
    """Take what a terminal said it keeps, or why it could not."""
    row.doing, row.command, row.comparing = "", "", False
    row.compared_ms, row.differences, row.others = now_ms, differences, others
    if not differences:
        row.verdict, row.reason, row.told_revision = "", "", row.wanted_revision
    elif not set(differences) & INCOMPARABLE and row.verdict != "refused":
        row.verdict, row.reason = "differs", ""
    row.due_ms = now_ms
    settle(row, now_ms)


def tried_again(row: AreaRow, now_ms: int) -> None:
    """Begin anew where a terminal refused, did not answer, or keeps something else."""
    row.verdict, row.reason, row.attempts, row.told_revision = "", "", 0, 0
    row.due_ms = now_ms
    settle(row, now_ms)


def come(row: AreaRow, now_ms: int) -> bool:
    """Take it that the terminal has logged in; return whether the row has changed."""
    if row.verdict == "unknown" and not row.command:
        # Once more: a terminal that comes and goes and never answers is asked once each time.
        row.verdict, row.reason, row.attempts = "", "", AREA_ATTEMPTS_MAX - 1
        row.due_ms = now_ms
    elif row.due_ms == NEVER_MS and step_of(row):
        row.due_ms = now_ms
    else:
        return False
    settle(row, now_ms)
    return True


# --- what a terminal is told ------------------------------------------------------------------------------------------


def attributes_of(fence: Geofence, rules: TerminalRules, lon: float, lat: float) -> int:
    """Return the attribute bits of an area (control.AREA_BITS).

    A route has the limit, and the hemisphere, at each of its points.
    """
    is_route = fence.area_kind == "route"
    bits = {
        0: rules.daily_from is not None or rules.from_ms is not None,
        1: rules.speed_kmh is not None and not is_route,
        2: rules.enter_driver,
        3: rules.enter_platform,
        4: rules.leave_driver,
        5: rules.leave_platform,
        6: lat < 0 and not is_route,
        7: lon < 0 and not is_route,
        8: rules.doors_shut,
        14: rules.radio_off,
        15: rules.detailed,
    }
    return sum(1 << bit for bit, is_set in bits.items() if is_set)


def hour_ms(hour: str) -> int:
    """Return '07:30' as milliseconds since midnight, as a time of every day stands in an area."""
    return (int(hour[:2]) * 60 + int(hour[3:])) * 60_000


def area_of(fence: Geofence) -> control.Circle | control.Rectangle | control.SetPolygon | control.SetRoute:
    """Return a fence as the area that its `area_kind` names; every field of every edition."""
    rules = fence.terminal or TerminalRules()
    match fence.kind:
        case "circle":
            points = [fence.geometry["centre"]]
        case "corridor":
            points = fence.geometry["coordinates"]
        case _:
            points = fence.geometry["coordinates"][0][:-1]
    lons, lats = ([round(abs(point[axis]) * 1e6) for point in points] for axis in (0, 1))
    lon, lat = (min((point[axis] for point in points), key=lambda value: (value >= 0, value)) for axis in (0, 1))
    start, end = rules.from_ms, rules.to_ms
    if rules.daily_from is not None and rules.daily_to is not None:
        start, end = hour_ms(rules.daily_from), hour_ms(rules.daily_to)
    is_limited = rules.speed_kmh is not None
    overspeed_s = OVERSPEED_S if rules.overspeed_s is None else rules.overspeed_s
    limits: dict[str, Any] = {
        "speed_kmh": rules.speed_kmh,
        "overspeed_s": overspeed_s if is_limited else None,
        "night_speed_kmh": (rules.night_speed_kmh or rules.speed_kmh) if is_limited else None,
    }
    common: dict[str, Any] = {
        "id": fence.id,
        "attributes": attributes_of(fence, rules, lon, lat),
        "start_ms": start,
        "end_ms": end,
        # What is not in GBK would be sent as bytes that a terminal shows as rubbish.
        "name": fence.name.encode("gbk", "replace").decode("gbk"),
    }
    if fence.area_kind == "route":
        width_m = round(fence.geometry["width_m"])
        # Every point begins a section; the last one's leads nowhere.
        turns = [
            control.RoutePoint(
                id=number,
                section_id=number,
                latitude=round(abs(point[1]) * 1e6),
                longitude=round(abs(point[0]) * 1e6),
                width_m=width_m,
                attributes=is_limited << 1 | (point[1] < 0) << 2 | (point[0] < 0) << 3,
                **limits,
            )
            for number, point in enumerate(points, 1)
        ]
        return control.SetRoute(points=tuple(turns), **common)
    common |= limits
    if fence.area_kind == "circle":
        radius_m = max(1, round(fence.geometry["radius_m"]))
        return control.Circle(latitude=lats[0], longitude=lons[0], radius_m=radius_m, **common)
    if fence.area_kind == "rectangle":
        # Upper and left are so on the map: in the south the upper latitude is the smaller number.
        upper, lower = (max(lats), min(lats)) if lat >= 0 else (min(lats), max(lats))
        left, right = (min(lons), max(lons)) if lon >= 0 else (max(lons), min(lons))
        return control.Rectangle(
            upper_latitude=upper, left_longitude=left, lower_latitude=lower, right_longitude=right, **common
        )
    vertices = tuple(control.Vertex(*corner) for corner in zip(lats, lons, strict=True))
    return control.SetPolygon(vertices=vertices, **common)


def set_body(fence: Geofence, *, again: bool) -> msgspec.Struct:
    """Return the message that tells a terminal of a fence, anew or another form of it."""
    setting = MODIFY if again else APPEND
    match area_of(fence):
        case control.Circle() as circle:
            return control.SetCircles(setting=setting, circles=(circle,))
        case control.Rectangle() as rectangle:
            return control.SetRectangles(setting=setting, rectangles=(rectangle,))
        case polygon_or_route:
            return polygon_or_route


def held(reply: object) -> dict[int, dict[str, Any]]:
    """Return the areas of a 0x0608 in plain values by their ids, in whichever of its readings it came."""
    found: dict[int, dict[str, Any]] = {}
    if isinstance(reply, Mapping):
        if "id" in reply and "attributes" in reply:
            return {reply["id"]: dict(reply)}
        reply = list(reply.values())
    if isinstance(reply, list | tuple):
        for value in reply:
            found |= held(value)
    return found


def differences_of(wanted: Mapping[str, Any], there: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the names of the fields in which an area on a terminal is another than it should be."""
    if there is None:
        return ("missing",)
    return tuple(name for name, value in wanted.items() if there.get(name) != value)


# --- all of them ------------------------------------------------------------------------------------------------------


class Areas:
    """Run `step` by core.follow.Errand.

    Args:
        log: the owner's.
        sessions: terminals that are logged in, with the edition they speak. Read from worker threads.
        areas_max: areas of one kind that a terminal holds.
    """

    def __init__(
        self,
        log: EventLog,
        sessions: Mapping[int, SessionNow],
        areas_max: int = AREAS_PER_TERMINAL_MAX,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._log = log
        self._sessions = sessions
        self._areas_max = areas_max
        self._now_ms = now_ms
        self._counts = Counter[str]()
        log.begin_at_head(ACTOR)

    def step(self) -> int:
        """Take what has come and ask for what is due; return how much that was. Blocks."""
        after = self._log.position(ACTOR)
        events, seq = self._log.follow(after, TYPES, EVENTS_AT_ONCE)
        if events:
            self._take(events, seq)
        elif seq - after >= EVENTS_AT_ONCE:
            # Nothing of ours: only now and then, or every event would cost a write.
            self._log.set_position(ACTOR, seq)
        return len(events) + self._ask()

    def statistics(self) -> dict[str, int]:
        """Return counts: commands asked for, and what came of them."""
        return {name: self._counts[name] for name in COUNTS}

    # --- what has come ---

    def _take(self, events: Sequence[Event], seq: int) -> None:
        fences, terminals, vehicles, came = _touched(events)
        # A fence for many terminals takes several transactions. Each can be done twice; the position comes with the
        # last, so that after a crash all are done again.
        with self._log.database.read() as connection:
            told = {one.fence: one for one in areas.told(connection)}
        for fence in sorted(fences):
            after = 0
            while True:
                with self._log.database.read() as connection:
                    there = areas.concerned(connection, told.get(fence), fence, after, AREA_TERMINALS_AT_ONCE)
                if there:
                    with self._log.transaction() as transaction:
                        self._wish(transaction.connection, there)
                    after = there[-1]
                if len(there) < AREA_TERMINALS_AT_ONCE:
                    break
        with self._log.transaction() as transaction:
            connection = transaction.connection
            terminals |= set(areas.terminals_of(connection, sorted(vehicles)))
            self._wish(connection, sorted(terminals))
            self._answers(connection, events)
            self._come(connection, sorted(came))
            for event in events:
                if event.type.startswith("area."):
                    self._asked(connection, event)
            areas.forget(connection, fences)
            transaction.set_position(ACTOR, seq)

    def _wish(self, connection: Connection, terminals: Sequence[int]) -> None:
        """Count out which fences these terminals are to keep, and note what is new."""
        if not terminals:
            return
        rows: dict[int, dict[int, AreaRow]] = defaultdict(dict)
        for row in areas.of_terminals(connection, terminals):
            rows[row.terminal][row.fence] = row
        told = areas.told(connection)
        if not told and not rows:
            return
        by_store: dict[tuple[int, int], list[Told]] = defaultdict(list)
        for one in told:
            by_store[one.group, one.store].append(one)
        now_ms = self._now_ms()
        new: list[AreaRow] = []
        changed: list[AreaRow] = []
        known = {target.terminal: target for target in areas.targets(connection, terminals)}
        for terminal in terminals:
            target = known.get(terminal)
            wanted = {} if target is None else self._wanted(target, by_store)
            for fence, (one, full) in wanted.items():
                assert target is not None
                there = rows[terminal].get(fence)
                row = there or AreaRow(
                    fence=fence, terminal=terminal, vehicle=target.vehicle, group=target.group, store=target.store
                )
                moved = _moved(row, target)
                kind: AreaKind = "" if full else one.kind
                if wish(row, kind, 0 if full else one.revision, now_ms, full=full) or moved or there is None:
                    settle(row, now_ms)
                    (new if there is None else changed).append(row)
            for fence, row in rows[terminal].items():
                if fence not in wanted:
                    moved = target is not None and _moved(row, target)
                    if wish(row, "", 0, now_ms) or moved:
                        changed.append(row)
        areas.save(connection, new, changed)

    def _wanted(
        self, target: Target, by_store: Mapping[tuple[int, int], Sequence[Told]]
    ) -> dict[int, tuple[Told, bool]]:
        """Return the fences that are for a terminal by id, and whether there is no room for them."""
        if not target.in_service:
            return {}
        stores = {0, target.store}
        mine = [
            one
            for store in stores
            for one in by_store.get((target.group, store), ())
            if one.vehicles is None or target.vehicle in one.vehicles
        ]
        counts = Counter[AreaKind]()
        wanted: dict[int, tuple[Told, bool]] = {}
        for one in sorted(mine):
            counts[one.kind] += 1
            wanted[one.fence] = one, counts[one.kind] > self._areas_max
        return wanted

    def _come(self, connection: Connection, terminals: Sequence[int]) -> None:
        now_ms = self._now_ms()
        rows = areas.of_terminals(connection, terminals)
        areas.save(connection, (), [row for row in rows if come(row, now_ms)])

    def _answers(self, connection: Connection, events: Sequence[Event]) -> None:
        """Take the ends of our commands."""
        ends = {
            event.payload.command: event
            for event in events
            if event.type in ENDS | FAILURES and isinstance(event.payload, CommandProgress)
        }
        by_command: dict[str, list[AreaRow]] = defaultdict(list)
        for row in areas.of_commands(connection, sorted(ends)):
            by_command[row.command].append(row)
        for command, rows in by_command.items():
            self._end(connection, rows, ends[command])

    def _end(self, connection: Connection, rows: Sequence[AreaRow], event: Event) -> None:
        now_ms = self._now_ms()
        progress: CommandProgress = event.payload
        if rows[0].doing == "compare":
            if event.type == "command.acked":
                # Its answer proper is still to come.
                return
            self._compare(connection, rows, event)
        else:
            for row in rows:
                doing = row.doing
                answered(row, event.type, progress, now_ms)
                done = event.type in ENDS
                self._counts[("told" if doing == "tell" else "withdrawn") if done else "failed"] += 1
        areas.save(connection, (), rows)
        areas.forget(connection, [row.fence for row in rows if row.state == "withdrawn"])

    def _compare(self, connection: Connection, rows: Sequence[AreaRow], event: Event) -> None:
        now_ms = self._now_ms()
        progress: CommandProgress = event.payload
        self._counts["compared"] += 1
        if event.type not in ENDS:
            for row in rows:
                compared(row, ("edition" if progress.why == "edition" else "unanswered",), (), now_ms)
            return
        if not progress.reply:
            for row in rows:
                compared(row, ("long",), (), now_ms)
            return
        there = held(progress.reply)
        ours = {row.fence for row in areas.of_terminals(connection, [rows[0].terminal])}
        others = tuple(sorted(set(there) - ours))
        drawn = areas.fences(connection, [row.fence for row in rows])
        for row in rows:
            fence = drawn.get(row.fence)
            if fence is None or fence.area_revision != row.wanted_revision or row.told_kind != row.kind:
                # Changed meanwhile: it is told anew in any case.
                row.doing, row.command, row.comparing, row.due_ms = "", "", False, now_ms
                settle(row, now_ms)
                continue
            compared(row, differences_of(to_plain(area_of(fence)), there.get(row.fence)), others, now_ms)

    def _asked(self, connection: Connection, event: Event) -> None:
        """Do what a person asks for: compare, or try again."""
        order = event.payload
        now_ms = self._now_ms()
        after = 0
        while True:
            rows = areas.of_fence(
                connection, order.fence_id, order.terminal, order.stores, after, AREA_TERMINALS_AT_ONCE
            )
            changed = []
            for row in rows:
                if event.type == "area.retry.requested":
                    if row.verdict in ("refused", "unknown", "differs") and not row.command:
                        tried_again(row, now_ms)
                        changed.append(row)
                elif row.kind and row.told_kind == row.kind and not row.comparing:
                    row.comparing = True
                    row.due_ms = min(row.due_ms, now_ms)
                    settle(row, now_ms)
                    changed.append(row)
            areas.save(connection, (), changed)
            if len(rows) < AREA_TERMINALS_AT_ONCE:
                return
            after = rows[-1].terminal

    # --- what is due ---

    def _ask(self) -> int:
        """Ask for the commands that are due, as many as may be on their way; return how many rows were looked at."""
        now_ms = self._now_ms()
        with self._log.database.read() as connection:
            room = AREA_COMMANDS_MAX - areas.in_the_air(connection)
            late = areas.lost(connection, now_ms - round(AREA_COMMAND_LOST_S * 1000), ROWS_AT_ONCE)
            rows = areas.due(connection, now_ms, ROWS_AT_ONCE) if room > 0 else []
        if not rows and not late:
            return 0
        with self._log.transaction() as transaction:
            # Read again: what was read before may be past.
            connection = transaction.connection
            late = areas.lost(connection, now_ms - round(AREA_COMMAND_LOST_S * 1000), ROWS_AT_ONCE)
            for row in late:
                if row.doing == "compare":
                    compared(row, ("unanswered",), (), now_ms)
                else:
                    answered(
                        row, "command.unknown", CommandProgress(command=row.command, vehicle_id=row.vehicle), now_ms
                    )
            areas.save(connection, (), late)
            rows = areas.due(connection, now_ms, ROWS_AT_ONCE) if room > 0 else []
            changed = self._ask_for(transaction, rows, room, now_ms)
            areas.save(connection, (), changed)
        return len(late) + len(changed)

    def _ask_for(self, transaction: LogTransaction, rows: Sequence[AreaRow], room: int, now_ms: int) -> list[AreaRow]:
        """Return the rows that are no longer due: a command is on its way, or their terminal is awaited."""
        drawn = areas.fences(transaction.connection, {row.fence for row in rows})
        changed: dict[tuple[int, int], AreaRow] = {}
        busy: set[int] = set()
        commands: list[Event] = []
        for row in rows:
            session = self._sessions.get(row.terminal)
            step = step_of(row)
            key = row.fence, row.terminal
            if key in changed or (row.terminal in busy and step):
                continue
            changed[key] = row
            if session is None or not step:
                row.due_ms = NEVER_MS
            elif step == "compare" and session.version < QUERY_SINCE:
                compared(row, ("edition",), (), now_ms)
            elif len(commands) >= room:
                del changed[key]
                break
            else:
                busy.add(row.terminal)
                together = [row]
                ids: tuple[int, ...] = ()
                if step == "compare":
                    together, ids = self._asked_together(transaction.connection, row)
                commands.append(self._command(drawn.get(row.fence), row, step, ids, now_ms))
                for one in together:
                    ask(one, step, commands[-1].id, now_ms)
                    changed[one.fence, one.terminal] = one
        transaction.append(commands)
        self._counts["asked"] += len(commands)
        return list(changed.values())

    def _asked_together(self, connection: Connection, row: AreaRow) -> tuple[list[AreaRow], tuple[int, ...]]:
        """Return the rows that one question answers, and which ids it names; none: all areas of the kind.

        An answer of many corners would be too long for the log: then it is one area after another.
        """
        kin = [one for one in areas.of_terminals(connection, [row.terminal]) if one.told_kind == row.told_kind]
        drawn = areas.fences(connection, [one.fence for one in kin])
        if sum(len(msgspec.json.encode(to_plain(area_of(fence)))) for fence in drawn.values()) > REPLY_BYTES:
            return [row], (row.fence,)
        return [one for one in kin if step_of(one) == "compare"], ()

    def _command(self, fence: Geofence | None, row: AreaRow, step: Step, ids: tuple[int, ...], now_ms: int) -> Event:
        match step:
            case "withdraw":
                message, body = DELETE[row.told_kind], control.DeleteAreas((row.fence,))
            case "compare":
                message, body = QUERY, control.QueryAreas(KIND_NUMBERS[row.told_kind], ids)  # type: ignore[assignment]
            case _:
                assert fence is not None
                message, body = SET[row.kind], set_body(fence, again=row.told_revision > 0)  # type: ignore[assignment]
        subject = f"vehicle:{row.vehicle}"
        return Event(
            # Counted in the row, which is written with it: a repeat of this transaction asks for the same.
            id=derive_id(ACTOR, step, 1, (), f"{row.fence}:{row.terminal}:{row.asks + 1}"),
            type="command.requested",
            time_ms=now_ms,
            subject=subject,
            group=row.group,
            store=row.store,
            actor=ACTOR,
            depth=1,
            payload=CommandRequested(
                vehicle_id=row.vehicle,
                message=f"0x{message:04X}",
                fields=to_plain(body),
                expires_ms=now_ms + round(AREA_COMMAND_EXPIRES_S * 1000),
                terminal=row.terminal,
            ),
        )


COUNTS: Final = ("asked", "told", "withdrawn", "compared", "failed")


def _moved(row: AreaRow, target: Target) -> bool:
    """Note which car a terminal speaks for, and whose that is; return whether it is another."""
    now = (target.vehicle, target.group, target.store)
    if (row.vehicle, row.group, row.store) == now:
        return False
    row.vehicle, row.group, row.store = now
    return True


def _touched(events: Iterable[Event]) -> tuple[set[int], set[int], set[int], Collection[int]]:
    """Return fences, terminals and cars whose areas are to be counted out anew, and terminals that have logged in."""
    fences: set[int] = set()
    terminals: set[int] = set()
    vehicles: set[int] = set()
    came: set[int] = set()
    for event in events:
        match event.type:
            case "geofence.saved" | "geofence.removed":
                fences.add(event.payload.fence_id)
            case "terminal.session.opened":
                came.add(event.payload.terminal)
            case (
                "terminal.registered" | "terminal.entered" | "terminal.bound" | "terminal.unbound" | "terminal.retired"
            ):
                terminals.add(event.payload.terminal)
            case "vehicle.changed":
                vehicles.add(event.payload.vehicle_id)
    return fences, terminals, vehicles, came
