"""/people: accounts, what each role may do, API keys, stores, and who looked at which car."""

from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath
from markupsafe import Markup

from api.guards import principal_of
from api.organisation import organisation_of
from api.parts import Parts
from api.portal.nodes import Held, held_by, name_of
from api.portal.render import Words, render, words_of
from api.portal.table import Asked, Choice, Column, Empty, Moment, Rows, Search, Table
from api.portal.terminals import store_name, stores_of
from api.problems import Problem
from core import limits
from core.rights import RIGHTS, ROLES, Principal, grade_of
from storage.people import Access, Account, ApiKey, Store
from storage.places import Place

STATE_KINDS: Final = {"active": "good", "invited": "info", "disabled": "quiet"}
WHATS: Final = ("positions", "live", "track", "frames", "search", "export")
KEY_DAYS: Final = (30, 90, 365)
ZONES: Final = ("Asia/Shanghai", "Asia/Urumqi", "Asia/Hong_Kong", "Asia/Macau", "Asia/Taipei", "Asia/Singapore", "UTC")
"""Offered; any other name may be written."""
ACCOUNTS_SHOWN: Final = limits.PEOPLE_READ_MAX


class RoleShown(msgspec.Struct, frozen=True):
    """A role, and which rights it has over the role before it."""

    name: str
    more: list[str]


def roles_shown() -> list[RoleShown]:
    """Return the roles from least to most, each with what it may do beyond the one before."""
    shown: list[RoleShown] = []
    before: frozenset[str] = frozenset()
    for name, rights in ROLES.items():
        shown.append(RoleShown(name, [right for right in RIGHTS if right in rights - before]))
        before = rights
    return shown


def roles_given(principal: Principal) -> list[str]:
    """Return the roles that this person may give: none with a right they lack; administrators are of the group."""
    return [
        name
        for name, rights in ROLES.items()
        if rights <= principal.rights and (name != "administrator" or principal.scope.stores is None)
    ]


def tabs_of(request: Request[Any, Any, Any]) -> list[tuple[str, str, None]]:
    """Return the tabs of these pages."""
    t = words_of(request).t
    return [
        ("/people", t("people_accounts"), None),
        ("/people/keys", t("people_keys"), None),
        ("/people/stores", t("people_stores"), None),
        ("/people/access", t("people_access"), None),
    ]


# --- accounts ---------------------------------------------------------------------------------------------------------


@get("/people", include_in_schema=False, opt={"right": "people.read"})
async def people_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show the accounts that the reader may see."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    stores = await sync_to_thread(stores_of, parts, request)
    return await _accounts(parts, stores).answer(
        request,
        "people.html",
        tabs_shown=tabs_of(request),
        roles=roles_shown(),
        given=roles_given(principal),
        stores=[(number, store_name(stores, number, words_of(request))) for number in stores],
    )


@get("/people/{account:int}", include_in_schema=False, opt={"right": "people.read"})
async def person_page(request: Request[Any, Any, Any], account: FromPath[int]) -> Response[Any]:
    """Show one account: role, stores, state, its keys."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    stores = await sync_to_thread(stores_of, parts, request)

    words = words_of(request)

    def read() -> tuple[Account, list[ApiKey], list[Place], dict[str, str], list[Held]]:
        found = parts.people.account(principal, account)
        if found is None:
            raise Problem("account_unknown", f"no account {account}")
        organisation = organisation_of(parts)
        nodes = {node.node: name_of(node, words) for node in organisation.nodes(principal)}
        held = held_by(organisation.certificates(principal, [account]), organisation, principal, words)
        places = sorted(
            parts.people.history(principal, account), key=lambda place: (place.ended_ms > 0, -place.ended_ms, place.id)
        )
        return found, parts.people.keys(principal, account=account), places, nodes, held.get(account, [])

    one, keys, places, nodes, certificates = await sync_to_thread(read)
    given = roles_given(principal)
    return render(
        request,
        "person.html",
        one=one,
        kind=STATE_KINDS[one.state],
        keys=keys,
        places=places,
        nodes=nodes,
        certificates=certificates,
        # What role and stores can say of somebody; else their places are given and ended one by one.
        simple=len({place.role for place in one.places}) <= 1
        and all(place.kind in ("group", "store") and not place.to_ms for place in one.places)
        and all(place.grade == grade_of(place.role) for place in one.places),
        given=given if one.role in given else [*given, one.role],
        manages=principal.may("people.write") and one.role in given and one.id != principal.account,
        stores=[(number, store_name(stores, number, words_of(request))) for number in stores],
    )


def _accounts(parts: Parts, stores: dict[int, Store]) -> Table:
    def read(asked: Asked) -> Rows:
        found: list[Account] = []
        after = int(asked.after) if asked.after.isdecimal() else 0
        looked = asked.get("q").casefold()
        while len(found) < asked.limit:
            page = parts.people.accounts(asked.principal, min(after, 2**31 - 1), ACCOUNTS_SHOWN)
            for one in page:
                after = one.id
                fits = looked in one.login.casefold() or looked in one.name.casefold()
                if fits and asked.get("role") in ("", one.role) and asked.get("state") in ("", one.state):
                    found.append(one)
                    if len(found) == asked.limit:
                        return Rows(found, str(after))
            if len(page) < ACCOUNTS_SHOWN:
                return Rows(found)
        return Rows(found, str(after))

    def whose(row: Account, words: Words) -> str:
        if row.stores is None:
            return words.t("all_stores")
        return ("、" if words.language == "zh" else ", ").join(store_name(stores, one, words) for one in row.stores)

    return Table(
        name="accounts",
        path="/people",
        title="people_accounts",
        columns=(
            Column("login", "people_login", lambda row: row.login, width="fit"),
            Column("name", "people_name", lambda row: row.name, width="fit"),
            Column(
                "role", "people_role", lambda row: row.role, lambda row, words: words.t(f"role_{row.role}"), width="fit"
            ),
            Column("stores", "people_stores", lambda row: ",".join(map(str, row.stores or [])), whose, width="grow"),
            Column("state", "people_state", lambda row: row.state, _account_state, width="fit"),
            Column("seen", "people_seen", lambda row: Moment(row.seen_ms), lambda row, words: words.ago(row.seen_ms)),
        ),
        filters=(
            Search("q", "people_search"),
            Choice("role", "people_role", tuple((role, f"role_{role}") for role in ROLES)),
            Choice("state", "people_state", tuple((state, f"people_state_{state}") for state in STATE_KINDS)),
        ),
        read=read,
        row_id=lambda row: row.id,
        row_href=lambda row: f"/people/{row.id}",
        empty=Empty("people", "people_none", "people_none_what"),
    )


def _account_state(row: Account, words: Words) -> Markup:
    return Markup(words.components.dot(words.t(f"people_state_{row.state}"), STATE_KINDS[row.state]))  # noqa: S704


# --- keys, stores -----------------------------------------------------------------------------------------------------


@get("/people/keys", include_in_schema=False, opt={"right": "people.read"})
async def keys_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show the reader's own API keys, and make one."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    keys = await sync_to_thread(parts.people.keys, principal)
    return render(
        request,
        "people_keys.html",
        tabs_shown=tabs_of(request),
        keys=sorted(keys, key=lambda key: (key.revoked_ms > 0, -key.id)),
        rights=[right for right in RIGHTS if principal.may(right)],
        days=KEY_DAYS,
        is_person=bool(principal.account) and not principal.api_key,
    )


@get("/people/stores", include_in_schema=False, opt={"right": "people.read"})
async def stores_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show the stores of the group, or the reader's."""
    parts: Parts = request.app.state.parts
    stores = await sync_to_thread(stores_of, parts, request)
    return render(request, "people_stores.html", tabs_shown=tabs_of(request), stores=list(stores.values()), zones=ZONES)


