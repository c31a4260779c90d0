"""The geofences' page, as a person uses it: draw, change, say how it is judged, choose cars, import, be refused.

One page is opened, and one person goes on in it from test to test, as people do: a map drawn in software takes seconds
to come up. Whatever a test leaves open, the next one leaves first.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from bench.servers import ChildServer
from tests.browser.browsing import LANGUAGES, LOOKING, NARROW, WIDE, Faults, shoot, until, visiting

CENTRE = (150.02, 30.03)
"""In the demo's city, beside its fences."""
ZOOM = 15
TOLD_MS = 90_000
"""A car has to be there, to be sent its command and to answer: seconds, on a machine that has time."""
FORM = "[data-pane-of=form]"


def opened(page: Page, demo: ChildServer, path: str = "/geofences") -> Page:
    """Open the page as the node's own administrator, and wait for its map."""
    key = (demo.data / "run" / "api.key").read_text().strip()
    page.set_extra_http_headers({"Authorization": f"Bearer {key}"})
    page.goto(path)
    page.wait_for_selector("body[data-ready=fences]", state="attached")
    return page


@pytest.fixture(scope="module")
def drawing(browser: Browser, demo: ChildServer) -> Iterator[tuple[Page, Faults]]:
    """The page that all who draw go on in, and what went wrong in it."""
    faults = Faults(demo.http)
    with visiting(browser, demo.http, faults, language="zh") as page:
        yield opened(page, demo), faults


@pytest.fixture
def desk(drawing: tuple[Page, Faults], demo: ChildServer) -> Iterator[Page]:
    """The page with its list open, beside CENTRE; afterwards what was drawn is taken away, and nothing went wrong."""
    page, faults = drawing
    before = {feature["id"] for feature in demo.ask("GET", "/api/v1/geofences")[1]["features"]}
    if page.locator("#fences").get_attribute("data-pane") != "list":
        page.evaluate("window.addEventListener('beforeunload', event => event.stopImmediatePropagation(), true)")
        opened(page, demo)
    page.evaluate("([c, z]) => document.getElementById('fences').lookAt(c, z)", [list(CENTRE), ZOOM])
    yield page
    for feature in demo.ask("GET", "/api/v1/geofences")[1]["features"]:
        if feature["id"] not in before:
            demo.ask("DELETE", f"/api/v1/geofences/{feature['id']}?revision={feature['properties']['revision']}")
    found, faults[:] = list(faults), []
    # What is refused is answered with 422, which the browser says on its console.
    assert not [fault for fault in found if "422" not in fault], "\n".join(found)


def at(page: Page, east: float, north: float) -> tuple[float, float]:
    """Return where a place lies on the screen; east and north of CENTRE in degrees."""
    point = [CENTRE[0] + east, CENTRE[1] + north]
    x, y = page.evaluate("p => document.getElementById('fences').onScreen(p)", point)
    return x, y


def press(page: Page, *places: tuple[float, float]) -> None:
    for place in places:
        page.mouse.click(*at(page, *place))


def pull(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*at(page, *start))
    page.mouse.down()
    x, y = at(page, *end)
    page.mouse.move(x - 7, y - 7)
    page.mouse.move(x, y)
    page.mouse.up()


def do(page: Page, name: str) -> None:
    page.locator(f"[data-do={name}]:visible").click()


def save(page: Page) -> dict[str, Any]:
    """Press save and return the feature that the API answered with."""
    with page.expect_response(
        lambda answer: "/api/v1/geofences" in answer.url and answer.request.method != "GET"
    ) as told:
        page.locator(f"{FORM} button[type=submit]").click()
    document = told.value.json()
    return document["features"][0] if "features" in document else document


def edit(page: Page) -> None:
    do(page, "edit")
    expect(page.locator(FORM)).to_be_visible()


def remove(page: Page) -> None:
    do(page, "remove")
    page.locator("#confirm button[value=yes]").click()
    expect(page.locator("[data-pane-of=list]")).to_be_visible()


