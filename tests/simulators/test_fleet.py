"""The whole fleet without sockets: the same seed gives the same bytes; each scenario shows what it promises."""

import hashlib
import itertools

import numpy as np
import pytest

from protocols.jt808.codec import decode
from protocols.jt808.framing import unwrap
from protocols.jt808.messages import Location, Satellites
from simulators import roads
from simulators.faults import End, Pause
from simulators.fleet import SLOT_MS, WISHES_MAX, Fleet, Wheel, Wish
from simulators.scenarios import SCENARIOS, Scenario, World
from simulators.terminals import ALARM_COLLISION, ALARM_SOS, NEVER, ONLINE, STATUS_FIXED, Ledger
from tests.simulators.scripted import Platform

START_MS = 1_767_225_600_000


@pytest.fixture(scope="module")
def city() -> roads.City:
    return roads.build(1)


class Bench:
    """A fleet and a platform a terminal, time given by hand. `streams` keeps every terminal's bytes."""

    def __init__(
        self, city: roads.City, count: int, scenario: Scenario, seed: int = 1, interval_ms: int = 10_000
    ) -> None:
        self.fleet = Fleet(city, count, scenario, seed, START_MS, Ledger(), interval_ms)
        self.platforms = [Platform() for _ in range(count)]
        self.linked = [False] * count
        self.mute = [False] * count
        self.streams = [bytearray() for _ in range(count)]
        self.now_ms = START_MS
        self.dialled: list[tuple[int, int]] = []

    def run(self, seconds: float, slot_ms: int = 250) -> None:
        end_ms = self.now_ms + int(seconds * 1000)
        fleet = self.fleet
        while self.now_ms < end_ms:
            self.now_ms += slot_ms
            fleet.turn(self.now_ms)
            for number in fleet.hushed:
                self.linked[number] = False
            fleet.hushed.clear()
            if fleet.storm:
                fleet.storm = False
                for number in np.flatnonzero(self.linked).tolist():
                    self.linked[number] = False
                    fleet.blown_away(number, self.now_ms)
            for number in fleet.dialling:
                self.dialled.append((self.now_ms, number))
                self.platforms[number].reset()
                self.linked[number], self.mute[number] = True, False
                fleet.connected(number, self.now_ms)
            fleet.dialling.clear()
            while fleet.busy:
                busy, fleet.busy = fleet.busy, set()
                for number in sorted(busy):
                    self._carry(number)

    def _carry(self, number: int) -> None:
        data = b""
        for piece in self.fleet.carry(number):
            if isinstance(piece, bytes):
                data += piece
            elif isinstance(piece, End):
                self.mute[number] = True
            else:
                assert isinstance(piece, Pause)
        if self.linked[number] and data:
            self.streams[number] += data
            answer = self.platforms[number].receive(data)
            if answer and not self.mute[number]:
                self.fleet.receive(number, answer, self.now_ms)
        if self.linked[number] and self.fleet.terminals[number].hang_up:
            self.linked[number] = False
            self.fleet.lost(number, self.now_ms)

    def digest(self) -> str:
        return hashlib.sha256(b"|".join(bytes(stream) for stream in self.streams)).hexdigest()

    def reports(self) -> list:
        return [frame.body for platform in self.platforms for frame in platform.of(0x0200)]


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_the_same_seed_gives_the_same_bytes(city: roads.City, name: str) -> None:
    one, two = (Bench(city, 40, SCENARIOS[name], 3) for _ in range(2))
    for bench in (one, two):
        bench.run(130)
    assert one.digest() == two.digest()
    assert sum(map(len, one.streams)) > 10_000


def test_another_seed_gives_other_bytes(city: roads.City) -> None:
    one, other = Bench(city, 20, SCENARIOS["city"], 3), Bench(city, 20, SCENARIOS["city"], 4)
    for bench in (one, other):
        bench.run(60)
    assert one.digest() != other.digest()


