"""What the pages say is so: commands exist, tables are those of the program, links lead somewhere."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

import carillon
from tests.project.pages import DOCS, TABLES, with_table

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")] + sorted(DOCS.glob("*.md"))


def commands(page: Path) -> list[str]:
    """Return the shell commands of a page, continued lines joined."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


COMMANDS = sorted({(page.name, command) for page in PAGES for command in commands(page)})


@pytest.mark.parametrize(("name", "mark", "make"), TABLES)
def test_tables_are_those_of_the_program(name: str, mark: str, make: object) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    assert callable(make)
    assert text == with_table(text, mark, make()), "python -m tests.project.pages writes it anew"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


def test_the_pages_have_commands_to_check() -> None:
    assert len([command for page, command in COMMANDS if page == "README.md"]) >= 6


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_commands_on_the_pages_are_commands_we_have(page: str, command: str) -> None:
    words = shlex.split(command)
    program = Path(words[0]).name
    if program == "make":
        subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, check=True, capture_output=True, timeout=30)
    elif program == "carillon":
        carillon.parser().parse_args(words[1:])
    elif program == "python" and words[2] == "pytest":
        assert (ROOT / words[3]).exists()
    elif program == "curl":
        path = re.search(r"http://127\.0\.0\.1:8080(/[a-z0-9/.]*)", command)
        assert path is not None
        assert path[1] in PATHS
    else:
        assert words[0] in ("sudo",), f"{page}: {command}"


PATHS = (
    "/health",
    "/metrics",
    "/api/v1/positions",
    "/api/v1/events",
    "/api/v1/terminals",
    "/api/v1/terminals/import",
    "/api/v1/vehicles/3/track",
    "/api/v1/vehicles/1/commands",
    "/api/v1/vehicles/1/messages",
    "/api/v1/rules/geofence",
)
