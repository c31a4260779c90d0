"""Working days and working time, with the holidays of China and the days off that are worked for them."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.calendar import CHINA, HOLIDAY, WORKDAY, add_worked, is_worked

SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=SHANGHAI).timestamp() * 1000)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        # National day 2025: off 1 to 8 October, worked on Sunday 28 September and Saturday 11 October.
        (at(2025, 9, 30, 16, 30), 8, at(2025, 10, 9, 15, 30)),
        (at(2025, 10, 10, 17, 0), 4, at(2025, 10, 11, 12, 0)),
        # Time that begins outside the hours begins with the next of them.
        (at(2025, 9, 30, 23, 0), 1, at(2025, 10, 9, 10, 0)),
        (at(2025, 9, 28, 7, 0), 9, at(2025, 9, 28, 18, 0)),
        (at(2025, 10, 12, 12, 0), 0, at(2025, 10, 13, 9, 0)),
    ],
)
def test_working_time_passes_over_holidays_and_through_days_worked_for_them(start: int, hours: int, end: int) -> None:
    assert add_worked(start, hours * 3600, CHINA, "Asia/Shanghai") == end


def test_the_shipped_years_have_as_many_days_off_and_worked_as_the_notices_say() -> None:
    # 2025: 28 days off with their weekends, 5 worked for them; 2026: 33 and 6.
    for year, off, worked in (("2025", 28, 5), ("2026", 33, 6)):
        kinds = [kind for day, kind in CHINA.items() if day.startswith(year)]
        assert (kinds.count(HOLIDAY), kinds.count(WORKDAY)) == (off, worked)
    for day, kind in CHINA.items():
        weekend = date.fromisoformat(day).weekday() >= 5
        assert kind == HOLIDAY or weekend, f"{day} is worked anyway"


def test_a_calendar_without_a_working_day_is_said_to_be_wrong() -> None:
    first = date(2026, 1, 1)
    none = {(first + timedelta(days=n)).isoformat(): HOLIDAY for n in range(800)}
    with pytest.raises(ValueError, match="no working day"):
        add_worked(at(2026, 1, 5, 9, 0), 3600, none, "Asia/Shanghai")


@given(
    st.integers(0, 700 * 24 * 60),
    st.integers(0, 200 * 3600),
    st.integers(0, 200 * 3600),
    st.sampled_from(("Asia/Shanghai", "Asia/Urumqi", "Europe/Berlin", "America/New_York")),
)
def test_working_time_adds_up_and_ends_on_a_working_day(minute: int, one_s: int, more_s: int, zone: str) -> None:
    start = at(2025, 1, 1) + minute * 60_000
    middle = add_worked(start, one_s, CHINA, zone)
    end = add_worked(start, one_s + more_s, CHINA, zone)
    assert start <= middle <= end
    if one_s:
        assert add_worked(middle, more_s, CHINA, zone) == end or not more_s
    day = datetime.fromtimestamp(end / 1000, ZoneInfo(zone))
    assert is_worked(day.date(), CHINA)
    assert 9 <= day.hour + day.minute / 60 <= 18
