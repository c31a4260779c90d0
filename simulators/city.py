"""Grow the plan of a demo city from a seed: streets as lines, a river, parks, districts, names.

The city is fictional. It is called Zhongqin (钟琴, carillon) and lies in the open Pacific at 30° N 150° E, hundreds of
kilometres from any land: no border and no real place is drawn or implied, and GCJ-02, which knows China only, leaves
its coordinates alone.

How it grows: a field gives every point two directions at right angles; around the old town they run in circles and
spokes, in each quarter they follow a grid of its own, along the river they follow the bank. Rings, embankments and two
avenues are laid first; then streets are traced along the field, wide ones far apart before narrow ones close together,
each keeping its distance from those that run the same way. (The idea of tracing streets along a tensor field is from
Chen, Esch, Wonka, Müller, Zhang: Interactive Procedural Street Modeling, ACM TOG 27(3), 2008.)

Everything is in metres east (x) and north (y) of the city's origin until the very end: see `to_wgs84`.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

CITY_NAME: Final = ("钟琴市", "Zhongqin")
ORIGIN_LAT: Final = 30.0
ORIGIN_LON: Final = 150.0
METRES_PER_DEGREE_LAT: Final = 110_852.4
"""WGS-84 at 30° N: pi/180 * a(1-e²) / (1-e² sin²)^1.5."""
METRES_PER_DEGREE_LON: Final = 96_486.3
"""WGS-84 at 30° N: pi/180 * a cos / (1-e² sin²)^0.5. Over the city's 10 km the error of a plane is under 0.1 %."""

HALF_M: Final = 11_000.0
"""The plan covers x and y from -HALF_M to HALF_M."""
CELL_M: Final = 50.0
"""Cell of the rasters that hold the field and what may be built on."""
CELLS: Final = int(2 * HALF_M / CELL_M)
TAKEN_M: Final = 25.0
"""Cell of the rasters that say where streets already run, one per direction of the field."""
TAKEN: Final = int(2 * HALF_M / TAKEN_M)
STEP_M: Final = 20.0
"""Length of one step along the field."""
STEPS_MAX: Final = 1500
"""30 km: longer than any street of a city 22 km wide."""

EXPRESSWAY: Final = 0
ARTERIAL: Final = 1
COLLECTOR: Final = 2
LOCAL: Final = 3
RANK_NAMES: Final = ("expressway", "arterial", "collector", "local")


class Street(NamedTuple):
    """One street: a line with a name."""

    name_zh: str
    name_en: str
    rank: int
    line: np.ndarray
    """(n, 2) float64, metres. A closed ring repeats its first point."""


class Plan(NamedTuple):
    """What the ground looks like before it is a network."""

    seed: int
    streets: list[Street]
    districts: list[tuple[str, str, float, float]]
    """Name in Chinese and English, centre x and y: every point belongs to the nearest centre."""
    river: np.ndarray
    """(n, 2) float64, the banks as one polygon, first point repeated."""
    parks: list[tuple[str, str, np.ndarray]]
    """Name in Chinese and English, outline with the first point repeated."""
    water: np.ndarray
    """(CELLS, CELLS) bool by row (y) and column (x): cells under the river."""


def to_wgs84(x_m: Any, y_m: Any) -> tuple[Any, Any]:
    """Return (latitude, longitude) in degrees of points given in metres from the origin."""
    return ORIGIN_LAT + y_m / METRES_PER_DEGREE_LAT, ORIGIN_LON + x_m / METRES_PER_DEGREE_LON


# --- names ------------------------------------------------------------------------------------------------------------

