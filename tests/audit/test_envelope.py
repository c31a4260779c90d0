"""The envelope: what is sealed opens about the same only, and a ring that rotates loses nothing at any moment."""

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.envelope import (
    KEY_BYTES,
    SEALED_EXTRA_BYTES,
    WRAPPED_EXTRA_BYTES,
    Keyring,
    KeyringError,
    SealBrokenError,
    new_key,
    seal,
    unseal,
    wrapped_under,
)

KEY = bytes(range(KEY_BYTES))


@given(plain=st.binary(max_size=300), about=st.text(max_size=40))
def test_what_is_sealed_opens_about_the_same(plain: bytes, about: str) -> None:
    sealed = seal(KEY, plain, about)
    assert len(sealed) == len(plain) + SEALED_EXTRA_BYTES
    assert unseal(KEY, sealed, about) == plain
    assert len(plain) < 8 or plain not in sealed


def test_a_seal_with_any_byte_changed_or_cut_is_broken() -> None:
    sealed = seal(KEY, "王秀英 13800138000".encode(), "person:7")
    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(SealBrokenError):
            unseal(KEY, changed, "person:7")
        with pytest.raises(SealBrokenError):
            unseal(KEY, sealed[:place], "person:7")


def test_a_seal_moved_to_another_row_or_under_another_key_is_broken() -> None:
    sealed = seal(KEY, b"13800138000", "person:7")
    with pytest.raises(SealBrokenError, match="person:8"):
        unseal(KEY, sealed, "person:8")
    with pytest.raises(SealBrokenError):
        unseal(new_key(), sealed, "person:7")


def test_equal_words_are_sealed_unlike() -> None:
    assert len({seal(KEY, b"same", "x") for _ in range(100)}) == 100


def test_a_cipher_known_from_elsewhere_is_what_seals() -> None:
    # AES-256-GCM, test case 14 of McGrew and Viega, "The Galois/Counter Mode of Operation" (2005): key, nonce and text
    # of zeros give this text and tag. Ours authenticates its first byte and what it is about as well, so only the
    # text can be compared; a seal of ours with that nonce must hold it.
    zeros = bytes(32)
    sealed = seal(zeros, bytes(16), "")
    nonce = sealed[1:13]
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    assert AESGCM(zeros).encrypt(bytes(12), bytes(16), None).hex() == (
        "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
    )
    assert AESGCM(zeros).decrypt(nonce, sealed[13:], b"\x01") == bytes(16)


def test_the_directory_and_its_keys_are_their_owners_alone(tmp_path: Path) -> None:
    ring = Keyring.from_directory(tmp_path / "keys")
    ring.rotate()
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    files = sorted(file.name for file in ring.path.iterdir())
    assert files == ["00000001.key", "00000002.key", "index.key"]
    assert {file.stat().st_mode & 0o777 for file in ring.path.iterdir()} == {0o600}


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    Keyring.from_directory(tmp_path)
    (tmp_path / "00000001.key").chmod(0o640)
    with pytest.raises(KeyringError, match="others"):
        Keyring.from_directory(tmp_path)


def test_a_damaged_key_is_refused_and_never_used(tmp_path: Path) -> None:
    Keyring.from_directory(tmp_path)
    file = tmp_path / "00000001.key"
    text = file.read_text(encoding="ascii")
    for damaged in ("", "0" + text[1:] if text[0] != "0" else "1" + text[1:], text[:40], text * 2, "x" * 500):
        file.write_text(damaged, encoding="ascii")
        with pytest.raises(KeyringError, match=r"00000001\.key is damaged"):
            Keyring.from_directory(tmp_path)


def test_a_ring_wraps_and_unwraps_about_the_same(tmp_path: Path) -> None:
    ring = Keyring.from_directory(tmp_path)
    wrapped = ring.wrap(KEY, "person:7")
    assert len(wrapped) == KEY_BYTES + WRAPPED_EXTRA_BYTES
    assert wrapped_under(wrapped) == 1
    assert ring.unwrap(wrapped, "person:7") == KEY
    assert KEY not in wrapped
    for place in range(len(wrapped)):
        changed = wrapped[:place] + bytes([wrapped[place] ^ 1]) + wrapped[place + 1 :]
        with pytest.raises(SealBrokenError):
            ring.unwrap(changed, "person:7")
    for other in ("person:8", ""):
        with pytest.raises(SealBrokenError):
            ring.unwrap(wrapped, other)
    for cut in range(len(wrapped)):
        with pytest.raises(SealBrokenError):
            ring.unwrap(wrapped[:cut], "person:7")


def test_after_a_rotation_the_new_key_wraps_and_the_old_one_opens_until_it_is_retired(tmp_path: Path) -> None:
    ring = Keyring.from_directory(tmp_path)
    before = ring.wrap(KEY, "x")
    assert ring.rotate() == ring.current == 2
    after = ring.wrap(KEY, "x")
    assert (wrapped_under(before), wrapped_under(after)) == (1, 2)
    assert ring.unwrap(before, "x") == ring.unwrap(after, "x") == KEY
    with pytest.raises(ValueError, match="current"):
        ring.retire(2)
    ring.retire(1)
    assert ring.unwrap(after, "x") == KEY
    with pytest.raises(SealBrokenError, match="key 1"):
        ring.unwrap(before, "x")


def test_a_process_sees_what_another_rotates(tmp_path: Path) -> None:
    ours, theirs = Keyring.from_directory(tmp_path), Keyring.from_directory(tmp_path)
    theirs.rotate()
    assert ours.unwrap(theirs.wrap(KEY, "x"), "x") == KEY
    assert ours.numbers == [1, 2]
    assert wrapped_under(ours.wrap(KEY, "x")) == 2


def test_of_many_that_begin_at_once_all_have_the_same_keys(tmp_path: Path) -> None:
    rings: list[Keyring] = []
    start = threading.Barrier(8)

    def begin() -> None:
        start.wait()
        rings.append(Keyring.from_directory(tmp_path / "keys"))

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {ring.token("phone", "+8613800138000") for ring in rings} == {rings[0].token("phone", "+8613800138000")}
    assert all(ring.unwrap(rings[0].wrap(KEY, "x"), "x") == KEY for ring in rings)


def test_a_killed_rotation_leaves_the_ring_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = Keyring.from_directory(tmp_path)
    wrapped = ring.wrap(KEY, "x")

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    for step in ("fsync", "link"):
        with monkeypatch.context() as patch:
            patch.setattr(f"core.envelope.os.{step}", killed)
            with pytest.raises(Killed):
                ring.rotate()
        again = Keyring.from_directory(tmp_path)
        assert again.numbers == [1]
        assert again.unwrap(wrapped, "x") == KEY
    assert ring.rotate() == 2


def test_blind_tokens_are_equal_for_equal_values_of_a_kind_and_do_not_rotate(tmp_path: Path) -> None:
    ring = Keyring.from_directory(tmp_path / "a")
    token = ring.token("phone", "+8613800138000")
    assert len(token) == 32
    assert int(token, 16) >= 0
    ring.rotate()
    assert Keyring.from_directory(tmp_path / "a").token("phone", "+8613800138000") == token
    assert Keyring.from_directory(tmp_path / "b").token("phone", "+8613800138000") != token
    assert ring.token("plate", "+8613800138000") != token
    # What ends the kind is its length, not the first letter of the value.
    assert ring.token("ab", "c") != ring.token("a", "bc")