def test_a_polygon_is_drawn_with_a_hole_changed_and_removed(desk: Page, demo: ChildServer, pictures: Path) -> None:
    page = desk
    do(page, "polygon")
    press(page, (-0.006, -0.003), (0.004, -0.003), (0.008, 0.006))
    page.keyboard.press("Backspace")
    press(page, (0.004, 0.004))
    # A double click sets the last corner and ends.
    page.mouse.dblclick(*at(page, -0.006, 0.004))
    shoot(page, pictures, "geofences-drawing")
    assert save(page)["code"] == "geojson_invalid"
    expect(page.locator("#r-name")).not_to_be_empty()
    page.locator("#f-name").fill("临时停车场 Parking")
    page.locator(".swatch-choice input").nth(3).check()
    # The hole crosses the outline first: it is said where, before anybody asks the server, and undone.
    do(page, "hole")
    press(page, (-0.002, 0), (0.001, 0), (0, 0.006))
    page.keyboard.press("Enter")
    expect(page.locator("[data-part=crossed]")).to_be_visible()
    for _ in range(2):
        page.keyboard.press("Control+z")
    press(page, (0, 0.002))
    do(page, "end")
    expect(page.locator("[data-part=crossed]")).to_be_hidden()
    drawn = save(page)
    outline, hole = drawn["geometry"]["coordinates"]
    assert (len(outline), len(hole)) == (5, 4)
    assert drawn["properties"]["colour"] == "#14663c"
    expect(page.locator("[data-part=name]")).to_have_text("临时停车场 Parking")
    shoot(page, pictures, "geofences-saved")
    # A corner is pulled, a midpoint becomes a corner, another is taken away again; so is the hole.
    edit(page)
    pull(page, (0.004, -0.003), (0.006, -0.004))
    pull(page, (-0.001, 0.004), (-0.001, 0.006))
    for corner in ((0, 0.002), (-0.002, 0)):
        press(page, corner)
        page.keyboard.press("Delete")
        if page.locator("[data-part=measures]").inner_text().count("孔洞") == 0:
            break
    do(page, "undo")
    do(page, "redo")
    pull(page, (0.002, 0.001), (0.004, 0.002))
    changed = save(page)
    (ring,) = changed["geometry"]["coordinates"]
    assert len(ring) == 6
    assert any(abs(lon - CENTRE[0] - 0.008) < 3e-4 and abs(lat - CENTRE[1] + 0.003) < 3e-4 for lon, lat in ring)
    assert changed["properties"]["revision"] == 2
    remove(page)
    assert demo.ask("GET", f"/api/v1/geofences/{changed['id']}")[0] == 404


def test_edges_that_cross_are_refused_where_they_are(desk: Page, pictures: Path) -> None:
    page = desk
    do(page, "polygon")
    press(page, (-0.006, -0.004), (0.006, 0.004), (0.006, -0.004), (-0.006, 0.004))
    page.keyboard.press("Enter")
    page.locator("#f-name").fill("X")
    assert save(page)["refusals"][0]["code"] == "edges_cross"
    expect(page.locator("#r-geometry")).to_contain_text("1")
    shoot(page, pictures, "geofences-refused")
    do(page, "cancel")
    page.locator("#confirm button[value=yes]").click()


def test_a_circle_is_pulled_typed_and_for_chosen_cars(desk: Page, demo: ChildServer, pictures: Path) -> None:
    page = desk
    cars = demo.ask("GET", "/api/v1/vehicles?limit=24")[1]["items"]
    store = cars[0]["store"]["id"]
    mine = [car for car in cars if car["store"]["id"] == store]
    other = next(car for car in cars if car["store"]["id"] != store)
    do(page, "circle")
    pull(page, (0, 0), (0.003, 0))
    page.locator("#f-name").fill("圆 Circle")
    page.locator("#f-radius_m").fill("333")
    page.locator("#f-store").select_option(str(store))
    page.locator("input[name=applies][value=vehicles]").check()
    page.locator("#f-car").fill(mine[0]["plate"])
    page.locator("#car-found li", has_text=mine[0]["plate"]).wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    # A pasted list: a plate as people write it, a VIN, one of another store, one that nobody has.
    page.locator("[data-part=paste] summary").click()
    plate = mine[1]["plate"]
    page.locator("#f-paste").fill(f"{plate[:2]}·{plate[2:].lower()}\n{mine[2]['vin']}，{other['plate']}\n粤Z00000")
    page.locator("[data-part=paste-do]").click()
    expect(page.locator("[data-part=pasted]")).to_contain_text("粤Z00000")
    expect(page.locator("[data-part=chosen] s")).to_have_text(other["plate"])
    expect(page.locator("[data-part=chosen-left]")).to_be_visible()
    shoot(page, pictures, "geofences-cars")
    drawn = save(page)
    assert drawn["properties"]["radius_m"] == 333
    assert drawn["geometry"]["coordinates"] == pytest.approx(CENTRE, abs=3e-4)
    assert (drawn["properties"]["applies"], drawn["properties"]["vehicle_count"]) == ("vehicles", 3)
    remove(page)


