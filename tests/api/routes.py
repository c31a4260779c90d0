"""Every route of the application, a row each: how tests/api/test_rights.py calls it. See there."""

import time
from collections.abc import Callable
from typing import Any, Final

import httpx
import numpy as np
import pytest
from litestar.exceptions import WebSocketDisconnect

from api.live import HEADER, RECORD
from api.server import ApiServer
from core.events import CommandRequested, Event, derive_id
from tests.api.conftest import NOW_MS
from tests.api.two_stores import PASSWORD, WHOLE_GROUP, Case, Side, World, marks_in


def one(route: str, name: str) -> Case:
    """Return the case of a GET whose path names one thing: the side's attribute that stands there."""
    template = route.split(" ")[1]
    head, _, rest = template.partition("{")
    return Case(route, "one", lambda side: f"{head}{getattr(side, name)}{rest.partition('}')[2]}")


def asking(what: str, body: Callable[[Side], dict[str, object]]) -> Case:
    """Return the case of an intent about a car."""
    route = f"POST /api/v1/vehicles/{{vehicle_id}}/{what}"
    return Case(route, "one", lambda side: f"/api/v1/vehicles/{side.vehicle}/{what}", lambda side: {"json": body(side)})


PUBLIC: Final = (
    Case("GET /docs", "public"),
    Case("GET /docs/openapi.json", "public"),
    Case("GET /docs/openapi.json/openapi.json", "public"),
    Case("GET /docs/openapi.json/{path}", "public", lambda side: "/docs/openapi.json/x", status=404),
    Case("GET /assets/{name}", "public", lambda side: "/assets/nothing.js", status=404),
    Case("GET /health", "public"),
    Case("GET /health/live", "public"),
    # It has a right of its own where metrics are not open: tests/api/test_api.py.
    Case("GET /metrics", "public", status=401),
    Case("POST /api/v1/login", "public", send=lambda side: {"json": {"login": "x", "password": "y"}}, status=401),
    Case("POST /api/v1/invitations", "public", send=lambda side: {"json": {"token": "x", "password": "y"}}, status=400),
)

ONESELF: Final = (
    Case("GET /api/v1/me", "list"),
    Case("PATCH /api/v1/me", "self", send=lambda side: {"json": {"name": "x"}}),
    Case("POST /api/v1/me/password", "self", send=lambda side: {"json": {"old": PASSWORD, "new": f"{PASSWORD}2"}}),
    Case("POST /api/v1/logout", "self"),
    Case("GET /api/v1/me/factor", "self"),
    Case("POST /api/v1/me/factor", "self"),
    Case("POST /api/v1/me/factor/confirm", "self", send=lambda side: {"json": {"code": "000000"}}),
    Case("POST /api/v1/me/factor/codes", "self", send=lambda side: {"json": {"code": "000000"}}),
    Case("POST /api/v1/me/factor/end", "self", send=lambda side: {"json": {"code": "000000"}}),
    Case("PUT /api/v1/me/post", "self", send=lambda side: {"json": {"post": ""}}),
    Case("GET /api/v1/sessions", "self"),
    Case("DELETE /api/v1/sessions", "self"),
    Case("DELETE /api/v1/sessions/{session_id}", "self", lambda side: "/api/v1/sessions/0123456789abcdef"),
)


BUSINESS: Final = (
    Case("GET /api/v1/event-types", "self"),
    Case("GET /api/v1/event-types/{type_}", "self", lambda side: "/api/v1/event-types/crash.suspected"),
    Case("GET /api/v1/actors", "self"),
    Case("GET /api/v1/parked", "list"),
    Case(
        "POST /api/v1/parked/release", "group",
        send=lambda side: {"json": {"actor": "spine", "key": "vehicle:0"}},
    ),
    Case(
        "POST /api/v1/actors/switch", "group",
        send=lambda side: {"json": {"actor": "spine", "store": side.store, "active": False}},
    ),
    Case(
        "POST /api/v1/actors/adopt", "group",
        send=lambda side: {"json": {"actor": "spine", "rule": "switch", "version": 1}},
    ),
    Case("GET /actors", "self"),
    Case("GET /parked", "list"),
    Case("GET /parked/count", "self"),
    Case("GET /event-types", "self"),
    Case("GET /event-types/{type_}", "self", lambda side: "/event-types/crash.suspected"),
)  # fmt: skip


