"""Everybody who has to do with a dealer group, and what the group was told of them: all the truth known, from a seed.

`people` makes the truth: persons in households, their telephone numbers and addresses over time, the cars they own and
drive, the firms some of them drive for. `captures` makes what ends up in a dealer's files: the same people as a web
form, a counter, a motor show, an insurer or an agent at a telephone wrote them down, each with the faults of its kind.
A capture also says whose it truly is, which is how linkage is measured.

What makes it hard is what makes it hard in life. Families share a telephone and a car. A number given up is handed to
somebody else after three months. A used car comes with its VIN to the next owner. Some names are borne by a hundred.
Brothers share a surname, an address and the first half of their names. Names are heard, so 玮 becomes 伟; forms have
given name and surname the wrong way round; numbers lose a digit; people move, and change their number, and do not say
so.

Nobody here exists. Identity numbers begin with 99, which no region of China has, with a right check digit; plates begin
with 测, which no province uses; VINs are of a maker that is none. No range of telephone numbers is set aside for
stories, so these have the shape of real ones: whatever sends, sends nothing to them.
"""

from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

import msgspec
import numpy as np

from simulators.group import store_of, vin_of
from simulators.terminals import identity
from simulators.world.names import ALIKE_GIVEN, ALIKE_SURNAMES, ERAS, GIVEN, ONE_CHARACTER, SOUNDS, SURNAMES

PERSONS_MAX: Final = 2_000_000
"""Ten times what a large group has. Numbers of telephones are drawn out of 400 millions."""
DAY_MS: Final = 86_400_000
YEAR_MS: Final = 365 * DAY_MS
NOW_MS: Final = 1_793_462_400_000
"""2026-11-01 00:00 in GMT+8: when the world is looked at, unless somebody says another time."""
YEARS: Final = 4
"""How long the group has been writing things down."""
QUARANTINE_MS: Final = 90 * DAY_MS
"""A number that was given up is nobody's for so long at least."""

PHONES: Final = (138, 186, 177, 199)
"""First digits of mobile numbers, of the three carriers. Those of the simulated terminals begin with 139."""
DISTRICTS: Final = ("钟楼区", "云桥区", "白鹭区", "星港区", "南浦区", "松湖区", "麦园区", "听潮区")
"""Of the simulated city (city.py)."""
STREETS: Final = tuple(
    f"{first}{second}{kind}"
    for first in "望临清云安长春永和景文明德玉银青白松柳梅荷竹枫月星晨"
    for second, kind in zip("江河湖山泉桥林园溪洲塘台", "路街道" * 4, strict=True)
)
FIRMS: Final = tuple(
    f"{first}{second}{kind}有限公司"
    for kind in ("商贸", "物流", "建设", "科技")
    for first in "恒远新华中天金宏"
    for second in "达通盛信泰源"
)

Role = Literal["head", "partner", "child", "parent"]
Source = Literal["web", "counter", "event", "partner", "call"]
Consent = Literal["", "service", "marketing", "share"]


class Number(msgspec.Struct, frozen=True, gc=False):
    """A telephone number that somebody uses, for a time."""

    digits: str
    from_ms: int
    to_ms: int = 0
    """0: to this day."""


class Address(msgspec.Struct, frozen=True, gc=False):
    """Where a household lives, from a time on."""

    district: str
    street: str
    house: int
    room: int
    from_ms: int

    def __str__(self) -> str:
        return f"{self.district}{self.street}{self.house}号{self.room}室"


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody, as only the simulator knows them."""

    id: int
    """From 1, dense."""
    surname: str
    given: str
    sex: Literal["m", "f"]
    born: str
    """YYYYMMDD."""
    id_number: str
    household: int
    role: Role
    numbers: tuple[Number, ...]
    """In order of time; the last is used now. A person without a telephone uses the household's head's."""
    has_phone: bool
    store: int
    """Number of the group's store that they go to, from 0 ..."""
    other_store: int
    """... and of another that knows them too; -1: none."""

    @property
    def name(self) -> str:
        """The name as its bearer writes it."""
        return self.surname + self.given

    def number_at(self, time_ms: int) -> str:
        """Return the number that they used at a time."""
        return next((one.digits for one in reversed(self.numbers) if one.from_ms <= time_ms), self.numbers[0].digits)


class Household(msgspec.Struct, frozen=True):
    """Who lives together."""

    members: tuple[int, ...]
    """Ids of persons, the head first."""
    addresses: tuple[Address, ...]
    """In order of time."""

    def address_at(self, time_ms: int) -> Address:
        """Return where they lived at a time."""
        return next((one for one in reversed(self.addresses) if one.from_ms <= time_ms), self.addresses[0])


