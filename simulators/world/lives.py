"""What people do: a plan for each person and day, from the seed, before anything has answered them.

Everything a person does is an Act: they fill in a form, go to their store, call, are at a motor show, stand in an
insurer's list; they press the button in the car, break down and call from the roadside; they sell a car, take back what
they allowed, leave for good. They also pay, complain and refer, of which nobody can be told yet (living.py says which
act has a door).

A plan is a function of (seed, person, day, pace) alone: whoever stops and starts again finds the same plans. So it
knows nothing of what came of the acts before; `living` skips what cannot be any more.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, get_args

import msgspec
import numpy as np

from simulators.world.people import (
    DAY_MS,
    DRAWS,
    TWICE_SHARE,
    YEAR_MS,
    Capture,
    People,
    Person,
    Source,
    written_down,
)

What = Literal[
    "form",
    "visit",
    "call",
    "show",
    "listed",
    "sos",
    "breakdown",
    "sell",
    "withdraw",
    "leave",
    "pay",
    "complain",
    "refer",
]
WHATS: Final[tuple[What, ...]] = get_args(What)
ACTS_MAX: Final = 64
"""Acts of one person on one day, at any pace."""
PACE_MAX: Final = 10_000.0


class Kind(NamedTuple):
    """How often people do a thing, and what comes of it."""

    a_year: float
    """Times a year, of those who can."""
    needs_car: bool
    source: Source | None = None
    """Who writes down what they say there; None: nobody does."""


KINDS: Final[Mapping[What, Kind]] = MappingProxyType(
    {
        "form": Kind(0.8, False, "web"),
        "visit": Kind(2.2, True, "counter"),
        "call": Kind(1.2, False, "call"),
        "show": Kind(0.25, False, "event"),
        "listed": Kind(0.5, True, "partner"),
        "sos": Kind(0.15, True),
        "breakdown": Kind(0.35, True, "call"),
        "sell": Kind(0.1, True),
        "withdraw": Kind(0.12, False),
        "leave": Kind(0.03, False),
        "pay": Kind(2.0, True),
        "complain": Kind(0.25, False, "call"),
        "refer": Kind(0.15, False, "web"),
    }
)
"""Of whoever refers somebody the form says it is the friend that is written down."""


class Job(NamedTuple):
    """What somebody lives of, and so when they have time. Hours are of their own clock."""

    share: float
    hours: tuple[int, ...]
    """Weight of each hour of the day, from midnight on."""


_OFFICE: Final = (0, 0, 0, 0, 0, 0, 0, 2, 3, 1, 1, 2, 6, 4, 1, 1, 1, 2, 5, 6, 5, 4, 2, 1)
_SHOP: Final = (0, 0, 0, 0, 0, 0, 0, 1, 3, 5, 5, 3, 2, 2, 4, 5, 4, 3, 2, 1, 1, 1, 1, 0)
_DRIVER: Final = (1, 1, 0, 0, 1, 2, 3, 4, 3, 2, 3, 4, 4, 3, 3, 3, 3, 4, 4, 3, 2, 2, 2, 1)
_SHIFT: Final = (2, 1, 1, 1, 1, 2, 3, 4, 3, 1, 1, 1, 2, 3, 4, 4, 3, 2, 2, 2, 2, 2, 3, 3)
_RETIRED: Final = (0, 0, 0, 0, 0, 1, 2, 4, 6, 7, 6, 4, 2, 1, 3, 5, 5, 3, 2, 1, 1, 0, 0, 0)
JOBS: Final[Mapping[str, Job]] = MappingProxyType(
    {
        "office": Job(0.42, _OFFICE),
        "shop": Job(0.18, _SHOP),
        "driver": Job(0.1, _DRIVER),
        "shift": Job(0.16, _SHIFT),
        "teacher": Job(0.14, _OFFICE),
        "retired": Job(0.0, _RETIRED),
    }
)
RETIRED_AGE: Final = 60
ZONE_MS: Final = 8 * 3_600_000
"""China's clock is so far ahead of UTC."""


class Habits(NamedTuple):
    """What somebody is like."""

    job: str
    busy: float
    """How often they do things, 1 on average."""
    complains: float
    """How often they complain, 1 on average; few do at all."""
    loyal: float
    """0 to 1: how seldom they withdraw, sell and leave."""
    answers: float
    """Share of calls and codes that they answer."""


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Something that somebody does at a moment."""

    id: str
    """Person, day and number in that day's plan: the same act has the same id in every run."""
    time_ms: int
    person: int
    what: What
    car: int = -1
    """Number of the car that it is about; -1: none."""
    store: int = -1
    """Number of the store that it goes to, from 0."""
    other: int = 0
    """Id of the person who buys the car, or is referred; 0: nobody."""
    capture: Capture | None = None
    """What is written down of it."""
    draw: float = 0.0
    """A chance of its own, in [0, 1), for what comes of it."""


