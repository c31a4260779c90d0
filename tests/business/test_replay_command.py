"""`carillon replay business`: the whole business from empty, and what would differ."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from actors.business import BUSINESS
from core.business import Business
from core.events import Event, derive_id
from core.events.spine import ModuleSwitch
from simulators.world.day import day
from storage.database import Database, migrate
from storage.eventlog import EventLog


def switch(number: int, active: bool) -> Event:
    return Event(
        id=derive_id("api", "switch", 1, (str(number),), ""),
        type="module.switch.requested",
        time_ms=1_793_462_400_000 + number,
        subject="actor:garage",
        actor="account:1",
        payload=ModuleSwitch(actor="garage", store=number, active=active),
    )


def replay(data: Path, *more: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "carillon", "replay", "business", "--data", str(data), *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which a small day was lived."""
    data = tmp_path_factory.mktemp("lived")
    (data / "version").write_text("1\n")
    database = Database(f"sqlite:///{data / 'carillon.db'}")
    migrate(database)
    log = EventLog(database, business=Business(BUSINESS))
    log.catch_up()
    log.append([switch(1, False), switch(2, True), *day(50)])
    database.close()
    return data


def test_what_was_lived_comes_out_equal(data: Path, tmp_path: Path) -> None:
    status, said, why = replay(data, "--json", "--into", str(tmp_path / "copy.db"))
    assert status == 0, why
    found = json.loads(said)
    assert found["equal"]
    assert found["events"] > 600
    assert found["rows_compared"] >= 2
    copy = Database(f"sqlite:///{tmp_path / 'copy.db'}")
    with copy.read() as connection:
        assert connection.execute(text("SELECT store_id, active FROM module ORDER BY store_id")).fetchall() == [
            (1, 0),
            (2, 1),
        ]
    copy.close()
    again, _, why = replay(data, "--into", str(tmp_path / "copy.db"))
    assert (again, "is there already" in why) == (2, True)


def test_a_row_that_no_event_set_is_found_and_named(data: Path, tmp_path: Path) -> None:
    forged = tmp_path / "forged"
    forged.mkdir()
    (forged / "version").write_text("1\n")
    (forged / "carillon.db").write_bytes((data / "carillon.db").read_bytes())
    database = Database(f"sqlite:///{forged / 'carillon.db'}")
    with database.write() as connection:
        connection.execute(text("UPDATE module SET active = 1 WHERE store_id = 1"))
    database.close()
    status, said, _ = replay(forged)
    assert status == 5
    assert "rows that differ: 1" in said
    assert "row      module  1, 1, garage" in said


def test_what_cannot_be_replayed_is_said(data: Path, tmp_path: Path) -> None:
    for more, reason in (
        (("--adopt", "garage"), "ACTOR.RULE=VERSION"),
        (("--adopt", "nobody.rule=1"), "there is no rule nobody.rule"),
        (("--detector", "crash"), "for reports"),
    ):
        status, _, why = replay(data, *more)
        assert status == 2, more
        assert reason in why, more
    status, _, why = replay(tmp_path)
    assert (status, "no data" in why) == (1, True)
