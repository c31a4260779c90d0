"""Cars on the road network, a second at a time: limits, following distance, lights and their queues, turns, kerbs.

A car keeps a speed from which it can still stop behind the car ahead if that one brakes (Krauss, Wagner, Gawron:
Metastable states in a microscopic model of traffic flow, Phys. Rev. E 55, 1997, with a reaction time of one step), and
it looks ahead over as many edges as it needs to brake for a red light, a turn, a lower limit, a queue or its kerb.
Cars stay in their lane along an edge and take the emptiest lane of the next; each lane is a linked list of its cars.

Everything is a function of (city, seed, seconds): no clock, no generator with a hidden state. A chance is a hash of
what it is for, so that the same second of the same seed is the same state, whoever asked for what in between.
"""

from typing import Final

import numpy as np
from numba import boolean, float64, from_dtype, int32, int64, njit, void

from simulators.city import METRES_PER_DEGREE_LAT, METRES_PER_DEGREE_LON, ORIGIN_LAT, ORIGIN_LON
from simulators.roads import AMBER_S, EDGE_ARRAY, LANE_WIDTH_M, NODE_ARRAY, POINT_ARRAY, STOP_LINE_M, City

CAR: Final = np.dtype(
    [
        ("edge", "i4"),  # where it drives or is parked
        ("lane", "i4"),  # lane of the whole network; -1 while parked
        ("ahead", "i4"),  # car in front in the same lane, -1 none
        ("behind", "i4"),
        ("goal", "i4"),  # kerb it drives to, or stands at
        ("home", "i4"),  # kerb it often returns to
        ("detour", "i4"),  # edge to take next instead of the route's, -1 none
        ("waited_s", "i4"),  # seconds it has stood still while driving
        ("trips", "i4"),
        ("crashed", "i4"),  # 1 from an impact until it drives on
        ("position_m", "f8"),  # of its front, along the edge
        ("speed_mps", "f8"),
        ("speed_next_mps", "f8"),
        ("goal_m", "f8"),  # where it will stop, along the goal kerb's edge
        ("eagerness", "f8"),  # its driver's factor on limits
        ("depart_s", "i8"),  # when a parked car leaves
        ("halted_until_s", "i8"),  # after an impact
        ("odometer_m", "f8"),
        ("fuel_l", "f8"),
    ],
    align=True,
)
CAR_ARRAY: Final = from_dtype(CAR)[::1]
CLAIM: Final = np.dtype([("car", "i4"), ("at_s", "i4"), ("left_m", "f8")], align=True)
"""Who enters a lane next from outside: the car nearest to it, and how far it still has to go."""
CLAIM_ARRAY: Final = from_dtype(CLAIM)[::1]

CAR_LENGTH_M: Final = 4.7
GAP_M: Final = 2.0
ACCELERATION_MPS2: Final = 2.0
BRAKING_MPS2: Final = 3.0
IMPACT_MPS2: Final = 12.0
"""A car that crashes stops within two seconds from any speed allowed in the city."""
PATIENCE_S: Final = 90
"""A car that finds its way blocked for so long takes another street; else two full streets could block each other."""
TRIP_S: Final = 520
"""What a trip takes on average, measured: how long cars stay parked follows from it and the share that drives."""
TANK_L: Final = 52.0
REDIRECT_MPS: Final = 8.0
"""A car this slow stops within 22 m: no goal that it is given is nearer."""
EDGES_AHEAD: Final = 8

GREEN: Final = 0
AMBER: Final = 1
RED: Final = 2


