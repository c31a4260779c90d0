"""/vehicles: the table of the cars one may see, and the words in which a car's state is said."""

from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from markupsafe import Markup

from api.guards import principal_of
from api.parts import Parts
from api.portal.render import Words, words_of
from api.portal.table import Asked, Choice, Column, Empty, Moment, Rows, Search, Table
from api.vehicles import URGENT, VehicleItem, page_of
from protocols.jt808.location import STATUS_FIXED
from storage.vehicles import StoreOf

DOING: Final = {"driving": ("good", "play"), "standing": ("info", "pause"), "offline": ("quiet", "offline")}
"""What a car does -> the kind of its badge, and its icon."""

_DOORS: Final = range(13, 18)
_SATELLITES: Final = {18: "GPS", 19: "BeiDou", 20: "GLONASS", 21: "Galileo"}


@get("/vehicles", include_in_schema=False, opt={"right": "vehicles.read"})
async def vehicles_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show the table, or its export."""
    parts: Parts = request.app.state.parts
    stores = await sync_to_thread(parts.vehicles.stores, principal_of(request))
    words = words_of(request)
    options = [(str(store.id), store_name(store, words)) for store in stores]
    if principal_of(request).scope.stores is None:
        options.append(("0", words.t("vehicles_group")))
    table = msgspec.structs.replace(
        VEHICLES,
        read=lambda asked: _read(parts, asked),
        filters=(*VEHICLES.filters, Choice("store", "vehicles_store", lambda request, words: options)),
    )
    return await table.answer(request, "vehicles.html")


def _read(parts: Parts, asked: Asked) -> Rows:
    page = page_of(
        parts,
        asked.principal,
        after=int(asked.after) if asked.after.isascii() and asked.after.isdigit() else 0,
        limit=asked.limit,
        search=asked.get("q"),
        store=asked.whole("store"),
        state=asked.get("state") or None,
        what="export" if asked.export else "",
    )
    return Rows(page.items, "" if page.next is None else str(page.next))


def plate_of(item: VehicleItem, words: Words) -> str:
    """Return what a car is called: its plate, else its number."""
    return item.plate or words.t("vehicles_no_plate", id=item.vehicle_id)


def store_name(store: StoreOf, words: Words) -> str:
    """Return a store's name in the reader's language, else in the other."""
    if store.id == 0:
        return words.t("vehicles_group")
    names = (store.name_zh, store.name_en) if words.language == "zh" else (store.name_en, store.name_zh)
    return names[0] or names[1] or store.code


def state_badges(item: VehicleItem, words: Words) -> Markup:
    """Return what a car does now as badges: what it does, and whether an urgent alarm is up."""
    kind, icon = DOING[item.doing]
    badges: Markup = words.components.badge(words.t(f"doing_{item.doing}"), kind, icon)
    if item.alarm:
        return Markup("{} {}").format(badges, words.components.badge(words.t("doing_alarm"), "bad", "alert"))
    return badges


def alarm_words(alarm: int, words: Words) -> list[tuple[str, str]]:
    """Return (text, kind) for each bit that is up, urgent ones first."""
    bits = sorted((bit for bit in range(32) if alarm >> bit & 1), key=lambda bit: not URGENT >> bit & 1)
    return [(words.t(f"alarm_{bit}"), "bad" if URGENT >> bit & 1 else "warn") for bit in bits]


def status_words(status: int, words: Words) -> list[tuple[str, str]]:
    """Return (text, kind) for what a status word says of a car (JT/T 808-2019 table 24)."""

    def either(bit: int, up: tuple[str, str], down: tuple[str, str]) -> tuple[str, str]:
        key, kind = up if status >> bit & 1 else down
        return words.t(key), kind

    said = [
        either(0, ("status_acc_on", "good"), ("status_acc_off", "quiet")),
        (words.t("status_fixed"), "good") if status & STATUS_FIXED else (words.t("status_no_fix"), "warn"),
        either(12, ("status_locked", "quiet"), ("status_unlocked", "quiet")),
        *((words.t("status_door", n=bit - 12), "warn") for bit in _DOORS if status >> bit & 1),
        either(10, ("status_fuel_cut", "bad"), ("status_fuel_ok", "quiet")),
        either(11, ("status_power_cut", "bad"), ("status_power_ok", "quiet")),
    ]
    if status >> 4 & 1:
        said.append((words.t("status_out_of_service"), "warn"))
    if status >> 5 & 1:
        said.append((words.t("status_encrypted"), "warn"))
    if names := [name for bit, name in _SATELLITES.items() if status >> bit & 1]:
        said.append((words.t("status_satellites", names=", ".join(names)), "quiet"))
    return said


VEHICLES: Final = Table(
    name="vehicles",
    path="/vehicles",
    title="vehicles_title",
    columns=(
        Column("plate", "vehicles_plate", lambda row: row.plate, lambda row, words: plate_of(row, words), width="fit"),
        Column(
            "state",
            "vehicles_state",
            lambda row: "alarm" if row.alarm else row.doing,
            lambda row, words: state_badges(row, words),
            width="fit",
        ),
        Column(
            "speed",
            "vehicles_speed",
            lambda row: row.position.speed_kmh if row.online and row.position else None,
            lambda row, words: words.number(row.position.speed_kmh if row.online and row.position else None),
            align="end",
            width="fit",
        ),
        Column(
            "heard",
            "vehicles_heard",
            lambda row: Moment(row.heard_ms or 0),
            lambda row, words: words.ago(row.heard_ms),
            width="fit",
        ),
        Column("store", "vehicles_store", lambda row: row.store.code, lambda row, words: store_name(row.store, words)),
        Column("phone", "vehicles_phone", lambda row: ", ".join(row.phones), width="fit"),
        Column("vin", "vehicles_vin", lambda row: row.vin),
        Column("id", "vehicles_id", lambda row: row.vehicle_id, align="end", width="fit"),
        Column("lat", "vehicles_lat", lambda row: row.position.lat if row.position else None, on_page=False),
        Column("lon", "vehicles_lon", lambda row: row.position.lon if row.position else None, on_page=False),
    ),
    filters=(
        Search("q", "vehicles_search"),
        Choice(
            "state",
            "vehicles_state",
            tuple((state, f"doing_{state}") for state in ("online", "driving", "standing", "offline", "alarm")),
        ),
    ),
    read=lambda asked: Rows(()),
    row_id=lambda row: row.vehicle_id,
    row_href=lambda row: f"/vehicles/{row.vehicle_id}",
    empty=Empty("car", "vehicles_none", "vehicles_none_what", "/terminals", "vehicles_enter"),
    renew=True,
)

PAGES: Final = (vehicles_page,)
