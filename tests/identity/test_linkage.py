"""core/linkage.py: the vectors of its sources, what is learned from records whose truth is known, and its arrays
against a slow oracle."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import linkage
from core.linkage import (
    DIFFERENT,
    FIELDS,
    MODEL,
    NAME,
    NAMES,
    PHONE,
    PLATE,
    VIN,
    Records,
    bits_of,
    chance,
    clusters,
    learn,
    pairs_of,
    posterior_of,
    total_bits,
)

# Published figures of the method, reckoned by hand: m and u of three fields.
PHONE_BITS = bits_of(0.95, 1e-4)
NAME_BITS = bits_of(0.90, 0.01)
VIN_BITS = bits_of(0.99, 1e-6)
NAME_AGAINST = bits_of(0.10, 0.99)


@pytest.mark.parametrize(("bits", "vector"), [(PHONE_BITS, 13.21), (NAME_BITS, 6.49), (VIN_BITS, 19.92)])
def test_a_weight_is_the_logarithm_of_m_over_u(bits: float, vector: float) -> None:
    assert round(bits, 2) == vector


@pytest.mark.parametrize(
    ("bits", "vector", "within"),
    [
        (PHONE_BITS + NAME_BITS, 0.461, 5e-4),
        (PHONE_BITS + NAME_BITS + VIN_BITS, 0.9999988, 5e-8),
        (PHONE_BITS + NAME_AGAINST, 0.00096, 5e-6),
    ],
)
def test_a_posterior_is_the_prior_doubled_by_each_bit(bits: float, vector: float, within: float) -> None:
    assert posterior_of(1e-6, bits) == pytest.approx(vector, abs=within)


def level(field: str, one: str, other: str) -> str:
    number = Records([{field: one}, {field: other}]).levels([0], [1])[0, NAMES.index(field)]
    return "missing" if number == 0 else FIELDS[NAMES.index(field)].levels[number - 1]


@pytest.mark.parametrize(
    ("field", "one", "other", "expected"),
    [
        ("phone", "+8613800138000", "+8613800138000", "same"),
        ("phone", "+8613800138000", "+8613800138001", "near"),
        ("phone", "+8613800138000", "+8613800183000", "near"),
        ("phone", "+8613800138000", "+8613900138001", "different"),
        ("phone", "+8613800138000", "", "missing"),
        ("name", "李娜", "李娜", "same"),
        ("name", "李娜", "李那", "sound"),
        ("name", "李娜", "li na", "sound"),
        ("name", "李娜", "na li", "order"),
        ("name", "王小明", "王小朋", "near"),
        ("name", "王芳", "王强", "different"),
        ("name", "王", "王小明", "surname"),
        ("name", "李", "王小明", "different"),
        ("address", "沪太路12号3弄501室", "沪太路12号3弄502室", "near"),
        ("address", "沪太路12号", "中山路99号", "different"),
        ("social", "wechat:a", "wechat:b", "different"),
    ],
)
def test_fields_are_compared_into_levels(field: str, one: str, other: str, expected: str) -> None:
    assert level(field, one, other) == expected
    assert level(field, other, one) == expected


def edits(one: str, other: str) -> int:
    """The slow oracle: distance of optimal string alignment, by its table."""
    table = {(i, j): max(i, j) for i in range(len(one) + 1) for j in range(len(other) + 1) if not i or not j}
    for i, j in itertools.product(range(1, len(one) + 1), range(1, len(other) + 1)):
        cost = one[i - 1] != other[j - 1]
        best = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + cost)
        if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
            best = min(best, table[i - 2, j - 2] + 1)
        table[i, j] = best
    return table[len(one), len(other)]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(alphabet="12", min_size=1, max_size=6), min_size=2, max_size=6))
def test_near_is_one_edit_as_the_table_of_edits_says(texts: list[str]) -> None:
    records = Records([{"vin": text} for text in texts])
    pairs = list(itertools.combinations(range(len(texts)), 2))
    levels = records.levels([a for a, _ in pairs], [b for _, b in pairs])[:, VIN]
    for (a, b), found in zip(pairs, levels, strict=True):
        distance = edits(texts[a], texts[b])
        assert found == (1 if distance == 0 else 2 if distance == 1 else 3), (texts[a], texts[b])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.sampled_from(["", "x", "y"])), max_size=12))
def test_blocks_give_every_pair_that_shares_a_value_once(rows: list[tuple[str, str]]) -> None:
    left, right = pairs_of(Records([{"phone": phone, "vin": vin} for phone, vin in rows]))
    expected = {
        (a, b)
        for a, b in itertools.combinations(range(len(rows)), 2)
        if (rows[a][0] and rows[a][0] == rows[b][0]) or (rows[a][1] and rows[a][1] == rows[b][1])
    }
    assert sorted(zip(left.tolist(), right.tolist(), strict=True)) == sorted(expected)


def test_a_value_that_too_many_share_pairs_each_with_the_bounded_number_before_it() -> None:
    left, right = pairs_of(Records([{"phone": "+861"}] * 100), block_max=3)
    assert set((right - left).tolist()) == {1, 2, 3}
    assert len(left) == 99 + 98 + 97


def test_what_is_missing_says_nothing_and_a_car_counts_once() -> None:
    records = Records([{"vin": "A", "plate": "P"}, {"vin": "A", "plate": "P"}, {"vin": "A"}, {}])
    bits = MODEL.bits(records.levels([0, 0, 0], [1, 2, 3]))
    total = total_bits(bits)
    assert total[0] == max(bits[0, VIN], bits[0, PLATE])
    assert total[1] == bits[1, VIN]
    assert total[2] == 0


def test_a_rare_name_says_more_than_a_common_one() -> None:
    records = Records([{"name": "张伟"}] * 9 + [{"name": "欧阳震华"}] * 2)
    levels = records.levels([0, 9], [1, 10])
    bits = MODEL.bits(levels, records.frequencies(NAME)[[0, 9]])
    assert bits[1, NAME] == pytest.approx(bits[0, NAME] + math.log2(9 / 2))


def drawn(random: np.random.Generator, rates: list[tuple[float, ...]], count: int) -> np.ndarray:
    columns = [random.choice(len(one), count, p=np.array(one) / sum(one)) + 1 for one in rates]
    return np.stack(columns, axis=1).astype(np.uint8)


@pytest.mark.parametrize("fixed_u", [True, False])
def test_expectation_and_maximisation_find_the_rates_the_pairs_were_drawn_with(fixed_u: bool) -> None:
    random = np.random.default_rng(7)
    m = [(*[0.9 - 0.02 * n], *([(0.1 + 0.02 * n) / (DIFFERENT[n] - 1)] * (DIFFERENT[n] - 1))) for n in range(8)]
    u = [(*([0.1 / (DIFFERENT[n] - 1)] * (DIFFERENT[n] - 1)), 0.9) for n in range(8)]
    levels = np.concatenate([drawn(random, m, 6_000), drawn(random, u, 14_000)])
    begin_m = [(0.7, *([0.3 / (DIFFERENT[n] - 1)] * (DIFFERENT[n] - 1))) for n in range(8)]
    begin_u = u if fixed_u else [(*([0.3 / (DIFFERENT[n] - 1)] * (DIFFERENT[n] - 1)), 0.7) for n in range(8)]
    found_m, found_u, share = learn(levels, begin_m, begin_u, fixed_u=fixed_u)
    assert share == pytest.approx(0.3, abs=0.01)
    for field in range(8):
        assert found_m[field] == pytest.approx(m[field], abs=0.02)
        assert found_u[field] == pytest.approx(u[field], abs=0.02)


def test_chance_is_the_sum_of_squared_shares() -> None:
    records = Records([{"phone": "a"}, {"phone": "a"}, {"phone": "b"}, {"phone": "c"}])
    assert chance(records, 1000)[PHONE][0] == pytest.approx(2 / 12)


def test_two_verified_ids_never_come_into_one_cluster_whatever_the_pairs_say() -> None:
    found = clusters(5, [0, 1, 2, 3], [1, 2, 3, 4], [7, 0, 0, 8, 0])
    assert found[0] != found[3]
    assert found[0] == found[1] == found[2]
    assert found[3] == found[4]


def test_the_written_model_adds_up_and_leans_the_right_way() -> None:
    for field, m, u in zip(FIELDS, MODEL.m, MODEL.u, strict=True):
        assert len(m) == len(u) == len(field.levels), field.name
        assert sum(m) == pytest.approx(1, abs=1e-6), field.name
        assert sum(u) == pytest.approx(1, abs=1e-3), field.name
        assert m[0] > u[0], field.name
        assert m[-1] < u[-1], field.name
    assert linkage.BLOCKS
