"""Link what a dealer group was told of its people, all the truth known: precision, recall, review share, speed.

    python -m bench.linkage [--persons N] [--seed N] [--json]

The people are the world simulator's: typing mistakes, homophones, family telephones, numbers handed on, cars sold.
What was told of them comes in the order of arrival, and each capture is decided as the actor identity does it: by the
same levels, bits and thresholds, against what is known by then. Precision and recall are measured over pairs of
captures; those of one person that share nothing at all count as missed.

`review` is the share of captures for which somebody is asked; `recall with review` is what it would be if they all
answered rightly.
"""

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bench.machine import description
from core.linkage import BLOCKS, FIELDS, MODEL, NAME, Found, Model, Records, name_frequency, pairs_of, train, weigh
from simulators.world.people import Capture, captures, people
from storage.attributes import KINDS, checked

BLOCK_MAX = 20
"""A value that more captures share pairs each with so many before it: as LINK_CANDIDATES_MAX has it in the vault."""
SHORT, FULL = 20_000, 200_000


def traits_of(capture: Capture) -> dict[str, str]:
    """Return what may be compared of a capture."""
    found = {kind: checked(kind, getattr(capture, kind, "")) for kind in KINDS}
    return {kind: one.value for kind, one in found.items() if one.fits}


def seen_before(records: Records) -> np.ndarray:
    """Return how frequent each record's name was when it came, itself counted."""
    code = records.codes(NAME)
    counts: Counter[int] = Counter()
    total = 0
    frequency = np.zeros(records.count)
    for row, name in enumerate(code.tolist()):
        if name >= 0:
            counts[name] += 1
            total += 1
            frequency[row] = name_frequency(counts[name], total)
    return frequency


def decide(
    count: int, left: np.ndarray, right: np.ndarray, levels: np.ndarray, bits: np.ndarray, model: Model
) -> tuple[list[int], list[tuple[int, Found]]]:
    """Return each capture's person, and the questions asked: (capture, what was found), as the actor decides.

    `left` are the later captures of each pair.
    """
    order = np.lexsort((right, left))
    left, right, levels, bits = left[order], right[order], levels[order], bits[order]
    edges = np.searchsorted(left, np.arange(count + 1)).tolist()
    earlier, level_rows, bit_rows = right.tolist(), levels.tolist(), np.round(bits, 4).tolist()
    parent = list(range(count))

    def root(person: int) -> int:
        while parent[person] != person:
            parent[person] = parent[parent[person]]
            person = parent[person]
        return person

    questions: list[tuple[int, Found]] = []
    for capture in range(count):
        rows = range(edges[capture], edges[capture + 1])
        if not rows:
            continue
        found = weigh(((root(earlier[row]), level_rows[row], bit_rows[row]) for row in rows), model)
        sure = [one for one in found if one.posterior >= model.link and not one.doubt]
        for one in sure:
            low, high = sorted((root(capture), root(one.person)))
            parent[high] = low
        for one in found:
            if one not in sure and root(one.person) != root(capture):
                questions.append((capture, one))
    return [root(capture) for capture in range(count)], questions


def pairs_in(groups: Iterable[int]) -> int:
    """Return how many pairs there are within groups of these sizes."""
    return sum(size * (size - 1) // 2 for size in groups)


def measure(truth: Sequence[int], found: Sequence[int], questions: Sequence[tuple[int, Found]]) -> dict[str, Any]:
    """Return precision and recall over pairs, and what people are asked."""
    both = pairs_in(Counter(zip(truth, found, strict=True)).values())
    linked, true = pairs_in(Counter(found).values()), pairs_in(Counter(truth).values())
    # Whoever answers a question rightly joins two persons, where they are one.
    parent = {person: person for person in found}

    def root(person: int) -> int:
        while parent[person] != person:
            parent[person] = parent[parent[person]]
            person = parent[person]
        return person

    whose: dict[int, Counter[int]] = defaultdict(Counter)
    for person, who in zip(found, truth, strict=True):
        whose[person][who] += 1
    right = 0
    for capture, one in questions:
        a, b = root(found[capture]), root(found[one.person])
        same = whose[found[capture]].most_common(1)[0][0] == whose[found[one.person]].most_common(1)[0][0]
        right += same
        if same and a != b:
            parent[max(a, b)] = min(a, b)
    reviewed = [root(person) for person in found]
    both_reviewed = pairs_in(Counter(zip(truth, reviewed, strict=True)).values())
    return {
        "precision": both / max(1, linked),
        "recall": both / max(1, true),
        "review": len({capture for capture, _ in questions}) / len(truth),
        "questions": len(questions),
        "questions_yes": right / max(1, len(questions)),
        "recall_with_review": both_reviewed / max(1, true),
        "persons_true": len(set(truth)),
        "persons_found": len(set(found)),
        "persons_mixed": sum(len(who) > 1 for who in whose.values()),
    }


def run(persons: int, seed: int, *, learned: bool = False) -> dict[str, Any]:
    """Return the figures for so many people."""
    world = people(persons, seed)
    told = [one for one in captures(world, seed) if one.repeats < 0]
    begun = time.perf_counter()
    traits = [traits_of(one) for one in told]
    read_s = time.perf_counter() - begun
    begun = time.perf_counter()
    records = Records(traits)
    early, late = pairs_of(records, BLOCKS, BLOCK_MAX)
    levels = records.levels(late, early)
    compare_s = time.perf_counter() - begun
    begun = time.perf_counter()
    trained = train(records, MODEL)
    train_s = time.perf_counter() - begun
    model = trained if learned else MODEL
    begun = time.perf_counter()
    bits = model.bits(levels, seen_before(records)[late])
    found, questions = decide(len(told), late, early, levels, bits, model)
    decide_s = time.perf_counter() - begun
    figures = measure([one.person for one in told], found, questions)
    spent_s = compare_s + decide_s
    return {
        **figures,
        "persons": persons,
        "records": len(told),
        "pairs": len(early),
        "seconds": {"read": read_s, "compare": compare_s, "decide": decide_s, "train": train_s},
        "records_per_s": len(told) / spent_s,
        "records_per_s_with_reading": len(told) / (spent_s + read_s),
        "learned_m": {field.name: [round(x, 4) for x in m] for field, m in zip(FIELDS, trained.m, strict=True)},
        "learned_u": {field.name: [float(f"{x:.3g}") for x in u] for field, u in zip(FIELDS, trained.u, strict=True)},
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persons", type=int, default=FULL)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--learned", action="store_true", help="decide by the model that the records suggest")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    figures = run(given.persons, given.seed, learned=given.learned)
    print(
        f"{figures['records']:,} captures of {figures['persons']:,} persons, {figures['pairs']:,} pairs compared\n"
        f"precision {figures['precision']:.5f}, recall {figures['recall']:.4f} "
        f"(with review {figures['recall_with_review']:.4f}), review {figures['review']:.2%} of captures "
        f"({figures['questions']:,} questions, {figures['questions_yes']:.0%} of them yes)\n"
        f"persons: {figures['persons_true']:,} true, {figures['persons_found']:,} found, "
        f"{figures['persons_mixed']:,} of them mixed\n"
        f"{figures['records_per_s']:,.0f} records/s compared and decided, "
        f"{figures['records_per_s_with_reading']:,.0f} with reading them"
    )
    if given.json:
        print(json.dumps({**figures, "machine": description(), "seed": given.seed}))


if __name__ == "__main__":
    main()