def account(side: Side) -> str:
    return f"/api/v1/accounts/{side.account}"


def new_account(side: Side) -> dict[str, object]:
    return {"json": {"login": f"new{side.store}", "role": "viewer", "stores": [side.store]}}


PEOPLE: Final = (
    Case("GET /api/v1/accounts", "list"),
    Case("GET /api/v1/accounts/{account_id}", "one", account),
    Case("POST /api/v1/accounts", "one", None, new_account, status=201, foreign=403, shows=False),
    Case("PATCH /api/v1/accounts/{account_id}", "one", account, lambda side: {"json": {"name": "x"}}),
    Case(
        "POST /api/v1/accounts/{account_id}/invitation",
        "one",
        lambda side: f"{account(side)}/invitation",
        status=201,
        shows=False,
    ),
    Case("GET /api/v1/keys", "one", None, lambda side: {"params": {"account": side.account}}),
    Case("POST /api/v1/keys", "self", send=lambda side: {"json": {"name": "x", "rights": ["events.read"]}}),
    Case("DELETE /api/v1/keys/{key_id}", "one", lambda side: f"/api/v1/keys/{side.api_key}", status=204, shows=False),
    Case("GET /api/v1/stores", "list"),
    Case("POST /api/v1/stores", "group", send=lambda side: {"json": {"code": "x", "name_zh": "x"}}),
    Case(
        "PUT /api/v1/stores/{store_id}",
        "group",
        lambda side: f"/api/v1/stores/{side.store}",
        lambda side: {"json": {"code": "x", "name_zh": "x"}},
    ),
    Case("GET /api/v1/access", "list"),
    Case("GET /api/v1/suppliers", "group"),
    Case(
        "POST /api/v1/suppliers",
        "group",
        None,
        lambda side: {"json": {"name": "x", "contract": "y", "ends_ms": 2_000_000_000_000}},
        status=201,
    ),
    Case("GET /api/v1/audit", "group"),
    Case("GET /api/v1/audit/verification", "group"),
    Case("GET /audit", "group"),
    Case("GET /api/v1/exports", "self"),
    Case("GET /exports", "self"),
    Case(
        "POST /api/v1/exports/{export}/approval",
        "self",
        lambda side: "/api/v1/exports/0123456789abcdef/approval",
        lambda side: {"json": {"approve": True}},
        status=404,
    ),
    Case(
        "DELETE /api/v1/accounts/{account_id}/factor",
        "one",
        lambda side: f"/api/v1/accounts/{side.helper}/factor",
        status=404,
        shows=False,
    ),
)


def department(side: Side) -> str:
    return f"/api/v1/organisation/{side.department}"


def helper(side: Side) -> str:
    return f"/api/v1/accounts/{side.helper}/skills"


def new_shift(side: Side) -> dict[str, object]:
    later_ms = time.time_ns() // 1_000_000 + 5 * 86_400_000
    at = {"node": f"store:{side.store}", "from_ms": later_ms, "to_ms": later_ms + 3_600_000}
    return {"json": {"account": side.helper, "duty": "desk", **at}}


def shown_shifts(side: Side) -> dict[str, object]:
    now_ms = time.time_ns() // 1_000_000
    return {"params": {"from": now_ms, "to": now_ms + 10 * 86_400_000}}


