"""/api/v1/suppliers: companies that API keys are given to. Their keys end with their contracts."""

from typing import Annotated, Final

import msgspec
from litestar import Request, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import JSONBody

from api.guards import principal_of
from api.intents import ask
from api.parts import Parts
from api.problems import CHANGES, KEYED, answers
from core.events.audit import SupplierContract, SupplierContracted
from storage.exports import SupplierLine, suppliers


class NewContract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A supplier's contract, as it is entered or as it shall be."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    """Of the company."""
    contract: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    """Its number, as it stands on paper."""
    ends_ms: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    """Their keys open nothing from then on, UTC epoch ms. In the past: from now on."""
    supplier: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    """0: a new one."""


class SupplierList(msgspec.Struct, frozen=True):
    """Suppliers by number."""

    items: list[SupplierLine]


@get("/suppliers", opt={"right": "stores.write"}, summary="Suppliers", responses=answers(*KEYED), raises=[])
async def list_suppliers(request: Request) -> SupplierList:
    """Return the companies that keys may be given to, and until when their contracts last."""
    parts: Parts = request.app.state.parts
    return SupplierList(await sync_to_thread(suppliers, parts.reader.database, principal_of(request)))


@post(
    "/suppliers",
    opt={"right": "stores.write"},
    status_code=201,
    summary="Enter a supplier, or change their contract",
    responses=answers(*CHANGES, "supplier_unknown", "intent_refused", "intent_waiting"),
)
async def set_contract(request: Request, data: JSONBody[NewContract]) -> SupplierContracted:
    """Set until when a supplier's keys open. All their keys stop at that time, those that have been used too."""
    parts: Parts = request.app.state.parts
    wanted = SupplierContract(supplier=data.supplier, name=data.name, contract=data.contract, ends_ms=data.ends_ms)
    # New ones are numbered in one order, so they share a key.
    decision = await ask(
        parts,
        principal_of(request),
        "supplier.contract.requested",
        wanted,
        subject=f"supplier:{data.supplier or 'new'}",
        key="suppliers",
    )
    # Whoever has asked by a key of theirs is asked for again.
    parts.people.changes += 1
    payload: SupplierContracted = decision.payload
    return payload


RESOURCES: Final = (list_suppliers, set_contract)