@njit(float64(int64, int64, int64, int64), cache=True, nogil=True)
def chance(seed: int, who: int, when: int, what: int) -> float:
    """Return a number in [0, 1) that belongs to the four arguments (mixing steps of SplitMix64, Steele et al. 2014)."""
    z = seed * 0x1E3779B97F4A7C15 + who * 0x3F58476D1CE4E5B9 + when * 0x14D049BB133111EB + what * 0x2545F4914F6CDD1D
    z = (z ^ ((z >> 30) & 0x3FFFFFFFF)) * -0x40A7B892E31B1A47
    z = (z ^ ((z >> 27) & 0x1FFFFFFFFF)) * -0x6B2FB644ECCEEE15
    z = z ^ ((z >> 31) & 0x1FFFFFFFF)
    return (z & 0xFFFFFFFFFFFFF) / 4503599627370496.0


@njit(int64(NODE_ARRAY, EDGE_ARRAY, int64, int64), cache=True, nogil=True)
def light(nodes: np.ndarray, edges: np.ndarray, edge: int, now_s: int) -> int:
    """Return GREEN, AMBER or RED as a driver on this edge sees it. Without a light: GREEN."""
    node = nodes[edges[edge].end]
    if node.cycle_s == 0:
        return GREEN
    at = (now_s + node.offset_s) % node.cycle_s
    if edges[edge].phase == 1:
        at -= node.green_s
        green = node.cycle_s - node.green_s
    else:
        green = int64(node.green_s)
    if at < 0 or at >= green:
        return RED
    return AMBER if at >= green - AMBER_S else GREEN


@njit(float64(float64, float64), cache=True, nogil=True, inline="always")
def _safe(gap_m: float, ahead_mps: float) -> float:
    """Return the speed that can be slowed to ahead_mps within gap_m, after a second of reaction."""
    if gap_m <= 0:
        return 0.0
    b = BRAKING_MPS2
    return np.sqrt(b * b + ahead_mps * ahead_mps + 2 * b * gap_m) - b


@njit(float64(float64), cache=True, nogil=True)
def _turn_mps(angle: float) -> float:
    """Return how fast a car takes a turn of so many radians."""
    angle = abs(angle) % (2 * np.pi)
    if angle > np.pi:
        angle = 2 * np.pi - angle
    if angle < 0.35:
        return 99.0
    if angle < 0.9:
        return 10.0
    if angle < 2.2:
        return 6.5
    return 3.0


@njit(int64(EDGE_ARRAY, int32[::1], CAR_ARRAY, int64, boolean), cache=True, nogil=True)
def _pick_lane(edges: np.ndarray, tails: np.ndarray, cars: np.ndarray, edge: int, to_kerb: bool) -> int:
    """Return the lane of an edge with the most room at its start; the one at the kerb for a car that parks there."""
    first = int64(edges[edge].first_lane)
    if to_kerb:
        return first
    best, room = first, -1.0
    for lane in range(first, first + edges[edge].lanes):
        free = 1e9 if tails[lane] < 0 else cars[tails[lane]].position_m
        if free > room:
            best, room = lane, free
    return best


@njit(boolean(int32[::1], CAR_ARRAY, int64, int64, float64), cache=True, nogil=True)
def _insert(tails: np.ndarray, cars: np.ndarray, number: int, lane: int, room_m: float) -> bool:
    """Put a car into a lane at its position. False, and nothing done, without room_m in front of it and behind."""
    car = cars[number]
    front, back = int64(tails[lane]), int64(-1)
    while front >= 0 and cars[front].position_m <= car.position_m:
        back, front = front, int64(cars[front].ahead)
    if front >= 0 and cars[front].position_m - CAR_LENGTH_M - car.position_m < room_m:
        return False
    if back >= 0 and car.position_m - CAR_LENGTH_M - cars[back].position_m < room_m + 2 * cars[back].speed_mps:
        return False
    car.lane, car.ahead, car.behind = lane, front, back
    if front >= 0:
        cars[front].behind = number
    if back >= 0:
        cars[back].ahead = number
    else:
        tails[lane] = number
    return True


