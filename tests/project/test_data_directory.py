"""One process has a data directory, nobody else can read it, and others find what they need under run/."""

import os
import stat
from pathlib import Path

import pytest

from core.data_directory import DataDirectory, DataDirectoryError, running_process


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    with DataDirectory(tmp_path / "a" / "data") as data:
        key = data.api_key()
        assert mode(data.path) == mode(data.run) == 0o700
        assert mode(data.run / "api.key") == mode(data.path / "version") == 0o600
        assert len(key) >= 43
    with DataDirectory(tmp_path / "a" / "data") as data:
        assert data.api_key() == key


def test_an_open_directory_is_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with DataDirectory(tmp_path):
        assert mode(tmp_path) == 0o700


def test_a_second_process_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    with DataDirectory(tmp_path):
        with pytest.raises(DataDirectoryError, match=f"in use by process {os.getpid()}$"), DataDirectory(tmp_path):
            pass
        # The refused one has taken nothing away from the first.
        with pytest.raises(DataDirectoryError), DataDirectory(tmp_path):
            pass
    with DataDirectory(tmp_path):
        pass


def test_a_newer_layout_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("3\n")
    with pytest.raises(DataDirectoryError, match="layout 3"), DataDirectory(tmp_path):
        pass
    assert not (tmp_path / "run").exists()
    (tmp_path / "version").write_text("2\n")
    with DataDirectory(tmp_path):
        pass


def test_the_process_is_published_while_it_serves(tmp_path: Path) -> None:
    with DataDirectory(tmp_path) as data:
        assert running_process(tmp_path) is None
        data.publish("127.0.0.1:1", "127.0.0.1:2", {"intake": 42})
        process = running_process(tmp_path)
        assert process is not None
        assert (process.pid, process.tcp, process.http) == (os.getpid(), "127.0.0.1:1", "127.0.0.1:2")
        assert process.threads["intake"] == 42
        assert mode(data.run / "process.json") == 0o600
    assert running_process(tmp_path) is None


def test_what_a_killed_process_left_is_no_process(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "process.json").write_text('{"pid":1')
    assert running_process(tmp_path) is None
    with DataDirectory(tmp_path):
        assert not (tmp_path / "run" / "process.json").exists()