class Holding(msgspec.Struct, frozen=True, gc=False):
    """What a person is to a car, for a time."""

    person: int
    role: Literal["owner", "driver"]
    from_ms: int
    to_ms: int = 0
    """0: to this day."""


class Car(msgspec.Struct, frozen=True):
    """A car of the simulated fleet: the one with the terminal of the same number."""

    number: int
    vin: str
    plate: str
    firm: str
    """Whose it is on paper, empty for a person's own."""
    holdings: tuple[Holding, ...]


class People(msgspec.Struct, frozen=True):
    """The truth."""

    seed: int
    start_ms: int
    now_ms: int
    persons: tuple[Person, ...]
    """Person `id` stands at id - 1."""
    households: tuple[Household, ...]
    cars: tuple[Car, ...]
    cars_of: dict[int, tuple[int, ...]]
    """Numbers of the cars that a person has or had to do with; who has none is left out."""

    def person(self, id_: int) -> Person:
        """Return a person by id."""
        return self.persons[id_ - 1]


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """What one form, counter, list or call wrote down of a person, and (below) whose it truly is.

    Empty text: it was not asked, or not said.
    """

    number: int
    """From 0, dense, in the order of arrival."""
    source: Source
    store: int
    """Number of the store that took it, from 0."""
    time_ms: int
    """When it was written down ..."""
    arrival_ms: int
    """... and when it reached the group: later from a tablet without a network, or in a partner's monthly list."""
    name: str
    phone: str
    id_number: str
    vin: str
    plate: str
    address: str
    company: str
    consent: Consent
    """What the person agreed to there: nothing, to be served, to advertising too, or (partner) to being passed on."""
    person: int
    """Truth: id of the person."""
    faults: tuple[str, ...]
    """Truth: what went wrong, as FAULTS names it."""
    repeats: int
    """Truth: number of the capture that this is the second sending of; -1: none."""


FAULTS: Final = (
    "homophone",
    "dropped",
    "swapped",
    "latin",
    "title",
    "digit",
    "transposed",
    "family phone",
    "former phone",
    "id digit",
    "vin digit",
    "plate digit",
)
"""What goes wrong: a character that sounds the same; a character left out; surname last; in Latin letters; 王先生; one
digit of the number wrong, or two the wrong way round; the number of somebody in the family, or one given up long ago;
one digit of the identity number, one sign of the VIN or of the plate wrong."""


# --- the truth --------------------------------------------------------------------------------------------------------


def people(
    persons: int, seed: int = 1, *, cars: int | None = None, stores: int = 6, now_ms: int = NOW_MS, years: int = YEARS
) -> People:
    """Make so many persons, their households and their cars. The same arguments give the same people.

    Args:
        persons: 1 to PERSONS_MAX.
        cars: exactly so many, with numbers from 0 (those of a simulated fleet); None: as many as such people have.
        now_ms: until when their lives are told, UTC epoch ms; it begins `years` before.

    Raises:
        ValueError: too many persons, or none.
    """
    if not 1 <= persons <= PERSONS_MAX:
        raise ValueError(f"there are 1 to {PERSONS_MAX} persons, got {persons}")
    rng = np.random.default_rng([seed, 0x9E09])
    start_ms = now_ms - years * YEAR_MS
    sizes = _sizes(rng, persons)
    household = np.repeat(np.arange(len(sizes)), sizes)
    place = np.arange(persons) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    head = np.arange(persons) - place
    born, sex, role = _ages(rng, place, head)
    surnames, given = _names(rng, place, head, born, sex, role)
    homes = _homes(rng, sizes, start_ms, now_ms)
    owned, home = _cars(rng, sizes, role, cars, start_ms, now_ms)
    store = rng.integers(stores, size=len(sizes))
    # Whoever has a car goes where it is looked after; the last of `home` to be set is that of the first car.
    store[home[::-1]] = np.array([store_of(number, stores) for number in range(len(home))], dtype=np.int64)[::-1]
    other = np.where(
        rng.random(len(sizes)) < 0.08, (store + 1 + rng.integers(max(1, stores - 1), size=len(sizes))) % stores, -1
    )
    other[other == store] = -1
    numbers, has_phone = _phones(rng, role, start_ms, now_ms)
    ids = _id_numbers(rng, born, sex)
    made = tuple(
        Person(
            id=n + 1,
            surname=surname,
            given=name,
            sex="m" if man else "f",
            born=id_[6:14],
            id_number=id_,
            household=home,
            role=_ROLES[what],
            numbers=digits,
            has_phone=phone,
            store=first,
            other_store=second,
        )
        for n, (surname, name, man, id_, home, what, digits, phone, first, second) in enumerate(
            zip(
                surnames,
                given,
                sex.tolist(),
                ids,
                household.tolist(),
                role.tolist(),
                numbers,
                has_phone.tolist(),
                store[household].tolist(),
                other[household].tolist(),
                strict=True,
            )
        )
    )
    # Who has no telephone of their own gives the number of the household's head.
    made = tuple(
        one if one.has_phone else msgspec.structs.replace(one, numbers=made[first].numbers)
        for one, first in zip(made, head.tolist(), strict=True)
    )
    cars_of: dict[int, list[int]] = {}
    for car in owned:
        for id_ in dict.fromkeys(holding.person for holding in car.holdings):
            cars_of.setdefault(id_, []).append(car.number)
    return People(seed, start_ms, now_ms, made, homes, owned, {id_: tuple(all_) for id_, all_ in cars_of.items()})


