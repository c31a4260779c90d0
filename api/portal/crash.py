"""The crash card on the page of a crash: its stages, the minutes around it on a map and over time, what speaks for and
against it, what the data cannot show, and what else happened then.

The figures over time are those that detection judged: read of the stored items by the same kernel.
"""

from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from markupsafe import Markup

from api.parts import Parts
from api.portal.happenings import crash_said, evidence_figure, look_of, title_of
from api.portal.render import Words
from core.events import CrashCleared, CrashConfirmed, CrashJudged, Event
from core.rights import Principal
from protocols.jt808.kernels import read_stored_items
from protocols.report import ACCELERATION_NONE_MG, FLAGS_NO_POSITION

AROUND_MS: Final = 5 * 60_000
"""The track before and after the impact."""
POINTS_MAX: Final = 2_000
"""Reports of those ten minutes: one a second, of up to three terminals."""
BEFORE_S: Final = 40
AFTER_S: Final = 80
AFTER_S_MAX: Final = 300
"""What is shown over time: so long before the impact, and after it until the last evidence."""
STAGES_LOOKED_MAX: Final = 20
"""Events of crashes of the car that are looked through for those of one episode: they follow one another closely."""
OTHERS_MAX: Final = 20

WIDTH, LEFT, RIGHT = 760.0, 46.0, 40.0
SPEED_TOP, SPEED_FOOT = 58.0, 178.0
FORCE_TOP, FORCE_FOOT = 196.0, 286.0
HEIGHT: Final = 310.0
MARK_ROWS: Final = 3
"""Rows of numbers above the lines: evidence of one second stands one above the other."""


class Mark(NamedTuple):
    """One piece of evidence: in the list, and where it stands over time."""

    number: int
    kind: str
    name: str
    figure: str
    weight: int
    counted: int
    after: str
    x: float
    y: float


class Tick(NamedTuple):
    """One line of an axis."""

    at: float
    said: str


class Stage(NamedTuple):
    """One step of the episode."""

    icon: str
    kind: str
    what: str
    when: Markup
    more: str
    href: str
    current: bool


class Chart(NamedTuple):
    """Speed and acceleration over time, as an SVG draws them."""

    width: float
    height: float
    impact_x: float
    speed: str
    """Path of the speed, in pieces where reports are missing."""
    forces: list[tuple[float, float]]
    """(x, y) of each acceleration's top."""
    speeds: list[Tick]
    gs: list[Tick]
    seconds: list[Tick]
    has_forces: bool


class Card(NamedTuple):
    """All that the card shows."""

    crash: CrashJudged
    stage: str
    icon: str
    kind: str
    sure: int
    severity: str
    said: str
    facts: list[tuple[str, Markup | str]]
    stages: list[Stage]
    marks: list[Mark]
    against: list[str]
    blind: list[str]
    chart: Chart | None
    map: dict[str, Any]
    others: list[tuple[str, Markup, str]]
    reports: int


def suspicion_of(event: Event) -> str:
    """Return the id of the suspicion that an event of a crash is about: its own, or the one it settled."""
    if isinstance(event.payload, CrashConfirmed | CrashCleared):
        return event.payload.suspicion
    return event.id


