"""What tests of detection share."""

from collections.abc import Iterator

import pytest

from actors.detectors.cleaning import Cleaning


@pytest.fixture(scope="module")
def as_they_come() -> Iterator[None]:
    """Judge reports as they come, uncleaned: for cars that stand here and there as a detector's own rules need it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cleaning, "clean", lambda self, rows: None)
        yield