_FIRST: Final = (
    "望wang 临lin 清qing 云yun 安an 长chang 春chun 永yong 和he 平ping 景jing 文wen 明ming 德de 华hua 金jin 玉yu 银yin "
    "青qing 白bai 碧bi 红hong 紫zi 松song 柳liu 梅mei 兰lan 荷he 竹zhu 枫feng 月yue 星xing 晨chen 晓xiao 南nan 北bei "
    "上shang 新xin 古gu 福fu 泰tai 康kang 瑞rui 嘉jia 宁ning 丰feng 启qi 听ting 观guan 思si"
)
_SECOND: Final = (
    "江jiang 河he 湖hu 山shan 泉quan 桥qiao 林lin 园yuan 潮chao 岸an 浦pu 溪xi 洲zhou 塘tang 阳yang 屏ping 帆fan "
    "乐le 宁ning 康kang 兴xing 和he 泽ze 岭ling 台tai 亭ting 门men 井jing 坊fang 苑yuan 田tian 谷gu 石shi 沙sha 港gang "
    "雁yan 鹭lu 鹤he 枝zhi 叶ye"
)
_SUFFIXES: Final = {
    EXPRESSWAY: ("快速路", "Expressway"),
    ARTERIAL: ("大道", "Avenue"),
    COLLECTOR: ("路", "Road"),
    LOCAL: ("街", "Street"),
}
_DISTRICTS: Final = (
    ("钟楼区", "Zhonglou"),
    ("云桥区", "Yunqiao"),
    ("白鹭区", "Bailu"),
    ("星港区", "Xinggang"),
    ("南浦区", "Nanpu"),
    ("松湖区", "Songhu"),
    ("麦园区", "Maiyuan"),
    ("听潮区", "Tingchao"),
)
_PARKS: Final = (
    ("松湖公园", "Songhu Park"),
    ("琴山森林公园", "Qinshan Forest Park"),
    ("晨光植物园", "Chenguang Gardens"),
)


def _names(rng: np.random.Generator, rank: int, used: set[str]) -> tuple[str, str]:
    """Draw a street name that is not in use yet: two syllables and what the rank calls for."""
    first, second = _FIRST.split(), _SECOND.split()
    while True:
        a, b = first[rng.integers(len(first))], second[rng.integers(len(second))]
        if a[0] != b[0] and a[0] + b[0] not in used:
            used.add(a[0] + b[0])
            zh, en = _SUFFIXES[rank]
            return a[0] + b[0] + zh, f"{(a[1:] + b[1:]).capitalize()} {en}"


# --- the lie of the land ----------------------------------------------------------------------------------------------


class Land(NamedTuple):
    """Everything the streets must mind, drawn from the seed."""

    river: np.ndarray
    """Sines of the river's course: rows of (amplitude m, radians per m, phase)."""
    grids: np.ndarray
    """Quarters with a grid of their own: rows of (x, y, angle, reach m, weight)."""
    parks: np.ndarray
    """Ellipses: rows of (x, y, half length, half width, angle)."""
    fringe: np.ndarray
    """Sines of the city's outline over the compass: rows of (amplitude, waves, phase)."""


RIVER_HALF_M: Final = 170.0
BANK_M: Final = 60.0
"""Distance of the embankment roads from the water."""


def _land(rng: np.random.Generator) -> Land:
    river = np.array(
        [
            [rng.uniform(900, 1300), 2 * np.pi / rng.uniform(15_000, 18_000), rng.uniform(-0.5, 0.5)],
            [rng.uniform(250, 400), 2 * np.pi / rng.uniform(5_500, 7_000), rng.uniform(0, 2 * np.pi)],
        ]
    )
    quarters = 9
    around = np.arange(quarters) * 2 * np.pi / quarters + rng.uniform(0, 1)
    out_m = rng.uniform(4200, 7600, quarters)
    grids = np.column_stack(
        [
            out_m * np.cos(around),
            out_m * np.sin(around),
            rng.uniform(0, np.pi / 2, quarters),
            rng.uniform(2200, 3400, quarters),
            rng.uniform(0.8, 1.2, quarters),
        ]
    )
    turn = rng.uniform(0, 2 * np.pi)
    bearing = turn + np.array([0.0, 2.3, 4.1])
    distance = np.array([3600.0, 7400.0, 4600.0])
    parks = np.column_stack(
        [
            distance * np.cos(bearing),
            distance * np.sin(bearing),
            [620.0, 1250.0, 520.0],
            [430.0, 800.0, 330.0],
            rng.uniform(0, np.pi, 3),
        ]
    )
    fringe = np.column_stack([[0.10, 0.07, 0.05], [2.0, 3.0, 5.0], rng.uniform(0, 2 * np.pi, 3)])
    land = Land(river, grids, parks, fringe)
    # A park that would lie in the river moves away from it, to the side it is on.
    from_river, _ = _from_river(land, parks[:, 0], parks[:, 1])
    short_m = np.maximum(0.0, parks[:, 2] + RIVER_HALF_M + 2 * BANK_M - np.abs(from_river))
    parks[:, 1] += np.where(from_river >= 0, short_m, -short_m)
    return land