def test_everyone_logs_in_and_every_report_is_acknowledged(city: roads.City) -> None:
    bench = Bench(city, 200, SCENARIOS["steady"])
    bench.run(60)
    ledger = bench.fleet.ledger
    assert all(terminal.state == ONLINE for terminal in bench.fleet.terminals)
    assert ledger.registered == ledger.logins == 200
    # One report each 10 s, and one more where an engine was started or stopped.
    assert 1150 <= ledger.sent <= 1300
    assert ledger.acknowledged == ledger.sent
    assert all(platform.bad == 0 for platform in bench.platforms)
    assert all(not frame.faults for platform in bench.platforms for frame in platform.frames)
    # Nobody was ordered anything: no terminal has had to make a device, with its parameters and all.
    assert not any(terminal.has_device for terminal in bench.fleet.terminals)


def test_reports_follow_the_streets_and_the_clock(city: roads.City) -> None:
    bench = Bench(city, 100, SCENARIOS["city"], interval_ms=1000)
    bench.run(90)
    far = moved_m = 0.0
    for platform in bench.platforms:
        reports = [frame.body for frame in platform.of(0x0200)]
        times = [report.time_ms for report in reports]
        assert times == sorted(times)
        assert all(time_ms % 1000 == 0 and START_MS <= time_ms <= bench.now_ms for time_ms in times)
        for before, after in itertools.pairwise(reports):
            seconds = (after.time_ms - before.time_ms) / 1000
            north = (after.latitude - before.latitude) * 0.1109
            east = (after.longitude - before.longitude) * 0.0965
            step = float(np.hypot(north, east))
            far = max(far, step - 24 * seconds)
            moved_m += step
        metres = [report.items[0].distance_km10 * 100 for report in reports]
        assert metres == sorted(metres)
    assert far < 25, "noise moves a position by metres, never more"
    assert moved_m > 5_000


def test_parked_cars_report_less_often_and_have_the_ignition_off(city: roads.City) -> None:
    bench = Bench(city, 300, SCENARIOS["city"])
    bench.run(120)
    driving = parked = 0
    for number in range(300):
        reports = [frame.body for frame in bench.platforms[number].of(0x0200)]
        if len({report.status & 1 for report in reports}) != 1:
            continue
        if reports[0].status & 1:
            driving += 1
            assert 8 <= len(reports) <= 13
        else:
            parked += 1
            assert 1 <= len(reports) <= 3
            assert all(report.speed_kmh10 == 0 for report in reports)
    assert driving > 50
    assert parked > 100


def test_crashes_and_sos_are_reported_at_once(city: roads.City) -> None:
    bench = Bench(city, 100, SCENARIOS["crash"]._replace(crashes_per_hour=20.0, sos_per_hour=20.0), interval_ms=60_000)
    bench.run(180)
    crashes = [report for report in bench.reports() if report.alarm & ALARM_COLLISION]
    pressed = [report for report in bench.reports() if report.alarm & ALARM_SOS]
    assert len(crashes) > 5
    assert len(pressed) > 5
    # Far fewer than one in a minute would come by chance within a second of the event.
    assert any(report.speed_kmh10 > 0 for report in crashes), "the first report is from before the car stands"


def test_tunnels_are_made_good_with_batches_and_nothing_is_lost(city: roads.City) -> None:
    scenario = SCENARIOS["tunnel"]
    bench = Bench(city, 150, scenario, interval_ms=5000)
    bench.run(360, slot_ms=500)
    batches = [frame.body for platform in bench.platforms for frame in platform.of(0x0704)]
    blind = [one for batch in batches for one in batch.locations]
    assert len(blind) > 100
    underground = [one for one in blind if not one.fixed]
    assert len(underground) > 50
    assert all(one.item(Satellites).satellites == 0 for one in underground)
    # One terminal in twenty is of 2011, which has no batches: it sends late what it kept, as single reports.
    at_once = [
        p for t, p in zip(bench.fleet.terminals, bench.platforms, strict=True) if t.identity.model.version > 2011
    ]
    assert all(frame.body.fixed for platform in at_once for frame in platform.of(0x0200))
    ledger = bench.fleet.ledger
    kept = sum(terminal.unacknowledged for terminal in bench.fleet.terminals)
    assert ledger.given_up == ledger.refused == 0
    received = {
        (number, one.time_ms)
        for number, platform in enumerate(bench.platforms)
        for frame in platform.frames
        for one in (getattr(frame.body, "locations", None) or [frame.body])
        if frame.header.message in (0x0200, 0x0704)
    }
    assert len(received) <= ledger.sent
    assert ledger.acknowledged + kept >= ledger.sent