NAMED: Final = {"json": {"name_zh": "x"}}
ORGANISATION: Final = (
    Case("GET /api/v1/organisation", "list"),
    Case("GET /organisation", "list"),
    Case("GET /organisation/{node}", "one", lambda side: f"/organisation/store:{side.store}"),
    Case("GET /organisation/skills", "list"),
    Case("GET /api/v1/organisation/{node}", "one", lambda side: f"/api/v1/organisation/store:{side.store}"),
    Case(
        "POST /api/v1/organisation",
        "one",
        None,
        lambda side: {"json": {"kind": "department", "parent": f"store:{side.store}", "name_zh": "x"}},
        status=201,
        shows=False,
    ),
    Case("PATCH /api/v1/organisation/{node}", "one", department, lambda side: NAMED, shows=False),
    Case(
        "POST /api/v1/organisation/{node}/state",
        "one",
        lambda side: f"{department(side)}/state",
        lambda side: {"json": {"state": "suspended"}},
    ),
    Case(
        "PUT /api/v1/organisation/{node}/calendar",
        "one",
        lambda side: f"{department(side)}/calendar",
        lambda side: {"json": {"days": [["2099-10-01", "holiday"]]}},
    ),
    Case("GET /api/v1/accounts/{account_id}/places", "one", lambda side: f"{account(side)}/places", shows=False),
    Case(
        "POST /api/v1/accounts/{account_id}/places",
        "one",
        lambda side: f"/api/v1/accounts/{side.helper}/places",
        lambda side: {"json": {"places": [{"node": side.department, "role": "viewer"}]}},
    ),
    Case("DELETE /api/v1/places/{place}", "one", lambda side: f"/api/v1/places/{side.place}", status=204, shows=False),
    Case("GET /api/v1/skills", "self"),
    Case("PUT /api/v1/skills/{skill}", "group", lambda side: "/api/v1/skills/x", lambda side: NAMED),
    Case("PUT /api/v1/duties/{duty}", "group", lambda side: "/api/v1/duties/x", lambda side: NAMED),
    Case("GET /api/v1/accounts/{account_id}/skills", "one", helper, shows=False),
    Case(
        "PUT /api/v1/accounts/{account_id}/skills/{skill}",
        "one",
        lambda side: f"{helper(side)}/crash.handling",
        lambda side: {"json": {"level": 3}},
        shows=False,
    ),
    Case(
        "DELETE /api/v1/accounts/{account_id}/skills/{skill}",
        "one",
        lambda side: f"{helper(side)}/crash.handling",
        status=404,
        shows=False,
    ),
    Case("GET /api/v1/shifts", "list", None, shown_shifts),
    Case("POST /api/v1/shifts", "one", None, new_shift, status=201),
    Case("DELETE /api/v1/shifts/{shift}", "one", lambda side: f"/api/v1/shifts/{side.shift}", status=204, shows=False),
)

CARS: Final = (
    one("GET /api/v1/vehicles/{vehicle_id}/garage", "vehicle"),
    one("GET /api/v1/vehicles/{vehicle_id}/people", "vehicle"),
    one("GET /api/v1/vehicles/{vehicle_id}/record", "vehicle"),
    one("GET /api/v1/vehicles/{vehicle_id}/record/proof", "vehicle"),
    asking("people", lambda side: {"person": side.person, "role": "driver"}),
    asking("people/verify", lambda side: {"person": side.person, "role": "owner"}),
    asking("people/end", lambda side: {"person": side.person, "role": "owner"}),
    asking("state", lambda side: {"state": "for_sale", "reason": "offered"}),
    asking("odometer", lambda side: {"odometer_km": 91_000}),
    asking("odometer/correction", lambda side: {"odometer_km": 89_000, "reason": "document"}),
    asking("odometer/review", lambda side: {"held": 1, "verdict": "accepted"}),
    Case("GET /api/v1/odometers/held", "list", also=("state=open",)),
    Case("GET /api/v1/positions", "list"),
    one("GET /api/v1/vehicles/{vehicle_id}", "vehicle"),
    Case(
        "POST /api/v1/vehicles/{vehicle_id}/commands",
        "one",
        lambda side: f"/api/v1/vehicles/{side.vehicle}/commands",
        lambda side: {"json": {"message": "0x8201"}},
        status=202,
        shows=False,
    ),
    one("GET /api/v1/commands/{command_id}", "command"),
    Case("GET /api/v1/commands", "list", lambda side: "/api/v1/commands?state=requested"),
    # They are a person's alone: who brings a key is refused behind the command's being theirs.
    Case(
        "POST /api/v1/commands/{command_id}/approve",
        "one",
        lambda side: f"/api/v1/commands/{side.command}/approve",
        lambda side: {"json": {}},
        status=403,
        shows=False,
    ),
    Case(
        "POST /api/v1/commands/{command_id}/reject",
        "one",
        lambda side: f"/api/v1/commands/{side.command}/reject",
        lambda side: {"json": {}},
        status=403,
        shows=False,
    ),
    Case("GET /api/v1/vehicles", "list", also=("limit=1000",), search="search"),
    one("GET /api/v1/vehicles/{vehicle_id}/commands", "vehicle"),
    one("GET /api/v1/vehicles/{vehicle_id}/days", "vehicle"),
    Case(
        "GET /api/v1/vehicles/{vehicle_id}/track",
        "one",
        lambda side: f"/api/v1/vehicles/{side.vehicle}/track?from={NOW_MS}&to={NOW_MS + 60_000}",
    ),
    one("GET /api/v1/vehicles/{vehicle_id}/trips", "vehicle"),
    one("GET /api/v1/vehicles/{vehicle_id}/quality", "vehicle"),
    Case("GET /api/v1/quality", "list", also=("reason=no_fix", "limit=1")),
    one("GET /api/v1/vehicles/{vehicle_id}/messages", "vehicle"),
    Case(
        "GET /api/v1/vehicles/{vehicle_id}/messages/{node}/{sequence}",
        "one",
        lambda side: f"/api/v1/vehicles/{side.vehicle}/messages/node1/9",
    ),
    # There is no journal here: frames are tried in tests/api/test_frames.py. The vehicle is looked for before them.
    Case(
        "GET /api/v1/vehicles/{vehicle_id}/frames",
        "one",
        lambda side: f"/api/v1/vehicles/{side.vehicle}/frames",
        status=404,
        shows=False,
    ),
)

