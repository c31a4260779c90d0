"""`carillon up` as an operator meets it: a process that says where it is, keeps its directory, and stops when told."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import carillon
from core.config import FIELDS

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_OPTIONS = {name: value for name, value in os.environ.items() if not name.startswith("CARILLON_")}


@pytest.fixture
def up(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process on a fresh data directory and free ports, which has said that it serves."""
    data = tmp_path / "data"
    command = [
        sys.executable,
        "-m",
        "carillon",
        "up",
        "--data",
        str(data),
        "--tcp",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
    ]
    drained = {**WITHOUT_OPTIONS, "CARILLON_DRAIN_S": "60"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=drained, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if "API on http://" in line:
                break
        else:
            pytest.fail("".join(said))
        yield process, data
    finally:
        process.kill()
        process.communicate(timeout=30)


def the_first_administrator_comes_in(data: Path, http: str) -> None:
    """Take the one-time link of a first start: it makes an administrator, and is gone."""
    file = data / "run" / "welcome.link"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    link = file.read_text().strip()
    assert link.startswith(f"http://{http}/welcome/")
    body = json.dumps({"token": link.rpartition("/")[2], "password": "korrekt-pferd-batterie"}).encode()
    request = urllib.request.Request(
        f"http://{http}/api/v1/invitations", body, {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        me = json.load(answer)
    assert (me["login"], me["role"]) == ("admin", "administrator")
    assert not file.exists()


def test_up_serves_keeps_others_out_and_stops_in_order(
    up: tuple[subprocess.Popen[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    process, data = up
    published = json.loads((data / "run" / "process.json").read_bytes())
    assert set(published) == {"pid", "tcp", "http", "threads"}
    assert published["pid"] == process.pid
    for thread in published["threads"].values():
        assert Path(f"/proc/{process.pid}/task/{thread}").exists()
    assert stat.S_IMODE((data / "run" / "api.key").stat().st_mode) == 0o600

    with urllib.request.urlopen(f"http://{published['http']}/", timeout=10) as answer:
        assert "Carillon" in answer.read().decode()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://{published['http']}/api/v1/positions", timeout=10)
    refused.value.close()
    assert refused.value.code == 401
    key = (data / "run" / "api.key").read_text().strip()
    request = urllib.request.Request(
        f"http://{published['http']}/api/v1/positions", headers={"Authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer) == {"items": [], "next": None}

    the_first_administrator_comes_in(data, published["http"])
    assert carillon.main(["user", "add", "li.wei", "--data", str(data)]) == carillon.EXIT_OK
    assert capsys.readouterr().out.startswith(f"http://{published['http']}/welcome/")
    assert carillon.main(["user", "add", "li.wei", "--data", str(data)]) == carillon.EXIT_FAILED
    assert "the login li.wei is taken" in capsys.readouterr().err
    assert carillon.main(["user", "reset", "li.wei", "--data", str(data)]) == carillon.EXIT_OK

    for path in ("/health", "/health/live"):
        with urllib.request.urlopen(f"http://{published['http']}{path}", timeout=10) as answer:
            assert json.load(answer)["faults"] == []

    assert carillon.main(["up", "--data", str(data)]) == carillon.EXIT_FAILED
    assert f"in use by process {process.pid}" in capsys.readouterr().err

    process.send_signal(signal.SIGTERM)
    until_it_says_that_it_is_stopping(published["http"])
    with urllib.request.urlopen(f"http://{published['http']}/health/live", timeout=10) as answer:
        assert answer.status == 200, "it drains: not ready, but alive and at work"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    assert not (data / "run" / "process.json").exists()
    assert process.stderr is not None
    said = [line.split()[2].rstrip(":") for line in process.stderr.read().splitlines()]
    assert said[-3:] == ["node.stopping", "node.stopping_now", "node.stopped"]


def health(http: str) -> tuple[int, list[str]]:
    try:
        with urllib.request.urlopen(f"http://{http}/health", timeout=10) as answer:
            return answer.status, json.load(answer)["faults"]
    except urllib.error.HTTPError as unready:
        with unready:
            return unready.code, json.load(unready)["faults"]


def until_it_says_that_it_is_stopping(http: str) -> None:
    """Ask as a load balancer does, until the node says that it is stopping."""
    deadline = time.monotonic() + 30
    while (said := health(http)) == (200, []):
        assert time.monotonic() < deadline, "it never said that it is stopping"
    assert said == (503, ["node: it is stopping"])


@pytest.mark.parametrize("name", ["data", "journal", "media", "keys"])
def test_a_directory_that_is_none_is_named_with_its_option(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("")
    monkeypatch.setenv("CARILLON_DATA", str(tmp_path / "data"))
    monkeypatch.setenv(f"CARILLON_{name.upper()}", str(taken / "under"))
    assert carillon.main(["up"]) == carillon.EXIT_USAGE
    said = f"{name} = {taken / 'under'} (from CARILLON_{name.upper()}): a directory is needed, and there is none: "
    assert capsys.readouterr().err == f"carillon: {said}Not a directory\n"


def test_config_shows_every_option_and_hides_passwords(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in [name for name in os.environ if name.startswith("CARILLON_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("CARILLON_BUSINESS_DSN", "postgresql+psycopg://me:s3cret@db/cars")
    assert carillon.main(["config", "--tcp", "0.0.0.0:9"]) == carillon.EXIT_OK
    printed = capsys.readouterr().out
    shown = tomllib.loads(printed)
    assert set(shown) == set(FIELDS)
    assert (shown["tcp"], shown["business_dsn"]) == ("0.0.0.0:9", "postgresql+psycopg://me:***@db/cars")
    assert re.search(r'^tcp = "0\.0\.0\.0:9" +# --tcp$', printed, re.MULTILINE)
    assert re.search(r"^idle_s = 180 +# default$", printed, re.MULTILINE)
    assert "s3cret" not in printed
