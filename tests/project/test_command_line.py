"""Every subcommand exists, explains itself, and says what is wrong on standard error with the right status."""

import subprocess
import sys
from pathlib import Path

import pytest

import carillon

ROOT = Path(__file__).resolve().parents[2]
NAMES = [command.name for command in carillon.COMMANDS]


def test_all_subcommands_are_there() -> None:
    assert NAMES == [
        "up", "ingest", "business", "api", "simulate", "explain", "query", "frames", "user", "replay", "warm",
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_subcommand_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        carillon.main([name, "--help"])
    assert end.value.code == 0
    assert f"usage: carillon {name}" in capsys.readouterr().out


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        carillon.main(["--version"])
    assert capsys.readouterr().out == f"carillon {carillon.VERSION}\n"


@pytest.mark.parametrize("arguments", [[], ["fly"], ["up", "--fast"], ["explain"]])
def test_a_wrong_command_line_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        carillon.main(arguments)
    assert end.value.code == 2
    assert "usage: carillon" in capsys.readouterr().err


def test_a_wrong_option_is_said_once_and_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    assert carillon.main(["up", "--tcp", "8808"]) == 2
    assert capsys.readouterr().err == "carillon: tcp = 8808 (from --tcp): HOST:PORT, the port 0 to 65535\n"


@pytest.mark.parametrize("name", ["ingest", "business", "api"])
def test_stores_that_cannot_be_shared_are_refused_with_the_reason(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert carillon.main([name, "--data", str(tmp_path)]) == 3
    said = capsys.readouterr().err
    assert "belongs to one process" in said or "one writer" in said
    assert "carillon up" in said
    monkeypatch.setenv("CARILLON_REPORT_DSN", "clickhouse://127.0.0.1:1")
    assert carillon.main([name, "--data", str(tmp_path)]) == 3
    assert "business_dsn is sqlite" in capsys.readouterr().err


def test_help_waits_for_no_compiler_and_no_database() -> None:
    script = (
        "import sys, carillon\n"
        "try: carillon.main(['explain', '--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('numba', 'numpy', 'litestar', 'sqlalchemy', 'trio', 'chdb') if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert answer.stdout.endswith("[]\n")