PAGES: Final = (
    Case("GET /login", "public"),
    Case("GET /welcome/{token}", "public", lambda side: "/welcome/nobodys", status=410),
    Case("GET /account", "self"),
    Case("GET /account/factor", "self"),
    Case("GET /system", "self"),
    Case("GET /explain", "self"),
    Case("POST /explain", "self", None, lambda side: {"data": {"frames": "7e"}}),
    Case("GET /", "self"),
    Case("GET /vehicles", "list"),
    # Its fences and cars come by the API.
    Case("GET /geofences", "self"),
    one("GET /vehicles/{vehicle_id}", "vehicle"),
    one("GET /vehicles/{vehicle_id}/now", "vehicle"),
    # Figures only: the page that it is a part of says whose they are.
    Case("GET /vehicles/{vehicle_id}/quality", "one", lambda side: f"/vehicles/{side.vehicle}/quality", shows=False),
    Case("GET /quality", "list", also=("format=csv", "format=xlsx", "reason=no_fix")),
    one("GET /vehicles/{vehicle_id}/people", "vehicle"),
    one("GET /vehicles/{vehicle_id}/record", "vehicle"),
    Case("GET /odometers", "list", also=("format=csv", "format=xlsx")),
    Case("GET /odometers/count", "self"),
    one("GET /vehicles/{vehicle_id}/events", "vehicle"),
    one("GET /vehicles/{vehicle_id}/frames", "vehicle"),
    Case(
        "GET /vehicles/{vehicle_id}/messages",
        "one",
        lambda side: f"/vehicles/{side.vehicle}/messages?node=node1&open=9",
        also=("format=csv", "format=xlsx", "kind=waybill", "node=node1&open=9"),
    ),
    Case(
        "GET /vehicles/{vehicle_id}/trips",
        "one",
        lambda side: f"/vehicles/{side.vehicle}/trips",
        also=("format=csv", "format=xlsx"),
    ),
    one("GET /vehicles/{vehicle_id}/commands", "vehicle"),
    Case("GET /approvals", "self"),
    Case("GET /approvals/count", "self"),
    Case("POST /commands/preview", "self", None, lambda side: {"json": {"message": "0x8201"}}),
    Case("GET /commands/parameter", "self", None, lambda side: {"params": {"id": "0x0001"}}),
)


def check_stream(world: World) -> None:
    """Follow the log as each store, up to an event that is told last: nothing of the other's comes on the way."""
    app = world.app()
    streams = app.state.streams
    server = ApiServer(app, "127.0.0.1", 0, on_stop=streams.close)
    server.start()
    try:
        for side, other in ((world.north, world.south), (world.south, world.north)):
            for teller in (other, side):
                last = derive_id("test", "last", 1, (), f"{side.store} {teller.store}")
                asked = CommandRequested(vehicle_id=teller.vehicle, message="0x8201", fields={})
                event = Event(
                    id=last, type="command.requested", time_ms=NOW_MS, subject=f"vehicle:{teller.vehicle}",
                    store=teller.store, actor="test", payload=asked,
                )  # fmt: skip
                world.node.eventlog.append([event])
            url = f"http://{server.address}/api/v1/events/stream?after=0"
            heard = []
            with httpx.stream("GET", url, headers=side.headers, timeout=30) as answer:
                for line in answer.iter_lines():
                    heard.append(line)
                    if last in line:
                        break
            text = "\n".join(heard)
            assert set(marks_in(text, side.marks)) >= {side.event_id, side.command}
            assert not marks_in(text, other.marks + world.strangers)
    finally:
        server.stop()


