"""The vault: what is personal is sealed, found by blind tokens, compared in the log's transaction, and destroyed."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest
from sqlalchemy import text

import storage
from actors.business import BUSINESS
from actors.business.identity import IDENTITY
from core import limits
from core.business import Business
from core.envelope import Keyring
from core.events import Event, derive_id
from core.events.garage import VehiclePersonLinked
from core.events.identity import PersonErasureRequested
from core.rights import NODE
from storage.database import Database
from storage.erasing import Eraser
from storage.errors import StorageError
from storage.eventlog import EventLog
from storage.vault import CodeRefusedError, NewCapture, Taken, Vault
from tests.business.memory import MemoryLog

NOW_MS = 1_790_000_000_000
PHONE = "13800138000"
LI = {"name": "李娜", "phone": PHONE, "plate": "京A12345"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of SQLite with empty tables: copied, which is quicker than to migrate."""
    path = tmp_path_factory.mktemp("vault") / "carillon.db"
    storage.migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def vault(template: Path, tmp_path: Path) -> Iterator[Vault]:
    """Return a vault on SQLite; what differs between the databases is tested on both."""
    copyfile(template, tmp_path / "carillon.db")
    yield from opened(f"sqlite:///{tmp_path / 'carillon.db'}", tmp_path)


@pytest.fixture
def vault_on_both(business_dsn: str, tmp_path: Path) -> Iterator[Vault]:
    yield from opened(business_dsn, tmp_path)


def opened(dsn: str, tmp_path: Path) -> Iterator[Vault]:
    database = Database(dsn)
    log = EventLog(database, business=Business(BUSINESS))
    log.catch_up()
    yield Vault(log, Keyring.from_directory(tmp_path / "keys"))
    database.close()


def take(vault: Vault, traits: dict[str, str], **more: Any) -> Taken:
    new = NewCapture(**{"source": "counter", "traits": traits, "time_ms": NOW_MS, **more})
    return vault.take(NODE, [new])[0]


def rows(vault: Vault, table: str) -> list[Any]:
    with vault.database.read() as connection:
        return list(connection.execute(text(f"SELECT * FROM {table}")))


def test_one_person_of_two_departments_is_one_until_they_are_forgotten(vault_on_both: Vault) -> None:
    vault = vault_on_both
    first = take(vault, LI)
    second = take(vault, {"name": "李 娜", "phone": "+86 138/0013/8000", "plate": "京A·12345"}, source="call")
    assert (first.state, second.state) == ("new", "linked")
    assert first.person == second.person
    assert second.posterior > 0.99
    held = take(vault, LI, source="partner")
    assert vault.release(NODE, held.capture, "consent").person == first.person
    name, code = vault.send_code(NODE, first.person, "phone", vault.numbers("phone", PHONE)[0])
    assert vault.answer_code(NODE, name, code)[0] == first.person
    assert vault.open([second.capture])[second.capture]["plate"].written == "京A·12345"
    assert vault.destroy([first.capture, second.capture, held.capture]) == 3
    assert vault.numbers("phone", PHONE) == []
    for table in ("vault_key", "vault_capture", "vault_item", "vault_value", "vault_code"):
        assert rows(vault, table) == [], table


def test_a_shared_telephone_alone_makes_nobody_the_same(vault: Vault) -> None:
    take(vault, LI)
    other = take(vault, {"name": "张国强", "phone": PHONE})
    assert (other.state, other.matches) == ("new", 0)


def test_a_form_sent_twice_is_one_capture(vault: Vault) -> None:
    first = take(vault, LI, source="web")
    again = take(vault, {**LI, "phone": "0086 138-0013-8000"}, source="web", time_ms=NOW_MS + 60_000)
    assert again.state == "repeated"
    assert (again.capture, again.person) == (first.capture, first.person)
    assert take(vault, LI, source="web", time_ms=NOW_MS + 3 * 86_400_000).state == "linked"


def test_a_tablet_s_capture_comes_once_with_its_own_time(vault: Vault) -> None:
    first = take(vault, LI, reference="tablet-7/31", time_ms=NOW_MS - 86_400_000)
    again = take(vault, {**LI, "name": "李娜娜"}, reference="tablet-7/31")
    assert (again.state, again.capture) == ("repeated", first.capture)
    assert [row.time_ms for row in rows(vault, "capture")] == [NOW_MS - 86_400_000]