_ROLES: Final[tuple[Role, ...]] = ("head", "partner", "child", "parent")
_HEAD, _PARTNER, _CHILD, _PARENT = range(4)


def _sizes(rng: np.random.Generator, persons: int) -> np.ndarray:
    """Return how many adults live in each household: 2.3 on average."""
    sizes = rng.choice(np.arange(1, 6), size=persons, p=(0.25, 0.40, 0.20, 0.11, 0.04))
    count = int(np.searchsorted(np.cumsum(sizes), persons)) + 1
    sizes = sizes[:count]
    sizes[-1] -= int(sizes.sum()) - persons
    return np.asarray(sizes)


def _ages(rng: np.random.Generator, place: np.ndarray, head: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return days from 1900 at birth, whether each is a man, and the role in the household."""
    count = len(place)
    year = np.clip(rng.normal(1982, 10, count), 1952, 2004)[head]
    role = np.where(place == 0, _HEAD, np.where(place == 1, _PARTNER, np.where(year < 1976, _CHILD, _PARENT)))
    away = np.where(role == _PARTNER, rng.normal(0, 3, count), 0.0)
    away += np.where(role == _CHILD, rng.normal(27, 3, count), 0.0) - np.where(
        role == _PARENT, rng.normal(27, 3, count), 0.0
    )
    born = np.clip(year + away, 1930, 2007)
    man = rng.random(count) < 0.5
    man = np.where(place == 0, rng.random(count) < 0.68, man)
    man = np.where(place == 1, ~man[head], man)
    days = (born * 365.2425 - 1900 * 365.2425 + rng.integers(365, size=count)).astype(np.int64)
    twins = (place == 3) & (role == _CHILD) & (rng.random(count) < 0.03)
    days[twins] = days[np.flatnonzero(twins) - 1]
    return days, man, role


def _drawn(rng: np.random.Generator, table: tuple[Any, ...], count: int) -> np.ndarray:
    """Return so many texts from a table of Signs, by their shares."""
    edges = np.cumsum([sign.share for sign in table])
    picks = np.minimum(np.searchsorted(edges, rng.random(count), side="right"), len(table) - 1)
    return np.array([sign.text for sign in table], dtype=object)[picks]


def _names(
    rng: np.random.Generator,
    place: np.ndarray,
    head: np.ndarray,
    born: np.ndarray,
    man: np.ndarray,
    role: np.ndarray,
) -> tuple[list[str], list[str]]:
    """Return surnames and given names. Children have their father's surname, the head's father the head's."""
    count = len(place)
    surname = _drawn(rng, SURNAMES, count)
    partner = np.minimum(head + 1, count - 1)
    father = np.where(man[head], head, partner)
    surname[role == _CHILD] = surname[father[role == _CHILD]]
    related = (role == _PARENT) & man
    surname[related] = surname[head[related]]
    year = 1900 + born / 365.2425
    era = (year >= ERAS[0]).astype(int) + (year >= ERAS[1]).astype(int)
    first, second = np.empty(count, dtype=object), np.empty(count, dtype=object)
    for (sex, generation), table in GIVEN.items():
        which = (man == (sex == "m")) & (era == generation)
        first[which] = _drawn(rng, table, int(which.sum()))
        second[which] = _drawn(rng, table, int(which.sum()))
    # Brothers and sisters of one household often share the first of two characters.
    siblings = np.flatnonzero((place >= 3) & (role == _CHILD) & (rng.random(count) < 0.4))
    first[siblings] = first[siblings - 1]
    single = rng.random(count) < np.array(ONE_CHARACTER)[era]
    single[siblings] = False
    given = np.where(single | (first == second), first, first + second)
    return surname.tolist(), given.tolist()


_ID_WEIGHTS: Final = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])
_ID_CHECKS: Final = "10X98765432"