EVENTS: Final = (
    Case(
        "GET /api/v1/events", "list", None, lambda side: {"params": {"limit": 1000}}, also=("newest=true", "type=sos.")
    ),
    one("GET /api/v1/events/{name}", "event"),
    Case("GET /api/v1/events/stream", "list", check=check_stream),
    Case("GET /api/v1/outbox", "list", also=("state=requested",)),
    Case("GET /outbox", "list", also=("format=csv", "format=xlsx"), search="q"),
    Case("GET /events", "list", also=("format=csv", "format=xlsx"), search="q"),
    one("GET /events/{seq}", "event"),
)


MEDIA: Final = (
    one("GET /api/v1/vehicles/{vehicle_id}/media", "vehicle"),
    one("GET /api/v1/media/{number}", "media"),
    one("GET /api/v1/media/{number}/content", "media"),
    one("GET /vehicles/{vehicle_id}/media", "vehicle"),
    one("GET /media/{number}", "media"),
)


def fence(side: Side) -> str:
    return f"/api/v1/geofences/{side.fence}"


def feature(side: Side) -> dict[str, object]:
    circle = {"type": "Point", "coordinates": [100, side.lat_1e7 / 1e7]}
    properties = {"name": "x", "radius_m": 100, "store": side.store, "revision": 1}
    return {"json": {"type": "Feature", "id": side.fence, "geometry": circle, "properties": properties}}


def new_feature(side: Side) -> dict[str, object]:
    circle = {"type": "Point", "coordinates": [100, side.lat_1e7 / 1e7]}
    properties = {"name": "x", "radius_m": 100, "store": side.store}
    return {"json": {"type": "Feature", "geometry": circle, "properties": properties}}


def asked_of_terminals(what: str) -> Case:
    route = f"POST /api/v1/geofences/{{number}}/{what}"
    terminal = {"json": {"terminal": 0}}
    return Case(route, "one", lambda side: f"{fence(side)}/{what}", lambda side: terminal, 202, shows=False)


def chosen(side: Side) -> dict[str, object]:
    return {"json": {"vehicles": [side.vehicle], "revision": 1}}


GEOFENCES: Final = (
    Case("GET /api/v1/geofences", "list", search="search"),
    Case("GET /api/v1/geofences/export", "list"),
    Case("POST /api/v1/geofences", "one", None, new_feature, foreign=422),
    Case("POST /api/v1/geofences/import", "one", None, new_feature, foreign=422),
    Case("GET /api/v1/geofences/{number}", "one", fence),
    Case("PUT /api/v1/geofences/{number}", "one", fence, feature),
    Case("DELETE /api/v1/geofences/{number}", "one", fence, lambda side: {"params": {"revision": 1}}, 204, shows=False),
    Case("PUT /api/v1/geofences/{number}/vehicles", "one", lambda side: f"{fence(side)}/vehicles", chosen),
    Case("GET /api/v1/geofences/{number}/inside", "one", lambda side: f"{fence(side)}/inside"),
    Case("GET /api/v1/geofences/{number}/crossings", "one", lambda side: f"{fence(side)}/crossings"),
    Case("GET /api/v1/geofences/{number}/terminals", "one", lambda side: f"{fence(side)}/terminals"),
    asked_of_terminals("compare"),
    asked_of_terminals("retry"),
    one("GET /api/v1/vehicles/{vehicle_id}/geofences", "vehicle"),
)


