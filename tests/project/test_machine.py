"""Set-up says what is missing on a machine, by the name it has there, before it does anything."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def check(python: Path | str, tools: Path) -> subprocess.CompletedProcess[str]:
    """Run the check with nothing in PATH but `tools`."""
    command = ["/bin/sh", str(ROOT / ".ci" / "machine"), str(python)]
    return subprocess.run(
        command, env={"PATH": str(tools)}, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )


def script(directory: Path, name: str, body: str) -> Path:
    file = directory / name
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return file


def test_a_machine_with_everything_is_well(tmp_path: Path) -> None:
    script(tmp_path, "cc", "exit 0")
    script(tmp_path, "uname", 'test "$1" = -s && echo Linux || echo aarch64')
    answer = check(script(tmp_path, "python3", "exit 0"), tmp_path)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_what_is_missing_is_named_as_debian_names_it(tmp_path: Path) -> None:
    answer = check("python3", tmp_path)
    assert answer.returncode == 1
    assert "apt install python3 python3-venv" in answer.stderr
    old = script(tmp_path, "python3", 'case "$*" in -V) echo Python 3.9.2;; *) exit 1;; esac')
    answer = check(old, tmp_path)
    assert answer.returncode == 1
    assert "3.11 or newer is needed" in answer.stderr
    assert "Python 3.9.2" in answer.stderr
    bare = script(tmp_path, "python3", 'case "$*" in *ensurepip*) exit 1;; *) exit 0;; esac')
    answer = check(bare, tmp_path)
    assert answer.returncode == 1
    assert answer.stderr == "setup: missing on this machine. Debian, Ubuntu: apt install python3-venv gcc libc6-dev\n"
