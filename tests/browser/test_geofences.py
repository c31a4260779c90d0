"""The geofences' page, as a person uses it: draw, change, choose cars, import, see what is refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from bench.servers import ChildServer
from tests.browser.browsing import NARROW, WIDE, Faults, shoot, visiting

CENTRE = (150.02, 30.03)
"""In the demo's city, beside its fences."""
ZOOM = 15
TOLD_MS = 90_000
"""A car has to be there, to be sent its command and to answer: seconds, on a machine that has time."""


def opened(page: Page, demo: ChildServer, path: str = "/geofences") -> Page:
    """Open the page as the node's own administrator, and wait for its map."""
    key = (demo.data / "run" / "api.key").read_text().strip()
    page.set_extra_http_headers({"Authorization": f"Bearer {key}"})
    page.goto(path)
    page.wait_for_selector("body[data-ready=fences]", state="attached")
    return page


def look(page: Page, centre: tuple[float, float] = CENTRE, zoom: float = ZOOM) -> None:
    page.evaluate("([c, z]) => document.getElementById('fences').lookAt(c, z)", [list(centre), zoom])


def at(page: Page, east: float, north: float) -> tuple[float, float]:
    """Return where a place lies on the screen; east and north of CENTRE in degrees."""
    point = [CENTRE[0] + east, CENTRE[1] + north]
    x, y = page.evaluate("p => document.getElementById('fences').onScreen(p)", point)
    return x, y


def press(page: Page, east: float, north: float, **how: Any) -> None:
    page.mouse.click(*at(page, east, north), **how)


def pull(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*at(page, *start))
    page.mouse.down()
    x, y = at(page, *end)
    page.mouse.move(x - 7, y - 7)
    page.mouse.move(x, y)
    page.mouse.up()


def save(page: Page) -> dict[str, Any]:
    """Press save and return the feature that the API answered with."""
    with page.expect_response(
        lambda answer: "/api/v1/geofences" in answer.url and answer.request.method != "GET"
    ) as told:
        page.locator("[data-pane-of=form] button[type=submit]").click()
    document = told.value.json()
    return document["features"][0] if "features" in document else document


@pytest.fixture(autouse=True)
def nothing_left(demo: ChildServer) -> Iterator[None]:
    """Take away what a test has drawn."""
    before = {feature["id"] for feature in demo.ask("GET", "/api/v1/geofences")[1]["features"]}
    yield
    for feature in demo.ask("GET", "/api/v1/geofences")[1]["features"]:
        if feature["id"] not in before:
            demo.ask("DELETE", f"/api/v1/geofences/{feature['id']}?revision={feature['properties']['revision']}")


def test_a_polygon_is_drawn_changed_and_removed(
    page: Page, demo: ChildServer, faults: Faults, pictures: Path, language: str
) -> None:
    opened(page, demo)
    look(page)
    page.locator("[data-do=polygon]").click()
    corners = [(-0.006, -0.003), (0.004, -0.003), (0.008, 0.006), (0.004, 0.004), (-0.006, 0.004)]
    for corner in corners[:3]:
        press(page, *corner)
    page.keyboard.press("Backspace")
    press(page, *corners[3])
    # A double click sets the last corner and ends.
    page.mouse.dblclick(*at(page, *corners[4]))
    shoot(page, pictures, f"geofences-drawing-{language}")
    saved = save(page)
    assert saved["code"] == "geojson_invalid"
    expect(page.locator("#r-name")).not_to_be_empty()
    faults.expect("422")
    page.locator("#f-name").fill("临时停车场 Parking")
    page.locator(".swatch-choice input").nth(3).check()
    drawn = save(page)
    assert len(drawn["geometry"]["coordinates"][0]) == 5
    assert drawn["properties"]["colour"] == "#14663c"
    expect(page.locator("[data-part=name]")).to_have_text("临时停车场 Parking")
    shoot(page, pictures, f"geofences-saved-{language}")
    # A corner is pulled, a midpoint becomes a corner, another is taken away again.
    page.locator("[data-do=edit]").click()
    expect(page.locator("[data-pane-of=form]")).to_be_visible()
    pull(page, (0.004, -0.003), (0.006, -0.004))
    pull(page, (-0.001, 0.004), (-0.001, 0.006))
    changed = save(page)
    ring = changed["geometry"]["coordinates"][0]
    assert len(ring) == 6
    assert any(abs(lon - CENTRE[0] - 0.006) < 3e-4 and abs(lat - CENTRE[1] + 0.004) < 3e-4 for lon, lat in ring)
    page.locator("[data-do=edit]").click()
    expect(page.locator("[data-pane-of=form]")).to_be_visible()
    press(page, -0.001, 0.006)
    page.keyboard.press("Delete")
    pull(page, (0, 0), (0.002, 0.001))
    moved = save(page)
    assert len(moved["geometry"]["coordinates"][0]) == 5
    assert moved["properties"]["revision"] == 3
    page.locator("[data-do=remove]").click()
    page.locator("#confirm button[value=yes]").click()
    expect(page.locator("[data-pane-of=list]")).to_be_visible()
    assert demo.ask("GET", f"/api/v1/geofences/{moved['id']}")[0] == 404


