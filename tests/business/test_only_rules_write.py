"""No business state has a route or a form that sets it: only the dispatcher writes the tables of the business."""

import re
from pathlib import Path

from actors.business import BUSINESS
from core.business import SPINE

ROOT = Path(__file__).parents[2]
TABLES = sorted({kept.table for actor in (SPINE, *BUSINESS) for kept in actor.kept})
WRITES = re.compile(rf"(?i)\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+({'|'.join(TABLES)})\b")


def sources() -> list[Path]:
    folders = ("actors", "api", "core", "storage")
    return [path for one in folders for path in (ROOT / one).rglob("*.py") if "migrations" not in path.parts]


def test_no_statement_of_the_program_writes_a_table_of_the_business() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {match.group(0)}"
        for path in [*sources(), ROOT / "carillon.py"]
        for match in WRITES.finditer(path.read_text())
    }
    assert not found


def test_the_search_finds_what_it_is_for() -> None:
    assert WRITES.search(f'"UPDATE {TABLES[0]} SET x = 1"')
    assert not WRITES.search(f'"SELECT x FROM {TABLES[0]}"')
