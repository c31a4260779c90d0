"""What simulated cameras take is a real JPEG, and the same again for the same seed."""

import hashlib
import struct

import numpy as np
import pytest

from simulators import pictures
from simulators.pictures import picture, sound


def decode_blocks(data: bytes) -> tuple[int, int, int]:
    """Read a baseline JPEG with the tables that stand in it; return width, height and how many blocks it holds.

    A decoder of the entropy code only, written from annex F of ITU-T T.81: it knows nothing of the writer.
    """
    tables: dict[int, dict[tuple[int, int], int]] = {}
    at, width, height = 2, 0, 0
    while data[at + 1] != 0xDA:
        marker, (length,) = data[at + 1], struct.unpack_from(">H", data, at + 2)
        body = data[at + 4 : at + 2 + length]
        if marker == 0xC0:
            height, width = struct.unpack_from(">HH", body, 1)
        if marker == 0xC4:
            code, place, codes = 0, 17, {}
            for bits in range(1, 17):
                for _ in range(body[bits]):
                    codes[(bits, code)] = body[place]
                    place += 1
                    code += 1
                code <<= 1
            tables[body[0]] = codes
        at += 2 + length
    start = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
    assert data.endswith(b"\xff\xd9")
    stream = data[start:-2].replace(b"\xff\x00", b"\xff")
    bits = "".join(f"{byte:08b}" for byte in stream)
    place = blocks = 0

    def symbol(table: int) -> int:
        nonlocal place
        for length in range(1, 17):
            found = tables[table].get((length, int(bits[place : place + length], 2)))
            if found is not None:
                place += length
                return found
        raise AssertionError("no such code")

    units = -(-width // 16) * -(-height // 16)
    for _ in range(units):
        for number in (0, 0, 0, 0, 1, 1):
            size = symbol(number)
            place += size
            k = 1
            while k < 64:
                run, size = divmod(symbol(0x10 | number), 16)
                if (run, size) == (0, 0):
                    break
                k += run + 1
                place += size
            assert k <= 64
            blocks += 1
    assert len(bits) - place < 8
    assert set(bits[place:]) <= {"1"}
    return width, height, blocks


@pytest.mark.parametrize(("width", "height"), [(352, 288), (100, 70)])
def test_a_picture_is_a_jpeg_that_another_reader_reads_to_its_end(width: int, height: int) -> None:
    data = picture(7, "2026-11-22 08:31:04\n测D00012", close=True, width=width, height=height)
    assert data[:3] == b"\xff\xd8\xff"
    assert decode_blocks(data) == (width, height, 6 * -(-width // 16) * -(-height // 16))


def test_the_same_seed_and_text_are_the_same_file_and_others_are_not() -> None:
    files = [picture(1, "A", width=64, height=64), picture(2, "A", width=64, height=64)]
    files += [picture(1, "B", width=64, height=64), picture(1, "A", width=64, height=64, close=True)]
    assert len({hashlib.sha256(one).digest() for one in files}) == 4
    assert picture(1, "A", width=64, height=64) == files[0]


def test_the_transform_keeps_a_flat_field_and_turns_back() -> None:
    ones = np.ones(64, int)
    flat = pictures._coefficients(np.full((8, 8), 178.0), ones)
    assert flat[0, 0] == 400  # 8 * (178 - 128)
    assert not flat[0, 1:].any()
    plane = np.random.default_rng(3).integers(0, 256, (8, 8)).astype(float)
    found = np.zeros(64)
    found[pictures._ZIGZAG] = pictures._coefficients(plane, ones)[0]
    k, n = np.mgrid[0:8, 0:8]
    cosine = np.cos((2 * n + 1) * k * np.pi / 16) * np.where(k == 0, np.sqrt(1 / 8), 0.5)
    assert np.abs(cosine.T @ found.reshape(8, 8) @ cosine + 128 - plane).max() < 4


@pytest.mark.parametrize("size", [63, 1025])
def test_a_picture_past_its_bounds_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="64 to 1024"):
        picture(1, "", width=size)


def test_a_sound_is_a_wav_as_long_as_asked() -> None:
    data = sound(1, 1.5)
    assert (data[:4], data[8:16]) == (b"RIFF", b"WAVEfmt ")
    assert len(data) == 44 + 12_000
    assert struct.unpack_from("<I", data, 4)[0] == len(data) - 8