def test_a_list_has_a_result_for_each_row(vault: Vault) -> None:
    found = vault.take(
        NODE,
        [
            NewCapture(source="event", traits=LI, time_ms=NOW_MS),
            NewCapture(source="event", traits=LI, time_ms=NOW_MS),
            NewCapture(source="event", traits={"phone": "12"}, time_ms=NOW_MS),
            NewCapture(source="event", traits={"shoe": "44"}, time_ms=NOW_MS),
            NewCapture(source="nowhere", traits={"phone": "13900139001"}, time_ms=NOW_MS),
            NewCapture(source="partner", traits={"phone": "13900139000"}, time_ms=NOW_MS),
        ],
    )
    assert [(one.state, one.code) for one in found] == [
        ("new", ""), ("repeated", ""), ("refused", "capture_empty"), ("refused", "kind_unknown"),
        ("refused", "source_unknown"), ("quarantined", "consent_missing"),
    ]  # fmt: skip
    assert found[2].checks == {"phone": "format"}


def test_a_list_longer_than_the_bound_is_refused_whole(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CAPTURES_AT_ONCE_MAX", 2)
    with pytest.raises(ValueError, match="3 captures, at most 2"):
        vault.take(NODE, [NewCapture(source="event", traits=LI)] * 3)
    assert rows(vault, "capture") == []


def test_what_does_not_pass_its_check_is_kept_and_links_nobody(vault: Vault) -> None:
    first = take(vault, {"name": "李娜", "phone": PHONE, "id_number": "110105194912310021"})
    assert first.checks == {"id_number": "check_digit"}
    assert vault.open([first.capture])[first.capture]["id_number"].fault == "check_digit"
    second = take(vault, {"name": "周建国", "phone": "13900139000", "id_number": "110105194912310021"})
    assert second.person != first.person


def test_only_the_bounded_number_is_compared(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LINK_CANDIDATES_MAX", 3)
    for number in range(5):
        take(vault, {"phone": PHONE, "name": "张王李赵周"[number] + "小明"})
    assert vault.statistics()["cut"] == 1
    with vault.database.read() as connection:
        payload = connection.execute(
            text("SELECT payload FROM event WHERE type = 'capture.requested' ORDER BY seq DESC LIMIT 1")
        ).scalar_one()
    assert payload.count('"levels"') == 3


def test_a_partner_s_capture_without_consent_is_found_by_nobody_until_it_is_shown(vault: Vault) -> None:
    held = take(vault, LI, source="partner")
    assert held.state == "quarantined"
    assert vault.numbers("phone", PHONE) == []
    mine = take(vault, LI)
    assert mine.state == "new"
    released = vault.release(NODE, held.capture, "consent")
    assert (released.state, released.person) == ("linked", mine.person)


def test_names_are_found_by_their_sound_and_numbers_by_their_end(vault: Vault) -> None:
    take(vault, LI)
    assert vault.numbers("name", "李那") == vault.numbers("name", "Li Na")
    assert len(vault.numbers("name", "李娜")) == 2
    assert len(vault.numbers("phone", PHONE[-4:])) == 1
    assert vault.numbers("phone", "0000") == []


def test_nothing_personal_stands_in_clear(vault: Vault, tmp_path: Path) -> None:
    take(vault, {**LI, "id_number": "11010519491231002X", "address": "白鹭区望江路8号601室"})
    with vault.database.write() as connection:
        connection.execute(text("SELECT 1"))
    clear = ["李娜", PHONE, "8613800138000", "11010519491231002X", "望江路"]
    tables = [name for (name,) in _tables(vault)]
    assert "vault_capture" in tables
    for table in tables:
        said = "\n".join(str(tuple(row)) for row in rows(vault, table))
        assert not [one for one in clear if one in said], table
    for file in tmp_path.glob("carillon.db*"):
        content = file.read_bytes()
        assert not [one for one in clear if one.encode() in content], file


def _tables(vault: Vault) -> list[Any]:
    sql = (
        "SELECT name FROM sqlite_master WHERE type = 'table'"
        if vault.database.is_sqlite
        else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )
    with vault.database.read() as connection:
        return list(connection.execute(text(sql)))


def test_a_destroyed_capture_leaves_neither_key_nor_token(vault: Vault) -> None:
    first, second = take(vault, LI), take(vault, {"name": "李娜", "phone": "13900139000"})
    shared = vault.numbers("name", "李娜")
    assert vault.destroy([first.capture]) == 1
    assert vault.destroy([first.capture]) == 0
    assert vault.open([first.capture]) == {}
    assert [row.subject for row in rows(vault, "vault_key")] == [f"capture:{second.capture}"]
    assert vault.numbers("phone", PHONE) == []
    assert vault.numbers("name", "李娜") == shared


def test_a_code_opens_once_and_only_the_right_one(vault: Vault) -> None:
    name, code = vault.send_code(NODE, 3, "phone", 7)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    with pytest.raises(CodeRefusedError, match="code_wrong"):
        vault.answer_code(NODE, name, wrong)
    assert vault.answer_code(NODE, name, code) == (3, "phone", 7)
    with pytest.raises(CodeRefusedError, match="code_over"):
        vault.answer_code(NODE, name, code)
    with pytest.raises(CodeRefusedError, match="code_unknown"):
        vault.answer_code(NODE, "nothing", code)


def test_a_code_is_void_after_so_many_wrong_ones(vault: Vault) -> None:
    name, code = vault.send_code(NODE, 3, "phone", 7)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for _ in range(limits.VERIFICATION_TRIES_MAX):
        with pytest.raises(CodeRefusedError, match="code_wrong"):
            vault.answer_code(NODE, name, wrong)
    with pytest.raises(CodeRefusedError, match="code_over"):
        vault.answer_code(NODE, name, code)


def test_a_code_is_over_after_its_time(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    name, code = vault.send_code(NODE, 3, "phone", 7)
    from storage import vault as module

    later = module.wall_ms() + limits.VERIFICATION_S * 1000 + 1
    monkeypatch.setattr(module, "wall_ms", lambda: later)
    with pytest.raises(CodeRefusedError, match="code_over"):
        vault.answer_code(NODE, name, code)


def test_nobody_s_telephone_gets_more_codes_a_day_than_the_bound(vault: Vault) -> None:
    for _ in range(limits.VERIFICATIONS_PER_DAY_MAX):
        vault.send_code(NODE, 3, "phone", 7)
    with pytest.raises(CodeRefusedError, match="code_often"):
        vault.send_code(NODE, 3, "phone", 7)
    vault.send_code(NODE, 3, "phone", 8)


def test_who_is_erased_leaves_nothing_in_the_vault_and_no_position(vault: Vault) -> None:
    first, other = take(vault, LI), take(vault, {"name": "张国强", "phone": "13900139000"})
    log = vault._log
    log.append(
        [
            event("vehicle.person.linked", VehiclePersonLinked(
                vehicle_id=9, person=first.person, role="owner", from_ms=NOW_MS - 5000, source="sale"
            )),
            event("person.erasure.requested", PersonErasureRequested(person=first.person, reason="asked")),
        ]
    )  # fmt: skip
    erased: list[tuple[int, int, int]] = []
    away = [StorageError("away")]

    def erase(vehicle: int, from_ms: int, to_ms: int) -> None:
        if away:
            raise away.pop()
        erased.append((vehicle, from_ms, to_ms))

    eraser = Eraser(log, vault, erase)
    with pytest.raises(StorageError):
        eraser.step()
    assert eraser.step() == 1
    assert eraser.step() == 0
    assert erased == [(9, NOW_MS - 5000, NOW_MS)]
    assert vault.open([first.capture, other.capture]).keys() == {other.capture}
    assert eraser.statistics() == {"persons": 1, "captures": 1}


def event(type_: str, payload: Any) -> Event:
    return Event(
        id=derive_id("test", type_, 1, (), ""), type=type_, time_ms=NOW_MS, subject=f"person:{payload.person}",
        actor="account:1", payload=payload,
    )  # fmt: skip


def test_a_log_folded_anew_gives_the_rows_it_gave_though_a_person_was_erased(vault: Vault) -> None:
    """Invariant 1: nothing that a rule needs stands in the vault."""
    first = take(vault, LI)
    take(vault, {"name": "李娜", "phone": PHONE}, source="call")
    take(vault, {"name": "张国强", "phone": "13900139000"})
    vault._log.append([event("person.erasure.requested", PersonErasureRequested(person=first.person, reason="asked"))])
    Eraser(vault._log, vault, lambda *where: None).step()
    tables = [kept.table for kept in IDENTITY.kept]
    before = {table: sorted(map(tuple, rows(vault, table))) for table in tables}
    again = MemoryLog(Business((IDENTITY,)))
    outside = [one for one in vault._log.read(0, 1000) if one.actor != "identity" and one.type != "actor.joined"]
    again.take(outside)
    for kept in IDENTITY.kept:
        folded = again.tables.rows.get(kept.table, {}).values()
        assert len(folded) == len(before[kept.table]), kept.table
    people = {row.person: (row.state, row.root) for row in again.tables.rows["person"].values()}
    assert people == {row.person: (row.state, row.root) for row in rows(vault, "person")}