def test_a_corridor_is_drawn_and_its_rules_said_by_keys_alone(desk: Page, pictures: Path) -> None:
    page = desk

    def tick(selector: str) -> None:
        page.locator(selector).focus()
        page.keyboard.press(" ")

    page.locator("[data-do=corridor]").focus()
    page.keyboard.press("Enter")
    # The map has the focus: a cross is moved by arrows, Space sets a corner, Enter ends.
    for keys in (["ArrowLeft"] * 6, ["Shift+ArrowRight"] * 3, ["Shift+ArrowDown"] * 2):
        for key in keys:
            page.keyboard.press(key)
        page.keyboard.press(" ")
    page.keyboard.press("Enter")
    page.keyboard.type("试驾走廊")
    page.locator("#f-width_m").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("80")
    # A corner is chosen and moved, and taken back.
    page.locator("#fences-map canvas").first.focus()
    page.keyboard.press("PageDown")
    expect(page.locator("[data-part=said]")).to_contain_text("1")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Control+z")
    tick("[name=when][value=hours]")
    cell = page.locator('[data-at="0 8"]')
    cell.focus()
    page.keyboard.press(" ")
    for _ in range(2):
        page.keyboard.press("Shift+ArrowRight")
    for _ in range(4):
        page.keyboard.press("Shift+ArrowDown")
    page.locator("[data-part=week] summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#f-week")).to_have_value("周一 08:00–11:00\n周二至周五 10:00–11:00")
    page.locator("#f-week").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("周五 22:30-6:00")
    expect(page.locator('[data-at="4 22"]')).to_have_attribute("data-on", "part")
    shoot(page, pictures, "geofences-hours")
    drawn = save(page)
    properties = drawn["properties"]
    assert drawn["geometry"]["type"] == "LineString"
    assert len(drawn["geometry"]["coordinates"]) == 3
    assert (properties["width_m"], properties["role"], properties["kind"]) == (80, "route", "corridor")
    assert properties["hours"] == [{"days": [5], "from": "22:30", "to": "06:00"}]
    # As a zone it has a stay, a limit, and cars that are expected.
    edit(page)
    page.locator("#f-role").select_option("zone")
    page.locator("#f-dwell_min").fill("20")
    page.locator("#f-speed_limit_kmh").fill("40")
    page.locator("#f-speed_s").fill("15")
    page.locator("input[name=applies][value=vehicles]").check()
    do(page, "add-window")
    page.locator(".window-times input").first.fill("25:00")
    assert save(page)["code"] == "geojson_invalid"
    expect(page.locator("#r-expected")).not_to_be_empty()
    page.locator(".window-times input").first.fill("07:30")
    properties = save(page)["properties"]
    said = {name: properties[name] for name in ("role", "dwell_s", "speed_limit_kmh", "speed_s", "expected")}
    days = {"days": [1, 2, 3, 4, 5], "from": "07:30", "to": "18:00"}
    assert said == {"role": "zone", "dwell_s": 1200, "speed_limit_kmh": 40, "speed_s": 15, "expected": [days]}
    shoot(page, pictures, "geofences-corridor")
    remove(page)


def test_without_a_pointer_coordinates_are_typed(desk: Page) -> None:
    page = desk
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
    remove(page)


def test_more_fences_than_a_map_can_show_are_counted_and_the_list_goes_on(desk: Page, pictures: Path) -> None:
    page = desk
    middle = {"lon": CENTRE[0], "lat": CENTRE[1], "count": 4321}
    near = [CENTRE[0] - 0.01, CENTRE[1] - 0.01, CENTRE[0] + 0.01, CENTRE[1] + 0.01]
    counted = {"type": "FeatureCollection", "features": [], "count": 4321, "clusters": [{**middle, "bbox": near}]}
    asked: list[str] = []

    def answer(route: Any) -> None:
        asked.append(route.request.url)
        route.fulfill(json=counted)

    page.route("**/api/v1/geofences?*bbox=*", answer)
    page.evaluate("c => document.getElementById('fences').lookAt(c, 10)", list(CENTRE))
    until(page, "document.getElementById('fences').shown().clusters === 1")
    shoot(page, pictures, "geofences-counted")
    page.unroute("**/api/v1/geofences?*bbox=*")
    # A filter asks for both: what is listed and what is on the map.
    page.locator("#by-kind").select_option("corridor")
    expect(page.locator(".fence-row")).to_have_count(1)
    page.locator("#by-kind").select_option("")
    page.locator("#f-q").fill("恒达")
    expect(page.locator(".fence-row")).to_have_count(1)
    page.locator("#f-q").fill("")
    expect(page.locator(".fence-row").filter(has_text="试驾区域")).to_have_count(1)
    assert asked