@njit(void(int32[::1], CAR_ARRAY, int64), cache=True, nogil=True)
def _remove(tails: np.ndarray, cars: np.ndarray, number: int) -> None:
    """Take a car out of its lane."""
    car = cars[number]
    if car.ahead >= 0:
        cars[car.ahead].behind = car.behind
    if car.behind >= 0:
        cars[car.behind].ahead = car.ahead
    # The tail is the car with nobody behind it.
    if tails[car.lane] == number:
        tails[car.lane] = car.ahead
    car.lane, car.ahead, car.behind = -1, -1, -1


@njit(int64(CAR_ARRAY, EDGE_ARRAY, int32[:, ::1], int64, int64, int64), cache=True, nogil=True)
def _next(cars: np.ndarray, edges: np.ndarray, next_edge: np.ndarray, number: int, edge: int, hop: int) -> int:
    """Return the edge a car takes at the end of `edge`."""
    if hop == 0 and cars[number].detour >= 0:
        return int64(cars[number].detour)
    return int64(next_edge[cars[number].goal, edges[edge].end])


@njit(
    void(
        EDGE_ARRAY, NODE_ARRAY, int32[::1], int32[::1], int32[:, ::1], int32[::1], CLAIM_ARRAY, CAR_ARRAY, int64, int64
    ),
    cache=True,
    nogil=True,
)
def _decide(
    edges: np.ndarray,
    nodes: np.ndarray,
    out: np.ndarray,
    kerb_edge: np.ndarray,
    next_edge: np.ndarray,
    tails: np.ndarray,
    claims: np.ndarray,
    cars: np.ndarray,
    seed: int,
    now_s: int,
) -> None:
    """Set every driving car's speed for the next second from what all of them do now."""
    for number in range(cars.shape[0]):
        car = cars[number]
        if car.lane < 0:
            continue
        v = car.speed_mps
        if car.halted_until_s > now_s:
            car.speed_next_mps = max(0.0, v - IMPACT_MPS2)
            continue
        edge = int64(car.edge)
        wanted = min(v + ACCELERATION_MPS2, edges[edge].limit_mps * car.eagerness)
        if wanted < v:
            wanted = max(wanted, v - BRAKING_MPS2)
        if car.ahead >= 0:
            front = cars[car.ahead]
            wanted = min(wanted, _safe(front.position_m - CAR_LENGTH_M - GAP_M - car.position_m, front.speed_mps))
        # `left` is the way to the end of the edge looked at; `base` the way to its start, negative on our own edge.
        base = -car.position_m
        need = v * v / (2 * BRAKING_MPS2) + 2 * v + 20.0
        for hop in range(EDGES_AHEAD):
            left = base + edges[edge].length_m
            if edge >> 1 == kerb_edge[car.goal] >> 1:
                stop = car.goal_m if edge == kerb_edge[car.goal] else edges[edge].length_m - car.goal_m
                if base + stop > -1.0:
                    wanted = min(wanted, _safe(base + stop, 0.0))
                    break
            if left > need:
                break
            following = _next(cars, edges, next_edge, number, edge, hop)
            line = left - STOP_LINE_M
            if line > -0.001:
                shown = light(nodes, edges, edge, now_s + 1)
                if shown == RED or (shown == AMBER and line >= v * v / (2 * BRAKING_MPS2)):
                    wanted = min(wanted, _safe(line, 0.0))
                    break
            turn = min(
                _turn_mps(edges[following].start_course - edges[edge].end_course),
                edges[following].limit_mps * car.eagerness,
            )
            wanted = min(wanted, max(_safe(left, turn), min(turn, wanted)))
            to_kerb = following >> 1 == kerb_edge[car.goal] >> 1
            lane = _pick_lane(edges, tails, cars, following, to_kerb)
            if hop == 0 and left < 2 * v + 10:
                # Where several ways run into one lane, whoever is nearer goes first and the others fall in behind.
                claim = claims[lane]
                if claim.at_s < now_s - 1 or claim.car == number or left <= claim.left_m:
                    claim.car, claim.at_s, claim.left_m = number, now_s, left
                else:
                    behind = _safe(left - claim.left_m - CAR_LENGTH_M - GAP_M, cars[claim.car].speed_mps)
                    wanted = min(wanted, max(behind, v - BRAKING_MPS2))
            tail = tails[lane]
            if tail >= 0 and tail != number:
                gap = left + cars[tail].position_m - CAR_LENGTH_M - GAP_M
                wanted = min(wanted, _safe(gap, cars[tail].speed_mps))
                break
            base = left
            edge = following
        # Nobody holds a speed exactly.
        if wanted > 3.0:
            wanted -= 0.6 * chance(seed, number, now_s, 1)
        car.speed_next_mps = max(0.0, wanted)
        car.waited_s = car.waited_s + 1 if car.speed_next_mps < 0.2 else 0
        if car.waited_s > PATIENCE_S and car.ahead < 0 and light(nodes, edges, car.edge, now_s) == GREEN:
            node = nodes[edges[car.edge].end]
            pick = int64(out[node.first_out + int64(chance(seed, number, now_s, 2) * node.outs)])
            if pick != car.edge ^ 1:
                car.detour = pick
                car.waited_s = PATIENCE_S - 10