RULES: Final = (
    Case("GET /api/v1/rules", "self"),
    Case("GET /api/v1/rules/{detector}", "self", lambda side: "/api/v1/rules/geofence"),
    Case("GET /api/v1/rules/{detector}/history", "self", lambda side: "/api/v1/rules/geofence/history"),
    # A store's manager is refused in words: tests/api/test_rules.py.
    Case(
        "PUT /api/v1/rules/{detector}",
        "self",
        lambda side: "/api/v1/rules/geofence",
        lambda side: {"json": {"values": {"enter_fixes": 3}, "version": 0}},
    ),
    Case(
        "POST /api/v1/rules/{detector}/reset",
        "self",
        lambda side: "/api/v1/rules/geofence/reset",
        lambda side: {"json": {"version": 0}},
    ),
    # No node judges here: tests/line/test_rules.py.
    Case(
        "POST /api/v1/rules/{detector}/trials",
        "self",
        lambda side: "/api/v1/rules/geofence/trials",
        lambda side: {"json": {"values": {}}},
        status=404,
    ),
    Case("GET /api/v1/rules/{detector}/trials/{name}", "self", lambda side: "/api/v1/rules/geofence/trials/x"),
    Case("DELETE /api/v1/rules/{detector}/trials/{name}", "self", lambda side: "/api/v1/rules/geofence/trials/x"),
    Case("GET /rules", "self"),
    Case("GET /rules/{detector}", "self", lambda side: "/rules/geofence"),
    Case("GET /rules/{detector}/trial", "self", lambda side: "/rules/geofence/trial"),
)


def guarded(what: str, body: dict[str, object], status: int = 200) -> Case:
    return Case(
        f"POST /api/v1/vehicles/{{vehicle_id}}/guard/{what}",
        "one",
        lambda side: f"/api/v1/vehicles/{side.vehicle}/guard/{what}",
        lambda side: {"json": body},
        status=status,
    )


GUARDS: Final = (
    # What stands in it: tests/log/test_guarding.py.
    Case("GET /api/v1/guards", "list", also=("state=armed",)),
    one("GET /api/v1/vehicles/{vehicle_id}/guard", "vehicle"),
    # The cars of this world drive; those are given nights only.
    guarded("arm", {"now": False, "nightly": True}),
    guarded("disarm", {}),
    Case(
        "POST /api/v1/vehicles/{vehicle_id}/guard/settle",
        "one",
        lambda side: f"/api/v1/vehicles/{side.vehicle}/guard/settle",
        lambda side: {"json": {"reason": "owner"}},
        status=409,
        shows=False,
    ),
    Case("GET /guards", "list"),
    Case("GET /vehicles/{vehicle_id}/guard", "one", lambda side: f"/vehicles/{side.vehicle}/guard", shows=False),
)


def handled(what: str, body: dict[str, object] | None = None, status: int = 409) -> Case:
    """What a person does with an incident; here it rings, and all but acknowledging is refused by the business."""
    return Case(
        f"POST /api/v1/incidents/{{incident}}/{what}",
        "one",
        lambda side: f"/api/v1/incidents/{side.incident}/{what}",
        lambda side: {} if body is None else {"json": body},
        status=status,
        shows=status == 200,
    )


INCIDENTS: Final = (
    Case("GET /api/v1/incidents", "list", also=("state=open",)),
    one("GET /api/v1/incidents/{incident}", "incident"),
    handled("acknowledge", status=200),
    handled("steps", {"step": "contacted", "reason": "driver"}),
    handled("close", {"reason": "helped"}),
    handled("reopen", {"reason": "needs_help"}),
    Case("GET /incidents", "list"),
    Case("GET /incidents/count", "self"),
    one("GET /incidents/{incident}", "incident"),
)


def check_live(world: World) -> None:
    with world.served() as client:
        seen = {}
        everyone = {"north": world.north.headers, "south": world.south.headers, "group": WHOLE_GROUP}
        for who, headers in everyone.items():
            with client.websocket_connect("/api/v1/live", headers=headers) as feed:
                frame = feed.receive_bytes(timeout=5)
            seen[who] = set(np.frombuffer(frame, RECORD, offset=HEADER.size)["vehicle_id"].tolist())
        north, south = world.north.vehicle, world.south.vehicle
        assert seen == {"north": {north}, "south": {south}, "group": {north, south}}
        for headers in ({}, {"Authorization": "Bearer ck_nobodys"}, world.lacking("positions.read")):
            with pytest.raises(WebSocketDisconnect), client.websocket_connect("/api/v1/live", headers=headers) as feed:
                feed.receive_bytes(timeout=5)


