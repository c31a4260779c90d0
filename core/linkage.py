"""Record linkage: how likely two captures of a person are of one person, after Fellegi and Sunter. Nothing here waits.

Each field of two records is compared into a *level* (same, near, different …). A level's weight is log2(m/u): m how
often it is seen between records of one person, u between records of two. Weights add up, the prior odds are doubled by
each bit, and the posterior is held against two thresholds: linked by itself, shown to a person, or two persons.

    records = Records([traits, *others]);  levels = records.levels([0, 0], [1, 2]);  MODEL.bits(levels)

Sources: Fellegi and Sunter, A theory for record linkage, JASA 64 (1969); Winkler's term frequencies (2000): to agree on
a rare name says more than to agree on a common one. Splink does the same in a database's SQL over whole tables; a
counter that links one person in milliseconds inside a transaction has no table to hand it, and it brings DuckDB and
pandas, so the same formulas stand here, over arrays.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec
import numpy as np
from pypinyin import lazy_pinyin

MISSING: Final = 0
"""Level of a field that one of the two records lacks: it says nothing, its weight is 0."""


class Field(NamedTuple):
    """What is compared, and into which levels, best first; level 1 is the first of them."""

    name: str
    levels: tuple[str, ...]


FIELDS: Final = (
    Field("phone", ("same", "near", "different")),
    Field("name", ("same", "sound", "order", "near", "surname", "different")),
    Field("id_number", ("same", "near", "different")),
    Field("vin", ("same", "near", "different")),
    Field("plate", ("same", "near", "different")),
    Field("address", ("same", "near", "different")),
    Field("email", ("same", "near", "different")),
    Field("social", ("same", "different")),
)
"""near: one sign more, less, other, or two swapped (of an address: four fifths of it). sound: other signs that are read
the same (李娜, 李那, Li Na). order: family name and given name swapped. surname: one side is no more than 王先生."""
NAMES: Final = tuple(field.name for field in FIELDS)
PHONE, NAME, ID_NUMBER, VIN, PLATE, ADDRESS, EMAIL, SOCIAL = range(len(FIELDS))
SAME: Final = 1
DIFFERENT: Final = tuple(len(field.levels) for field in FIELDS)
LEVELS_MAX: Final = max(DIFFERENT) + 1
NAME_DIFFERENT: Final = DIFFERENT[NAME]
_SURNAME: Final = FIELDS[NAME].levels.index("surname") + 1

BLOCKS: Final = (PHONE, VIN, PLATE, ID_NUMBER, EMAIL, SOCIAL)
"""Only records that share one of these are compared at all: names alone would pair every 张伟 with every other."""

Traits = Mapping[str, str]
"""What one capture says, field -> value in its one spelling (storage/attributes.py); a field not known is absent."""


# --- levels -----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=200_000)
def sound_of(name: str) -> str:
    """Return how a name is read, in Latin letters without tones and spaces: 李娜 -> lina, "Li Na" -> lina."""
    return "".join(lazy_pinyin(name)).replace(" ", "").casefold()


class _Text(NamedTuple):
    """A column of texts: signs as numbers, padded with 0, read forwards and backwards."""

    code: np.ndarray  # (n,) int64, equal where the texts are; -1 where there is none
    signs: np.ndarray  # (n, width) uint32
    backwards: np.ndarray
    length: np.ndarray  # (n,) int64


def _text(values: Sequence[str]) -> _Text:
    codes: dict[str, int] = {}
    code = np.fromiter(
        (codes.setdefault(value, len(codes)) if value else -1 for value in values), np.int64, len(values)
    )
    distinct = list(codes) or [""]
    width = max(1, max(map(len, distinct)))
    signs = np.array(distinct, f"<U{width}").view(np.uint32).reshape(len(distinct), width)
    length = np.fromiter(map(len, distinct), np.int64, len(distinct))
    backwards = np.array([value[::-1] for value in distinct], f"<U{width}").view(np.uint32).reshape(signs.shape)
    return _Text(code, signs, backwards, length)


def _shared(text: _Text, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return of distinct texts how many signs at their beginning, and how many at their end, are the same."""
    begin = np.logical_and.accumulate(text.signs[left] == text.signs[right], axis=1).sum(axis=1)
    end = np.logical_and.accumulate(text.backwards[left] == text.backwards[right], axis=1).sum(axis=1)
    shorter = np.minimum(text.length[left], text.length[right])
    return np.minimum(begin, shorter), np.minimum(end, shorter)