@njit(void(EDGE_ARRAY, int32[::1], int32[:, ::1], int32[::1], CAR_ARRAY, int64), cache=True, nogil=True)
def _enter(
    edges: np.ndarray,
    kerb_edge: np.ndarray,
    next_edge: np.ndarray,
    tails: np.ndarray,
    cars: np.ndarray,
    number: int,
) -> None:
    """Let the first car of a lane into its next edge; without room there it waits at the end of its own."""
    car = cars[number]
    over = car.position_m - edges[car.edge].length_m
    following = _next(cars, edges, next_edge, number, int64(car.edge), 0)
    lane = _pick_lane(edges, tails, cars, following, following >> 1 == kerb_edge[car.goal] >> 1)
    tail = int64(tails[lane])
    if car.ahead >= 0 or (tail >= 0 and tail != number and cars[tail].position_m - CAR_LENGTH_M - 0.5 < over):
        over = -1.0 if car.ahead >= 0 or tail == number else cars[tail].position_m - CAR_LENGTH_M - 0.5
        if over < 0 or car.ahead >= 0:
            car.position_m = edges[car.edge].length_m - 0.01
            if car.ahead >= 0:
                car.position_m = min(car.position_m, max(0.0, cars[car.ahead].position_m - CAR_LENGTH_M))
            car.speed_mps = 0.0
            return
    _remove(tails, cars, number)
    car.edge, car.position_m, car.detour = following, over, -1
    car.lane, car.ahead = lane, tails[lane]
    if car.ahead >= 0:
        cars[car.ahead].behind = number
    tails[lane] = number


@njit(void(EDGE_ARRAY, int32[::1], int32[::1], CAR_ARRAY, float64[::1], int64, int64, int64), cache=True, nogil=True)
def _leave(
    edges: np.ndarray,
    kerb_edge: np.ndarray,
    tails: np.ndarray,
    cars: np.ndarray,
    habits: np.ndarray,
    seed: int,
    now_s: int,
    number: int,
) -> None:
    """Start a parked car on a trip, if the lane beside it has room; else it tries again next second."""
    car = cars[number]
    if not _insert(tails, cars, number, int64(edges[car.edge].first_lane), GAP_M + 3.0):
        return
    before = car.goal
    if chance(seed, number, car.trips, 5) < habits[3]:
        car.goal = int64(chance(seed, number, car.trips, 6) * habits[4])
    elif car.goal != car.home and chance(seed, number, car.trips, 7) < 0.55:
        car.goal = car.home
    else:
        car.goal = int64(chance(seed, number, car.trips, 8) * kerb_edge.shape[0])
    if car.goal == before:
        car.goal = (car.goal + 1) % kerb_edge.shape[0]
    length = edges[kerb_edge[car.goal]].length_m
    car.goal_m = 22.0 + (length - 44.0) * chance(seed, number, car.trips, 9)
    car.detour, car.crashed, car.halted_until_s = -1, 0, 0