def test_in_a_storm_all_dial_at_once_and_only_authenticate(city: roads.City) -> None:
    bench = Bench(city, 200, SCENARIOS["storm"])
    bench.run(130)
    again = [at_ms for at_ms, _ in bench.dialled if at_ms > START_MS + 100_000]
    assert len(again) == 200
    assert max(again) - min(again) <= 2500
    assert bench.fleet.ledger.registered == 200
    assert bench.fleet.ledger.logins == 400


def test_stores_are_visited_in_the_scenario_fences(city: roads.City) -> None:
    world = World(city, 2000, SCENARIOS["fences"], 1, START_MS)
    for _ in range(600):
        world.step()
    cars = world.traffic.cars
    # The first goal of all was drawn before the scenario had a say.
    later = (cars["trips"] > 1) | ((cars["trips"] == 1) & (cars["lane"] >= 0))
    assert later.sum() > 200
    assert 0.4 < (city.kerbs["dealer"][cars["goal"][later]] >= 0).mean() < 0.6


def test_bad_wires_lose_nothing_for_good(city: roads.City) -> None:
    scenario = SCENARIOS["faults"]._replace(faulty_share=1.0, fault_rate=0.02, dark="nowhere")
    bench = Bench(city, 30, scenario)
    bench.run(300, slot_ms=500)
    ledger, terminals = bench.fleet.ledger, bench.fleet.terminals
    assert sum(platform.bad for platform in bench.platforms) > 20
    assert ledger.sent_again > 20
    kept = sum(terminal.unacknowledged for terminal in terminals)
    assert ledger.acknowledged + kept + ledger.refused == ledger.sent + sum(len(t._stored) for t in terminals)
    assert kept > 30
    # The wires are mended: whatever was kept arrives.
    bench.fleet._wires.clear()
    bench.run(250, slot_ms=500)
    assert sum(terminal.unacknowledged for terminal in terminals) <= 2
    assert ledger.given_up == 0


def test_the_world_is_the_same_whoever_asks(city: roads.City) -> None:
    one, two = (World(city, 50, SCENARIOS["tunnel"], 2, START_MS) for _ in range(2))
    for second in range(200):
        one.step()
        two.step()
        if second % 7 == 0:
            one.fixes(np.arange(0, 50, 3))
    assert one.fixes(np.arange(50)) == two.fixes(np.arange(50))
    assert one.fixes(np.array([4, 2])) == [two.fixes(np.array([4]))[0], two.fixes(np.array([2]))[0]]


def test_two_fleets_need_not_share_phones(city: roads.City) -> None:
    one, two = (Fleet(city, 5, SCENARIOS["city"], 1, START_MS, Ledger(), first=first) for first in (0, 5))
    assert len({terminal.identity.phone for fleet in (one, two) for terminal in fleet.terminals}) == 10


def test_the_wheel_wakes_each_number_once_at_its_latest_time() -> None:
    wheel = Wheel(4, 0)
    wheel.put(0, 120)
    wheel.put(1, 500)
    wheel.put(0, 300)
    wheel.put(2, 10)
    wheel.put(3, 90)
    wheel.put(3, NEVER)
    assert wheel.take(SLOT_MS) == [2]
    assert wheel.take(200) == []
    assert wheel.take(299) == []
    assert wheel.take(300) == [0]
    wheel.put(2, 5)
    assert wheel.take(10_000) == [2, 1]
    assert wheel.take(20_000) == []


def test_a_frame_on_the_stream_is_a_frame_of_the_codec(city: roads.City) -> None:
    bench = Bench(city, 5, SCENARIOS["steady"])
    bench.run(30)
    for stream in bench.streams:
        for wire in bytes(stream).split(b"\x7e\x7e"):
            frame = decode(unwrap(b"\x7e" + wire.strip(b"\x7e") + b"\x7e"))
            assert not frame.faults