def habits(world: People, person: Person) -> Habits:
    """Return what a person is like: a function of the seed and who they are."""
    rng = np.random.default_rng([world.seed, person.id, 0x4AB1])
    draws = rng.random(4)
    age = 1970 + world.now_ms / YEAR_MS - int(person.born[:4])
    job = "retired"
    if age < RETIRED_AGE:
        shares = np.cumsum([one.share for one in JOBS.values()])
        job = tuple(JOBS)[min(int(np.searchsorted(shares, draws[0] * shares[-1], side="right")), len(JOBS) - 2)]
    return Habits(
        job,
        busy=float(rng.gamma(2.0, 0.5)),
        complains=5.0 if draws[1] < 0.2 else 0.0,
        loyal=float(draws[2]),
        answers=0.3 + 0.7 * float(draws[3]),
    )


def plan(world: People, person: Person, day: int, pace: float = 1.0) -> tuple[Act, ...]:
    """Return what a person does on a day, in order of time.

    Args:
        day: from 0, the first day after the world's `now_ms`; a day of China's clock.
        pace: how many times as much happens as in life.

    Raises:
        ValueError: a pace of 0 or less, or over PACE_MAX.
    """
    if not 0 < pace <= PACE_MAX:
        raise ValueError(f"a pace is above 0 and at most {PACE_MAX:.0f}, got {pace}")
    rng = np.random.default_rng([world.seed, person.id, day, 0xAC75])
    like = habits(world, person)
    starts_ms = day_ms(world, day)
    cars = [number for number in world.cars_of.get(person.id, ()) if _has(world, number, person.id)]
    often = np.array([KINDS[what].a_year / 365 * like.busy * pace for what in WHATS])
    often *= np.array([_inclination(what, like, bool(cars)) for what in WHATS])
    counts = np.minimum(rng.poisson(often), ACTS_MAX)
    weights = np.array(JOBS[like.job].hours, dtype=float)
    weights /= weights.sum()
    # At a pace of a day an hour every hour has a whole day in it.
    whole = min(1.0, pace / 24)
    weights = weights * (1.0 - whole) + whole / 24
    hours = rng.choice(24, size=int(counts.sum()), p=weights / weights.sum())
    told: list[tuple[int, What]] = []
    at = 0
    for what, count in zip(WHATS, counts.tolist(), strict=True):
        for _ in range(count):
            told.append((starts_ms + int((hours[at] + rng.random()) * 3_600_000), what))
            at += 1
    told = sorted(told)[:ACTS_MAX]
    made: list[Act] = []
    for time_ms, what in told:
        made += _acts(world, person, cars, what, time_ms, f"{person.id}-{day}-{len(made)}", rng)
    return tuple(sorted(made, key=lambda act: (act.time_ms, act.id)))


def plans(world: People, day: int, pace: float = 1.0) -> list[Act]:
    """Return what everybody does on a day, in order of time. Some 60 us a person."""
    acts = [act for person in world.persons for act in plan(world, person, day, pace)]
    acts.sort(key=lambda act: (act.time_ms, act.person, act.id))
    return acts


def day_ms(world: People, day: int) -> int:
    """Return when a day begins, UTC epoch ms: at midnight in China; day 0 holds the world's `now_ms`."""
    return (world.now_ms + ZONE_MS) // DAY_MS * DAY_MS - ZONE_MS + day * DAY_MS


def _inclination(what: What, like: Habits, has_car: bool) -> float:
    """Return how much more or less often than others somebody like this does a thing."""
    if KINDS[what].needs_car and not has_car:
        return 0.0
    match what:
        case "complain":
            return like.complains
        case "sell" | "withdraw" | "leave":
            return 2.0 * (1.0 - like.loyal)
        case "refer":
            return 2.0 * like.loyal
    return 1.0


def _has(world: People, number: int, person: int) -> bool:
    """Tell whether a person owns or drives a car at the world's `now_ms`."""
    return any(one.person == person and not one.to_ms for one in world.cars[number].holdings)


def _acts(
    world: People, person: Person, cars: list[int], what: What, time_ms: int, id_: str, rng: np.random.Generator
) -> list[Act]:
    """Return an act, and what goes with it: a form may be sent twice."""
    kind = KINDS[what]
    draws = rng.random(DRAWS)
    car = cars[int(rng.integers(len(cars)))] if cars else -1
    friend = world.persons[int(rng.integers(len(world.persons)))]
    other = friend.id if what in ("sell", "refer") and friend.household != person.household else 0
    if what in ("sell", "refer") and not other:
        return []
    if what == "sell" and not any(one.person == person.id and one.role == "owner" for one in world.cars[car].holdings):
        return []
    capture = None
    if kind.source is not None:
        said = friend if what == "refer" else person
        capture = written_down(world, said, kind.source, time_ms, draws.tolist())
    store = capture.store if capture is not None else person.store
    act = Act(
        id=id_,
        time_ms=time_ms,
        person=person.id,
        what=what,
        car=car if kind.needs_car else -1,
        store=store,
        other=other,
        capture=capture,
        draw=float(draws[-2] * 97 % 1),
    )
    if what == "form" and capture is not None and draws[-1] * 97 % 1 < TWICE_SHARE:
        after_ms = 2_000 + int(draws[0] * 88_000)
        again = msgspec.structs.replace(capture, time_ms=time_ms + after_ms, arrival_ms=time_ms + after_ms, repeats=0)
        return [act, msgspec.structs.replace(act, id=f"{id_}b", time_ms=time_ms + after_ms, capture=again)]
    return [act]