LIVE: Final = (
    Case("WS /api/v1/live", "list", check=check_live),
    Case("GET /api/v1/live/names", "list"),
    Case("GET /api/v1/map", "self"),
    Case("GET /api/v1/messages", "self"),
    Case("GET /api/v1/parameters", "self"),
    Case("GET /api/v1/messages/{message}/form", "self", lambda side: "/api/v1/messages/0x8103/form"),
    # There is no city here: tests/live/test_city.py.
    Case("GET /api/v1/city/{name}", "self", lambda side: "/api/v1/city/street.geojson", status=404),
)


def terminal(side: Side) -> str:
    return f"/api/v1/terminals/{side.terminal}"


def listed(side: Side) -> dict[str, object]:
    lines = f"Store, Phone, Maker\n {side.code}, {side.phone}, x\n"
    return {"content": lines.encode()}


TERMINALS: Final = (
    Case("GET /api/v1/terminals", "list"),
    Case(
        "POST /api/v1/terminals", "one", None, lambda side: {"json": {"phone": side.phone, "maker": "x"}}, foreign=409
    ),
    # A line that is another store's is refused in the report, and names only what it was given.
    Case("POST /api/v1/terminals/import", "one", None, listed, foreign=200),
    # Nobody knows yet whose they are: shown to the group alone, tests/api/test_terminals.py.
    Case("GET /api/v1/terminals/knocking", "self"),
    Case("GET /api/v1/terminals/{terminal}", "one", terminal),
    Case("PATCH /api/v1/terminals/{terminal}", "one", terminal, lambda side: {"json": {"maker": "x"}}),
    Case("DELETE /api/v1/terminals/{terminal}", "one", terminal),
    Case(
        "PUT /api/v1/terminals/{terminal}/binding",
        "one",
        lambda side: f"{terminal(side)}/binding",
        lambda side: {"json": {"vehicle_id": side.vehicle}},
    ),
    Case(
        "PATCH /api/v1/vehicles/{vehicle_id}",
        "one",
        lambda side: f"/api/v1/vehicles/{side.vehicle}",
        lambda side: {"json": {"plate_colour": 2}},
    ),
    Case("GET /terminals", "list"),
    Case("GET /terminals/knocking", "self"),
    Case("GET /terminals/template.csv", "self"),
    one("GET /terminals/{terminal}", "terminal"),
    Case("GET /people", "list"),
    one("GET /people/{account}", "account"),
    Case("GET /people/keys", "self"),
    Case("GET /people/stores", "list"),
    Case("GET /people/access", "list"),
)


def of_person(route: str, rest: str, **more: Any) -> Case:
    """Return the case of a route about the consents of the side's person."""
    return Case(route, "one", lambda side: f"{rest}".replace("PERSON", str(side.person)), **more)


def glass(side: Side) -> str:
    # The north breaks the glass first.
    return f"/api/v1/breakglass/{1 if side.code == 'north-code' else 2}/review"


def proof(side: Side) -> str:
    withdrawal = derive_id("test", side.code.removesuffix("-code"), 1, (), "withdrawal")
    return f"/persons/{side.person}/consents/withdrawals/{withdrawal}"


CONSENTS: Final = (
    Case("GET /api/v1/consents", "list", also=("limit=1",)),
    of_person("GET /api/v1/persons/{person}/consents", "/api/v1/persons/PERSON/consents"),
    of_person(
        "POST /api/v1/persons/{person}/consents",
        "/api/v1/persons/PERSON/consents",
        send=lambda side: {"json": {"text": "care", "version": 1, "evidence": "form:1"}},
    ),
    of_person(
        "POST /api/v1/persons/{person}/consents/asked",
        "/api/v1/persons/PERSON/consents/asked",
        send=lambda side: {"json": {"text": "care"}},
    ),
    of_person(
        "POST /api/v1/persons/{person}/consents/withdrawals",
        "/api/v1/persons/PERSON/consents/withdrawals",
        send=lambda side: {"json": {}},
    ),
    Case("GET /api/v1/persons/{person}/consents/withdrawals/{withdrawal}", "one", lambda side: f"/api/v1{proof(side)}"),
    of_person(
        "POST /api/v1/persons/{person}/contact-bars",
        "/api/v1/persons/PERSON/contact-bars",
        send=lambda side: {"json": {"channel": "sms"}},
    ),
    Case("GET /api/v1/consents/texts", "self"),
    Case(
        "POST /api/v1/consents/texts",
        "group",
        send=lambda side: {
            "json": {
                "text": "more",
                "purpose": "care",
                "cells": [{"data_class": "due"}],
                "title_zh": "x",
                "title_en": "x",
                "body_zh": "x",
                "body_en": "x",
            }
        },
    ),
    Case("GET /api/v1/breakglass", "list", also=("limit=1",)),
    Case(
        "POST /api/v1/breakglass",
        "one",
        None,
        lambda side: {"json": {"vehicle_id": side.vehicle, "incident": "c1", "reason": "sos"}},
        status=403,
        shows=False,
    ),
    Case(
        "POST /api/v1/breakglass/{number}/review",
        "one",
        glass,
        lambda side: {"json": {"finding": "justified"}},
        status=403,
        shows=False,
    ),
    Case("GET /consents", "list"),
    Case("GET /consents/texts", "self"),
    of_person("GET /persons/{person}/consents", "/persons/PERSON/consents"),
    Case("GET /persons/{person}/consents/withdrawals/{withdrawal}", "one", proof),
    Case("GET /breakglass", "list"),
)