@njit(
    void(EDGE_ARRAY, NODE_ARRAY, int32[::1], int32[:, ::1], int32[::1], CAR_ARRAY, float64[::1], int64, int64),
    cache=True,
    nogil=True,
)
def _move(
    edges: np.ndarray,
    nodes: np.ndarray,
    kerb_edge: np.ndarray,
    next_edge: np.ndarray,
    tails: np.ndarray,
    cars: np.ndarray,
    habits: np.ndarray,
    seed: int,
    now_s: int,
) -> None:
    """Move every car by one second; let cars into their next edge, park them, wake them, crash them.

    Args:
        habits: [0] seconds parked on average, [1] crashes per driving second, [2] seconds a crash lasts,
            [3] share of trips that lead to a store, [4] number of stores (kerbs 0 to n - 1).
    """
    for number in range(cars.shape[0]):
        car = cars[number]
        if car.lane < 0:
            continue
        car.speed_mps = car.speed_next_mps
        car.position_m += car.speed_mps
        car.odometer_m += car.speed_mps
        # 0.6 l an hour idling and 6.5 l per 100 km.
        car.fuel_l -= 0.6 / 3600 + car.speed_mps * 6.5e-5
        if car.fuel_l < 4.0 and car.speed_mps == 0.0:
            car.fuel_l = TANK_L
        if car.crashed and car.halted_until_s <= now_s:
            car.crashed = 0
        if habits[1] > 0 and car.speed_mps > 5 and chance(seed, number, now_s, 3) < habits[1]:
            car.crashed = 1
            car.halted_until_s = now_s + int64(habits[2])

    for number in range(cars.shape[0]):
        car = cars[number]
        if car.lane < 0:
            if now_s >= car.depart_s:
                _leave(edges, kerb_edge, tails, cars, habits, seed, now_s, number)
            continue
        if car.position_m >= edges[car.edge].length_m:
            # Leaders first: a lane is left in the order in which its cars stand.
            leader = number
            while cars[leader].ahead >= 0:
                leader = int64(cars[leader].ahead)
            while leader >= 0:
                after = int64(cars[leader].behind)
                if cars[leader].position_m >= edges[cars[leader].edge].length_m:
                    _enter(edges, kerb_edge, next_edge, tails, cars, leader)
                if leader == number:
                    break
                leader = after
        elif car.ahead >= 0 and car.position_m > cars[car.ahead].position_m - CAR_LENGTH_M:
            # Bumper to bumper in a queue that was let in from several sides.
            car.position_m = max(0.0, car.position_m - car.speed_mps)
            car.speed_mps = 0.0
        if car.edge >> 1 == kerb_edge[car.goal] >> 1 and car.speed_mps < 1.5:
            stop = car.goal_m if car.edge == kerb_edge[car.goal] else edges[car.edge].length_m - car.goal_m
            if abs(stop - car.position_m) < 1.5:
                _remove(tails, cars, number)
                car.speed_mps, car.waited_s, car.trips = 0.0, 0, car.trips + 1
                car.depart_s = now_s + 60 - int64(np.log(1 - chance(seed, number, car.trips, 4)) * habits[0])