def _river_y(land: Land, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the river's middle at x, and its slope there."""
    y = np.full_like(x, -1500.0)
    slope = np.zeros_like(x)
    for amplitude, wave, phase in land.river:
        y = y + amplitude * np.sin(wave * x + phase)
        slope = slope + amplitude * wave * np.cos(wave * x + phase)
    return y, slope


def _from_river(land: Land, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return signed metres from the river's middle (north positive) and the direction it flows in."""
    middle, slope = _river_y(land, x)
    return (y - middle) / np.hypot(1.0, slope), np.arctan(slope)


def _park_depth(park: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return under 1 inside the park's ellipse, 1 on its outline."""
    cx, cy, half_length, half_width, angle = park
    along = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    across = -(x - cx) * np.sin(angle) + (y - cy) * np.cos(angle)
    return np.asarray((along / half_length) ** 2 + (across / half_width) ** 2)


def _outline_m(land: Land, bearing: np.ndarray) -> np.ndarray:
    """Return how far the city reaches in a direction, in metres."""
    reach = np.ones_like(bearing)
    for amplitude, waves, phase in land.fringe:
        reach = reach + amplitude * np.sin(waves * bearing + phase)
    # Wider than high: the city grew along its river.
    return 8300.0 * reach / np.hypot(np.cos(bearing) / 1.12, np.sin(bearing))


class Field(NamedTuple):
    """Rasters the tracer walks over, each (CELLS, CELLS) by row (y) and column (x)."""

    cos2: np.ndarray
    sin2: np.ndarray
    """Direction of the field, doubled so that a direction and its opposite are one."""
    spacing: np.ndarray
    """How much farther apart streets run here than in the middle of the city."""
    shut: np.ndarray
    """int64 bits: 1 << rank set where a street of that rank may not be built."""
    water: np.ndarray


def _field(land: Land) -> Field:
    centre = -HALF_M + (np.arange(CELLS) + 0.5) * CELL_M
    x, y = np.meshgrid(centre, centre)
    far = np.hypot(x, y)
    bearing = np.arctan2(y, x)
    from_river, flow = _from_river(land, x, y)

    cos2 = np.zeros_like(x)
    sin2 = np.zeros_like(x)

    def blend(angle: Any, weight: Any) -> None:
        nonlocal cos2, sin2
        cos2 = cos2 + weight * np.cos(2 * angle)
        sin2 = sin2 + weight * np.sin(2 * angle)

    blend(0.12, 0.15)
    blend(bearing + np.pi / 2, 1.6 * np.exp(-((far / 3900.0) ** 2)))
    # The old town has a grid of its own inside the first ring, as walled cities do.
    blend(0.12, 2.6 * np.exp(-((far / 1250.0) ** 2)))
    for cx, cy, angle, reach, weight in land.grids:
        blend(angle, weight * np.exp(-(((x - cx) ** 2 + (y - cy) ** 2) / reach**2)))
    blend(flow, 2.2 * np.exp(-((from_river / 700.0) ** 2)))
    length = np.hypot(cos2, sin2) + 1e-9
    cos2, sin2 = cos2 / length, sin2 / length
    # Nobody draws perfectly straight: let every direction wander by some degrees.
    wander = 0.16 * np.sin(x / 1900.0 + 1.3) * np.sin(y / 1500.0 + 0.4) + 0.07 * np.sin(x / 610.0 - y / 820.0)
    cos2, sin2 = (
        cos2 * np.cos(2 * wander) - sin2 * np.sin(2 * wander),
        sin2 * np.cos(2 * wander) + cos2 * np.sin(2 * wander),
    )

    reach = _outline_m(land, bearing)
    edge = far / reach
    spacing = 0.78 + 0.9 * np.clip(edge, 0, 1.3) ** 1.6 + 0.12 * np.sin(x / 1300.0) * np.sin(y / 1700.0)

    water = np.abs(from_river) < RIVER_HALF_M
    near_water = np.abs(from_river) < RIVER_HALF_M + 0.5 * BANK_M
    shut = np.zeros(x.shape, np.int64)
    every = 0b1111
    shut |= np.where(edge > 1.12, every, 0)
    shut |= np.where(edge > 1.0, 1 << LOCAL | 1 << COLLECTOR, 0)
    # Beyond the outline of the dense city, villages: patches of local streets between fields.
    patchy = np.sin(x / 700.0 + 2.0) * np.sin(y / 640.0 + 1.0) + 0.35 * np.sin((x + y) / 300.0)
    shut |= np.where((edge > 0.80) & (patchy < (edge - 0.80) * 3.2 - 0.25), 1 << LOCAL, 0)
    shut |= np.where(near_water, 1 << LOCAL | 1 << COLLECTOR, 0)
    for park in land.parks:
        depth = _park_depth(park, x, y)
        shut |= np.where(depth < 1.0, 1 << LOCAL | 1 << COLLECTOR, 0)
        shut |= np.where(depth < 0.8, 1 << ARTERIAL, 0)
    return Field(
        np.ascontiguousarray(cos2), np.ascontiguousarray(sin2), np.ascontiguousarray(spacing), shut, np.asarray(water)
    )


# --- tracing ----------------------------------------------------------------------------------------------------------


@njit("f8(f8[:,::1], f8, f8)", cache=True, nogil=True)
def _sample(raster: np.ndarray, x: float, y: float) -> float:
    """Read a raster between its cells (bilinear); outside, its edge."""
    column = min(max((x + HALF_M) / CELL_M - 0.5, 0.0), CELLS - 1.001)
    row = min(max((y + HALF_M) / CELL_M - 0.5, 0.0), CELLS - 1.001)
    c, r = int(column), int(row)
    u, v = column - c, row - r
    low = raster[r, c] * (1 - u) + raster[r, c + 1] * u
    high = raster[r + 1, c] * (1 - u) + raster[r + 1, c + 1] * u
    return low * (1 - v) + high * v


@njit("b1(i8[:,::1], f8, f8, i8)", cache=True, nogil=True)
def _is_shut(shut: np.ndarray, x: float, y: float, rank: int) -> bool:
    column, row = int((x + HALF_M) / CELL_M), int((y + HALF_M) / CELL_M)
    if column < 1 or row < 1 or column >= CELLS - 1 or row >= CELLS - 1:
        return True
    return (shut[row, column] >> rank) & 1 == 1


@njit("b1(u1[:,::1], f8, f8, f8)", cache=True, nogil=True)
def _is_near(taken: np.ndarray, x: float, y: float, reach_m: float) -> bool:
    """Tell whether a street of this direction runs within reach_m."""
    reach = int(reach_m / TAKEN_M)
    column, row = int((x + HALF_M) / TAKEN_M), int((y + HALF_M) / TAKEN_M)
    for r in range(max(0, row - reach), min(TAKEN, row + reach + 1)):
        for c in range(max(0, column - reach), min(TAKEN, column + reach + 1)):
            if taken[r, c] and (r - row) ** 2 + (c - column) ** 2 <= reach * reach:
                return True
    return False


@njit(
    "i8(f8, f8, i8, f8, i8, f8, f8[:,::1], f8[:,::1], f8[:,::1], i8[:,::1], u1[:,::1], f8[:,::1])",
    cache=True,
    nogil=True,
)
def _trace(
    x: float,
    y: float,
    family: int,
    sign: float,
    rank: int,
    apart_m: float,
    cos2: np.ndarray,
    sin2: np.ndarray,
    spacing: np.ndarray,
    shut: np.ndarray,
    taken: np.ndarray,
    line: np.ndarray,
) -> int:
    """Walk from (x, y) along the field until something stops the street.

    Args:
        family: 0 follows the field, 1 crosses it at a right angle.
        sign: 1.0 or -1.0, which of the two ways to set out.
        apart_m: distance to keep from streets of the same family, times `spacing`.
        taken: where streets of the same family run.
        line: (n, 2), filled with the points walked, without the start.

    Returns:
        How many points were written.
    """
    before_x, before_y = 0.0, 0.0
    turned = 0.0
    for n in range(line.shape[0]):
        at_x, at_y = x, y
        step_x, step_y = 0.0, 0.0
        for half in range(2):
            angle = 0.5 * np.arctan2(_sample(sin2, at_x, at_y), _sample(cos2, at_x, at_y)) + family * np.pi / 2
            step_x, step_y = np.cos(angle), np.sin(angle)
            if n == 0 and half == 0:
                step_x, step_y = step_x * sign, step_y * sign
                before_x, before_y = step_x, step_y
            elif step_x * before_x + step_y * before_y < 0:
                step_x, step_y = -step_x, -step_y
            at_x, at_y = x + 0.5 * STEP_M * step_x, y + 0.5 * STEP_M * step_y
        turned += before_x * step_y - before_y * step_x
        before_x, before_y = step_x, step_y
        x, y = x + STEP_M * step_x, y + STEP_M * step_y
        # Past three quarters of a circle a street would meet itself.
        if abs(turned) > 4.7 or _is_shut(shut, x, y, rank):
            return n
        if _is_near(taken, x, y, 0.62 * apart_m * _sample(spacing, x, y)):
            return n
        line[n, 0] = x
        line[n, 1] = y
    return int(line.shape[0])


@njit("void(u1[:,:,::1], f8[:,::1], f8[:,::1], f8[:,::1])", cache=True, nogil=True)
def _take(taken: np.ndarray, line: np.ndarray, cos2: np.ndarray, sin2: np.ndarray) -> None:
    """Mark a street in the raster of the family whose direction it has, piece by piece."""
    for n in range(line.shape[0] - 1):
        dx, dy = line[n + 1, 0] - line[n, 0], line[n + 1, 1] - line[n, 1]
        x, y = line[n, 0] + dx / 2, line[n, 1] + dy / 2
        column, row = int((x + HALF_M) / TAKEN_M), int((y + HALF_M) / TAKEN_M)
        if column < 0 or row < 0 or column >= TAKEN or row >= TAKEN:
            continue
        bearing = 2 * np.arctan2(dy, dx)
        along = np.cos(bearing) * _sample(cos2, x, y) + np.sin(bearing) * _sample(sin2, x, y)
        taken[0 if along >= 0 else 1, row, column] = 1


def _even(line: np.ndarray) -> np.ndarray:
    """Return the line with points STEP_M apart."""
    pieces = np.hypot(*np.diff(line, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(pieces)])
    at = np.linspace(0.0, along[-1], max(2, round(along[-1] / STEP_M) + 1))
    return np.column_stack([np.interp(at, along, line[:, 0]), np.interp(at, along, line[:, 1])])


def _given(rng: np.random.Generator, land: Land, used: set[str]) -> list[Street]:
    """Return the streets that a city decides on before it grows: rings, embankments, avenues, roads out."""
    streets = []
    around = np.linspace(0.0, 2 * np.pi, 721)
    for radius, rank, zh, en in (
        (2350.0, ARTERIAL, "一环路", "First Ring Road"),
        (5300.0, EXPRESSWAY, "二环快速路", "Second Ring Expressway"),
    ):
        phases = rng.uniform(0, 2 * np.pi, 3)
        wave = sum(a * np.sin(k * around + p) for a, k, p in zip((0.07, 0.045, 0.02), (2, 3, 5), phases, strict=True))
        r = radius * (1 + wave)
        # Squarer than a circle, as rings around a grid are, and wider along the river.
        r = r * (1 - 0.05 * np.cos(4 * (around - 0.12)))
        streets.append(Street(zh, en, rank, _even(np.column_stack([1.1 * r * np.cos(around), r * np.sin(around)]))))

    x = np.arange(-9800.0, 9801.0, 20.0)
    middle, slope = _river_y(land, x)
    away = RIVER_HALF_M + BANK_M
    for side, zh, en in ((1, "滨江北大道", "Binjiang North Avenue"), (-1, "滨江南大道", "Binjiang South Avenue")):
        norm = np.hypot(1.0, slope)
        bank = np.column_stack([x - side * away * slope / norm, middle + side * away / norm])
        keep = np.hypot(bank[:, 0], bank[:, 1]) < _outline_m(land, np.arctan2(bank[:, 1], bank[:, 0])) * 1.02
        streets.append(Street(zh, en, ARTERIAL, _even(bank[keep])))

    def wandering(bearing: float, start_m: float, end_m: float) -> np.ndarray:
        along = np.arange(start_m, end_m, 20.0)
        sway = 170 * np.sin(along / 1450.0 + rng.uniform(0, 6)) * np.clip((np.abs(along) - 300) / 2000, 0, 1)
        c, s = np.cos(bearing), np.sin(bearing)
        return np.column_stack([along * c - sway * s, along * s + sway * c])

    streets.append(Street("人和大道", "Renhe Avenue", ARTERIAL, _even(wandering(0.12, -9300.0, 9300.0))))
    streets.append(Street("钟鼓大道", "Zhonggu Avenue", ARTERIAL, _even(wandering(0.12 + np.pi / 2, -8300.0, 8300.0))))
    for bearing in (0.12 + np.pi / 4 + np.arange(4) * np.pi / 2) + rng.uniform(-0.12, 0.12, 4):
        zh, en = _names(rng, EXPRESSWAY, used)
        streets.append(Street(zh, en, EXPRESSWAY, _even(wandering(float(bearing), 5000.0, 9600.0))))
    return streets


# Rank, metres apart in the middle of the city, shortest street worth building.
_LEVELS: Final = ((ARTERIAL, 1150.0, 2200.0), (COLLECTOR, 430.0, 800.0), (LOCAL, 175.0, 260.0))


def grow(seed: int) -> Plan:
    """Return the plan of the city that belongs to a seed. The same seed gives the same plan, to the last bit."""
    rng = np.random.default_rng([seed, 0xC17])
    land = _land(rng)
    field = _field(land)
    taken = np.zeros((2, TAKEN, TAKEN), np.uint8)
    used: set[str] = {"人和", "钟鼓", "滨江"}
    streets = _given(rng, land, used)
    for street in streets:
        _take(taken, street.line, field.cos2, field.sin2)

    forth, back = np.empty((STEPS_MAX, 2)), np.empty((STEPS_MAX, 2))
    for rank, apart_m, length_m_min in _LEVELS:
        across = int(2 * HALF_M / (0.5 * apart_m))
        spots = rng.permutation(across * across)
        shift = rng.uniform(0, 1, (across * across, 2))
        xs = -HALF_M + (spots % across + shift[spots, 0]) * 0.5 * apart_m
        ys = -HALF_M + (spots // across + shift[spots, 1]) * 0.5 * apart_m
        inside = [((at + HALF_M) / CELL_M).astype(int).clip(0, CELLS - 1) for at in (ys, xs)]
        may = (field.shut[inside[0], inside[1]] >> rank) & 1 == 0
        for spot, x, y in zip(spots[may].tolist(), xs[may].tolist(), ys[may].tolist(), strict=True):
            for family in (spot % 2, 1 - spot % 2):
                if _is_near(taken[family], x, y, apart_m * _sample(field.spacing, x, y)):
                    continue
                rasters = (field.cos2, field.sin2, field.spacing, field.shut, taken[family])
                n = _trace(x, y, family, 1.0, rank, apart_m, *rasters, forth)
                m = _trace(x, y, family, -1.0, rank, apart_m, *rasters, back)
                if (n + m) * STEP_M < length_m_min:
                    continue
                line = np.ascontiguousarray(np.concatenate([back[:m][::-1], [[x, y]], forth[:n]]))
                _take(taken, line, field.cos2, field.sin2)
                streets.append(Street(*_names(rng, rank, used), rank, line))

    districts = []
    turn = rng.uniform(0, 2 * np.pi)
    for number, (zh, en) in enumerate(_DISTRICTS):
        bearing = turn + number * 2 * np.pi / (len(_DISTRICTS) - 1)
        far = 0.0 if number == 0 else rng.uniform(4600, 6200)
        districts.append((zh, en, far * float(np.cos(bearing)), far * float(np.sin(bearing))))

    x = np.arange(-HALF_M, HALF_M + 1, 100.0)
    middle, slope = _river_y(land, x)
    norm = np.hypot(1.0, slope)
    banks = [
        np.column_stack([x - side * RIVER_HALF_M * slope / norm, middle + side * RIVER_HALF_M / norm])
        for side in (1, -1)
    ]
    river = np.concatenate([banks[0], banks[1][::-1], banks[0][:1]])
    around = np.linspace(0, 2 * np.pi, 49)
    parks = []
    for (zh, en), (cx, cy, half_length, half_width, angle) in zip(_PARKS, land.parks, strict=True):
        u, v = 0.93 * half_length * np.cos(around), 0.93 * half_width * np.sin(around)
        outline = [cx + u * np.cos(angle) - v * np.sin(angle), cy + u * np.sin(angle) + v * np.cos(angle)]
        parks.append((zh, en, np.column_stack(outline)))
    return Plan(seed, streets, districts, river, parks, field.water)