def card_of(parts: Parts, principal: Principal, event: Event, words: Words) -> Card | None:
    """Return the card of a crash; None for any other event. Blocks."""
    crash = event.payload
    if not isinstance(crash, CrashJudged):
        return None
    mine = suspicion_of(event)
    # By number, not by time: what is told late is in the log late.
    first = event if event.id == mine else parts.reader.event(principal, mine) or event
    later = parts.reader.events(
        principal, first.seq - 1, types=("crash.",), subjects=[event.subject], limit=STAGES_LOOKED_MAX
    ).items
    episode = [one for one in later if isinstance(one.payload, CrashJudged) and suspicion_of(one) == mine] or [event]
    calls = parts.reader.events(
        principal,
        types=("sos.",),
        subjects=[event.subject],
        from_ms=crash.impact_ms - AROUND_MS,
        to_ms=crash.impact_ms + AROUND_MS,
        limit=OTHERS_MAX,
    ).items
    others = [(f"/events/{one.seq}", words.time(one.time_ms, "second"), title_of(one.type, words)) for one in calls]
    # The last word stands on the card, whichever stage was opened; evidence is only ever added.
    last = episode[-1]
    assert isinstance(last.payload, CrashJudged)
    found = None
    if principal.may("positions.read"):
        found = parts.reader.recorded(
            principal, crash.vehicle_id, crash.impact_ms - AROUND_MS, crash.impact_ms + AROUND_MS, POINTS_MAX
        )
    rows = np.zeros(0) if found is None else found.rows
    if found is not None and len(rows):
        items = np.frombuffer(found.items, np.uint8)
        read_stored_items(rows.ctypes.data, len(rows), items.ctypes.data, len(items))
    until_s = min(
        AFTER_S_MAX, max([AFTER_S, *(_after_s(last.payload, one.time_ms) + 10 for one in last.payload.evidence)])
    )
    look = look_of(last.type)
    return Card(
        crash=last.payload,
        stage=title_of(last.type, words),
        icon=look.icon,
        kind=look.kind,
        sure=last.payload.confidence_percent,
        severity=words.t(f"crash_severity_{last.payload.severity}"),
        said=crash_said(last.payload, words) if isinstance(last.payload, CrashCleared) else "",
        facts=_facts(last.payload, words),
        stages=[_stage(one, event, words) for one in episode],
        marks=_marks(last.payload, until_s, words),
        against=[words.or_text(f"crash_against_{one}", one) for one in last.payload.against],
        blind=[words.or_text(f"crash_blind_{one}", one) for one in (*last.payload.blind, "cause")],
        chart=_chart(last.payload, rows, until_s, words) if len(rows) else None,
        map=_map(last.payload, rows),
        others=others,
        reports=len(rows),
    )


def _after_s(crash: CrashJudged, time_ms: int) -> int:
    return (time_ms - crash.impact_ms) // 1000


def _facts(crash: CrashJudged, words: Words) -> list[tuple[str, Markup | str]]:
    def speed(value: int | None) -> str:
        return "–" if value is None else words.t("event_kmh", n=words.number(value / 10))

    peak = "–" if crash.peak_mg is None else words.t("crash_figure_g", n=words.number(crash.peak_mg / 1000, 1))
    return [
        (words.t("event_field_impact_ms"), words.time(crash.impact_ms)),
        (words.t("event_field_speed_before_kmh10"), speed(crash.speed_before_kmh10)),
        (words.t("crash_speed_at"), speed(crash.speed_kmh10)),
        (words.t("event_field_peak_mg"), peak),
    ]


def _stage(one: Event, event: Event, words: Words) -> Stage:
    look = look_of(one.type)
    crash = one.payload
    assert isinstance(crash, CrashJudged)
    more = words.t("crash_sure", n=crash.confidence_percent)
    if isinstance(crash, CrashCleared):
        more = crash_said(crash, words)
    if isinstance(crash, CrashConfirmed):
        more = f"{more} · {words.t('crash_figure_stopped', time=words.duration(crash.after_s))}"
    return Stage(
        look.icon,
        look.kind,
        title_of(one.type, words),
        words.time(one.time_ms),
        more,
        "" if one.seq == event.seq else f"/events/{one.seq}",
        one.seq == event.seq,
    )


def _x(after_s: float, until_s: int) -> float:
    share = (after_s + BEFORE_S) / (until_s + BEFORE_S)
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _marks(crash: CrashJudged, until_s: int, words: Words) -> list[Mark]:
    """Return the evidence in the order of its time, numbered; numbers that would touch go one above the other."""
    marks: list[Mark] = []
    ends = [-1e9] * MARK_ROWS
    for number, one in enumerate(sorted(crash.evidence, key=lambda one: one.time_ms), 1):
        after_s = _after_s(crash, one.time_ms)
        x = _x(min(after_s, until_s), until_s)
        row = next((row for row, end in enumerate(ends) if x - end >= 18), int(np.argmin(ends)))
        if x - ends[row] < 18:
            x = ends[row] + 18
        ends[row] = x
        marks.append(
            Mark(
                number,
                one.kind,
                words.or_text(f"crash_evidence_{one.kind}", one.kind),
                evidence_figure(one, words),
                one.weight_percent,
                one.counted_percent,
                words.t("crash_after", n=after_s) if after_s else words.t("crash_at_impact"),
                x,
                10.0 + 16.0 * row,
            )
        )
    return marks