@njit(
    void(EDGE_ARRAY, POINT_ARRAY, CAR_ARRAY, int64[::1], float64[:, ::1]),
    cache=True,
    nogil=True,
)
def _place(edges: np.ndarray, points: np.ndarray, cars: np.ndarray, which: np.ndarray, at: np.ndarray) -> None:
    """Fill at[n] = (x m, y m, course in degrees clockwise from north) for the cars named in `which`."""
    for n in range(which.shape[0]):
        car = cars[which[n]]
        edge = edges[car.edge]
        low, high = int64(edge.first_point), int64(edge.first_point) + int64(edge.points) - 1
        end = high
        while high - low > 1:
            middle = (low + high) >> 1
            if points[middle].along_m <= car.position_m:
                low = middle
            else:
                high = middle
        if high > end:
            high = end
        p, q = points[low], points[high]
        dx, dy = q.x_m - p.x_m, q.y_m - p.y_m
        length = np.hypot(dx, dy)
        part = (car.position_m - p.along_m) / length
        if car.lane < 0:
            # Parked: beside the last lane.
            aside = (edge.lanes + 0.35) * LANE_WIDTH_M
        else:
            # In its lane, right of the middle; towards junctions all lanes run together, so that turns are steady.
            taper = min(1.0, max(0.0, min(car.position_m, edge.length_m - car.position_m)) / 15.0)
            aside = (edge.lanes - (car.lane - edge.first_lane) - 0.5) * LANE_WIDTH_M * taper
        at[n, 0] = p.x_m + dx * part + dy / length * aside
        at[n, 1] = p.y_m + dy * part - dx / length * aside
        at[n, 2] = (90.0 - np.degrees(np.arctan2(dy, dx))) % 360.0


