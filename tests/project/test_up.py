"""`carillon up` as an operator meets it: a process that says where it is, keeps its directory, and stops when told."""

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import carillon

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
    process = subprocess.Popen(
        command, cwd=ROOT, env=WITHOUT_OPTIONS, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
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

    assert carillon.main(["up", "--data", str(data)]) == carillon.EXIT_FAILED
    assert f"in use by process {process.pid}" in capsys.readouterr().err

    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    assert not (data / "run" / "process.json").exists()
