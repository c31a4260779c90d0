"""/api/v1/stores: the dealer's stores of the group. Every car, event and fence belongs to one, or to the group."""

from typing import Annotated, Final

import msgspec
from litestar import Request, get, post, put
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, JSONBody

from api.accounts import Limit, Number
from api.guards import SELF, principal_of
from api.parts import Parts
from api.problems import CHANGES, KEYED, answers
from storage.people import Store


class NewStore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A store as it is entered, or as it shall be."""

    code: Annotated[str, msgspec.Meta(pattern=r"^\S(.{0,30}\S)?$")]
    """Short and unique in the group, as people write it in tables."""
    name_zh: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    name_en: Annotated[str, msgspec.Meta(max_length=64)] = ""
    time_zone: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] = "Asia/Shanghai"
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    """WGS-84 degrees; null: not on the map."""
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None


class StorePage(msgspec.Struct, frozen=True):
    """Stores by id, and where the next page starts."""

    items: list[Store]
    next: int | None
    """Hand it back as `after`; null on the last page."""


@get("/stores", opt={"right": SELF}, summary="Stores", responses=answers("bad_request", *KEYED), raises=[])
async def list_stores(request: Request, after: Number = 0, limit: Limit = 100) -> StorePage:
    """Return your stores: for who has the whole group, all."""
    parts: Parts = request.app.state.parts
    items = await sync_to_thread(parts.people.stores, principal_of(request), after, limit)
    return StorePage(items, items[-1].id if len(items) == limit else None)


@post(
    "/stores",
    opt={"right": "stores.write"},
    status_code=201,
    summary="Enter a store",
    responses=answers(*CHANGES, "store_outside", "store_code_taken", "time_zone_unknown"),
)
async def create_store(request: Request, data: JSONBody[NewStore]) -> Store:
    """Enter a store of your group. Stores are never removed: what happened in one keeps its name."""
    return await _save(request, 0, data)


@put(
    "/stores/{store_id:int}",
    opt={"right": "stores.write"},
    summary="Change a store",
    responses=answers(*CHANGES, "store_unknown", "store_code_taken", "time_zone_unknown"),
)
async def change_store(request: Request, store_id: FromPath[int], data: JSONBody[NewStore]) -> Store:
    """Replace what is known of a store; 404 `store_unknown` if there is none of this id for you."""
    return await _save(request, store_id if 0 < store_id < 2**31 else -1, data)


async def _save(request: Request, store_id: int, data: NewStore) -> Store:
    parts: Parts = request.app.state.parts
    fields = {name: getattr(data, name) for name in data.__struct_fields__}
    return await sync_to_thread(parts.people.save_store, principal_of(request), Store(id=store_id, **fields))


RESOURCES: Final = (list_stores, create_store, change_store)
