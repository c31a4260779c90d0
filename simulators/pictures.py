"""What the cameras and microphones of simulated cars take: a street seen from the dashboard, and a moment of sound.

`picture` draws with numpy and writes a baseline JPEG itself (ITU-T T.81, the example tables of its annex K, colour at
half resolution); `sound` writes a WAV. Both are functions of their arguments alone: the same seed is the same file.
"""

import struct
from functools import cache
from typing import Any, Final

import numpy as np

WIDTH: Final = 352
HEIGHT: Final = 288
"""CIF, the resolution that vehicle cameras have sent since there were any (0x8801 resolution 6)."""
QUALITY: Final = 60
SOUND_HZ: Final = 8_000


def picture(seed: int, text: str, *, close: bool = False, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """Return a JPEG of some 12 KB: the street ahead, with the text burnt in as cameras do.

    Args:
        seed: which street, which weather, which car in front.
        text: first line above, further lines below; digits, capitals, `- : . /` and 测. Other signs are boxes.
        close: the car in front fills the picture, as in the second before a collision.
        width, height: in pixels, 64 to 1024; multiples of 16 cost nothing.

    Raises:
        ValueError: a size outside those bounds.
    """
    if not (64 <= width <= 1024 and 64 <= height <= 1024):
        raise ValueError(f"a picture has 64 to 1024 pixels each way, got {width} x {height}")
    scene = _scene(np.random.default_rng(seed), width, height, close=close)
    first, *below = text.split("\n")
    _write(scene, first, 8, 8)
    for number, line in enumerate(reversed(below)):
        _write(scene, line, 8, height - 24 - 20 * number)
    return _jpeg(np.clip(scene, 0, 255))


def sound(seed: int, seconds: float = 2.0) -> bytes:
    """Return a WAV, 8 kHz, 8 bits, one channel: an engine, and a chime over it."""
    random = np.random.default_rng(seed)
    at_s = np.arange(int(seconds * SOUND_HZ)) / SOUND_HZ
    turns_hz = 28 + 12 * random.random()
    engine = sum(np.sin(2 * np.pi * turns_hz * k * at_s + k) / k for k in range(1, 7))
    chime = np.sin(2 * np.pi * 880 * at_s) * np.exp(-6 * (at_s % 0.5)) * (at_s % 1.0 < 0.5)
    wave = 0.25 * engine + 0.5 * chime + 0.05 * random.standard_normal(len(at_s))
    data = np.clip(128 + 90 * wave, 0, 255).astype(np.uint8).tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, SOUND_HZ, SOUND_HZ,
                       1, 8, b"data", len(data))  # fmt: skip
    return head + data + b"\0" * (len(data) % 2)


# --- the street -------------------------------------------------------------------------------------------------------

_CARS: Final = ((200, 200, 205), (40, 42, 48), (150, 30, 34), (36, 66, 130), (214, 214, 218), (96, 104, 110))