def _chart(crash: CrashJudged, rows: np.ndarray, until_s: int, words: Words) -> Chart:
    """Return the lines: each report of the span, apart where none came for longer than twice the usual."""
    after_s = (rows["time_ms"] - crash.impact_ms) / 1000
    shown = (after_s >= -BEFORE_S) & (after_s <= until_s)
    times, rows = after_s[shown], rows[shown]
    usable = rows["flags"] & FLAGS_NO_POSITION == 0
    kmh_max = max(20.0, float(np.ceil(rows["speed_kmh10"][usable].max(initial=0) / 200) * 20))
    forces = rows["acceleration_mg"] != ACCELERATION_NONE_MG
    g_max = max(4.0, float(np.ceil(rows["acceleration_mg"][forces].max(initial=0) / 4000) * 4))
    gap_s = max(5.0, 2.5 * float(np.median(np.diff(times[usable]))) if usable.sum() > 2 else 60.0)
    path, before_s = [], -1e9
    for at_s, speed in zip(times[usable].tolist(), rows["speed_kmh10"][usable].tolist(), strict=True):
        y = SPEED_FOOT - (speed / 10) / kmh_max * (SPEED_FOOT - SPEED_TOP)
        path.append(f"{'L' if at_s - before_s <= gap_s else 'M'}{_x(at_s, until_s)} {y:.1f}")
        before_s = at_s
    tops = [
        (_x(at_s, until_s), round(FORCE_FOOT - min(mg / 1000, g_max) / g_max * (FORCE_FOOT - FORCE_TOP), 1))
        for at_s, mg in zip(times[forces].tolist(), rows["acceleration_mg"][forces].tolist(), strict=True)
    ]
    step_s = 20 if until_s + BEFORE_S <= 180 else 60
    first_s = -(BEFORE_S // step_s) * step_s
    return Chart(
        width=WIDTH,
        height=HEIGHT,
        impact_x=_x(0, until_s),
        speed=" ".join(path),
        forces=tops,
        speeds=[
            Tick(SPEED_FOOT - share * (SPEED_FOOT - SPEED_TOP), words.number(kmh_max * share))
            for share in (0.0, 0.5, 1.0)
        ],
        gs=[
            Tick(FORCE_FOOT - share * (FORCE_FOOT - FORCE_TOP), words.number(g_max * share))
            for share in (0.0, 0.5, 1.0)
        ],
        seconds=[
            Tick(_x(s, until_s), words.t("crash_seconds", n=f"{s:+d}" if s else "0"))
            for s in range(first_s, until_s + 1, step_s)
        ],
        has_forces=bool(forces.any()),
    )


def _map(crash: CrashJudged, rows: np.ndarray) -> dict[str, Any]:
    """Return what the map draws: the ways before and after, and the place, as longitude and latitude."""
    before: list[list[float]] = []
    after: list[list[float]] = []
    if len(rows):
        usable = rows[rows["flags"] & FLAGS_NO_POSITION == 0]
        places = np.stack([usable["lon_1e7"] / 1e7, usable["lat_1e7"] / 1e7], axis=1).round(6)
        before = places[usable["time_ms"] <= crash.impact_ms].tolist()
        after = [*before[-1:], *places[usable["time_ms"] > crash.impact_ms].tolist()]
    return {
        "before": before,
        "after": after,
        "place": [crash.lon_1e7 / 1e7, crash.lat_1e7 / 1e7],
        "exact": crash.has_fix,
    }


def map_json(card: Card) -> str:
    """Return what the island is told, as JSON."""
    return msgspec.json.encode(card.map).decode()
