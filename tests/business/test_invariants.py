"""What holds of every actor of the business together, over a day that was drawn: invariants 1, 3 and 4.

Folding again from empty gives equal rows and events; doubling events or stopping anywhere changes nothing.
"""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.business import BUSINESS
from core.business import Business
from core.events import Event
from simulators.world.day import day
from tests.business.memory import MemoryLog

DAYS = {seed: list(day(8, seed)) for seed in (1, 2)}
FOLDED: dict[int, MemoryLog] = {}


def folded(events: Sequence[Event], cuts: Sequence[int] = ()) -> MemoryLog:
    """Return a log into which the events came in pieces; behind each, all that only memory holds was forgotten."""
    log = MemoryLog(Business(BUSINESS))
    first = 0
    for cut in [*sorted(set(cuts)), len(events)]:
        log.take(events[first:cut])
        log.restart()
        first = cut
    return log


def straight(seed: int) -> MemoryLog:
    if seed not in FOLDED:
        FOLDED[seed] = folded(DAYS[seed])
    return FOLDED[seed]


def said(log: MemoryLog) -> dict[str, object]:
    return {event.id: (event.type, event.payload) for event in log.events}


def test_something_is_kept_of_a_day() -> None:
    assert straight(1).tables.contents()


@settings(max_examples=6, deadline=None)
@given(seed=st.sampled_from(sorted(DAYS)), cuts=st.lists(st.integers(1, 95), max_size=4))
def test_stopping_anywhere_changes_nothing(seed: int, cuts: list[int]) -> None:
    log = folded(DAYS[seed], cuts)
    assert log.tables.contents() == straight(seed).tables.contents()
    assert said(log) == said(straight(seed))


@settings(max_examples=6, deadline=None)
@given(data=st.data(), seed=st.sampled_from(sorted(DAYS)))
def test_doubling_any_events_changes_nothing(data: st.DataObject, seed: int) -> None:
    doubled = data.draw(st.sets(st.integers(0, len(DAYS[seed]) - 1)))
    events = [one for number, event in enumerate(DAYS[seed]) for one in [event] * (2 if number in doubled else 1)]
    log = folded(events, [len(events) // 2])
    log.take([DAYS[seed][number] for number in sorted(doubled)])
    assert log.tables.contents() == straight(seed).tables.contents()
    assert said(log) == said(straight(seed))


def test_folding_the_log_again_from_empty_gives_equal_rows() -> None:
    log = straight(1)
    # What rules said stands in the log already: a repeat of it is recognised by its id.
    again = folded(log.events)
    assert again.tables.contents() == log.tables.contents()
    assert said(again) == said(log)
