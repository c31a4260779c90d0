"""Replay: judge stored reports again, by the rules in force and by others, and say what would differ.

Two detections read the same reports side by side in the order in which they came, each with a vehicle table of its own;
nothing of it touches the live state or the log. What one finds and the other does not is gained or lost; a lost and a
gained fact of one car, kind and place a few minutes apart are one that moved. Both are compared with the log as well.

It is as exact as what is kept allows, and says so (core.outcome.CAVEATS): fences, arming and owners are today's, state
begins empty a warm-up before the span, and a report that came twice stands where it came last.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec
import numpy as np

from actors.detection import Detection
from actors.detectors import DETECTORS
from core import limits
from core.events import Event
from core.limits import SWEEP_LAG_MS
from core.outcome import Counts, Difference, Outcome, Span
from core.rules import RULES, GroupRule, Rules
from core.thresholds import Value, rule_with
from core.vehicle_table import VehicleTable
from protocols.jt808.kernels import read_stored_items
from storage.clickhouse import ReportsAsked, ReportsFound

MOVED_MS: Final = 10 * 60_000
"""A lost and a gained fact at most so far apart are one that moved."""
ALIVE_MS: Final = 60_000
"""Where nothing came for so long, detection is told the time all the same: as a node does that is up."""
_MARKS: Final = ("fence_id", "kind", "evidence", "other_vehicle_id", "terminal")
"""Fields of a payload that tell facts of one type and car from one another."""


class ReplayError(Exception):
    """It cannot be done: nothing to judge, or more facts than are held."""


class CancelledError(Exception):
    """Whoever asked does not want it any more."""


class Progress(NamedTuple):
    """How far it has come."""

    reports: int
    arrival_ms: int
    share: float
    """From 0 to 1, by time."""


class Log(Protocol):
    """What is needed of storage.eventlog.EventLog."""

    def of_time(self, type_: str, from_ms: int, to_ms: int, after_seq: int = 0, limit: int = ...) -> list[Event]: ...
    def first_since(self, arrival_ms: int) -> int: ...


class Ground(NamedTuple):
    """What reports are judged on."""

    read: Callable[[ReportsAsked], ReportsFound]
    make: Callable[[VehicleTable, Rules], Detection]
    """Detection as a node has it: with the fences, and whatever else detectors are made from, as they are today."""
    owners: Iterable[tuple[int, int, int]]
    """(vehicle, group, store)."""
    rules: list[GroupRule]
    """In force."""
    log: Log


class Fact(NamedTuple):
    """What is kept of an event, to compare it."""

    type: str
    time_ms: int
    vehicle_id: int
    mark: str
    group: int
    said: int
    """A hash of its payload but for the version of the rules."""
    version: int | None
    """Of the rules that it was judged by; None where it does not say."""


def types_of(detector: str) -> tuple[str, ...]:
    """Return the types of events that a detector's thresholds decide; of one that only prepares reports, all.

    Raises:
        KeyError: there is no such detector.
    """
    found = {row.name: tuple(row.events) for row in DETECTORS}
    if detector not in found and detector not in RULES:
        raise KeyError(detector)
    return found.get(detector) or tuple(sorted({type_ for types in found.values() for type_ in types}))


def changed_rules(own: Iterable[GroupRule], detector: str, values: Mapping[str, Value], group: int = 0) -> Rules:
    """Return the rules in force with some thresholds of one detector changed.

    Args:
        own: what groups have set.
        group: change this group's only; 0: every group's.

    Raises:
        ThresholdFaultError: a value does not fit, by itself or beside the others.
    """
    kept = list(own)
    present = {row.group: row for row in kept if row.detector == detector}
    # Groups that have set nothing are judged by the defaults, which cannot be changed: each gets a row of its own.
    groups = range(limits.RULE_GROUPS_MAX) if group == 0 else (group,)
    fresh: dict[int, GroupRule] = {}
    made: dict[str, msgspec.Struct] = {}
    for number in groups:
        row = present.get(number)
        before = msgspec.structs.asdict(row.rule) if row else {}
        name = str(before)
        if name not in made:
            made[name] = rule_with(detector, {**before, **values})
        fresh[number] = GroupRule(number, detector, row.version if row else 0, made[name])
    others = [row for row in kept if row.detector != detector or row.group not in fresh]
    return Rules([*others, *fresh.values()])


def replay(
    ground: Ground,
    detector: str,
    values: Mapping[str, Value],
    span: Span,
    tell: Callable[[Progress], object] = lambda progress: None,
) -> Outcome:
    """Judge the reports of a span twice and compare. Blocks; as long as reading them takes.

    Args:
        values: thresholds of the detector that are changed; none: only the rules in force are judged, for the log.
        tell: called after each page of reports. Raise CancelledError in it to end the replay.

    Raises:
        KeyError: there is no such detector.
        ThresholdFaultError: a value does not fit.
        ReplayError: more facts than are held.
        StorageError: a store is away.
    """
    types = types_of(detector)
    sides = [_Side(ground, Rules(ground.rules), types, span)]
    if values:
        sides.append(_Side(ground, changed_rules(ground.rules, detector, values, span.group), types, span))
    reports = 0
    first_ms, last_ms = span.from_ms - span.warm_up_ms, span.to_ms + span.late_ms
    for found in pages(ground.read, first_ms, last_ms, span.vehicle_id):
        for side in sides:
            side.judge(found.rows)
        reports += len(found.rows)
        arrival_ms = int(found.rows[-1]["arrival_ms"])
        tell(Progress(reports, arrival_ms, (arrival_ms - first_ms) / max(1, last_ms - first_ms)))
    for side in sides:
        side.advance(last_ms)
    tell(Progress(reports, last_ms, 1.0))
    logged = _logged(ground.log, types, span)
    return _outcome(detector, dict(values), span, reports, logged, sides[0].facts, sides[-1].facts, ground.rules)


def pages(
    read: Callable[[ReportsAsked], ReportsFound], from_ms: int, to_ms: int, vehicle_id: int = 0
) -> Iterator[ReportsFound]:
    """Yield the reports that arrived in from_ms <= arrival_ms < to_ms, in order, with what their items say."""
    after = None
    while True:
        found = read(ReportsAsked(from_ms=from_ms, to_ms=to_ms, after=after, vehicle_id=vehicle_id))
        if not len(found.rows):
            return
        after = found.place
        # What the place is behind was read: the search need not begin at the span's first day again.
        from_ms = after[0]
        # Stored are the bytes of the items, not what detection reads of them.
        items = np.frombuffer(found.items or b"\0", np.uint8)
        read_stored_items(found.rows.ctypes.data, len(found.rows), items.ctypes.data, len(found.items))
        yield found
        if len(found.rows) < limits.REPLAY_ROWS:
            return


class _Side:
    """One detection and what it finds."""

    def __init__(self, ground: Ground, rules: Rules, types: tuple[str, ...], span: Span) -> None:
        self._table = VehicleTable()
        for vehicle_id, group, store in ground.owners:
            self._table.group[vehicle_id], self._table.store[vehicle_id] = group, store
        self._detection = ground.make(self._table, rules)
        self._types = frozenset(types)
        self._span = span
        self._heard_ms = 0
        self.facts: dict[str, Fact] = {}

    def judge(self, rows: np.ndarray) -> None:
        arrival_ms = rows["arrival_ms"]
        start = 0
        # Where nobody said anything for a while, a node that is up looks at the clock.
        quiet = np.flatnonzero(np.diff(arrival_ms, prepend=self._heard_ms or arrival_ms[0]) > ALIVE_MS)
        for end in [*quiet.tolist(), len(rows)]:
            if end > start:
                part = rows[start:end]
                self._table.update_positions(part)
                # A copy: detection marks rows, and the other side reads them as well.
                self._keep(self._detection.judge(part.copy()))
                self._heard_ms = int(part[-1]["arrival_ms"])
            if end < len(rows):
                self.advance(int(arrival_ms[end]))
            start = end

    def advance(self, to_ms: int) -> None:
        """Say the time up to to_ms as a node does that hears nothing."""
        while self._heard_ms and self._heard_ms + ALIVE_MS < to_ms:
            self._heard_ms += ALIVE_MS
            self._keep(self._detection.advance(self._heard_ms + SWEEP_LAG_MS))

    def _keep(self, events: list[Event]) -> None:
        span = self._span
        for event in events:
            if event.type in self._types and _is_in(event, span):
                self.facts[event.id] = fact_of(event)
        if len(self.facts) > limits.REPLAY_FACTS_MAX:
            raise ReplayError(f"more than {limits.REPLAY_FACTS_MAX} facts: choose a shorter span, or one vehicle")


def _is_in(event: Event, span: Span) -> bool:
    return (
        span.from_ms <= event.time_ms < span.to_ms
        and span.group in (0, event.group)
        and span.vehicle_id in (0, _vehicle_of(event))
    )


def _vehicle_of(event: Event) -> int:
    kind, _, number = event.subject.partition(":")
    return int(number) if kind == "vehicle" and number.isdecimal() else 0


def fact_of(event: Event) -> Fact:
    """Return what is compared of an event."""
    said: dict[str, Any] = msgspec.to_builtins(event.payload) if event.payload is not None else {}
    mark = next((f"{name} {said[name]}" for name in _MARKS if said.get(name) not in (None, "", 0)), "")
    version = said.pop("rule_version", None)
    digest = hash(msgspec.json.encode(said))
    return Fact(event.type, event.time_ms, _vehicle_of(event), mark, event.group, digest, version)


def _logged(log: Log, types: Iterable[str], span: Span) -> dict[str, Fact]:
    """Return the facts of the span that the log holds."""
    found: dict[str, Fact] = {}
    # A terminal's clock may be ahead of ours by a day before its time is not believed.
    start = log.first_since(span.from_ms - 86_400_000)
    for type_ in types:
        seq = start
        while page := log.of_time(type_, span.from_ms, span.to_ms, seq, limits.EVENTS_READ_MAX):
            seq = page[-1].seq
            found |= {event.id: fact_of(event) for event in page if event.actor == "detection" and _is_in(event, span)}
            if len(found) > limits.REPLAY_FACTS_MAX:
                raise ReplayError(
                    f"the log holds more than {limits.REPLAY_FACTS_MAX} such facts: choose a shorter span"
                )
            if len(page) < limits.EVENTS_READ_MAX:
                break
    return found


def differences(
    present: Mapping[str, Fact], changed: Mapping[str, Fact], logged: Iterable[str] = ()
) -> list[Difference]:
    """Return what differs between two sets of facts by id, by time.

    A fact with the same id is the same one; where it says something else it is altered. Of what only one of them has, a
    lost and the nearest gained one of the same type, car and mark are one that moved, if at most MOVED_MS apart.
    """
    known = frozenset(logged)
    found = []
    lost: dict[tuple[str, int, str], list[tuple[int, str]]] = {}
    for id_, fact in present.items():
        if id_ not in changed:
            lost.setdefault((fact.type, fact.vehicle_id, fact.mark), []).append((fact.time_ms, id_))
        elif changed[id_].said != fact.said:
            found.append(_difference("altered", id_, fact, known))
    for id_, fact in sorted(changed.items(), key=lambda item: (item[1].time_ms, item[0])):
        if id_ in present:
            continue
        waiting = lost.get((fact.type, fact.vehicle_id, fact.mark), [])
        nearest = min(waiting, key=lambda one: (abs(one[0] - fact.time_ms), one), default=None)
        if nearest is None or abs(nearest[0] - fact.time_ms) > MOVED_MS:
            found.append(_difference("gained", id_, fact, known))
            continue
        waiting.remove(nearest)
        moved = _difference("moved", nearest[1], fact, known)
        found.append(msgspec.structs.replace(moved, before_ms=nearest[0]))
    for waiting in lost.values():
        found += [_difference("lost", id_, present[id_], known) for _, id_ in waiting]
    return sorted(found, key=lambda one: (one.time_ms, one.vehicle_id, one.type, one.event_id))


def _difference(
    what: Literal["gained", "lost", "moved", "altered"], id_: str, fact: Fact, logged: frozenset[str]
) -> Difference:
    return Difference(
        what=what,
        type=fact.type,
        vehicle_id=fact.vehicle_id,
        time_ms=fact.time_ms,
        mark=fact.mark,
        event_id=id_,
        logged=id_ in logged,
    )


def _outcome(
    detector: str,
    values: dict[str, Value],
    span: Span,
    reports: int,
    logged: Mapping[str, Fact],
    present: Mapping[str, Fact],
    changed: Mapping[str, Fact],
    own: Iterable[GroupRule],
) -> Outcome:
    between = differences(present, changed, logged)
    log_only = [_difference("lost", id_, fact, frozenset(logged)) for id_, fact in logged.items() if id_ not in present]
    log_only.sort(key=lambda one: (one.time_ms, one.vehicle_id, one.type))
    counted = Counter((one.type, one.what) for one in between)
    counts = {}
    for type_ in types_of(detector):
        sides = [{id_ for id_, fact in side.items() if fact.type == type_} for side in (logged, present, changed)]
        if not any(sides):
            continue
        counts[type_] = Counts(
            logged=len(sides[0]),
            present=len(sides[1]),
            changed=len(sides[2]),
            gained=counted[type_, "gained"],
            lost=counted[type_, "lost"],
            moved=counted[type_, "moved"],
            altered=counted[type_, "altered"],
            log_only=len(sides[0] - sides[1]),
            replay_only=len(sides[1] - sides[0]),
        )
    versions = {row.group: row.version for row in own if row.detector == detector}
    others = [fact for fact in logged.values() if fact.version not in (None, versions.get(fact.group, 0))]
    return Outcome(
        detector=detector,
        values=values,
        span=span,
        reports=reports,
        counts=counts,
        differences=between[: limits.REPLAY_LISTED_MAX],
        differences_all=len(between),
        log_only=log_only[: limits.REPLAY_LISTED_MAX],
        other_versions=len(others),
    )
