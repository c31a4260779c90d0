"""What the live map costs a browser, and its feed the line: python -m bench.live_map [--json] [--cars N] [--seconds S]

The API of a node, its hub and a page of it in headless Chromium, drawing in software; in place of terminals a live
source that moves every car along the city's streets once a second. Measured in one run:

- the main thread's work per update, as the island counts it: decoding, list, card, buffers; and all tasks of that
  thread by Chromium's own count, drawing calls and their waiting for the software renderer in it, beside the same count
  when the same map without cars is drawn as often;
- frames a second with cars, and of the same map without them, drawn as fast as it goes, in turns;
- bytes on the wire per car and second, counted on a socket of its own, framing included;
- the browser's memory over time: heap after a collection, and resident memory of the renderer;
- the rival: the same cars handed to MapLibre as GeoJSON (setData on a circle layer).

The short form takes two minutes; --seconds 600 shows whether memory stays flat.
"""

import argparse
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import numpy as np
from playwright.sync_api import CDPSession, Page, sync_playwright

from actors.business import BUSINESS
from api.app import create_app
from api.parts import Parts
from api.server import ApiServer
from bench import machine
from bench.machine import median, say, spread
from core.business import Business
from core.metrics import Metrics
from core.rights import NODE
from core.vehicle_table import LIVE
from simulators import base_map
from simulators.city import to_wgs84
from simulators.roads import City, build
from storage import migrate
from storage.clickhouse import ReportStore
from storage.database import Database
from storage.eventlog import EventLog
from storage.garage import Garage
from storage.incidents import Incidents
from storage.people import DEMO_PASSWORD, People, Store
from storage.reader import Reader
from storage.registry import NewTerminal, Registry
from storage.vehicles import Vehicles

VIEWS: Final = {"city": "30.0,150.0,12", "quarter": "30.005,150.01,14.5"}
"""at= of the page: latitude, longitude, zoom."""
SIZE: Final = (1440, 900)
CHROMIUM: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS: Final = (
    "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--enable-precise-memory-info",
)  # fmt: skip
TURNS: Final = 3
TURN_S: Final = 5.0
SAMPLE_S: Final = 5.0