def test_a_file_is_looked_at_before_it_is_saved(desk: Page, pictures: Path) -> None:
    page = desk
    do(page, "import")
    bow = [[150.0, 30.0], [150.01, 30.01], [150.01, 30.0], [150.0, 30.01]]
    square = [[150.0, 30.0], [150.01, 30.0], [150.01, 30.01], [150.0, 30.01]]

    def document(ring: Any) -> bytes:
        shapes: list[tuple[str, Any, dict[str, Any]]] = [
            ("Point", [150.03, 30.02], {"radius_m": 400}),
            ("LineString", square[:2], {}),
            ("Polygon", [ring], {"name": "停车区"}),
        ]
        features = [
            {"type": "Feature", "properties": properties, "geometry": {"type": kind, "coordinates": coordinates}}
            for kind, coordinates, properties in shapes
        ]
        return json.dumps({"type": "FeatureCollection", "features": features}).encode()

    file = {"name": "yards.geojson", "mimeType": "application/geo+json"}
    page.locator("[data-part=file]").set_input_files({**file, "buffer": document(bow)})
    expect(page.locator(".fate")).to_have_count(3)
    assert page.locator(".fate.refused").count() >= 1
    expect(page.locator("[data-do=import-save]")).to_be_disabled()
    shoot(page, pictures, "geofences-import-refused")
    page.locator("[data-part=file]").set_input_files({**file, "buffer": document(square)})
    page.locator("[data-pane-of=import] summary").click()
    page.locator("#f-import_name").fill("导入")
    page.locator("#f-import_name").press("Tab")
    expect(page.locator("[data-do=import-save]")).to_be_enabled()
    expect(page.locator(".fate.created")).to_have_count(3)
    page.locator("#f-import_system").select_option("gcj02")
    expect(page.locator("[data-do=import-save]")).to_be_enabled()
    shoot(page, pictures, "geofences-import")
    do(page, "import-save")
    expect(page.locator(".fence-row", has_text="导入 1")).to_be_visible()
    expect(page.locator(".fence-row", has_text="停车区")).to_be_visible()


def test_a_fence_is_put_on_terminals_which_say_what_they_hold(desk: Page, demo: ChildServer, pictures: Path) -> None:
    page = desk
    place = {"type": "Point", "coordinates": list(CENTRE)}
    yard = {"type": "Feature", "geometry": place, "properties": {"name": "交付中心", "radius_m": 400}}
    number = demo.ask("POST", "/api/v1/geofences", yard)[1]["features"][0]["id"]
    opened(page, demo, f"/geofences?fence={number}")
    expect(page.locator("[data-part=told-section]")).to_be_hidden()
    edit(page)
    expect(page.locator("[data-part=rules]")).to_be_hidden()
    page.locator("[name=on_terminals]").check()
    page.locator("[name=enter_driver]").check()
    page.locator("[name=speed_kmh]").fill("301")
    page.locator("[name=hours]").select_option("daily")
    page.locator(f"{FORM} button[type=submit]").click()
    expect(page.locator("#r-terminal")).not_to_be_empty()
    page.locator("[name=speed_kmh]").fill("30")
    page.locator("[name=night_speed_kmh]").fill("20")
    # However long the form is, it scrolls beside the map, and its buttons stay in sight.
    foot = page.locator(f"{FORM} button[type=submit]").bounding_box()
    assert foot is not None
    assert foot["y"] + foot["height"] <= WIDE[1], foot
    shoot(page, pictures, "geofences-terminals-form")
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
    shoot(page, pictures, "geofences-terminals")
    # Switched off, it is taken off them.
    edit(page)
    page.locator("[name=on_terminals]").uncheck()
    assert save(page)["properties"]["on_terminals"] is False
    # Those that were told are none now: all of them again.
    page.locator(".told-key.told-told").click()
    expect(page.locator(".told-rows .badge.quiet").first).to_be_visible(timeout=TOLD_MS)
    remove(page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_seen_on_every_screen(
    browser: Browser, demo: ChildServer, faults: Faults, pictures: Path, language: str
) -> None:
    with visiting(browser, demo.http, faults, language=language) as page:
        opened(page, demo)
        for (width, height), dark in ((WIDE, False), (NARROW, True), (NARROW, False), (WIDE, True)):
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce")
            name = f"{language}-{width}-{'dark' if dark else 'light'}"
            shoot(page, pictures, f"geofences-{name}")
            page.locator(".fence-row").nth(1).click()
            expect(page.locator("[data-part=inside-section]")).to_be_visible()
            shoot(page, pictures, f"geofences-one-{name}")
            do(page, "edit")
            expect(page.locator(FORM)).to_be_visible()
            assert page.evaluate(LOOKING) == []
            shoot(page, pictures, f"geofences-form-{name}")
            do(page, "cancel")
            do(page, "back")
