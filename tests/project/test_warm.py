"""Kernels are compiled once, and never run from machine code that is older than what they call."""

import subprocess
import sys
from pathlib import Path

import pytest

from core import warm

INNER = """
from numba import njit, types
@njit(types.int64(types.int64), cache=True)
def inner(x):
    return x + 1
"""
OUTER = """
from numba import njit, types
from core.inner import inner
@njit(types.int64(types.int64), cache=True)
def outer(x):
    return inner(x)
"""
RUN = """
import json, sys
from pathlib import Path
from core import warm
assert warm.ROOT == Path.cwd(), warm.ROOT
lines = []
count = warm.warm(["core.outer"], lines.append)
from core.outer import outer
print(json.dumps([count, outer(1), lines]))
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project of its own with two kernels, one calling the other, and our warm.py."""
    core = tmp_path / "core"
    core.mkdir()
    (core / "__init__.py").touch()
    (core / "warm.py").write_bytes(Path(warm.__file__).read_bytes())
    (core / "inner.py").write_text(INNER)
    (core / "outer.py").write_text(OUTER)
    return tmp_path


def run(tree: Path) -> tuple[int, int, list[str]]:
    import json

    answer = subprocess.run(
        [sys.executable, "-c", RUN], cwd=tree, capture_output=True, text=True, timeout=120, check=False
    )
    assert answer.returncode == 0, answer.stderr
    count, value, lines = json.loads(answer.stdout)
    return count, value, lines


def test_kernels_are_compiled_once_and_again_when_what_they_call_has_changed(tree: Path) -> None:
    count, value, lines = run(tree)
    assert (count, value) == (1, 2)
    assert lines[0].startswith("compiling kernels 1 of 1: core.outer")
    assert run(tree) == (0, 2, [])
    # numba alone would not notice this in outer's cache.
    (tree / "core" / "inner.py").write_text(INNER.replace("x + 1", "x + 100"))
    assert run(tree)[:2] == (1, 101)
    assert run(tree)[:2] == (0, 101)
    # A record that cannot be read means cold, not a failed start.
    (tree / "core" / "__pycache__" / "carillon-warm.json").write_text("{")
    assert run(tree)[:2] == (1, 101)


def test_warming_after_the_import_is_a_bug_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"before they are imported: core\.warm"):
        warm.warm(["core.warm"], lambda line: None)


def test_a_fingerprint_covers_every_file_that_the_import_reaches() -> None:
    files = {str(file.relative_to(warm.ROOT)) for file in warm.reached_files("protocols.jt808.kernels")}
    assert {"protocols/__init__.py", "protocols/jt808/kernels.py", "protocols/memory.py", "protocols/seam.py"} <= files
    assert not [file for file in files if file.startswith("tests/")]
