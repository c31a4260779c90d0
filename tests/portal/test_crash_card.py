"""The crash card: what the page of a crash shows, and to whom."""

from html import unescape
from typing import Any

import msgspec
import numpy as np
from litestar.testing import TestClient

from core.events import CrashCleared, CrashEvidence, CrashSuspected, Event, derive_id
from protocols.report import FLAG_NO_FIX, ODOMETER_NONE, REPORT
from simulators.terminals import sensors
from storage.clickhouse import ReportsFound
from tests.api.conftest import NOW_MS, Node
from tests.storage.test_media import alarm

IMPACT_MS = NOW_MS + 60_000


def suspected(**fields: Any) -> Event:
    said: dict[str, Any] = {
        "vehicle_id": 1,
        "terminal": 1,
        "report_id": "00000000000000aa",
        "first_report_id": "00000000000000aa",
        "impact_ms": IMPACT_MS,
        "lat_1e7": 312_304_100,
        "lon_1e7": 1_214_737_000,
        "has_fix": True,
        "speed_before_kmh10": 520,
        "speed_kmh10": 140,
        "peak_mg": 13_800,
        "confidence_percent": 93,
        "severity": "moderate",
        "evidence": (
            CrashEvidence(kind="speed_change", value=380, weight_percent=90, counted_percent=90, time_ms=IMPACT_MS),
            CrashEvidence(kind="acceleration", value=13_800, weight_percent=75, counted_percent=35, time_ms=IMPACT_MS),
            CrashEvidence(kind="stopped", value=2, weight_percent=40, counted_percent=40, time_ms=IMPACT_MS + 2_000),
        ),
        "against": (),
        "blind": ("sparse",),
        "late": False,
        "rule_version": 3,
    }
    payload = CrashSuspected(**said | fields)
    return Event(
        id=derive_id("test", "crash", 1, ["1"], ""), type="crash.suspected", version=2, time_ms=IMPACT_MS,
        subject="vehicle:1", actor="detection", purpose="safety", payload=payload,
    )  # fmt: skip


def cleared(first: Event) -> Event:
    said = {name: getattr(first.payload, name) for name in first.payload.__struct_fields__}
    said |= {"against": ("drove_on",)}
    payload = CrashCleared(**said, suspicion=first.id, reason="drove_on", driven_m=310, after_s=28)
    return msgspec.structs.replace(
        first, id=derive_id("test", "clear", 1, ["1"], ""), type="crash.cleared", version=1, payload=payload,
        time_ms=IMPACT_MS + 28_000,
    )  # fmt: skip


def driven(node: Node) -> None:
    """Give the car a report a second around the impact: fifty, a blow, and standing."""
    seconds = np.arange(-30, 60)
    rows = np.zeros(len(seconds), REPORT)
    rows["time_ms"] = IMPACT_MS + seconds * 1000
    rows["speed_kmh10"] = np.where(seconds < 0, 500, 0)
    rows["lat_1e7"], rows["lon_1e7"], rows["odometer_m"] = 312_304_100, 1_214_737_000, ODOMETER_NONE
    rows["flags"][5] = FLAG_NO_FIX
    items = [bytes((0xF6, 10)) + sensors(13_800 if s == 0 else 1_010) for s in seconds.tolist()]
    rows["items_length"] = 12
    rows["items_offset"] = np.arange(len(seconds)) * 12
    node.reports.whole[1] = ReportsFound(rows, b"".join(items))


def page(asking: TestClient[Any], seq: int, language: str = "en") -> str:
    answer = asking.get(f"/events/{seq}?lang={language}")
    assert answer.status_code == 200
    return unescape(answer.text)


def test_a_crash_is_shown_with_its_evidence_over_time_and_what_nobody_can_see(node: Node, reader: TestClient) -> None:
    driven(node)
    [seq] = node.eventlog.append([suspected()])
    text = page(reader, seq)
    assert "93 %" in text
    assert "moderate" in text
    assert "sudden change of speed" in text
    assert "38 km/h" in text
    assert "90 of 90 %" in text
    assert "2 s after" in text
    assert "rules of version 3" in text
    # What the data cannot show, always with what no terminal can tell.
    assert "more than 2 s apart" in text
    assert "whether anybody is hurt" in text
    # A bar for each acceleration of the span, a number for each piece of evidence, one path of the speed.
    assert text.count('class="force"') == 90
    assert text.count('<circle class="mark"') == 3
    assert text.count('class="speed"') == 1
    assert '"place":[121.4737,31.23041]' in text
    assert page(reader, seq, "zh").count("车速突变") >= 1


def test_every_stage_shows_the_last_word_and_leads_to_the_others(node: Node, reader: TestClient) -> None:
    first = suspected()
    [one, two] = node.eventlog.append([first, cleared(first)])
    for seq, other in ((one, two), (two, one)):
        text = page(reader, seq)
        assert "drove on: 310 m in 28 s" in text
        assert "The car drove on." in text
        assert f'href="/events/{other}"' in text


def test_without_reports_the_card_says_so_and_stands(node: Node, reader: TestClient) -> None:
    [seq] = node.eventlog.append([suspected(speed_before_kmh10=None, speed_kmh10=None, peak_mg=None, evidence=())])
    text = page(reader, seq)
    assert "No reports of these minutes" in text
    assert "–" in text


def test_other_events_have_no_card(node: Node, reader: TestClient) -> None:

    [seq] = node.eventlog.append([alarm("sos.pressed", NOW_MS)])
    assert 'id="crash"' not in page(reader, seq)