def test_edges_that_cross_are_refused_where_they_are(
    page: Page, demo: ChildServer, faults: Faults, pictures: Path, language: str
) -> None:
    opened(page, demo)
    look(page)
    page.locator("[data-do=polygon]").click()
    for corner in ((-0.006, -0.004), (0.006, 0.004), (0.006, -0.004), (-0.006, 0.004)):
        press(page, *corner)
    page.keyboard.press("Enter")
    page.locator("#f-name").fill("X")
    assert save(page)["refusals"][0]["code"] == "edges_cross"
    expect(page.locator("#r-geometry")).to_contain_text("1")
    shoot(page, pictures, f"geofences-refused-{language}")
    faults.expect("422")


def test_a_circle_is_pulled_typed_and_for_chosen_cars(
    page: Page, demo: ChildServer, pictures: Path, language: str
) -> None:
    opened(page, demo)
    look(page)
    page.locator("[data-do=circle]").click()
    pull(page, (0, 0), (0.003, 0))
    page.locator("#f-name").fill("圆 Circle")
    page.locator("#f-radius_m").fill("333")
    page.locator("input[name=applies][value=vehicles]").check()
    page.locator("#f-car").click()
    page.locator("#car-found li").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    shoot(page, pictures, f"geofences-cars-{language}")
    drawn = save(page)
    assert drawn["properties"]["radius_m"] == 333
    assert drawn["geometry"]["coordinates"] == pytest.approx(CENTRE, abs=3e-4)
    assert (drawn["properties"]["applies"], drawn["properties"]["vehicle_count"]) == ("vehicles", 1)


def test_without_a_pointer_coordinates_are_typed(page: Page, demo: ChildServer) -> None:
    opened(page, demo)
    page.locator("[data-do=polygon]").focus()
    page.keyboard.press("Enter")
    page.locator("[data-part=coordinates] summary").focus()
    page.keyboard.press("Enter")
    for lon, lat in ((150.1, 30.1), (150.11, 30.1), (150.11, 30.11)):
        page.locator("[data-do=add-corner]").focus()
        page.keyboard.press("Enter")
        page.keyboard.type(str(lon))
        page.keyboard.press("Tab")
        page.keyboard.type(str(lat))
        page.keyboard.press("Tab")
    page.locator("#f-name").fill("typed")
    assert save(page)["geometry"]["coordinates"] == [[[150.1, 30.1], [150.11, 30.1], [150.11, 30.11], [150.1, 30.1]]]


def test_a_file_is_looked_at_before_it_is_saved(
    page: Page, demo: ChildServer, faults: Faults, pictures: Path, language: str
) -> None:
    opened(page, demo)
    page.locator("[data-do=import]").click()
    bow = [[150.0, 30.0], [150.01, 30.01], [150.01, 30.0], [150.0, 30.01]]
    square = [[150.0, 30.0], [150.01, 30.0], [150.01, 30.01], [150.0, 30.01]]

    def document(ring: Any) -> bytes:
        features = [
            {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [150.03, 30.02]}},
            {
                "type": "Feature",
                "properties": {"name": "停车区"},
                "geometry": {"type": "Polygon", "coordinates": [ring]},
            },
        ]
        features[0]["properties"] = {"radius_m": 400}
        return json.dumps({"type": "FeatureCollection", "features": features}).encode()

    file = {"name": "yards.geojson", "mimeType": "application/geo+json"}
    page.locator("[data-part=file]").set_input_files({**file, "buffer": document(bow)})
    expect(page.locator(".refusals li")).to_have_count(2)
    expect(page.locator("[data-do=import-save]")).to_be_disabled()
    shoot(page, pictures, f"geofences-import-refused-{language}")
    faults.expect("422")
    page.locator("[data-part=file]").set_input_files({**file, "buffer": document(square)})
    page.locator("#f-import_name").fill("导入")
    page.locator("#f-import_name").press("Tab")
    expect(page.locator("[data-do=import-save]")).to_be_enabled()
    shoot(page, pictures, f"geofences-import-{language}")
    faults.expect("422")
    page.locator("[data-do=import-save]").click()
    expect(page.locator(".fence-row", has_text="导入 1")).to_be_visible()
    expect(page.locator(".fence-row", has_text="停车区")).to_be_visible()


