"""Every subcommand exists, explains itself, and says what is wrong on standard error with the right status."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import carillon

ROOT = Path(__file__).resolve().parents[2]
NAMES = [command.name for command in carillon.COMMANDS]


def test_all_subcommands_are_there() -> None:
    assert NAMES == [
        "up", "ingest", "business", "api", "simulate", "terminal", "explain", "query", "frames", "user", "keys",
        "audit", "replay", "config", "warm",
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


def test_a_part_that_is_no_process_of_its_own_is_refused_with_the_reason(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARILLON_REPORT_DSN", "clickhouse://127.0.0.1:1")
    monkeypatch.setenv("CARILLON_BUSINESS_DSN", "postgresql+psycopg://127.0.0.1:1/x")
    assert carillon.main(["business", "--data", str(tmp_path)]) == 3
    assert "folded by the node that owns the event log" in capsys.readouterr().err


def test_a_store_that_is_away_at_the_start_is_said_plainly(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "CARILLON_REPORT_DSN": "clickhouse://127.0.0.1:1",
        "CARILLON_BUSINESS_DSN": "postgresql+psycopg://127.0.0.1:1/x",
    }
    command = [sys.executable, "-m", "carillon", "up", "--data", str(tmp_path / "data"), "--tcp", "127.0.0.1:0"]
    answer = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert answer.returncode == 1
    assert "carillon: " in answer.stderr
    assert "127.0.0.1:1" in answer.stderr
    assert "Traceback" not in answer.stderr


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


HEARTBEAT = "7e000200000138001380000001a97e"


def piped(arguments: list[str], data: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "carillon", *arguments],
        cwd=ROOT,
        input=data,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_a_frame_is_explained_as_text_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert carillon.main(["explain", HEARTBEAT]) == 0
    assert "13800138000" in capsys.readouterr().out
    # A frame copied out of a log may have spaces.
    assert carillon.main(["explain", "--json", *[HEARTBEAT[at : at + 2] for at in range(0, len(HEARTBEAT), 2)]]) == 0
    fields = json.loads(capsys.readouterr().out)["fields"]
    assert sum(field["length"] for field in fields) == 15


def test_a_bad_frame_is_explained_too_and_is_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert carillon.main(["explain", "--json", HEARTBEAT.replace("a9", "aa")]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert "checksum" in answer["error"]
    assert answer["offset"] == 13


def test_each_line_gets_exactly_one_line_of_json() -> None:
    bad = [b"", b"   ", b"zz", b"7e", b"\xff\xfe\x00", HEARTBEAT[:-6].encode(), b"0" * 200_000]
    lines = [HEARTBEAT.encode(), *bad, HEARTBEAT.upper().encode() + b"\r", HEARTBEAT.encode()]
    answer = piped(["explain", "-"], b"\n".join(lines))
    assert answer.returncode == 0, answer.stderr
    explained = [json.loads(line) for line in answer.stdout.decode().splitlines()]
    assert len(explained) == len(lines)
    well = [not one.get("error") for one in explained]
    assert well == [True, *[False] * len(bad), True, True]
    assert all("offset" in one for one in explained if "error" in one)
    assert piped(["explain", "-"], b"").stdout == b""


def test_an_answer_comes_before_the_next_line_is_written() -> None:
    command = [sys.executable, "-m", "carillon", "explain", "-"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(3):
            process.stdin.write(HEARTBEAT.encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["fields"]
        process.stdin.close()
        assert process.wait(timeout=30) == 0


def test_a_reader_that_goes_away_is_no_fault_of_ours() -> None:
    command = f"yes {HEARTBEAT} | head -n 2000 | {sys.executable} -m carillon explain - | head -n 1"
    answer = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert json.loads(answer.stdout)["fields"]
    assert answer.stderr == ""


def test_frames_needs_a_phone_and_a_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert carillon.main(["frames", "phone", "--data", str(tmp_path)]) == 2
    assert "1 to 20 digits, got" in capsys.readouterr().err
    assert carillon.main(["frames", "13800138000", "--data", str(tmp_path)]) == 1
    assert "no journal" in capsys.readouterr().err


def test_a_simulation_that_cannot_be_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    answer = piped(["simulate", "--scenario", "moon"], b"")
    assert answer.returncode == 1
    assert b"no scenario 'moon'; there are city" in answer.stderr