def _scene(random: Any, width: int, height: int, *, close: bool) -> Any:
    """Return (height, width, 3) float: sky, houses, road in perspective, a car in front, our bonnet."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    horizon = height * (0.42 + 0.04 * random.random())
    light = 0.55 + 0.45 * random.random()
    sky = np.array((150.0, 180.0, 215.0)) * light + np.array((60.0, 40.0, 20.0)) * (1 - light)
    scene = sky * (0.75 + 0.35 * (y / horizon)[..., None].clip(0, 1))
    _houses(scene, random, horizon, light)
    below = y > horizon
    depth = ((y - horizon) / (height - horizon)).clip(0.001, 1)
    middle = width * (0.5 + 0.06 * (random.random() - 0.5))
    off = (x - middle) / (width * depth)  # 0 in the middle, the same for the same distance to the side
    road = np.array((84.0, 86.0, 90.0)) * (0.5 + 0.5 * light)
    verge = np.array((86.0, 104.0, 70.0)) * (0.5 + 0.5 * light)
    scene[below] = np.where((np.abs(off) < 0.95)[..., None], road, verge)[below]
    phase = random.random()
    dashed = ((1 / depth + phase * 3) % 1.6) < 0.8
    for side in (-0.3, 0.3):
        scene[below & dashed & (np.abs(off - side) < 0.012)] = 220
    scene[below & (np.abs(np.abs(off) - 0.92) < 0.014)] = (214, 190, 90)
    _car(scene, random, middle, horizon, close=close)
    bonnet = y > height - height * 0.09 * (1 - ((x - width / 2) / (width * 0.62)) ** 2)
    scene[bonnet] = np.array((30.0, 32.0, 38.0)) + 26 * light
    return scene + random.normal(0, 2.0, (height, width, 1))


def _houses(scene: Any, random: Any, horizon: float, light: float) -> None:
    height, width = scene.shape[:2]
    left = 0
    while left < width:
        wide = int(width * (0.05 + 0.09 * random.random()))
        centre = abs((left + wide / 2) / width - 0.5) * 2
        top = int(horizon - height * (0.03 + 0.3 * centre * random.random()))
        scene[top : int(horizon) + 1, left : left + wide] = (70 + 70 * random.random()) * (0.45 + 0.55 * light)
        for floor in range(top + 4, int(horizon) - 3, 7):
            for pane in range(left + 3, min(left + wide, width) - 3, 6):
                if random.random() < 0.5:
                    scene[floor : floor + 3, pane : pane + 3] = (226, 206, 140)
        left += wide


def _car(scene: Any, random: Any, middle: float, horizon: float, *, close: bool) -> None:
    """Draw the back of a car: body, window, lights (braking when it is close), number plate, shadow."""
    height, width = scene.shape[:2]
    depth = 0.62 if close else 0.16 + 0.12 * random.random()
    wide = int(width * depth * 0.62)
    high = int(wide * 0.72)
    foot = int(horizon + (height - horizon) * depth * (1.0 if close else 1.05))
    left = int(middle - wide / 2 + (0 if close else (random.random() - 0.5) * wide))
    body = np.array(_CARS[int(random.integers(len(_CARS)))], float)

    def box(x0: float, y0: float, x1: float, y1: float, colour: Any) -> None:
        top, bottom = foot - int(high * y1), foot - int(high * y0)
        scene[max(0, top) : max(0, bottom), max(0, left + int(wide * x0)) : max(0, left + int(wide * x1))] = colour

    box(-0.04, -0.05, 1.04, 0.05, (36, 36, 40))
    box(0.04, 0.0, 0.2, 0.14, (20, 20, 22))
    box(0.8, 0.0, 0.96, 0.14, (20, 20, 22))
    box(0.0, 0.1, 1.0, 0.6, body)
    box(0.1, 0.58, 0.9, 1.0, body * 0.92)
    box(0.16, 0.64, 0.84, 0.94, (52, 62, 74))
    lamp = (250, 60, 50) if close else (168, 30, 30)
    box(0.03, 0.4, 0.2, 0.54, lamp)
    box(0.8, 0.4, 0.97, 0.54, lamp)
    box(0.36, 0.22, 0.64, 0.34, (40, 80, 190))
    if close:
        box(0.3, 0.9, 0.7, 0.93, (250, 80, 70))


# --- letters ----------------------------------------------------------------------------------------------------------

_LETTERS: Final = {
    "0": "0E11131519110E", "1": "040C040404040E", "2": "0E11010204081F", "3": "1F02040201110E", "4": "02060A121F0202",
    "5": "1F101E0101110E", "6": "0608101E11110E", "7": "1F010204080808", "8": "0E11110E11110E", "9": "0E11110F01020C",
    "A": "0E11111F111111", "B": "1E11111E11111E", "C": "0E11101010110E", "D": "1E11111111111E", "E": "1F10101E10101F",
    "F": "1F10101E101010", "G": "0E11101711110F", "H": "1111111F111111", "I": "0E04040404040E", "J": "0702020202120C",
    "K": "11121418141211", "L": "1010101010101F", "M": "111B1515111111", "N": "11191513111111", "O": "0E11111111110E",
    "P": "1E11111E101010", "Q": "0E11111115120D", "R": "1E11111E141211", "S": "0F10100E01011E", "T": "1F040404040404",
    "U": "1111111111110E", "V": "11111111110A04", "W": "111111151B1B11", "X": "11110A040A1111", "Y": "11110A04040404",
    "Z": "1F01020408101F", "-": "0000001F000000", ":": "00040400040400", ".": "00000000000C0C", "/": "01010204081010",
    " ": "00000000000000",
}  # fmt: skip
"""Seven rows of five pixels, a byte each, drawn double."""

_CE: Final = (
    "..............#.", ".#..#######...#.", "..#.#.....#.#.#.", "....#.....#.#.#.",
    "#...#..#..#.#.#.", ".#..#..#..#.#.#.", "....#..#..#.#.#.", "..#.#..#..#.#.#.",
    "..#.#..#..#.#.#.", ".#..#..#..#.#.#.", ".#..#..#..#.#.#.", "#......#......#.",
    "#.....#.#.....#.", ".....#...#....#.", "....#.....#.##..", "................",
)  # fmt: skip
"""测, with which the plates of simulated cars begin."""


@cache
def _glyph(sign: str) -> Any:
    """Return a sign as rows of True for ink, 14 to 16 high."""
    if sign == "测":
        return np.array([[one == "#" for one in line] for line in _CE])
    rows = bytes.fromhex(_LETTERS.get(sign, "1F11111111111F"))
    small = np.array([[bool(line >> 4 - bit & 1) for bit in range(5)] for line in rows])
    return small.repeat(2, axis=0).repeat(2, axis=1)


def _write(scene: Any, line: str, left: int, top: int) -> None:
    """Burn a line in: white, with a dark edge so that it reads on any ground. What does not fit is cut."""
    for sign in line:
        ink = _glyph(sign)
        if left + ink.shape[1] + 2 > scene.shape[1]:
            return
        for shift, colour in (((1, 1), 16), ((0, 0), 244)):
            rows, columns = np.nonzero(ink)
            scene[rows + top + shift[0], columns + left + shift[1]] = colour
        left += ink.shape[1] + 2


# --- JPEG -------------------------------------------------------------------------------------------------------------

_ZIGZAG: Final = np.array(
    [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
     28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61,
     54, 47, 55, 62, 63]
)  # fmt: skip
_LUMINANCE: Final = np.array(
    [16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
     87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
     72, 92, 95, 98, 112, 100, 103, 99]
)  # fmt: skip
_CHROMINANCE: Final = np.array([17, 18, 24, 47, 18, 21, 26, 66, 24, 26, 56, 99, 47, 66, 99, 99])
# How many codes there are of each length from 1 to 16 bits, and their symbols in order (annex K.3.3).
_DC: Final = (
    (bytes.fromhex("00010501010101010100000000000000"), bytes(range(12))),
    (bytes.fromhex("00030101010101010101010000000000"), bytes(range(12))),
)
_AC: Final = (
    (
        bytes.fromhex("0002010303020403050504040000017d"),
        bytes.fromhex(
            "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738"
            "393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4"
            "a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
        ),
    ),
    (
        bytes.fromhex("00020102040403040705040400010277"),
        bytes.fromhex(
            "000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718191a262728"
            "292a35363738393a434445464748494a535455565758595a636465666768696a737475767778797a82838485868788898a92"
            "939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7"
            "e8e9eaf2f3f4f5f6f7f8f9fa"
        ),
    ),
)


def _jpeg(scene: Any) -> bytes:
    """Return an RGB picture, (height, width, 3) of 0 to 255, as a JPEG file."""
    height, width = scene.shape[:2]
    padded = np.pad(scene, ((0, -height % 16), (0, -width % 16), (0, 0)), mode="edge")
    red, green, blue = padded[..., 0], padded[..., 1], padded[..., 2]
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = [0.564 * (blue - luma) + 128, 0.713 * (red - luma) + 128]
    chroma = [(one[::2, ::2] + one[1::2, ::2] + one[::2, 1::2] + one[1::2, 1::2]) / 4 for one in chroma]
    scale = 5000 // QUALITY if QUALITY < 50 else 200 - 2 * QUALITY
    square = np.full((8, 8), 99)
    square[:4, :4] = _CHROMINANCE.reshape(4, 4)
    tables = [((table * scale + 50) // 100).clip(1, 255) for table in (_LUMINANCE, square.reshape(64))]
    planes = [_coefficients(luma, tables[0]), *(_coefficients(one, tables[1]) for one in chroma)]
    across = padded.shape[1] // 16
    bits: list[str] = []
    before = [0, 0, 0]
    for unit in range(padded.shape[0] // 16 * across):
        row, column = divmod(unit, across)
        corner = 4 * row * across + 2 * column
        blocks = [(0, corner), (0, corner + 1), (0, corner + 2 * across), (0, corner + 2 * across + 1)]
        for plane, block in (*blocks, (1, unit), (2, unit)):
            before[plane] = _entropy(planes[plane][block], before[plane], min(plane, 1), bits)
    stream = "".join(bits)
    stream += "1" * (-len(stream) % 8)
    data = int(stream, 2).to_bytes(len(stream) // 8, "big").replace(b"\xff", b"\xff\x00")
    parts = [b"\xff\xd8", _segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0")]
    parts += [_segment(0xDB, bytes([number, *table[_ZIGZAG].tolist()])) for number, table in enumerate(tables)]
    parts.append(_segment(0xC0, struct.pack(">BHHB", 8, height, width, 3) + bytes.fromhex("012200021101031101")))
    for kind, both in ((0x00, _DC), (0x10, _AC)):
        parts += [
            _segment(0xC4, bytes([kind | number]) + counts + signs) for number, (counts, signs) in enumerate(both)
        ]
    parts.append(_segment(0xDA, bytes.fromhex("03010002110311003f00")))
    return b"".join(parts) + data + b"\xff\xd9"


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _coefficients(plane: Any, table: Any) -> Any:
    """Return (blocks, 64) int: each block of 8 x 8 transformed, quantised, in zigzag order."""
    k, n = np.mgrid[0:8, 0:8]
    cosine = np.cos((2 * n + 1) * k * np.pi / 16) * np.where(k == 0, np.sqrt(1 / 8), 0.5)
    blocks = (plane - 128).reshape(plane.shape[0] // 8, 8, plane.shape[1] // 8, 8).swapaxes(1, 2).reshape(-1, 8, 8)
    found = cosine @ blocks @ cosine.T
    return np.rint(found.reshape(-1, 64) / table).astype(int)[:, _ZIGZAG]


@cache
def _codes(kind: str, number: int) -> dict[int, str]:
    """Return the code of each symbol as a text of bits: canonical, from the counts of each length."""
    counts, signs = (_DC if kind == "dc" else _AC)[number]
    codes, code, at = {}, 0, 0
    for length, count in enumerate(counts, 1):
        for sign in signs[at : at + count]:
            codes[sign] = f"{code:0{length}b}"
            code += 1
        at += count
        code <<= 1
    return codes


def _entropy(block: Any, before: int, number: int, bits: list[str]) -> int:
    """Append one block's bits; return its first coefficient, from which the next of its plane is told."""
    levels, places = _codes("dc", number), _codes("ac", number)
    values = block.tolist()
    difference = values[0] - before
    bits.append(levels[abs(difference).bit_length()] + _amplitude(difference))
    last = 0
    for at in np.flatnonzero(block[1:]).tolist():
        run = at + 1 - last - 1
        while run > 15:
            bits.append(places[0xF0])
            run -= 16
        value = values[at + 1]
        bits.append(places[run << 4 | abs(value).bit_length()] + _amplitude(value))
        last = at + 1
    if last < 63:
        bits.append(places[0])
    return values[0]


def _amplitude(value: int) -> str:
    size = abs(value).bit_length()
    return f"{value if value > 0 else value + (1 << size) - 1:0{size}b}" if size else ""