# --- who looked -------------------------------------------------------------------------------------------------------


@get("/people/access", include_in_schema=False, opt={"right": "people.read"})
async def access_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show who looked at positions: all of the group's reads to its administrators, to others their own."""
    principal = principal_of(request)
    everybodys = principal.may("system.read") and principal.scope.stores is None
    parts: Parts = request.app.state.parts
    return await _access(parts).answer(
        request, "people_access.html", tabs_shown=tabs_of(request), everybodys=everybodys
    )


def _access(parts: Parts) -> Table:
    def read(asked: Asked) -> Rows:
        before = int(asked.after) if asked.after.isdecimal() and len(asked.after) < 19 else 0
        vehicle = asked.whole("vehicle") or 0
        account = asked.whole("account")
        limit = min(asked.limit, limits.PEOPLE_READ_MAX)
        rows = parts.people.accesses(
            asked.principal, before=before, limit=limit, account=_number(account), vehicle=_number(vehicle) or 0
        )
        return Rows(rows, str(rows[-1].id) if len(rows) == limit else "")

    def account_options(request: Request[Any, Any, Any], _words: Words) -> list[tuple[str, str]]:
        found = parts.people.accounts(principal_of(request), 0, ACCOUNTS_SHOWN)
        return [(str(one.id), one.name or one.login) for one in found]

    return Table(
        name="access",
        path="/people/access",
        title="people_access",
        columns=(
            Column("time", "people_time", lambda row: Moment(row.time_ms), width="fit"),
            Column("login", "people_login", lambda row: row.login, _who),
            Column("what", "people_what", lambda row: row.what, lambda row, words: words.t(f"people_what_{row.what}")),
            Column("vehicle", "people_vehicle", lambda row: row.vehicle or None, _vehicle),
            Column("from", "people_from", lambda row: Moment(row.from_ms)),
            Column("to", "people_to", lambda row: Moment(row.to_ms)),
            Column("rows", "people_rows", lambda row: row.rows, align="end"),
            Column("address", "people_address", lambda row: row.address),
        ),
        filters=(
            Choice("account", "people_login", account_options),
            Search("vehicle", "people_vehicle_number"),
        ),
        read=read,
        row_id=lambda row: row.id,
        empty=Empty("shield", "people_access_none", "people_access_none_what"),
    )


def _number(value: int | None) -> int | None:
    return None if value is None else min(max(value, 0), 2**31 - 1)


def _who(row: Access, words: Words) -> str:
    who = row.login or words.t("people_nobody")
    return f"{who} · {words.t('people_by_key', n=row.api_key)}" if row.api_key else who


def _vehicle(row: Access, words: Words) -> Markup | str:
    if not row.vehicle:
        return words.t("people_all_vehicles")
    return Markup('<a href="/vehicles/{}">{}</a>').format(row.vehicle, row.vehicle)


PAGES: Final = (people_page, person_page, keys_page, stores_page, access_page)
