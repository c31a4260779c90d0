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


def look_for_browser(tools: Path, chromium: str = "") -> subprocess.CompletedProcess[str]:
    """Run the check for the tests' browser with nothing in PATH but `tools`."""
    environment = {"PATH": str(tools), "CHROMIUM": chromium}
    command = ["/bin/sh", str(ROOT / ".ci" / "browser")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)


def test_a_machine_with_a_browser_and_a_chinese_font_installs_nothing(tmp_path: Path) -> None:
    script(tmp_path, "fc-list", "echo Noto Sans CJK SC")
    assert look_for_browser(tmp_path, str(script(tmp_path, "thorium", "exit 0"))).stderr == ""
    script(tmp_path, "google-chrome", "exit 0")
    answer = look_for_browser(tmp_path)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def test_a_browser_is_installed_where_we_may(tmp_path: Path) -> None:
    script(tmp_path, "id", "echo 1000")
    script(tmp_path, "sudo", 'shift; case "$1" in true) exit 0;; esac; "$@"')
    made = f'for made in chromium fc-list; do echo "echo font" > {tmp_path}/$made; /bin/chmod +x {tmp_path}/$made; done'
    script(tmp_path, "apt-get", f'case "$*" in *install*chromium*fonts-noto-cjk*) {made};; esac')
    answer = look_for_browser(tmp_path)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "installing from Debian" in answer.stdout


def test_without_leave_to_install_the_command_is_named(tmp_path: Path) -> None:
    script(tmp_path, "id", "echo 1000")
    script(tmp_path, "sudo", "exit 1")
    answer = look_for_browser(tmp_path)
    assert answer.returncode == 1
    assert "apt-get install --yes --no-install-recommends chromium fontconfig fonts-noto-cjk" in answer.stderr
    assert answer.stdout == ""
