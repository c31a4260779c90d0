"""The bench of the business, in little: what it measures is whole."""

from bench.business import measure, right, table


def test_chains_are_whole_and_a_replay_is_equal() -> None:
    figures = measure(cars=20, seconds=1.0, stores=("sqlite",))
    assert right(figures)
    told = figures["sqlite"]
    assert told["reaction"]["hops"] == 5
    assert told["reaction"]["chains"] > 10
    assert told["replay"]["rows_compared"] > 20
    assert told["replay"]["actors"]["garage"]["events"] > 100
    assert "five hops" in table(figures)
    told["reaction"]["parked"] = 1
    assert not right(figures)