class Traffic:
    """All cars of one city at one second; `step` moves them on.

    Args:
        cars: how many.
        driving_share: share of cars on the road, on average.
        crashes_per_hour: impacts per driving car and hour.
        crash_s: how long a crashed car stands.
        dealer_share: share of trips that lead to one of the stores.
    """

    def __init__(
        self,
        city: City,
        cars: int,
        seed: int,
        driving_share: float = 0.3,
        crashes_per_hour: float = 0.0,
        crash_s: float = 240.0,
        dealer_share: float = 0.02,
    ) -> None:
        self.city = city
        self.seed = seed
        self.now_s = 0
        self.cars = np.zeros(cars, CAR)
        self._tails = np.full(city.lanes, -1, np.int32)
        self._claims = np.zeros(city.lanes, CLAIM)
        self._sent: dict[int, int] = {}
        self._claims["at_s"] = -2
        self._kerb_edge = np.ascontiguousarray(city.kerbs["edge"], dtype=np.int32)
        parked_s = TRIP_S * (1 - driving_share) / max(driving_share, 1e-3)
        self._habits = np.array(
            [parked_s, crashes_per_hour / 3600.0, crash_s, dealer_share, len(city.dealers)], dtype=np.float64
        )
        self._settle(np.random.default_rng([seed, 0xCA25]), driving_share, parked_s)

    def _settle(self, rng: np.random.Generator, driving_share: float, parked_s: float) -> None:
        """Put every car somewhere: some in the middle of a trip, the others at a kerb."""
        city, cars, count = self.city, self.cars, len(self.cars)
        cars["lane"], cars["ahead"], cars["behind"], cars["detour"] = -1, -1, -1, -1
        cars["home"] = rng.integers(len(city.kerbs), size=count)
        cars["eagerness"] = np.clip(rng.normal(0.95, 0.06, count), 0.8, 1.08)
        cars["odometer_m"] = rng.gamma(2.0, 30_000_000.0, count).round()
        cars["fuel_l"] = rng.uniform(8, TANK_L, count)
        cars["goal"] = np.where(rng.random(count) < 0.6, cars["home"], rng.integers(len(city.kerbs), size=count))
        goal_edge = self._kerb_edge[cars["goal"]]
        cars["goal_m"] = 22.0 + (city.edges["length_m"][goal_edge] - 44.0) * rng.random(count)
        # Parked cars stand on either side of the street, head in their direction.
        side = rng.integers(2, size=count)
        cars["edge"] = goal_edge ^ side
        length = city.edges["length_m"][goal_edge]
        cars["position_m"] = np.where(side == 1, length - cars["goal_m"], cars["goal_m"])
        cars["depart_s"] = rng.exponential(max(parked_s, 1.0), count).astype(np.int64)

        weight = city.edges["length_m"] * np.array([9.0, 5.0, 2.0, 1.0])[city.edges["rank"]]
        driving = np.flatnonzero(rng.random(count) < driving_share)
        edges = rng.choice(len(city.edges), len(driving), p=weight / weight.sum())
        room = rng.random(len(driving))
        lane = rng.random(len(driving))
        for number, edge, where, choice in zip(driving.tolist(), edges.tolist(), room, lane, strict=True):
            car = cars[number]
            before = (car["edge"].item(), car["position_m"].item())
            car["edge"] = edge
            car["position_m"] = 10.0 + where * (city.edges[edge]["length_m"] - 25.0)
            pick = int(city.edges[edge]["first_lane"] + int(choice * city.edges[edge]["lanes"]))
            if _insert(self._tails, cars, number, pick, GAP_M + 10.0):
                car["speed_mps"] = 0.5 * city.edges[edge]["limit_mps"]
            else:
                car["edge"], car["position_m"] = before

    def step(self) -> None:
        """Go on by one second."""
        city = self.city
        now_s = self.now_s
        _decide(
            city.edges,
            city.nodes,
            city.out,
            self._kerb_edge,
            city.next_edge,
            self._tails,
            self._claims,
            self.cars,
            self.seed,
            now_s,
        )
        _move(
            city.edges,
            city.nodes,
            self._kerb_edge,
            city.next_edge,
            self._tails,
            self.cars,
            self._habits,
            self.seed,
            now_s,
        )
        self.now_s += 1
        if self._sent:
            self._redirect()

    def send(self, number: int, kerb: int) -> None:
        """Let a car drive to a kerb. A parked one leaves now; one on the road turns there as soon as it is slow."""
        if self.cars[number]["lane"] < 0:
            self.cars[number]["depart_s"] = self.now_s
        self._sent[number] = kerb

    def is_at(self, number: int, kerb: int) -> bool:
        """Tell whether a car is parked at a kerb."""
        return bool(self.cars[number]["lane"] < 0 and self.cars[number]["goal"] == kerb)

    def _redirect(self) -> None:
        """Give those that were sent somewhere their goal, where they can still brake for it as anybody does."""
        for number, kerb in list(self._sent.items()):
            car, edge = self.cars[number], int(self._kerb_edge[kerb])
            if car["lane"] < 0 or car["speed_mps"] > REDIRECT_MPS or car["edge"] >> 1 == edge >> 1:
                continue
            car["goal"] = kerb
            # Not nearer than 22 m to either end, as for any other trip.
            car["goal_m"] = 22.0 + (float(self.city.edges["length_m"][edge]) - 44.0) * chance(
                self.seed, number, kerb, 10
            )
            del self._sent[number]

    def crash(self, number: int) -> None:
        """Let a car crash in this second: it stops where it is, and stands for as long as any that crashes."""
        self.cars[number]["crashed"] = 1
        self.cars[number]["halted_until_s"] = self.now_s + int(self._habits[2])

    def place(self, which: np.ndarray) -> np.ndarray:
        """Return (n, 3) float64 for the cars named by number: x and y in metres, course in degrees from north."""
        at = np.empty((len(which), 3))
        _place(self.city.edges, self.city.points, self.cars, np.ascontiguousarray(which, dtype=np.int64), at)
        return at

    def place_wgs84(self, which: np.ndarray) -> np.ndarray:
        """Return (n, 3) float64: latitude, longitude and course, all in degrees."""
        at = self.place(which)
        at[:, 0], at[:, 1] = (
            ORIGIN_LAT + at[:, 1] / METRES_PER_DEGREE_LAT,
            ORIGIN_LON + at[:, 0] / METRES_PER_DEGREE_LON,
        )
        return at
