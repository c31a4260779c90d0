"""The numbered steps that make a store of reports: NNNN_name.sql, each from version NNNN - 1 to NNNN.

A step is never changed once released, only followed by another: a test knows the digest of each. Its statements end
with `;` at the end of a line, and each can be repeated, so a step that was cut off is simply done again. Tables are
written with the settings DURABLE; those that only newer engines know are added where the engine has them.
"""

import hashlib
import re
from pathlib import Path
from typing import Final, NamedTuple


class Step(NamedTuple):
    """One step."""

    version: int
    """That the store has after it."""
    name: str
    statements: tuple[str, ...]
    sha256: str
    """Of the file, written down where the step was taken."""


def read_steps(directory: Path) -> tuple[Step, ...]:
    """Return the steps in a directory in their order.

    Raises:
        ValueError: a file is not named by the number that follows.
    """
    steps = []
    for version, file in enumerate(sorted(directory.glob("*.sql")), 1):
        match = re.fullmatch(r"(\d{4})_([a-z_]+)", file.stem)
        if match is None or int(match[1]) != version:
            raise ValueError(f"{file.name} stands where step {version:04d}_… is due")
        text = file.read_text(encoding="utf-8")
        statements = tuple(part.strip() for part in re.split(r";\s*$", text, flags=re.MULTILINE) if part.strip())
        steps.append(Step(version, match[2], statements, hashlib.sha256(text.encode()).hexdigest()))
    return tuple(steps)


STEPS: Final = read_steps(Path(__file__).parent)
