"""Abuse of a whole server: what the campaign's rows promise holds in their short form."""

import pytest

from bench.faults.__main__ import main


@pytest.mark.timeout(200)
def test_strangers_and_forgers_cost_nobody_else_a_report_or_a_connection(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--quick", "--only", "forged", "--seed", "1"])
    said = capsys.readouterr()
    assert status == 0, said.err
