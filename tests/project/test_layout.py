"""The tree is as it says: imports run one way, the lock names everything and no address, names are of the trade."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import carillon

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PACKAGES = ("core", "actors", "protocols", "storage", "api", "simulators", "bench", "tests")
BANNED = re.compile(r"(^|_)(manager|helper|helpers|util|utils|common|service|services|processor|misc)(_|$)")


def sources() -> list[Path]:
    files = [ROOT / "carillon.py", *(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))]
    assert len(files) > 30
    # What npm has put beside the portal's sources is not ours.
    return [file for file in files if "node_modules" not in file.parts]


def test_imports_run_one_way() -> None:
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache", "--no-logo"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "0 broken" in answer.stdout


def test_files_are_named_for_things_of_the_trade() -> None:
    assert not [str(file) for file in sources() if any(BANNED.search(part) for part in (*file.parts, file.stem))]


def test_every_package_and_module_says_what_it_is() -> None:
    silent = [
        str(file.relative_to(ROOT))
        for file in sources()
        if (text := file.read_text(encoding="utf-8").strip()) and not text.startswith(('"""', 'r"""'))
    ]
    assert not silent


def test_the_lock_names_no_address() -> None:
    assert not re.findall(r"^.*(?:https?://|--index-url|--find-links|--trusted-host|@ ).*$", LOCK, re.MULTILINE)


def test_the_lock_covers_what_the_project_names_each_with_hashes() -> None:
    locked = {canonicalize_name(name) for name in re.findall(r"^([A-Za-z0-9_.-]+)(?:\[.*\])?==", LOCK, re.MULTILINE)}
    project = PROJECT["project"]
    wanted = [
        *project["dependencies"],
        *project["optional-dependencies"]["dev"],
        *PROJECT["build-system"]["requires"],
    ]
    assert not {canonicalize_name(Requirement(text).name) for text in wanted} - locked
    for block in re.split(r"^(?=\S)", LOCK, flags=re.MULTILINE):
        if "==" in block:
            assert "--hash=sha256:" in block, block[:80]


def test_what_is_imported_is_a_dependency_by_name() -> None:
    """A library that is there only because another one needs it can go away with any update."""
    declared = {canonicalize_name(Requirement(text).name) for text in PROJECT["project"]["dependencies"]}
    declared |= {"argon2"}  # argon2-cffi, as it is imported
    declared |= {"llvmlite"}  # numba's own compiler: it fixes the version it needs
    imported = set()
    for file in sources():
        if file.parts[len(ROOT.parts)] not in ("tests", "bench"):
            text = file.read_text(encoding="utf-8")
            imported |= set(re.findall(r"^\s*(?:from|import) ([a-z_0-9]+)", text, re.MULTILINE))
    outside = {
        canonicalize_name(name)
        for name in imported - set(sys.stdlib_module_names) - {*PACKAGES, "carillon", "__future__"}
    }
    assert not outside - declared


def test_the_version_stands_once() -> None:
    assert PROJECT["project"]["version"] == carillon.VERSION
    assert f"## {carillon.VERSION}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_module_with_kernels_is_warmed() -> None:
    """A kernel that nobody compiles at set-up is compiled while the first terminal waits."""
    cached = re.compile(r"\b(?:njit|cfunc|vectorize)\([^@]*?cache=True")
    with_kernels = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for file in sources()
        if file.parts[len(ROOT.parts)] not in ("tests", "bench") and cached.search(file.read_text(encoding="utf-8"))
    }
    assert with_kernels == set(carillon.KERNELS)
