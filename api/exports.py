"""/api/v1/exports: files of tables that were asked for, and another person's word over the large ones."""

import hashlib
import secrets
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from litestar import Request, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, JSONBody, QueryParameter

from api.accounts import Limit
from api.guards import SELF, principal_of
from api.intents import ask, decision_of, intent
from api.parts import Parts
from api.problems import CHANGES, KEYED, Problem, answers
from core.events.audit import ExportApprovalRequested, ExportFetch, ExportGranted, ExportRequested
from core.rights import Principal
from storage.exports import ExportLine, Exports


class Mark(NamedTuple):
    """What a file says of itself."""

    export: str
    """Its id, by which the audit log knows it."""
    who: str
    login: str


def mark_of(principal: Principal, export: str) -> Mark:
    """Return the mark of an export of this principal."""
    return Mark(export, principal.name or principal.login, principal.login)


def new_export() -> str:
    """Return the id of a new export: 16 hexadecimal digits, short enough to be typed from paper."""
    return secrets.token_hex(8)


def asked_of(principal: Principal, path: str, query: str, form: str) -> str:
    """Return the hash of what is asked for, and by whom."""
    return hashlib.sha256("\n".join((str(principal.account), path, query, form)).encode()).hexdigest()


def store_of(principal: Principal) -> int:
    """Return whose an export is: of the one store that its principal has, else of the group."""
    stores = principal.scope.stores
    return stores[0] if stores and len(stores) == 1 else 0


async def released(
    request: Request[Any, Any, Any],
    *,
    export: str,
    listing: str,
    form: str,
    asked: str,
    query: str,
    size: int,
    body: bytes,
    granted: bool,
) -> bool:
    """Tell whether a file may be handed out now; False where it waits for another person's word.

    Args:
        granted: it was asked for before, and fetches what another person has granted.

    Raises:
        Problem: `right_missing`, `intent_refused`, `not_ready`.
    """  # fmt: skip
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    about: dict[str, Any] = {
        "subject": f"account:{principal.account}",
        "key": f"export:{export}",
        "store": store_of(principal),
    }
    if not granted:
        wanted = ExportRequested(
            export=export, account=principal.account, listing=listing, form=form, size=size, asked=asked
        )
        exports = Exports(parts.reader.database)
        await sync_to_thread(exports.keep_query, export, query)
        try:
            decision = await decision_of(parts, intent(principal, "export.requested", wanted, **about))
        except Problem as problem:
            if problem.code == "intent_waiting":
                return False
            raise
        if not isinstance(decision.payload, ExportGranted):
            return False
    sha256 = hashlib.sha256(body).hexdigest()
    fetched = ExportFetch(export=export, account=principal.account, asked=asked, size=size, sha256=sha256)
    await ask(parts, principal, "export.fetch.requested", fetched, **about)
    detail = f"{listing} {form}"
    await sync_to_thread(
        parts.reader.act, principal, "export", subject=f"export:{export}", rows=size, detail=detail, status=200
    )
    return True


class ExportPage(msgspec.Struct, frozen=True):
    """Exports, the newest first, and where the next page starts."""

    items: list[ExportLine]
    next: int | None
    """Hand it back as `before`; null on the last page."""


class Judgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another person's word."""

    approve: bool


@get("/exports", opt={"right": SELF}, summary="Exports", responses=answers("bad_request", *KEYED), raises=[])
async def list_exports(
    request: Request,
    before: Annotated[int, QueryParameter(ge=0, le=2**53, description="Time to go on before; 0: the newest")] = 0,
    limit: Limit = 100,
) -> ExportPage:
    """Return the files that were asked for: your own, and with exports.approve those of your stores' people."""
    parts: Parts = request.app.state.parts
    exports = Exports(parts.reader.database)
    items = await sync_to_thread(exports.page, principal_of(request), before_ms=before, limit=limit)
    return ExportPage(items, items[-1].asked_ms if len(items) == limit else None)


@post(
    "/exports/{export:str}/approval",
    opt={"right": "exports.approve"},
    status_code=200,
    summary="Approve or deny an export",
    responses=answers(*CHANGES, "not_found", "intent_refused", "intent_waiting", "not_ready"),
)
async def judge_export(request: Request, export: FromPath[str], data: JSONBody[Judgement]) -> ExportLine:
    """Let a large export out, or not. Not your own: 409 `intent_refused` with the field `own_export`."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    exports = Exports(parts.reader.database)
    found = await sync_to_thread(exports.one, principal, export)
    if found is None:
        raise Problem("not_found", f"no export {export[:32]}")
    word = ExportApprovalRequested(export=export, account=principal.account, approve=data.approve)
    await ask(
        parts,
        principal,
        "export.approval.requested",
        word,
        subject=f"account:{found.account}",
        key=f"export:{export}",
        store=found.store,
    )
    after = await sync_to_thread(exports.one, principal, export)
    assert after is not None
    return after


RESOURCES: Final = (list_exports, judge_export)
