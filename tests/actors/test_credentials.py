"""Authentication codes belong to one phone and one terminal id, and fit into every terminal."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.credentials import CODE_CHARACTERS, Credentials

KEY = bytes(range(32))


def test_a_code_is_twenty_printable_characters_and_always_the_same() -> None:
    credentials = Credentials(KEY)
    code = credentials.issue("13912345678", "T000001")
    assert len(code) == CODE_CHARACTERS
    assert code.isascii()
    assert code.isalnum()
    assert code == Credentials(KEY).issue("13912345678", "T000001")
    assert credentials.verify(code, "13912345678", "T000001")


@pytest.mark.parametrize("pad", ["\0", "\0\0\0", " ", ""])
def test_padding_behind_a_code_is_tolerated(pad: str) -> None:
    credentials = Credentials(KEY)
    assert credentials.verify(credentials.issue("1", "2") + pad, "1", "2")


@given(st.text(max_size=30))
def test_a_forged_code_is_refused(code: str) -> None:
    assert not Credentials(KEY).verify(code, "13912345678", "T000001")


def test_a_code_is_worth_nothing_for_another_terminal_or_under_another_key() -> None:
    credentials = Credentials(KEY)
    code = credentials.issue("12", "3")
    assert not credentials.verify(code, "1", "23")
    assert not credentials.verify(code, "12", "4")
    assert not Credentials(KEY[::-1]).verify(code, "12", "3")
    assert not credentials.verify(code[:-1], "12", "3")
    assert not credentials.verify(code.lower(), "12", "3")


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    first = Credentials.from_file(tmp_path)
    path = tmp_path / "secrets" / "node.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert len(path.read_bytes()) == 32
    assert os.listdir(path.parent) == ["node.key"]
    assert Credentials.from_file(tmp_path).issue("1", "2") == first.issue("1", "2")


def test_a_key_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    Credentials.from_file(tmp_path)
    (tmp_path / "secrets" / "node.key").chmod(0o640)
    with pytest.raises(PermissionError, match="0640"):
        Credentials.from_file(tmp_path)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes, got 31"):
        Credentials(KEY[1:])
