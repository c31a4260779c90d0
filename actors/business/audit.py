"""Audit: exports and who lets them out, suppliers and until when their keys open.

A small export is granted as it is asked for. A large one waits for another person's word, a day at most; then it is
denied. What was granted is handed out once, to who asked, and only as what was asked: the hash of the question stands
in the request, and must stand in the fetch. Whose data it is and what was searched for is nobody's business here.
"""

from typing import Final

import msgspec

from core import limits
from core.business import BusinessActor, Kept, Refused, Rule, State
from core.events import Event
from core.events.audit import (
    ExportApprovalRequested,
    ExportDenied,
    ExportFetch,
    ExportGranted,
    ExportJudged,
    ExportMade,
    ExportRequested,
    SupplierContract,
    SupplierContracted,
)

GREW_ROWS_MAX: Final = 100
"""Rows come while somebody decides: what is fetched may be twice what was approved, or so many rows more."""


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """An export that was asked for."""

    export: str
    group_id: int
    store_id: int
    account: int
    listing: str
    form: str
    size: int
    """Rows: those asked for, and once it is made those in the file."""
    state: str
    """waiting, granted, denied, made"""
    reason: str = ""
    """Why it was denied: denied, timed_out."""
    asked: str
    intent: str
    asked_ms: int
    due_ms: int = 0
    judged_by: int = 0
    judged_ms: int = 0
    made_ms: int = 0
    sha256: str = ""


class Supplier(msgspec.Struct, frozen=True, kw_only=True):
    """A company that API keys are given to."""

    supplier: int
    group_id: int
    name: str
    contract: str
    ends_ms: int
    changed_ms: int
    changed_by: str


def ask(event: Event, state: State) -> None:
    """Grant a small export, and let a large one wait for another person."""
    wanted: ExportRequested = event.payload
    if state.get(Export, wanted.export) is not None:
        raise Refused("export_known", "an export of this id was asked for")
    free = wanted.size <= limits.EXPORT_FREE_ROWS
    if not free and len(state.find(Export, account=wanted.account, state="waiting")) >= limits.EXPORTS_WAITING_MAX:
        raise Refused("exports_full", f"{limits.EXPORTS_WAITING_MAX} exports of yours wait already")
    due_ms = 0 if free else event.time_ms + limits.EXPORT_APPROVAL_S * 1000
    state.put(
        Export(
            export=wanted.export,
            group_id=event.group,
            store_id=event.store,
            account=wanted.account,
            listing=wanted.listing,
            form=wanted.form,
            size=wanted.size,
            state="granted" if free else "waiting",
            asked=wanted.asked,
            intent=event.id,
            asked_ms=event.time_ms,
            due_ms=due_ms,
        )
    )
    if free:
        state.decide("export.granted", ExportGranted(export=wanted.export, by=0))
    else:
        state.defer(due_ms, "approval")


def judge(event: Event, state: State) -> None:
    """Let an export out or not, by the word of another person than the one who asked."""
    word: ExportApprovalRequested = event.payload
    export = state.get(Export, word.export)
    if export is None or export.group_id != event.group:
        raise Refused("export_unknown", f"no export {word.export}")
    if export.state != "waiting":
        raise Refused("export_over", f"it is {export.state} already")
    if export.account == word.account:
        raise Refused("own_export", "another person must approve it")
    changed = {"judged_by": word.account, "judged_ms": event.time_ms}
    if word.approve:
        state.put(msgspec.structs.replace(export, state="granted", **changed))
        state.decide("export.granted", ExportGranted(export=word.export, by=word.account), answers=export.intent)
    else:
        state.put(msgspec.structs.replace(export, state="denied", reason="denied", **changed))
        denied = ExportDenied(export=word.export, by=word.account, reason="denied")
        state.decide("export.denied", denied, answers=export.intent)
    state.cancel("approval")
    state.decide("export.judged", ExportJudged(export=word.export, by=word.account, approved=word.approve))


def run_out(event: Event, state: State) -> None:
    """Deny what nobody has judged in time."""
    number = event.key.removeprefix("export:")
    export = state.get(Export, number)
    if export is None or export.state != "waiting":
        return
    state.put(msgspec.structs.replace(export, state="denied", reason="timed_out", judged_ms=event.time_ms))
    denied = ExportDenied(export=number, by=0, reason="timed_out")
    state.decide("export.denied", denied, answers=export.intent)


def fetch(event: Event, state: State) -> None:
    """Hand a granted export out, once, to who asked, as what was asked."""
    wanted: ExportFetch = event.payload
    export = state.get(Export, wanted.export)
    if export is None or export.group_id != event.group or export.account != wanted.account:
        raise Refused("export_unknown", f"no export {wanted.export} of yours")
    if export.state != "granted":
        raise Refused("export_over", f"it is {export.state}")
    if export.asked != wanted.asked:
        raise Refused("export_other", "something else was asked for")
    if wanted.size > export.size + max(GREW_ROWS_MAX, export.size):
        raise Refused("export_grown", f"{wanted.size} rows by now, where {export.size} were granted")
    state.put(
        msgspec.structs.replace(export, state="made", made_ms=event.time_ms, size=wanted.size, sha256=wanted.sha256)
    )
    made = ExportMade(
        export=wanted.export,
        account=wanted.account,
        listing=export.listing,
        form=export.form,
        size=wanted.size,
        sha256=wanted.sha256,
    )
    state.decide("export.made", made)


def contract(event: Event, state: State) -> None:
    """Enter a supplier, or set anew until when their keys open."""
    wanted: SupplierContract = event.payload
    number = wanted.supplier
    if number:
        before = state.get(Supplier, number)
        if before is None or before.group_id != event.group:
            raise Refused("supplier_unknown", f"no supplier {number}")
    else:
        number = state.number("supplier")
    state.put(
        Supplier(
            supplier=number,
            group_id=event.group,
            name=wanted.name,
            contract=wanted.contract,
            ends_ms=wanted.ends_ms,
            changed_ms=event.time_ms,
            changed_by=event.actor,
        )
    )
    contracted = SupplierContracted(supplier=number, name=wanted.name, contract=wanted.contract, ends_ms=wanted.ends_ms)
    state.decide("supplier.contracted", contracted, subject=f"supplier:{number}")


AUDIT: Final = BusinessActor(
    name="audit",
    says="Lets exports out, large ones by another person's word, and ends suppliers' keys with their contracts.",
    kept=(
        Kept(Export, "export_request", ("export",)),
        Kept(Supplier, "supplier", ("supplier",)),
    ),
    rules=(
        Rule("ask", ("export.requested",), ask),
        Rule("judge", ("export.approval.requested",), judge),
        Rule("run_out", ("timer.due",), run_out),
        Rule("fetch", ("export.fetch.requested",), fetch),
        Rule("contract", ("supplier.contract.requested",), contract),
    ),
    decides=(
        "export.requested",
        "export.approval.requested",
        "export.fetch.requested",
        "supplier.contract.requested",
    ),
    emits=(
        "export.granted",
        "export.denied",
        "export.judged",
        "export.made",
        "supplier.contracted",
    ),
    always=True,
)