class Hurried(Bench):
    """A fleet that lives through a past first, looked at every so many seconds of it."""

    def __init__(self, city: roads.City, count: int, past_s: int, every_s: int = 1, seed: int = 1) -> None:
        super().__init__(city, 1, SCENARIOS["demo"])
        self.fleet = Fleet(city, count, SCENARIOS["demo"], seed, START_MS, Ledger(), 3_000, hurry=True)
        self.platforms = [Platform() for _ in range(count)]
        self.linked = [False] * count
        self.mute = [False] * count
        self.streams = [bytearray() for _ in range(count)]
        self.seam_ms = START_MS + past_s * 1000
        while self.fleet.world.now_ms < self.seam_ms:
            for _ in range(every_s):
                self.fleet.hurry(self.seam_ms)
            self.now_ms = self.fleet.world.now_ms
            self.run(0.001, 0)
        self.fleet.arrive(self.seam_ms)

    def run(self, seconds: float, slot_ms: int = 250) -> None:
        if slot_ms:
            super().run(seconds, slot_ms)
            return
        # Time stands still while the past is sent.
        turn, self.fleet.turn = self.fleet.turn, lambda _: None  # type: ignore[method-assign]
        before_ms = self.now_ms
        super().run(seconds, 1)
        self.now_ms = before_ms
        self.fleet.turn = turn  # type: ignore[method-assign]

    def track(self, number: int) -> list[Location]:
        """Return what a terminal reported, in the order in which it was heard."""
        heard: list[Location] = []
        for frame in self.platforms[number].frames:
            if frame.header.message in (0x0200, 0x0704):
                heard += getattr(frame.body, "locations", None) or [frame.body]
        return heard


@pytest.fixture(scope="module")
def lived(city: roads.City) -> Hurried:
    """Sixty cars that lived through half an hour, and then for four minutes."""
    bench = Hurried(city, 60, 1800)
    bench.run(240)
    return bench


def test_a_past_comes_in_order_and_goes_over_into_the_present_without_a_jump(lived: Hurried) -> None:
    for number in range(60):
        track = lived.track(number)
        assert track[0].time_ms < START_MS + 61_000
        assert track[-1].time_ms > lived.seam_ms + 180_000
        for one, two in itertools.pairwise(track):
            seconds = (two.time_ms - one.time_ms) / 1000
            assert 0 < seconds <= 61, f"{number=} {one.time_ms=}"
            if not one.status & two.status & STATUS_FIXED:
                continue  # a tunnel
            moved = np.hypot((two.latitude - one.latitude) * 0.1108, (two.longitude - one.longitude) * 0.0965)
            # 86 km/h, and two fixes that may be 30 m wrong each.
            assert moved <= 24 * seconds + 60, f"{number=} {one.time_ms=} {seconds=} {moved=}"
    driving = [t for t in range(60) if len(lived.track(t)) > 200]
    assert len(driving) >= 6


def test_the_past_comes_in_batches_of_two_minutes_and_the_present_as_it_is(lived: Hurried) -> None:
    ledger = lived.fleet.ledger
    assert ledger.logins == 60
    assert ledger.given_up == ledger.sent_again == 0
    for terminal, platform in zip(lived.fleet.terminals, lived.platforms, strict=True):
        messages = [frame.header.message for frame in platform.frames if frame.header.message in (0x0200, 0x0704)]
        if terminal.identity.model.version == 2011:
            # It knows no batches: everything comes by itself, in the same order.
            assert set(messages) == {0x0200}
            times = [frame.body.time_ms for frame in platform.of(0x0200)]
            assert times == sorted(times)
            continue
        last = len(messages) - 1 - messages[::-1].index(0x0704)
        assert 0x0200 not in messages[:last]
        # The last one holds what was left; every other is full, or the next report is two minutes later.
        batches = [frame.body.locations for frame in platform.of(0x0704)]
        for batch, after in itertools.pairwise(batches):
            spans_ms = after[0].time_ms - batch[0].time_ms
            assert len(batch) >= 17 or spans_ms >= 120_000, (len(batch), spans_ms)
            assert batch[-1].time_ms - batch[0].time_ms < 120_000


