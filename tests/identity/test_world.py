"""Linkage held against the world's truth: the quick form of bench/linkage.py."""

from bench.linkage import run


def test_of_the_world_s_people_hardly_two_become_one_and_most_records_find_their_person() -> None:
    figures = run(3_000, seed=5)
    assert figures["precision"] > 0.99
    assert figures["recall"] > 0.65
    assert figures["review"] < 0.08
    assert figures["recall_with_review"] > figures["recall"]
