"""The page of the system's health: each bound with a bar and words, the fullest in front, none rounded up to full."""

import pytest

from api.portal.system import Filled, amount, filled
from core.metrics import Metrics


@pytest.mark.parametrize(
    ("value", "bound", "state", "percent"),
    [
        (0, 100, "room", "0"),
        (1, 1_000_000, "room", "<1"),
        (69, 100, "room", "69"),
        (70, 100, "filling", "70"),
        (90, 100, "near", "90"),
        (99_999, 100_000, "near", "99"),
        (100, 100, "full", "100"),
        (130, 100, "full", "100"),
        (5, 0, "room", "<1"),
    ],
)
def test_a_bar_says_how_far_it_goes(value: float, bound: float, state: str, percent: str) -> None:
    one = Filled("links", value, bound)
    assert (one.state, one.percent) == (state, percent)


def test_what_is_fullest_stands_in_front_and_the_others_keep_their_order() -> None:
    metrics = Metrics()
    for name, value in (("links", 10), ("streams", 95), ("feeds", 20), ("knocks", 75), ("rows", 100)):
        metrics.gauge(name, "Some.", lambda value=value: value)  # type: ignore[misc]
        metrics.bound(name, 100)
    assert [one.name for one in filled(metrics)] == ["rows", "streams", "knocks", "links", "feeds"]


@pytest.mark.parametrize("journal", [70, 71])
def test_one_volume_is_one_bar(journal: int) -> None:
    metrics = Metrics()
    for name, value in (("disk_data_used_bytes", 70), ("disk_journal_used_bytes", journal)):
        metrics.gauge(name, "Used.", lambda value=value: value)  # type: ignore[misc]
        metrics.bound(name, lambda: 100.0)
    assert len(filled(metrics)) == (1 if journal == 70 else 2)


@pytest.mark.parametrize(
    ("value", "name", "said"),
    [
        (12_345, "links", "12,345"),
        (0, "media_bytes", "0 B"),
        (1023, "media_bytes", "1,023 B"),
        (1024, "media_bytes", "1.0 KB"),
        (150 * 1024**2, "media_bytes", "150 MB"),
        (32 * 1024**3, "journal_needed_bytes", "32.0 GB"),
        (5 * 1024**4, "disk_data_used_bytes", "5.0 TB"),
    ],
)
def test_amounts_are_said_as_people_read_them(value: float, name: str, said: str) -> None:
    assert amount(value, name) == said


def test_only_a_gauge_that_is_there_has_a_bound() -> None:
    metrics = Metrics()
    metrics.counter("frames", "Frames.")
    for name in ("frames", "links"):
        with pytest.raises(ValueError, match="no gauge to bound"):
            metrics.bound(name, 1)
