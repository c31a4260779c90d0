"""Who is asked for dense reports after a suspected crash: once, not again while they run, and never past the bound."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import storage
from actors.tracking import EXPIRES_MS, FRESH_MS, VALID_S, Tracking
from core.events import CrashSuspected, Event, derive_id
from core.limits import TRACKING_PER_MINUTE_MAX
from storage.database import Database
from storage.eventlog import EventLog

NOW_MS = 1_760_000_000_000


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    dsn = f"sqlite:///{tmp_path / 'carillon.db'}"
    storage.migrate(dsn)
    opened = EventLog(Database(dsn))
    yield opened
    opened.database.close()


def suspected(number: int, vehicle_id: int = 1, time_ms: int = NOW_MS, **fields: Any) -> Event:
    payload = CrashSuspected(
        vehicle_id=vehicle_id, terminal=7, report_id="1", first_report_id="1", impact_ms=time_ms, lat_1e7=0, lon_1e7=0,
        has_fix=True, speed_before_kmh10=500, speed_kmh10=0, peak_mg=9_000, confidence_percent=90, severity="light",
        evidence=(), against=(), blind=(), rule_version=0, **{"late": False} | fields,
    )  # fmt: skip
    return Event(
        id=derive_id("test", "crash", 1, [str(number)], ""), type="crash.suspected", version=2, time_ms=time_ms,
        subject=f"vehicle:{vehicle_id}", group=3, store=4, actor="test", purpose="safety", payload=payload,
    )  # fmt: skip


def asked(log: EventLog) -> list[Event]:
    return log.read(0, type_prefix="command.requested")


def test_a_suspected_crash_asks_its_terminal_for_a_report_a_second(log: EventLog) -> None:
    tracking = Tracking(log, lambda: NOW_MS + 500)
    crash = suspected(1)
    log.append([crash])
    while tracking.step():
        pass
    (intent,) = asked(log)
    assert (intent.cause, intent.correlation, intent.depth, intent.actor) == (crash.id, crash.id, 1, "tracking")
    assert (intent.group, intent.store, intent.subject, intent.purpose) == (3, 4, "vehicle:1", "safety")
    assert intent.payload.message == "0x8202"
    assert intent.payload.fields == {"interval_s": 1, "valid_s": VALID_S}
    assert (intent.payload.terminal, intent.payload.expires_ms) == (7, NOW_MS + 500 + EXPIRES_MS)


def test_not_again_while_dense_reports_run_and_again_once_they_are_over(log: EventLog) -> None:
    now = [NOW_MS]
    tracking = Tracking(log, lambda: now[0])
    for number, after_s in enumerate((0, 60, VALID_S + 1), 1):
        now[0] = NOW_MS + after_s * 1000
        log.append([suspected(number, time_ms=now[0])])
        tracking.step()
    assert [intent.time_ms for intent in asked(log)] == [NOW_MS, NOW_MS + (VALID_S + 1) * 1000]
    assert tracking.statistics() == {"asked": 2, "running": 1, "old": 0, "let_go": 0}


def test_a_crash_that_is_long_over_or_told_late_asks_nothing(log: EventLog) -> None:
    tracking = Tracking(log, lambda: NOW_MS)
    log.append([suspected(1, time_ms=NOW_MS - FRESH_MS - 1), suspected(2, late=True)])
    tracking.step()
    assert asked(log) == []
    assert tracking.statistics()["old"] == 2


def test_a_restart_asks_nobody_twice_for_one_suspicion(log: EventLog) -> None:
    first = Tracking(log, lambda: NOW_MS)
    log.append([suspected(1)])
    first.step()
    # Judged again after a kill: the same event, dropped by the log; and a new process reads on from its position.
    log.append([suspected(1)])
    assert Tracking(log, lambda: NOW_MS).step() == 0
    assert len(asked(log)) == 1


def test_past_the_bound_of_a_minute_they_are_let_go_and_counted(log: EventLog) -> None:
    now = [NOW_MS]
    tracking = Tracking(log, lambda: now[0])
    log.append([suspected(n, vehicle_id=n) for n in range(1, TRACKING_PER_MINUTE_MAX + 4)])
    while tracking.step():
        pass
    assert len(asked(log)) == TRACKING_PER_MINUTE_MAX
    assert tracking.statistics()["let_go"] == 3
    now[0] += 60_000
    log.append([suspected(1000, vehicle_id=1000)])
    tracking.step()
    assert len(asked(log)) == TRACKING_PER_MINUTE_MAX + 1