def _id_numbers(rng: np.random.Generator, born: np.ndarray, man: np.ndarray) -> list[str]:
    """Return resident identity numbers (GB 11643, ISO 7064 MOD 11-2) of region 9901xx, no two the same."""
    region = rng.integers(1, 9, size=len(born))
    dates = np.datetime64("1900-01-01") + born.astype("timedelta64[D]")
    key = (region * 100_000 + born) * 2 + man
    order = np.argsort(key, kind="stable")
    # The number within region and day: 1st, 2nd … of that sex; odd for men.
    ranked = key[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    rank = np.empty(len(born), np.int64)
    rank[order] = np.arange(len(born)) - np.repeat(starts, np.diff(np.r_[starts, len(born)]))
    serial = 2 * (10 + rank) + man
    years = dates.astype("datetime64[Y]").astype(int) + 1970
    months = dates.astype("datetime64[M]").astype(int) % 12 + 1
    days = (dates - dates.astype("datetime64[M]")).astype(int) + 1
    whole = (((990_100 + region) * 10_000 + years) * 100 + months) * 100 + days
    whole = whole * 1000 + serial
    digits = whole[:, None] // 10 ** np.arange(16, -1, -1) % 10
    check = (digits * _ID_WEIGHTS).sum(axis=1) % 11
    return [f"{number}{_ID_CHECKS[c]}" for number, c in zip(whole.tolist(), check.tolist(), strict=True)]


def id_check_digit(first: str) -> str:
    """Return the last sign of an identity number whose first 17 digits are these."""
    return _ID_CHECKS[sum(int(digit) * int(weight) for digit, weight in zip(first, _ID_WEIGHTS, strict=True)) % 11]


def _phones(
    rng: np.random.Generator, role: np.ndarray, start_ms: int, now_ms: int
) -> tuple[list[tuple[Number, ...]], np.ndarray]:
    """Return everybody's numbers over time, and who has one of their own.

    One in five has changed their number in these years. Of the numbers given up early a third has been handed to
    somebody who changed late: never sooner than QUARANTINE_MS after.
    """
    count = len(role)
    drawn = np.unique(rng.integers(len(PHONES) * 10**8, size=int(count * 1.6) + 64))
    rng.shuffle(drawn)
    digits = (np.array(PHONES)[drawn // 10**8] * 10**8 + drawn % 10**8).astype(np.int64)
    has_phone = rng.random(count) >= np.array([0.0, 0.05, 0.03, 0.3])[role]
    changed = (rng.random(count) < 0.2) & has_phone
    span = now_ms - start_ms
    at_ms = start_ms + (rng.random(count) * span).astype(np.int64) // 1000 * 1000
    now, before = digits[:count].copy(), np.full(count, -1)
    before[changed] = digits[count : count + int(changed.sum())]
    gap_ms = max(QUARANTINE_MS, span // 5)
    givers = np.flatnonzero(changed & (at_ms < start_ms + (span - gap_ms) // 2))
    takers = np.flatnonzero(changed & (at_ms > start_ms + (span + gap_ms) // 2))
    both = min(len(givers) // 3, len(takers) // 2)
    givers, takers = rng.permutation(givers)[:both], rng.permutation(takers)[:both]
    now[takers] = before[givers]
    numbers: list[tuple[Number, ...]] = [
        (Number(str(old), 0, at), Number(str(new), at)) if old >= 0 else (Number(str(new), 0),)
        for new, old, at in zip(now.tolist(), before.tolist(), at_ms.tolist(), strict=True)
    ]
    return numbers, has_phone


def _homes(rng: np.random.Generator, sizes: np.ndarray, start_ms: int, now_ms: int) -> tuple[Household, ...]:
    """Return the households; one in seven has moved in these years."""
    count = len(sizes)
    ends = np.cumsum(sizes)
    moved = rng.random(count) < 0.14
    at_ms = start_ms + (rng.random(count) * (now_ms - start_ms)).astype(np.int64)

    def drawn() -> list[list[int]]:
        columns = (
            rng.integers(len(DISTRICTS), size=count),
            rng.integers(len(STREETS), size=count),
            rng.integers(1, 400, size=count),
            rng.integers(1, 31, size=count) * 100 + rng.integers(1, 7, size=count),
        )
        return np.stack(columns, axis=1).tolist()

    def lives(place: list[int], from_ms: int) -> Address:
        return Address(DISTRICTS[place[0]], STREETS[place[1]], place[2], place[3], from_ms)

    return tuple(
        Household(tuple(range(end - size + 1, end + 1)), (lives(a, 0), lives(b, at)) if goes else (lives(a, 0),))
        for size, end, a, b, goes, at in zip(
            sizes.tolist(), ends.tolist(), drawn(), drawn(), moved.tolist(), at_ms.tolist(), strict=True
        )
    )


def _cars(
    rng: np.random.Generator, sizes: np.ndarray, role: np.ndarray, wanted: int | None, start_ms: int, now_ms: int
) -> tuple[tuple[Car, ...], np.ndarray]:
    """Return the cars and who owns and drives them over time, and the household that each was first bought by.

    A household has none, one or two. One car in eight has changed hands in these years, to another household; one in
    twenty-five is a firm's, and whoever drives it is all that the group knows of it.
    """
    homes = len(sizes)
    counts = rng.choice(3, size=homes, p=(0.2, 0.6, 0.2))
    if wanted is not None:
        over = int(counts.sum()) - wanted
        at = np.repeat(np.arange(homes), counts) if over > 0 else rng.integers(homes, size=-over)
        np.add.at(counts, rng.permutation(at)[:over] if over > 0 else at, -1 if over > 0 else 1)
    home = np.repeat(np.arange(homes), counts)
    total = len(home)
    firsts = np.cumsum(sizes) - sizes + 1
    second = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    has_partner = sizes > 1
    owner = firsts[home] + ((second % 2 == 1) & has_partner[home])
    partner = np.where(has_partner[home], firsts[home] + (second % 2 == 0), 0)
    child = np.where(sizes[home] > 2, firsts[home] + 2, 0)
    child[role[np.maximum(child - 1, 0)] != _CHILD] = 0
    drives = rng.random((total, 2)) < (0.6, 0.5)
    span = now_ms - start_ms
    since_ms = start_ms + ((rng.random(total) * 1.4 - 0.6) * span).astype(np.int64)
    sold = rng.random(total) < 0.125
    buyer_home = rng.integers(homes, size=total)
    sold &= buyer_home != home
    sold_ms = start_ms + ((0.1 + 0.8 * rng.random(total)) * span).astype(np.int64)
    since_ms = np.where(sold, np.minimum(since_ms, sold_ms - 200 * DAY_MS), since_ms)
    firm = np.where(rng.random(total) < 0.04, rng.integers(len(FIRMS), size=total), -1)
    made: list[Car] = []
    rows = zip(
        since_ms.tolist(),
        owner.tolist(),
        partner.tolist(),
        child.tolist(),
        drives.tolist(),
        sold.tolist(),
        sold_ms.tolist(),
        firsts[buyer_home].tolist(),
        firm.tolist(),
        strict=True,
    )
    for number, (since, whose, other, young, (other_drives, young_drives), gone, gone_ms, buyer, of_firm) in enumerate(
        rows
    ):
        end = gone_ms if gone else 0
        what: Literal["owner", "driver"] = "driver" if of_firm >= 0 else "owner"
        holdings = [Holding(whose, what, since, end)]
        if other and other_drives and of_firm < 0:
            holdings.append(Holding(other, "driver", since, end))
        if young and young_drives and of_firm < 0:
            holdings.append(Holding(young, "driver", since, end))
        if gone:
            holdings.append(Holding(buyer, what, gone_ms))
        made.append(
            Car(number, vin_of(number), identity(number).plate, FIRMS[of_firm] if of_firm >= 0 else "", tuple(holdings))
        )
    return tuple(made), home


# --- what the group was told ------------------------------------------------------------------------------------------


class Habit(NamedTuple):
    """What one kind of source writes down, and how badly. Shares."""

    share: float
    """Of all captures."""
    name: float
    phone: float
    id_number: float
    vin: float
    plate: float
    address: float
    bad_name: float
    bad_phone: float
    family: float
    """The number of somebody else in the family."""
    former: float
    """A number given up, where there was one."""
    bad_sign: float
    """Of each identity number, VIN and plate."""
    consents: tuple[float, float, float]
    """To nothing, to service, to advertising; of a partner: to nothing, -, to being passed on."""


HABITS: Final[dict[Source, Habit]] = {
    "web": Habit(0.22, 0.97, 1.0, 0.0, 0.04, 0.15, 0.06, 0.09, 0.02, 0.03, 0.01, 0.03, (0.3, 0.3, 0.4)),
    "counter": Habit(0.36, 1.0, 0.97, 0.35, 0.72, 0.85, 0.5, 0.04, 0.015, 0.06, 0.03, 0.012, (0.05, 0.6, 0.35)),
    "event": Habit(0.12, 0.92, 0.96, 0.0, 0.0, 0.08, 0.04, 0.12, 0.03, 0.02, 0.01, 0.03, (0.2, 0.3, 0.5)),
    "partner": Habit(0.1, 1.0, 0.85, 0.8, 0.9, 0.95, 0.6, 0.03, 0.02, 0.05, 0.15, 0.01, (0.2, 0.0, 0.8)),
    "call": Habit(0.2, 0.75, 0.98, 0.0, 0.02, 0.4, 0.03, 0.3, 0.005, 0.08, 0.005, 0.05, (0.5, 0.5, 0.0)),
}
"""By source. Over the telephone names are heard and plates are shouted; an insurer has old numbers and good papers; a
caller's number comes from the line, and is the family's at times."""
_NAME_FAULTS: Final[dict[Source, tuple[float, ...]]] = {
    "web": (0.15, 0.1, 0.35, 0.25, 0.15),
    "counter": (0.7, 0.2, 0.1, 0.0, 0.0),
    "event": (0.35, 0.1, 0.1, 0.2, 0.25),
    "partner": (0.3, 0.1, 0.1, 0.5, 0.0),
    "call": (0.45, 0.05, 0.0, 0.0, 0.5),
}
"""Of those names that are wrong: homophone, dropped, swapped, latin, title."""
TWICE_SHARE: Final = 0.04
"""Of web forms that are sent a second time, for the first seemed not to go."""
OFFLINE_SHARE: Final = 0.05
"""Of counters and events: written on a tablet without a network."""
DRAWS: Final = 16
"""Chances in what is written down once."""
PER_PERSON: Final = 1.9
"""Captures of a person, on average; more of whoever has a car."""


def captures(world: People, seed: int = 1, *, per_person: float = PER_PERSON, since_ms: int = 0) -> Iterator[Capture]:
    """Yield what the group was told of these people, in the order of its arrival.

    Args:
        since_ms: only what was written down at or after this time (the rest is made and left out: the same captures).
    """
    rng = np.random.default_rng([world.seed, seed, 0xCA97])
    count = len(world.persons)
    has_car = np.zeros(count, bool)
    has_car[np.fromiter(world.cars_of, np.int64, len(world.cars_of)) - 1] = True
    # Whoever has a car comes back with it. Some are never written down at all.
    times = rng.poisson(per_person * np.where(has_car, 1.35, 0.55))
    who = np.repeat(np.arange(count), times)
    total = len(who)
    sources = tuple(HABITS)
    source = rng.choice(len(sources), size=total, p=[HABITS[one].share for one in sources])
    time_ms = world.start_ms + (rng.random(total) * (world.now_ms - world.start_ms)).astype(np.int64)
    late = rng.random(total)
    wait_ms = np.zeros(total, np.int64)
    tablets = np.isin(source, (sources.index("counter"), sources.index("event"))) & (late < OFFLINE_SHARE)
    wait_ms[tablets] = (late[tablets] / OFFLINE_SHARE * 6 * 3_600_000).astype(np.int64) + 600_000
    lists = source == sources.index("partner")
    wait_ms[lists] = (late[lists] * 30 * DAY_MS).astype(np.int64)
    twice = np.flatnonzero((source == sources.index("web")) & (late < TWICE_SHARE))
    # A second sending has the draws of the first, so that it says the same, and comes up to a minute and a half later.
    row = np.r_[np.arange(total), twice]
    again = np.r_[np.zeros(total, bool), np.ones(len(twice), bool)]
    after_ms = np.r_[np.zeros(total, np.int64), rng.integers(2_000, 90_000, size=len(twice))]
    arrival_ms = time_ms[row] + after_ms + wait_ms[row]
    draws = rng.random((total, DRAWS))
    order = np.lexsort((again, row, arrival_ms))
    order = order[(time_ms[row] + after_ms)[order] >= since_ms]
    sent: dict[int, int] = {}
    for number, (n, is_again, after, came) in enumerate(
        zip(
            row[order].tolist(),
            again[order].tolist(),
            after_ms[order].tolist(),
            arrival_ms[order].tolist(),
            strict=True,
        )
    ):
        repeats = sent.get(n, -1) if is_again else -1
        if not is_again and source[n] == 0:
            sent[n] = number
        yield written_down(
            world,
            world.persons[who[n]],
            sources[source[n]],
            int(time_ms[n]),
            draws[n].tolist(),
            number,
            after,
            came,
            repeats,
        )


def written_down(
    world: People,
    person: Person,
    source: Source,
    time_ms: int,
    draws: list[float],
    number: int = 0,
    after_ms: int = 0,
    arrival_ms: int = 0,
    repeats: int = -1,
) -> Capture:
    """Return what a source writes down of a person.

    Args:
        time_ms: what was true of them then; it is written down `after_ms` later.
        draws: DRAWS numbers in [0, 1): chance is all in them.
    """
    habit = HABITS[source]
    faults: list[str] = []
    name = phone = id_number = vin = plate = address = company = ""
    # What a draw has decided it can decide again, stretched to 0..1: sixteen draws a capture are enough.
    if draws[0] < habit.name:
        name = person.name
        if draws[1] < habit.bad_name:
            name = _bad_name(person, source, draws[1] / habit.bad_name, draws[2], faults)
    if draws[3] < habit.phone:
        phone = _written_phone(_given_phone(world, person, habit, time_ms, draws[4:7], faults), draws[7])
    if draws[8] < habit.id_number:
        id_number = person.id_number
        if draws[9] < habit.bad_sign:
            id_number = _wrong_sign(id_number, draws[9] / habit.bad_sign, "0123456789")
            faults.append("id digit")
    car = _car_at(world, person, time_ms, draws[10])
    if car is not None:
        company = car.firm
        if draws[11] < habit.vin:
            vin = car.vin
            if draws[12] < habit.bad_sign:
                vin = _wrong_sign(vin, draws[12] / habit.bad_sign, "0123456789ABCDEFGHJKLMNPRSTUVWXYZ")
                faults.append("vin digit")
        if draws[13] < habit.plate:
            plate = car.plate
            if draws[12] > 1 - habit.bad_sign:
                plate = plate[:3] + _wrong_sign(plate[3:], (1 - draws[12]) / habit.bad_sign, "0123456789")
                faults.append("plate digit")
            plate = _written_plate(plate, draws[13] / habit.plate)
    if draws[14] < habit.address:
        address = _written_address(world.households[person.household].address_at(time_ms), draws[14] / habit.address)
    nothing, service, _ = habit.consents
    yes: Consent = "share" if source == "partner" else "marketing"
    consent: Consent = "" if draws[15] < nothing else "service" if draws[15] < nothing + service else yes
    elsewhere = person.other_store >= 0 and draws[10] > 0.6
    return Capture(
        number=number,
        source=source,
        store=person.other_store if elsewhere else person.store,
        time_ms=time_ms + after_ms,
        arrival_ms=max(arrival_ms, time_ms + after_ms),
        name=name,
        phone=phone,
        id_number=id_number,
        vin=vin,
        plate=plate,
        address=address,
        company=company,
        consent=consent,
        person=person.id,
        faults=tuple(faults),
        repeats=repeats,
    )


def _pick(draw: float, count: int) -> int:
    """Return one of 0 to count - 1."""
    return min(int(draw * count), count - 1)


def _bad_name(person: Person, source: Source, draw: float, draw_sign: float, faults: list[str]) -> str:
    """Return a name as it ends up where it goes wrong."""
    kinds = ("homophone", "dropped", "swapped", "latin", "title")
    kind = "title"
    for one, share in zip(kinds, _NAME_FAULTS[source], strict=True):
        draw -= share
        if draw < 0:
            kind = one
            break
    surname, given = person.surname, person.given
    if kind == "dropped" and len(given) == 1:
        kind = "homophone"
    if kind == "homophone":
        at = _pick(draw_sign, len(given) + 1) - 1
        alike = ALIKE_SURNAMES.get(surname, "") if at < 0 else ALIKE_GIVEN[given[at]]
        if not alike:
            # Nothing sounds like this one: the first of the given name that has a double, or the name as it is.
            at = next((n for n, sign in enumerate(given) if ALIKE_GIVEN[sign]), -1)
            alike = ALIKE_GIVEN[given[at]] if at >= 0 else ""
        if not alike:
            return person.name
        sign = alike[_pick(draw_sign * 7919 % 1, len(alike))]
        faults.append(kind)
        return sign + given if at < 0 else surname + given[:at] + sign + given[at + 1 :]
    faults.append(kind)
    if kind == "dropped":
        return surname + given[_pick(draw_sign, 2)]
    if kind == "swapped":
        return f"{given} {surname}"
    if kind == "latin":
        first, last = "".join(SOUNDS[one] for one in given).capitalize(), SOUNDS[surname].capitalize()
        return f"{first} {last}" if draw_sign < 0.5 else f"{last} {first}".upper()
    return f"{surname}{'先生' if person.sex == 'm' else '女士'}"


def _given_phone(
    world: People, person: Person, habit: Habit, time_ms: int, draws: list[float], faults: list[str]
) -> str:
    """Return the digits that are given for a person: theirs, the family's, one of old, or with a slip."""
    digits = person.number_at(time_ms)
    members = world.households[person.household].members
    if len(members) > 1 and draws[0] < habit.family:
        other = members[_pick(draws[0] / habit.family, len(members))]
        digits = world.person(other).number_at(time_ms)
        if digits != person.number_at(time_ms):
            faults.append("family phone")
    elif draws[0] > 1 - habit.former and digits != person.numbers[0].digits:
        digits = person.numbers[0].digits
        faults.append("former phone")
    if draws[1] < habit.bad_phone:
        at = 1 + _pick(draws[2], len(digits) - 2)
        if draws[1] < habit.bad_phone / 3 and digits[at] != digits[at + 1]:
            digits = digits[:at] + digits[at + 1] + digits[at] + digits[at + 2 :]
            faults.append("transposed")
        else:
            slip = str((int(digits[at + 1]) + 1 + _pick(draws[2] * 7919 % 1, 9)) % 10)
            digits = digits[: at + 1] + slip + digits[at + 2 :]
            faults.append("digit")
    return digits


_WIDE: Final = {ord("0") + n: 0xFF10 + n for n in range(10)}


def _written_phone(digits: str, draw: float) -> str:
    """Return a number as people write it. All are the same number."""
    match _pick(draw, 20):
        case 0 | 1:
            return f"{digits[:3]} {digits[3:7]} {digits[7:]}"
        case 2 | 3:
            return f"{digits[:3]}-{digits[3:7]}-{digits[7:]}"
        case 4 | 5:
            return f"+86{digits}"
        case 6:
            return f"0086{digits}"
        case 7:
            return f"+86 {digits[:3]} {digits[3:]}"
        case 8:
            return f"{digits[:3]}/{digits[3:7]}/{digits[7:]}"
        case 9:
            return digits.translate(_WIDE)
    return digits


def _written_plate(plate: str, draw: float) -> str:
    """Return a plate as people write it: 测A·12345, 测A 12345, 测a12345."""
    match _pick(draw, 6):
        case 0:
            return f"{plate[:2]}·{plate[2:]}"
        case 1:
            return f"{plate[:2]} {plate[2:]}"
        case 2:
            return plate.lower()
    return plate


def _written_address(address: Address, draw: float) -> str:
    """Return an address as people write it: with or without the city and the district, 号 or -."""
    match _pick(draw, 5):
        case 0:
            return f"钟琴市{address}"
        case 1:
            return f"{address.street}{address.house}号{address.room}"
        case 2:
            return f"{address.district}{address.street}{address.house}-{address.room}"
    return str(address)


def _wrong_sign(text: str, draw: float, signs: str) -> str:
    """Return a text with one sign, other than its first two, exchanged for another of `signs`."""
    at = 2 + _pick(draw, len(text) - 2)
    sign = signs[_pick(draw * 7919 % 1, len(signs))]
    if sign == text[at]:
        sign = signs[(signs.index(sign) + 1) % len(signs)]
    return text[:at] + sign + text[at + 1 :]


def _car_at(world: People, person: Person, time_ms: int, draw: float) -> Car | None:
    """Return a car that the person had to do with at a time; None where they had none."""
    theirs = [
        car
        for number in world.cars_of.get(person.id, ())
        for car in (world.cars[number],)
        if any(
            one.person == person.id and one.from_ms <= time_ms and (not one.to_ms or time_ms < one.to_ms)
            for one in car.holdings
        )
    ]
    return theirs[_pick(draw, len(theirs))] if theirs else None