def person(side: Side) -> str:
    return f"/api/v1/persons/{side.customer}"


def posted(name: str, path: str, body: dict[str, object], status: int = 201, *, shows: bool = False) -> Case:
    """Return the case of a POST about one thing of the side's."""
    template = path.split("{")[0]
    rest = path.partition("}")[2]
    return Case(
        f"POST {path}", "one", lambda side: f"{template}{getattr(side, name)}{rest}", lambda side: {"json": body},
        status=status, shows=shows,
    )  # fmt: skip


def captured(side: Side) -> dict[str, object]:
    return {"source": "counter", "store": side.store, "traits": {"name": "赵铭"}}


PERSONS: Final = (
    Case("GET /api/v1/persons", "list", also=("limit=200",), search="search"),
    Case("GET /api/v1/persons/{person}", "one", person),
    Case("GET /api/v1/matches", "list"),
    # What a record in quarantine says is opened for nobody: its number alone.
    Case("GET /api/v1/captures/quarantine", "self"),
    Case(
        "POST /api/v1/captures", "one", None, lambda side: {"json": captured(side)}, status=201, foreign=403,
        shows=False,
    ),
    Case(
        "POST /api/v1/captures/import", "one", None, lambda side: {"json": {"items": [captured(side)]}}, status=201,
        foreign=403, shows=False,
    ),
    posted("quarantined", "/api/v1/captures/{capture}/release", {"basis": "consent"}),
    posted("quarantined", "/api/v1/captures/{capture}/discard", {}, 201),
    posted("customer", "/api/v1/persons/{person}/verify", {"attribute": "phone", "value": 0, "method": "call"}, 409),
    posted("customer", "/api/v1/persons/{person}/unreachable", {"attribute": "phone", "value": 0}, 409),
    posted("customer", "/api/v1/persons/{person}/unmerge", {}, 409),
    Case(
        "POST /api/v1/persons/{person}/merge", "one", lambda side: f"{person(side)}/merge",
        lambda side: {"json": {"person": side.customer}}, status=409, shows=False,
    ),
    posted("household", "/api/v1/households/{household}/dissolve", {}),
    Case(
        "POST /api/v1/households", "one", None,
        lambda side: {"json": {"kind": "household", "members": [side.customer, side.customer]}}, status=409,
        shows=False,
    ),
    posted("match", "/api/v1/matches/{match}", {"verdict": "different"}),
    Case(
        "POST /api/v1/persons/{person}/erase", "group", lambda side: f"/api/v1/persons/{side.other_customer}/erase",
        lambda side: {"json": {"reason": "asked"}},
    ),
    Case("GET /persons", "list"),
    one("GET /persons/{person}", "customer"),
    Case("GET /matches", "list"),
    Case("GET /matches/count", "self"),
)  # fmt: skip

CASES: Final = (
    *CONSENTS,
    *PUBLIC,
    *ONESELF,
    *BUSINESS,
    *PEOPLE,
    *ORGANISATION,
    *CARS,
    *EVENTS,
    *MEDIA,
    *GEOFENCES,
    *GUARDS,
    *INCIDENTS,
    *RULES,
    *LIVE,
    *TERMINALS,
    *PERSONS,
    *PAGES,
)