def _within_one_edit(text: _Text, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Tell of pairs of distinct texts whether one sign more, less, other, or two neighbours swapped make them equal.

    What begins alike up to there and ends alike from there on differs by the signs between (Damerau's four mistakes).
    """
    begin, end = _shared(text, left, right)
    long, short = np.maximum(text.length[left], text.length[right]), np.minimum(text.length[left], text.length[right])
    one = (begin + end >= long - 1) & (long - short <= 1)
    swap = (long == short) & (begin + end == long - 2)
    at = np.minimum(begin, text.signs.shape[1] - 1)
    after = np.minimum(begin + 1, text.signs.shape[1] - 1)
    rows = np.arange(len(left))
    a, b = text.signs[left], text.signs[right]
    swapped = (a[rows, at] == b[rows, after]) & (a[rows, after] == b[rows, at])
    return one | (swap & swapped)


class Records:
    """Records to be compared, as columns. Built once; pairs are compared many at a time."""

    def __init__(self, traits: Sequence[Traits]) -> None:
        self.count: Final = len(traits)
        self._columns = tuple(_text([one.get(name, "") for one in traits]) for name in NAMES)
        names = [one.get("name", "") for one in traits]
        sounds = [sound_of(name) for name in names]
        self._sound = _text(sounds).code
        self._order = _text(["".join(sorted(sound)) for sound in sounds]).code

    def codes(self, field: int) -> np.ndarray:
        """Return (n,) int64: equal where this field's values are, -1 where there is none."""
        return self._columns[field].code

    def frequencies(self, field: int) -> np.ndarray:
        """Return (n,) float: which share of the records that have this field has this record's value."""
        code = self.codes(field)
        known = code[code >= 0]
        counts = np.bincount(known) if len(known) else np.zeros(1)
        return np.where(code >= 0, counts[code], 0) / max(1, len(known))

    def levels(self, left: np.ndarray | Sequence[int], right: np.ndarray | Sequence[int]) -> np.ndarray:
        """Return (pairs, fields) uint8: the level of each field between the records of each pair."""
        left, right = np.asarray(left, np.int64), np.asarray(right, np.int64)
        levels = np.zeros((len(left), len(FIELDS)), np.uint8)
        for field, text in enumerate(self._columns):
            a, b = text.code[left], text.code[right]
            both = (a >= 0) & (b >= 0)
            level = np.where(both, DIFFERENT[field], MISSING)
            level[both & (a == b)] = SAME
            apart = np.flatnonzero(both & (a != b))
            if len(apart) and field != SOCIAL:
                self._nearer(field, text, level, apart, left, right)
            levels[:, field] = level
        return levels

    def _nearer(
        self, field: int, text: _Text, level: np.ndarray, apart: np.ndarray, left: np.ndarray, right: np.ndarray
    ) -> None:
        """Write the levels between same and different, the best last."""
        a, b = text.code[left[apart]], text.code[right[apart]]
        near = FIELDS[field].levels.index("near") + 1
        if field == ADDRESS:
            begin, end = _shared(text, a, b)
            long = np.maximum(text.length[a], text.length[b])
            level[apart[5 * np.minimum(begin + end, long) >= 4 * long]] = near
            return
        if field == NAME:
            one = np.minimum(text.length[a], text.length[b]) == 1
            level[apart[one & (text.signs[a, 0] == text.signs[b, 0])]] = 5
            near_one = _within_one_edit(text, a, b) & ~one
            # Of two signs one is half of the name: 王芳 and 王强 are two people, 王小芳 and 王晓芳 may be one.
            near_one &= np.minimum(text.length[a], text.length[b]) > 2
            level[apart[near_one]] = near
            level[apart[self._order[left[apart]] == self._order[right[apart]]]] = 3
            level[apart[self._sound[left[apart]] == self._sound[right[apart]]]] = 2
            return
        level[apart[_within_one_edit(text, a, b)]] = near


def pairs_of(records: Records, fields: Sequence[int] = BLOCKS, block_max: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """Return all pairs (left < right) that share a value of one of these fields, each once.

    Args:
        block_max: a value more records share than this pairs each with the block_max before it only, in the order of
            the records: the switchboard of a leasing company must not cost the square of its cars.
    """
    found: list[np.ndarray] = []
    for field in fields:
        code = records.codes(field)
        order = np.argsort(code, kind="stable")
        order = order[np.searchsorted(code[order], 0) :]
        sorted_code = code[order]
        for step in range(1, block_max + 1):
            same = np.flatnonzero(sorted_code[step:] == sorted_code[:-step]) if step < len(order) else np.empty(0, int)
            if not len(same):
                break
            found.append(order[same] * records.count + order[same + step])
    pairs = np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
    return pairs // max(1, records.count), pairs % max(1, records.count)


# --- the model --------------------------------------------------------------------------------------------------------


def bits_of(m: float, u: float) -> float:
    """Return the weight of a level, in bits: how much likelier it is between records of one person than of two."""
    return math.log2(m / u)


def posterior_of(prior: float, bits: float) -> float:
    """Return how likely two records are of one person, from the prior and the sum of their weights."""
    odds = prior / (1 - prior) * 2.0 ** min(bits, 1000.0)
    return odds / (1 + odds)


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """How often each level is seen between records of one person (m) and of two (u), and what follows from it."""

    version: int
    prior: float
    """How likely two records are of one person, before anything is compared."""
    m: tuple[tuple[float, ...], ...]
    u: tuple[tuple[float, ...], ...]
    """A field's levels each, in the order of FIELDS, best first; each adds up to 1."""
    link: float
    """From this posterior on, two records are one person's."""
    review: float
    """From this on a person is asked."""

    def table(self) -> np.ndarray:
        """Return (fields, LEVELS_MAX) float: the weight of each level, 0 where the field is missing."""
        weights = np.zeros((len(FIELDS), LEVELS_MAX))
        for field, (m, u) in enumerate(zip(self.m, self.u, strict=True)):
            weights[field, 1 : len(m) + 1] = np.log2(np.asarray(m) / np.asarray(u))
        return weights

    def bits(self, levels: np.ndarray, name_frequency: np.ndarray | None = None) -> np.ndarray:
        """Return (pairs, fields) float: what each field says for (above 0) or against one person, in bits.

        Args:
            levels: (pairs, fields), of `Records.levels`.
            name_frequency: (pairs,) share of all records that have the left record's name: it takes the place of u
                where the names are the same. 0 or None where it is not known.
        """
        table = self.table()
        bits = table[np.arange(len(FIELDS)), levels]
        if name_frequency is not None:
            same = (levels[:, NAME] == SAME) & (name_frequency > 0)
            bits[same, NAME] = np.log2(self.m[NAME][0] / name_frequency[same])
        return bits


def total_bits(bits: np.ndarray) -> np.ndarray:
    """Return (pairs,) float: the fields' weights added up, each piece of evidence once.

    Plate and VIN are two names of one car: whoever shares a car shares both, and only the stronger counts. The model
    takes fields for independent, and these are anything but.
    """
    car = np.where(
        np.maximum(bits[:, VIN], bits[:, PLATE]) > 0,
        np.maximum(bits[:, VIN], bits[:, PLATE]),
        np.minimum(bits[:, VIN], bits[:, PLATE]),
    )
    others = [field for field in range(len(FIELDS)) if field not in (VIN, PLATE)]
    total: np.ndarray = bits[:, others].sum(axis=1) + car
    return total


def posteriors(prior: float, bits: np.ndarray) -> np.ndarray:
    """Return `posterior_of` of each."""
    odds = prior / (1 - prior) * np.exp2(np.minimum(bits, 1000.0))
    return odds / (1 + odds)


NAME_PRIOR: Final = 1_000
"""Names that are taken to have been seen beforehand, one of them this one: while few are known, that a
name was seen once says nothing of how rare it is."""


def name_frequency(seen: int, total: int) -> float:
    """Return how frequent a name is, of which `seen` of `total` names were this one."""
    return (seen + 1) / (total + NAME_PRIOR)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What speaks for a capture being of one person: the best of each field over all that person's captures."""

    person: int
    bits: tuple[float, ...]
    levels: tuple[int, ...]
    weight: float
    posterior: float

    @property
    def doubt(self) -> str:
        """Return why nobody is linked by this evidence alone, however strong it is; empty if nothing is.

        Who shares a telephone, an address and a car with somebody of another name is their husband, not them.
        """
        differs = self.levels[NAME] == NAME_DIFFERENT and self.levels[ID_NUMBER] != SAME
        return "name" if differs else ""


def _speaks_louder(field: int, one: tuple[float, int], other: tuple[float, int]) -> bool:
    """Tell which of two captures of a person speaks in this field. Where one of them has the full name, 王先生 does not
    speak: it would make a father of every son."""
    if field == NAME and (one[1] == _SURNAME) != (other[1] == _SURNAME):
        return other[1] == _SURNAME
    return one[0] > other[0]


def weigh(compared: Iterable[tuple[int, Sequence[int], Sequence[float]]], model: Model) -> list[Found]:
    """Return the persons that a capture may be of, those from the model's `review` on, the likeliest first.

    Args:
        compared: (person, levels, bits) of each earlier capture it was compared with. A person who has had two
            telephones is not spoken against by one of them: of each field the capture that fits best speaks.
    """
    best: dict[int, dict[int, tuple[float, int]]] = {}
    for person, levels, bits in compared:
        fields = best.setdefault(person, {})
        for field, level in enumerate(levels):
            if level and (field not in fields or _speaks_louder(field, (bits[field], level), fields[field])):
                fields[field] = (bits[field], level)
    found: list[Found] = []
    for person, fields in best.items():
        row = tuple(fields.get(field, (0.0, MISSING))[0] for field in range(len(FIELDS)))
        # Plate and VIN are two names of one car, and count once: as `total_bits` has it.
        car = max(row[VIN], row[PLATE])
        if car <= 0:
            car = min(row[VIN], row[PLATE])
        weight = sum(row[field] for field in range(len(FIELDS)) if field not in (VIN, PLATE)) + car
        posterior = posterior_of(model.prior, weight)
        # A call without a name from a family's number: a person who is asked has nothing to judge by either.
        nameless = fields.get(NAME, (0.0, MISSING))[1] == MISSING and posterior < model.link
        if posterior >= model.review and not nameless:
            levels = tuple(fields.get(field, (0.0, MISSING))[1] for field in range(len(FIELDS)))
            found.append(Found(person=person, bits=row, levels=levels, weight=round(weight, 4), posterior=posterior))
    return sorted(found, key=lambda one: (-one.posterior, one.person))


# --- learning ---------------------------------------------------------------------------------------------------------

RATE_MIN: Final = 1e-7
"""No level is impossible: one that was never seen is taken to be this rare."""


def _rates(levels: np.ndarray, weight: np.ndarray, field: int, before: float) -> tuple[float, ...]:
    """Return the shares of a field's levels, weighted; where the field is missing, a pair does not count.

    Args:
        before: that many pairs are taken to have been seen of each level beforehand, so that none is 0.
    """
    counts = np.bincount(levels[:, field], weight, LEVELS_MAX)[1 : DIFFERENT[field] + 1] + before
    return tuple(np.maximum(counts / counts.sum(), RATE_MIN).tolist())


def chance(
    records: Records, pairs: int = 400_000, seed: int = 1, persons: np.ndarray | None = None
) -> tuple[tuple[float, ...], ...]:
    """Return u: how often each level is seen between records of two persons.

    Two records taken by chance are of two persons but for one in as many as there are. To have the same value is
    reckoned from how often each value is there (the sum of squared shares), which a sample would hardly ever see.

    Args:
        persons: (n,) whose each record is, as far as that has been found: pairs within one person are left out. Without
            it they count, and what hardly two persons share (a number, a car) looks as frequent as one person's visits.
    """
    random = np.random.default_rng(seed)
    left = random.integers(0, records.count, pairs)
    right = random.integers(0, records.count, pairs)
    levels = records.levels(left[left != right], right[left != right])
    rates: list[tuple[float, ...]] = []
    for field in range(len(FIELDS)):
        code = records.codes(field)
        counts = np.bincount(code[code >= 0]) if (code >= 0).any() else np.array([1])
        known = float(counts.sum())
        shared = float((counts * (counts - 1.0)).sum())
        if persons is not None:
            _, own = np.unique(np.stack([code[code >= 0], persons[code >= 0]]), axis=1, return_counts=True)
            shared -= float((own * (own - 1.0)).sum())
        same = shared / max(1.0, known * (known - 1.0))
        same = min(0.5, max(same, RATE_MIN))
        others = levels[levels[:, field] != SAME]
        rest = _rates(others, np.ones(len(others)), field, 0.5)[1:]
        rates.append((same, *(np.maximum(np.array(rest) / sum(rest) * (1 - same), RATE_MIN).tolist())))
    return tuple(rates)


def learn(
    levels: np.ndarray,
    m: Sequence[Sequence[float]],
    u: Sequence[Sequence[float]],
    share: float = 0.5,
    *,
    fixed_u: bool = True,
    held: Iterable[int] = (),
    rounds: int = 200,
    tolerance: float = 1e-7,
) -> tuple[tuple[tuple[float, ...], ...], tuple[tuple[float, ...], ...], float]:
    """Return m, u and the share of pairs of one person, by expectation and maximisation (Dempster et al. 1977).

    Args:
        levels: (pairs, fields) of pairs of one block.
        m, u, share: where to begin; m must be nearer to agreeing than u, or the two change places.
        fixed_u: leave u as it is (of `chance`), which keeps the estimate from drifting on blocked pairs.
        held: fields that say nothing here: those that the pairs were found by.
    """
    patterns, counts = np.unique(levels, axis=0, return_counts=True)
    weight = counts.astype(float)
    learned = [field for field in range(len(FIELDS)) if field not in set(held)]
    new_m, new_u = [tuple(rates) for rates in m], [tuple(rates) for rates in u]
    for _ in range(rounds):
        log_odds = np.full(len(patterns), math.log2(share / (1 - share)))
        for field in learned:
            table = np.zeros(LEVELS_MAX)
            table[1 : DIFFERENT[field] + 1] = np.log2(np.array(new_m[field]) / np.array(new_u[field]))
            log_odds += table[patterns[:, field]]
        one = 1 / (1 + np.exp2(np.clip(-log_odds, -1000, 1000)))
        before, share = share, float(np.clip((weight * one).sum() / weight.sum(), 1e-9, 1 - 1e-9))
        moved = abs(share - before)
        for field in learned:
            rates = _rates(patterns, weight * one, field, 0.1)
            moved = max(moved, *(abs(new - old) for new, old in zip(rates, new_m[field], strict=True)))
            new_m[field] = rates
            if not fixed_u:
                new_u[field] = _rates(patterns, weight * (1 - one), field, 0.1)
        if moved < tolerance:
            break
    return tuple(new_m), tuple(new_u), share


def train(records: Records, start: Model, *, pairs_max: int = 300_000) -> Model:
    """Return the model that these records themselves suggest: u by chance, m by `learn` over two kinds of blocks.

    A field cannot be learned from pairs that were found by it, so pairs found by phone teach the cars and numbers,
    those found by car teach the phone, and what both teach is averaged.
    """
    u = chance(records)
    taught: list[list[tuple[float, ...]]] = [[] for _ in FIELDS]
    for block in ((PHONE,), (VIN, PLATE), (ID_NUMBER,)):
        left, right = pairs_of(records, block, 20)
        if len(left) < 100:
            continue
        if len(left) > pairs_max:
            some = np.random.default_rng(2).choice(len(left), pairs_max, replace=False)
            left, right = left[some], right[some]
        levels = records.levels(left, right)
        m, _, _ = learn(levels, start.m, u, held=block)
        for field in range(len(FIELDS)):
            if field not in block and (levels[:, field] != MISSING).sum() >= 100:
                taught[field].append(m[field])
    m = tuple(
        tuple(np.mean(lessons, axis=0).tolist()) if lessons else start.m[field] for field, lessons in enumerate(taught)
    )
    u = tuple(rates if taught[field] else start.u[field] for field, rates in enumerate(u))
    return msgspec.structs.replace(start, m=m, u=u)


# --- clusters ---------------------------------------------------------------------------------------------------------


def clusters(count: int, left: Sequence[int], right: Sequence[int], verified: Sequence[int] = ()) -> np.ndarray:
    """Return (count,) int64: for each record the lowest record of its cluster, linked pair by pair in their order.

    Args:
        left, right: linked pairs, the surest first.
        verified: each record's verified id as a number, 0 for none. Two clusters that hold two of them are never
            joined, whatever their pairs say.
    """
    parent = list(range(count))
    ids = list(verified) or [0] * count

    def root(record: int) -> int:
        while parent[record] != record:
            parent[record] = parent[parent[record]]
            record = parent[record]
        return record

    for a, b in zip(left, right, strict=True):
        one, other = root(int(a)), root(int(b))
        if one == other or (ids[one] and ids[other] and ids[one] != ids[other]):
            continue
        low, high = min(one, other), max(one, other)
        parent[high] = low
        ids[low] = ids[low] or ids[high]
    return np.array([root(record) for record in range(count)], np.int64)


MODEL: Final = Model(
    version=1,
    prior=1e-6,
    m=(
        (0.86, 0.027, 0.113),
        (0.82, 0.075, 0.031, 0.002, 0.06, 0.012),
        (0.985, 0.01, 0.005),
        (0.86, 0.02, 0.12),
        (0.845, 0.06, 0.095),
        (0.26, 0.155, 0.585),
        (0.90, 0.05, 0.05),
        (0.98, 0.02),
    ),
    u=(
        (2e-7, 1.3e-6, 1 - 1.5e-6),
        (6e-5, 4e-5, 2.5e-5, 0.0026, 0.0114, 0.985875),
        (1e-8, 3e-5, 1 - 3.001e-5),
        (1.1e-6, 2.9e-5, 1 - 3.01e-5),
        (1.1e-6, 0.0013, 1 - 0.0013011),
        (1e-5, 1.8e-5, 1 - 2.8e-5),
        (1e-7, 1e-6, 1 - 1.1e-6),
        (1e-7, 1 - 1e-7),
    ),
    link=0.99,
    review=0.20,
)
"""What live captures are compared by: measured on the simulated world's people (bench/linkage.py), with u of numbers
and cars scaled to a group of a million captures, to which the prior belongs. Near and surname have the u that they have
among those who share a telephone: brothers do, with half a name in common.

Written down, not learned as one goes: who is one person today must be so tomorrow, on every machine; a model that was
learned from a group's own records (`train`) comes as a new version."""

MODELS: Final[Mapping[int, Model]] = {MODEL.version: MODEL}
"""By version: an event names the one that its weights are of, and is judged by that one for ever."""