def test_a_past_is_the_same_whatever_the_pace(city: roads.City) -> None:
    one, two = Hurried(city, 12, 1200, every_s=1), Hurried(city, 12, 1200, every_s=37)
    assert one.digest() == two.digest()


def test_a_world_taken_up_again_is_where_it_would_be(city: roads.City) -> None:
    whole = Fleet(city, 20, SCENARIOS["demo"], 1, START_MS, Ledger())
    whole.turn(START_MS + 900_000)
    later = Fleet(city, 20, SCENARIOS["demo"], 1, START_MS + 600_000, Ledger(), silent_s=600)
    later.turn(START_MS + 900_000)
    assert np.array_equal(whole.world.traffic.cars, later.world.traffic.cars)
    assert whole.world.now_ms == later.world.now_ms


def test_the_demo_has_a_crash_and_an_sos_within_two_minutes_and_every_few(city: roads.City) -> None:
    world = World(city, 100, SCENARIOS["demo"], 1, START_MS)
    crashes, presses = [], []
    crashed = set()
    for second in range(1, 1801):
        _, pressed, _ = world.step()
        presses += [second] * len(pressed)
        now = set(np.flatnonzero(world.crashed).tolist())
        crashes += [second] * len(now - crashed)
        crashed = now
    assert crashes[0] < 120
    assert presses[0] < 120
    # Six in half an hour that terminals tell of, and two that only accelerometers feel.
    assert len(crashes) == 8
    assert len(presses) in (7, 8)
    assert max(np.diff(crashes)) < 380
    # Who crashed first has driven on since.
    assert len(crashed) <= 1


def test_a_lively_demo_has_cards_papers_engines_passengers_and_pictures_and_not_too_many(city: roads.City) -> None:
    bench = Bench(city, 150, SCENARIOS["demo"])
    bench.run(420, slot_ms=1000)
    said: dict[int, int] = {}
    for platform in bench.platforms:
        for frame in platform.frames:
            said[frame.header.message] = said.get(frame.header.message, 0) + 1
    assert {0x0701, 0x0702, 0x0705, 0x0800, 0x0801, 0x1005} <= set(said), said
    assert sum(said[message] for message in (0x0701, 0x0702, 0x0705, 0x1005)) <= 150 * 10 * 420 / 3600, said
    # A picture for each collision, told by a bit or not, and each picture once.
    assert said[0x0800] <= (420 // 300 + 1) + (420 // 900 + 1)
    # In and out in turn, whoever drives.
    for platform in bench.platforms:
        cards = [one for frame in platform.of(0x0702) if (one := getattr(frame.body, "state", None))]
        assert all(one != two for one, two in itertools.pairwise(cards))


def test_people_drive_to_a_store_and_press_the_button(city: roads.City) -> None:
    bench = Bench(city, 20, SCENARIOS["steady"])
    bench.run(60)
    parked = int(np.flatnonzero(bench.fleet.world.traffic.cars["lane"] < 0)[0])
    pressed = next(n for n in range(20) if n != parked)
    bench.fleet.wishes += [Wish("drive", parked, 2), Wish("sos", pressed)]
    bench.run(30)
    assert not bench.fleet.wishes
    assert bench.fleet.world.traffic.cars["lane"][parked] >= 0
    assert bench.fleet.world.traffic.cars["goal"][parked] == 2
    after = [frame.body for frame in bench.platforms[pressed].of(0x0200) if frame.body.time_ms >= START_MS + 60_000]
    assert any(location.alarm & ALARM_SOS for location in after)


def test_past_a_thousand_wishes_the_oldest_is_forgotten(city: roads.City) -> None:
    fleet = Fleet(city, 1, SCENARIOS["steady"], 1, START_MS, Ledger())
    for number in range(WISHES_MAX + 1):
        fleet.wishes.append(Wish("drive", number, 0))
    assert len(fleet.wishes) == WISHES_MAX
    assert fleet.wishes[0].number == 1
