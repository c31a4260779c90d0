"""The business replayed from empty: equal tables, and under another rule a list of what would differ."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

import storage.replay
from core.business import Business, BusinessActor
from core.events.spine import RuleAdoption
from storage.database import Database, migrate
from storage.eventlog import EventLog
from storage.replay import replay
from storage.timers import Clock
from tests.business import toy


@pytest.fixture
def database(business_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    toy.BROKEN["rule"] = False

    def with_toys(database: Database) -> str:
        version = migrate(database)
        with database.write() as connection:
            for table in toy.TABLES:
                connection.execute(text(table))
        return version

    monkeypatch.setattr(storage.replay, "migrate", with_toys)
    opened = Database(business_dsn)
    with_toys(opened)
    yield opened
    toy.BROKEN["rule"] = False
    opened.close()


def history(database: Database, seed: int) -> EventLog:
    """Live through trips, intents, timers, a rule that fails and is mended, an adoption, and an actor that joins."""
    chance = random.Random(seed)
    log = EventLog(database, business=Business((toy.TALLY, toy.ANSWERS)))
    adoption = msgspec.structs.replace(
        toy.ask(1), id="adopt", type="rule.adoption.requested",
        payload=RuleAdoption(actor="tally", rule="count", version=2),
    )  # fmt: skip
    for turn in range(12):
        if turn == 4:
            toy.BROKEN["rule"] = True
        if turn == 6:
            log.append([toy.release(turn, "tally", f"vehicle:{vehicle}") for vehicle in range(3)])
        if turn == 7:
            toy.BROKEN["rule"] = False
            log.append([toy.release(turn, "tally", f"vehicle:{vehicle}") for vehicle in range(3)])
        if turn == 8:
            log = EventLog(database, business=Business(toy.ACTORS))
        if turn == 10:
            log.append([adoption])
        log.append(
            [
                toy.trip(100 * turn + number, vehicle=chance.randrange(3), distance_m=chance.choice([13, 400_000]))
                if chance.random() < 0.7
                else toy.ask(100 * turn + number, chance.choice(["0x8201", "refuse", "later"]), chance.randrange(3))
                for number in range(chance.choice([1, 5, 20]))
            ]
        )
        if turn % 3 == 2:
            Clock(log, now_ms=lambda turn=turn: 1_760_000_060_000 + 100 * turn).step()
    return log


@pytest.mark.parametrize("seed", range(3))
def test_a_replay_from_empty_gives_equal_tables_and_the_same_events(
    database: Database, tmp_path: Path, seed: int
) -> None:
    log = history(database, seed)
    assert {"ops.parked", "ops.released", "actor.joined", "rule.adopted", "timer.due"} <= {e.type for e in log.read(0)}
    seen: list[tuple[int, int]] = []
    found = replay(
        database, tmp_path / "copy.db", toy.ACTORS, progress=lambda folded, head: seen.append((folded, head))
    )
    assert found.differences == []
    assert found.equal
    assert found.rows_compared > 5
    assert seen[-1] == (log.head(), log.head())


def test_under_another_rule_a_replay_lists_what_would_differ(database: Database, tmp_path: Path) -> None:
    log = EventLog(database, business=Business(toy.ACTORS))
    log.append([toy.trip(1, distance_m=400_000), toy.trip(2, distance_m=200_000)])
    found = replay(database, tmp_path / "copy.db", toy.ACTORS, adopt={("tally", "count"): 2})
    assert not found.equal
    # The ids of what a rule says are derived from its version; so all of it is said anew.
    assert (found.said, found.unsaid) == (4, 2)
    said = [one for one in found.differences if one.what == "said"]
    assert [one.name for one in said] == [
        "odometer.advanced",
        "odometer.advanced",
        "command.requested",
        "command.queued",
    ]
    [row] = [one for one in found.differences if one.name == "tally"]
    assert (json.loads(row.before)["distance_m"], json.loads(row.now)["distance_m"]) == (600_000, 1_200_000)
    assert log.head() == 4, "the log stays as it is"


def test_a_byte_changed_in_a_table_is_found(database: Database, tmp_path: Path) -> None:
    log = EventLog(database, business=Business(toy.ACTORS))
    log.append([toy.trip(1), toy.trip(2, vehicle=2)])
    with database.write() as connection:
        connection.execute(text("UPDATE tally SET distance_m = 999 WHERE vehicle_id = 2"))
    found = replay(database, tmp_path / "copy.db", toy.ACTORS)
    [row] = found.differences
    assert (row.what, row.name, row.about, found.rows) == ("row", "tally", "2", 1)


def test_more_differences_than_the_bound_are_counted(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.replay, "DIFFERENCES_MAX", 2)
    log = EventLog(database, business=Business(toy.ACTORS))
    log.append([toy.trip(number, vehicle=number) for number in range(5)])
    with database.write() as connection:
        connection.execute(text("DELETE FROM tally"))
    found = replay(database, tmp_path / "copy.db", toy.ACTORS)
    assert (found.rows, len(found.differences)) == (5, 2)


@pytest.mark.parametrize(
    ("adopt", "fault"),
    [({("tally", "sum"): 1}, "no rule tally.sum; there are"), ({("tally", "count"): 3}, "no version 3; there is 1, 2")],
)
def test_what_cannot_be_replayed_is_said_before(
    database: Database, tmp_path: Path, adopt: dict[tuple[str, str], int], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        replay(database, tmp_path / "copy.db", toy.ACTORS, adopt=adopt)
    (tmp_path / "there.db").touch()
    with pytest.raises(ValueError, match="there already"):
        replay(database, tmp_path / "there.db", toy.ACTORS)


def test_a_rule_that_draws_lots_is_told_by_its_replay(database: Database, tmp_path: Path) -> None:
    chance = random.Random(1)

    def gamble(event: Any, state: Any) -> None:
        state.emit("command.requested", toy.ask(1, str(chance.random())).payload)

    rule = toy.TALLY.rules[0]._replace(run=gamble, reads=None)
    gambler = BusinessActor(name="gambler", kept=(), rules=(rule,), emits=("command.requested",))
    EventLog(database, business=Business((gambler,))).append([toy.trip(1)])
    found = replay(database, tmp_path / "copy.db", (gambler,))
    assert [one.what for one in found.differences] == ["changed"]