class Driving:
    """A live source: cars on the city's streets, every one of them moved at each look, by the time that has passed."""

    def __init__(self, city: City, cars: int, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        lines = [street.line for street in city.streets if len(street.line) > 10]
        steps = [np.hypot(*np.diff(line, axis=0).T) for line in lines]
        lengths = np.array([step.sum() for step in steps])
        # All streets end to end, a kilometre apart along them, so that one interpolation serves all cars.
        start = np.concatenate([[0.0], np.cumsum(lengths + 1000)[:-1]])
        self._along = np.concatenate(
            [at + np.concatenate([[0.0], np.cumsum(s)]) for at, s in zip(start, steps, strict=True)]
        )
        self._points = np.concatenate(lines)
        street = rng.choice(len(lines), cars, p=lengths / lengths.sum())
        self._start, self._length = start[street], lengths[street]
        self._phase = rng.uniform(0, 2, cars) * self._length
        self._speed = rng.uniform(6, 17, cars)
        # As a fleet is by day: half drive, some wait with the engine on, some stand, a few are away, one needs help.
        self._doing = rng.choice(4, cars, p=[0.55, 0.1, 0.25, 0.1])
        self._speed[self._doing != 0] = 0.4  # What stands still is seen to move a little, so that each tick sends it.
        self._rows = np.zeros(cars, LIVE)
        self._rows["vehicle_id"] = self._rows["terminal"] = np.arange(1, cars + 1)
        self._rows["group"] = 1
        self._rows["store"] = 1 + np.arange(cars) % 6
        self._rows["status"] = np.where(self._doing < 2, 3, 2)
        self._rows["alarm"][0] = 1
        self._began = time.monotonic()

    def rows(self) -> np.ndarray:
        """Return where the cars are now."""
        rows = self._rows.copy()
        there = (self._phase + self._speed * (time.monotonic() - self._began)) % (2 * self._length)
        back = there > self._length
        at = self._start + np.where(back, 2 * self._length - there, there)
        x, y = (np.interp(at, self._along, self._points[:, axis]) for axis in (0, 1))
        ahead = at + np.where(back, -5.0, 5.0)
        dx, dy = (np.interp(ahead, self._along, self._points[:, axis]) - here for axis, here in ((0, x), (1, y)))
        lat, lon = to_wgs84(x, y)
        rows["lat_1e7"], rows["lon_1e7"] = lat * 1e7, lon * 1e7
        rows["course_deg"] = np.degrees(np.arctan2(dx, dy)) % 360
        rows["speed_kmh10"] = np.where(self._doing == 0, self._speed * 36, 0)
        rows["time_ms"] = rows["arrival_ms"] = time.time_ns() // 1_000_000
        return rows

    def online(self, vehicle_ids: Any) -> list[bool]:
        """See Live.online."""
        return [True] * len(vehicle_ids)

    def online_rows(self, rows: np.ndarray) -> np.ndarray:
        """See Live.online_rows."""
        return self._doing != 3


def parts_of(work: Path, cars: int, city: City) -> tuple[Parts, Database]:
    """Return the parts of a node whose cars have names and stores, and its database, to be closed."""
    dsn = f"sqlite:///{work / 'carillon.db'}"
    migrate(dsn)
    database = Database(dsn)
    log = EventLog(database, business=Business(BUSINESS))
    registry, people = Registry(log), People(database, demo=True, log=log)
    stores = [
        people.save_store(NODE, Store(code=f"s{n}", name_zh=dealer.name_zh, name_en=dealer.name_en)).id
        for n, dealer in enumerate(city.dealers)
    ]
    people.seed_demo(manager_store=stores[0], viewer_store=stores[1])
    new = [
        NewTerminal(phone=f"1390{n:07d}", plate=f"测A{n:05d}", store=stores[n % len(stores)])
        for n in range(1, cars + 1)
    ]
    for first in range(0, cars, 1000):
        registry.register(new[first : first + 1000])
    base_map.write(work / "city", city)

    async def append(event: Any) -> Any:
        raise OSError("nothing is appended in a bench")

    parts = Parts(
        node="bench",
        version="0",
        key="key-of-the-bench",
        demo=True,
        metrics_open=True,
        metrics=Metrics(),
        faults=list,
        people=people,
        registry=registry,
        # No track is asked for: the report store is never opened.
        reader=Reader(database, cast(ReportStore, None), lambda ids: []),
        vehicles=Vehicles(database),
        garage=Garage(database),
        incidents=Incidents(database),
        live=Driving(city, cars),
        append=append,
        city=work / "city",
    )
    return parts, database


def wire_bytes(address: str, seconds: float, cars: int) -> float:
    """Return bytes per car and second that a feed's socket received after its snapshot, all framing included."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as feed:
        feed.sendall(
            b"GET /api/v1/live HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            b"Authorization: Bearer key-of-the-bench\r\n\r\n"
        )
        received, first = 0, b""
        while b"\r\n\r\n" not in first or len(first) < cars * 20:
            first += feed.recv(1 << 20)
        feed.settimeout(0.5)
        deadline = began = None
        while deadline is None or time.monotonic() < deadline:
            try:
                piece = len(feed.recv(1 << 20))
            except TimeoutError:
                # Between two ticks: the time begins, and ends, at one of these pauses.
                if deadline is None:
                    began, received, deadline = time.monotonic(), 0, time.monotonic() + seconds
                continue
            received += piece
        assert began is not None
        return received / cars / seconds


class Browser:
    """The page under measurement."""

    def __init__(self, page: Page, session: CDPSession, address: str) -> None:
        self.page = page
        self.session = session
        self.address = address

    def open(self, view: str) -> None:
        """Open the map at a view and wait until the cars stand on it."""
        self.page.goto(f"http://{self.address}/?at={VIEWS[view]}")
        self.page.wait_for_selector('body[data-map="ready"]', state="attached", timeout=60_000)

    def main_thread(self, seconds: float) -> dict[str, float]:
        """Return what the main thread did per update over a time in which nothing else is asked of it."""
        self.page.evaluate("() => { const f = document.querySelector('#live').figures; f.work_ms.length = 0; }")
        before, updates = self._tasks(), self._updates()
        self.page.wait_for_timeout(seconds * 1000)
        after, now = self._tasks(), self._updates()
        island = self.page.evaluate("() => document.querySelector('#live').figures.work_ms")
        count = max(1, now - updates)
        return {
            "updates": count,
            "all_tasks_ms": round((after["TaskDuration"] - before["TaskDuration"]) * 1000 / count, 2),
            "script_ms": round((after["ScriptDuration"] - before["ScriptDuration"]) * 1000 / count, 2),
            "island_ms": round(statistics.median(island), 2) if island else 0.0,
            "island_ms_max": round(max(island), 2) if island else 0.0,
        }

    def redraws(self, seconds: float) -> float:
        """Return what the main thread does a second when the same map without cars is drawn once a second."""
        self.page.evaluate(REDRAWS, [seconds])
        before = self._tasks()
        self.page.wait_for_timeout(seconds * 1000)
        return round((self._tasks()["TaskDuration"] - before["TaskDuration"]) * 1000 / seconds, 2)

    def _updates(self) -> int:
        return int(self.page.evaluate("() => document.querySelector('#live').figures.frames"))

    def _tasks(self) -> dict[str, float]:
        answer = self.session.send("Performance.getMetrics")
        return {metric["name"]: metric["value"] for metric in answer["metrics"]}

    def frames(self, seconds: float, *, cars: bool) -> float:
        """Return frames a second, drawn one after another as fast as it goes."""
        return float(self.page.evaluate(FRAMES, [seconds, cars]))

    def memory(self) -> tuple[float, float]:
        """Return (heap in use after a collection, resident memory of the renderer), MB."""
        self.session.send("HeapProfiler.collectGarbage")
        used = self.session.send("Runtime.getHeapUsage")["usedSize"]
        return used / 1e6, max(machine.resident_bytes(pid) for pid in renderers()) / 1e6


REDRAWS: Final = """([seconds]) => {
  const { map, feed } = document.querySelector('#live').live;
  map.setLayoutProperty('cars', 'visibility', 'none');
  feed.frame = () => {};
  const timer = setInterval(() => map.triggerRepaint(), 1000);
  setTimeout(() => clearInterval(timer), seconds * 1000);
}"""

FRAMES: Final = """async ([seconds, cars]) => {
  const { map } = document.querySelector('#live').live;
  map.setLayoutProperty('cars', 'visibility', cars ? 'visible' : 'none');
  await new Promise((resolve) => { map.once('idle', resolve); map.triggerRepaint(); setTimeout(resolve, 2000); });
  let frames = 0;
  const again = () => { frames += 1; map.triggerRepaint(); };
  map.on('render', again);
  map.triggerRepaint();
  const began = performance.now();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  map.off('render', again);
  map.setLayoutProperty('cars', 'visibility', 'visible');
  return frames / ((performance.now() - began) / 1000);
}"""

RIVAL: Final = """() => {
  const { map, cars, feed } = document.querySelector('#live').live;
  map.setLayoutProperty('cars', 'visibility', 'none');
  const collect = () => {
    const features = [];
    const now = performance.now() / 1000;
    for (let slot = 0; slot < cars.count; slot++)
      if (cars.id[slot]) features.push({ type: 'Feature', properties: { state: cars.state[slot] },
        geometry: { type: 'Point', coordinates: cars.place(slot, now) } });
    return { type: 'FeatureCollection', features };
  };
  map.addSource('rival', { type: 'geojson', data: collect() });
  map.addLayer({ id: 'rival', type: 'circle', source: 'rival', paint: {
    'circle-radius': 4, 'circle-stroke-width': 1, 'circle-stroke-color': '#fff',
    'circle-color': ['match', ['get', 'state'], 3, '#12757f', 4, '#cc2a17', '#43536b'] } });
  const take = feed.frame;
  feed.frame = (buffer) => { take(buffer); map.getSource('rival').setData(collect()); };
}"""


def renderers() -> list[int]:
    """Return the renderer processes among our descendants."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
    found = []
    for pid in parents:
        at, steps = pid, 0
        while at in parents and at != os.getpid() and steps < 20:
            at, steps = parents[at], steps + 1
        if at == os.getpid():
            try:
                if b"--type=renderer" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
            except OSError:
                continue
    return found


def measure(cars: int, seconds: float) -> dict[str, Any]:
    """Return all figures of one run; `seconds` is how long memory is watched."""
    work = Path(tempfile.mkdtemp(prefix="carillon-bench-"))
    parts, database = parts_of(work, cars, build())
    # The demo's accounts are for who logs in; everything else here is as it is for a customer.
    app = create_app(parts)
    server = ApiServer(app, "127.0.0.1", 0)
    server.start()
    chromium = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    try:
        say("bytes on the wire ...")
        on_wire = wire_bytes(server.address, 10.0, cars)
        with sync_playwright() as playwright:
            shown = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS), timeout=60_000)
            context = shown.new_context(viewport={"width": SIZE[0], "height": SIZE[1]}, locale="zh-CN")
            page = context.new_page()
            login = {"login": "admin", "password": DEMO_PASSWORD}
            same = {"Sec-Fetch-Site": "same-origin"}
            assert page.request.post(f"http://{server.address}/api/v1/login", data=login, headers=same).ok
            session = context.new_cdp_session(page)
            session.send("Performance.enable")
            browser = Browser(page, session, server.address)
            views: dict[str, Any] = {}
            for view in VIEWS:
                say(f"view {view} ...")
                browser.open(view)
                page.wait_for_timeout(3000)
                work_done = browser.main_thread(10.0)
                turns = [(browser.frames(TURN_S, cars=True), browser.frames(TURN_S, cars=False)) for _ in range(TURNS)]
                with_cars, without = [list(column) for column in zip(*turns, strict=True)]
                views[view] = {
                    "main_thread_per_update": work_done,
                    "main_thread_without_ms": browser.redraws(10.0),
                    "frames_per_s": {"with_cars": median(with_cars), "without": median(without)},
                    "frames_ratio": median([a / b for a, b in turns]),
                    "frames_ratio_spread": spread([a / b for a, b in turns]),
                }
            say("GeoJSON ...")
            browser.open("city")
            page.evaluate(RIVAL)
            page.wait_for_timeout(2000)
            rival = browser.main_thread(10.0)
            say(f"memory for {seconds:.0f} s ...")
            browser.open("city")
            page.wait_for_timeout(5000)
            samples, began = [], time.monotonic()
            while time.monotonic() - began < seconds:
                page.wait_for_timeout(SAMPLE_S * 1000)
                samples.append((round(time.monotonic() - began), *browser.memory()))
            statistics_ = app.state.live.statistics()
            shown.close()
    finally:
        server.stop()
        database.close()
        shutil.rmtree(work, ignore_errors=True)
    third = max(1, len(samples) // 3)
    memory = {
        name: {
            "first_third": median([sample[at] for sample in samples[:third]]),
            "last_third": median([sample[at] for sample in samples[-third:]]),
            "highest": round(max(sample[at] for sample in samples), 1),
        }
        for name, at in (("heap_mb", 1), ("renderer_mb", 2))
    }
    return {
        "cars": cars,
        "bytes_per_car_and_s": round(on_wire, 3),
        "views": views,
        "rival_geojson": rival,
        "memory": memory | {"seconds": samples[-1][0] if samples else 0},
        "server": {"ticks": statistics_.ticks, "skipped": statistics_.skipped},
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; the exit status is 1 when a bound is passed."""
    parser = argparse.ArgumentParser(prog="python -m bench.live_map", description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--cars", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long memory is watched")
    options = parser.parse_args(arguments)
    where = machine.description()
    result = measure(options.cars, options.seconds)
    print(f"{result['bytes_per_car_and_s']:.2f} bytes per car and second on the wire (at most {BYTES_MAX})")
    for name, view in result["views"].items():
        done, frames = view["main_thread_per_update"], view["frames_per_s"]
        print(
            f"{name:8} {done['island_ms']:.1f} ms of work an update, highest {done['island_ms_max']:.1f} (at most "
            f"{WORK_MS_MAX}); whole main thread {done['all_tasks_ms']:.0f} ms, of the map without cars "
            f"{view['main_thread_without_ms']:.0f}; {frames['with_cars']:.1f} frames/s with cars, "
            f"{frames['without']:.1f} without: {view['frames_ratio']:.2f} (at least {RATIO_MIN})"
        )
    print(f"as GeoJSON: main thread {result['rival_geojson']['all_tasks_ms']:.1f} ms an update")
    for name in ("heap_mb", "renderer_mb"):
        memory = result["memory"][name]
        print(f"{name}: {memory['first_third']} at first, {memory['last_third']} at last, highest {memory['highest']}")
    if options.json:
        print(msgspec.json.encode({"bench": "live_map", **result, **where}).decode())
    right = result["bytes_per_car_and_s"] <= BYTES_MAX and all(
        view["main_thread_per_update"]["island_ms"] <= WORK_MS_MAX and view["frames_ratio"] >= RATIO_MIN
        for view in result["views"].values()
    )
    return 0 if right else 1


BYTES_MAX: Final = 24
WORK_MS_MAX: Final = 50
RATIO_MIN: Final = 0.5

if __name__ == "__main__":
    sys.exit(main())