def test_a_fence_is_put_on_terminals_which_say_what_they_hold(
    page: Page, demo: ChildServer, faults: Faults, pictures: Path, language: str
) -> None:
    place = {"type": "Point", "coordinates": list(CENTRE)}
    yard = {"type": "Feature", "geometry": place, "properties": {"name": "交付中心", "radius_m": 400}}
    number = demo.ask("POST", "/api/v1/geofences", yard)[1]["features"][0]["id"]
    opened(page, demo, f"/geofences?fence={number}")
    expect(page.locator("[data-part=told-section]")).to_be_hidden()
    page.locator("[data-do=edit]").click()
    expect(page.locator("[data-part=rules]")).to_be_hidden()
    page.locator("[name=on_terminals]").check()
    page.locator("[name=enter_driver]").check()
    page.locator("[name=speed_kmh]").fill("301")
    page.locator("[name=hours]").select_option("daily")
    save_refused = page.locator("#r-terminal")
    page.locator("[data-pane-of=form] button[type=submit]").click()
    expect(save_refused).not_to_be_empty()
    faults.expect("422")
    page.locator("[name=speed_kmh]").fill("30")
    page.locator("[name=night_speed_kmh]").fill("20")
    # However long the form is, it scrolls beside the map, and its buttons stay in sight.
    foot = page.locator("[data-pane-of=form] button[type=submit]").bounding_box()
    assert foot is not None
    assert foot["y"] + foot["height"] <= WIDE[1], foot
    shoot(page, pictures, f"geofences-terminals-form-{language}")
    terminal = save(page)["properties"]["terminal"]
    told = {name: terminal[name] for name in ("enter_driver", "speed_kmh", "night_speed_kmh", "daily_from")}
    assert told == {"enter_driver": True, "speed_kmh": 30, "night_speed_kmh": 20, "daily_from": "08:00"}
    # Cars drive in the demo: those that are there confirm it, and one says what it holds, or that it cannot.
    expect(page.locator(".told-key.told-told")).to_be_visible(timeout=TOLD_MS)
    page.locator(".told-key.told-told").click()
    expect(page.locator(".told-key.told-told")).to_have_attribute("aria-pressed", "true")
    row = page.locator(".told-rows li").first
    row.locator("[data-told=compare]").click()
    expect(row.locator("p.note").last).to_be_visible(timeout=TOLD_MS)
    shoot(page, pictures, f"geofences-terminals-{language}")
    # Switched off, it is taken off them.
    page.locator("[data-do=edit]").click()
    page.locator("[name=on_terminals]").uncheck()
    assert save(page)["properties"]["on_terminals"] is False
    expect(page.locator(".told-rows .badge.quiet").first).to_be_visible(timeout=TOLD_MS)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_is_seen_on_every_screen(
    browser: Browser, demo: ChildServer, faults: Faults, pictures: Path, language: str, dark: bool
) -> None:
    for size in (WIDE, NARROW):
        with visiting(browser, demo.http, faults, language=language, size=size, dark=dark) as page:
            opened(page, demo)
            name = f"{language}-{size[0]}-{'dark' if dark else 'light'}"
            shoot(page, pictures, f"geofences-{name}")
            page.locator(".fence-row").first.click()
            expect(page.locator("[data-part=inside-section]")).to_be_visible()
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= size[0], f"{width} px wide on {size[0]}"
            shoot(page, pictures, f"geofences-one-{name}")
