"""/api/v1/keys: API keys, for programs. A key has a part of its owner's rights, and is shown once."""

from typing import Annotated, Final

import msgspec
from litestar import Request, delete, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, JSONBody, QueryParameter

from api.accounts import Limit, Number
from api.guards import SELF, person_of, principal_of
from api.parts import Parts
from api.problems import CHANGES, KEYED, Problem, answers
from core.events import PURPOSES
from core.rights import RIGHTS
from storage.people import ApiKey


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the key is for, and what it may do."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    rights: Annotated[list[str], msgspec.Meta(min_length=1, max_length=len(RIGHTS))]
    """Names of rights (GET /me lists yours)."""
    purposes: Annotated[list[str], msgspec.Meta(min_length=1, max_length=len(PURPOSES))] | None = None
    """What it reads for: safety, theft, service, billing, care, marketing, research, partner; all of yours if not
    given. A key for care, marketing, research or partner alone sees what people consent to, and nothing else."""
    expires_ms: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0
    """UTC epoch ms; 0: does not expire."""
    supplier: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    """The company that it is given to (GET /suppliers): it ends with their contract. 0: nobody outside."""


class MadeKey(msgspec.Struct, frozen=True):
    """A new key."""

    key: str
    """Send it as `Authorization: Bearer KEY`. It is not kept here and cannot be shown again."""
    about: ApiKey


class KeyPage(msgspec.Struct, frozen=True):
    """Keys by id, and where the next page starts."""

    items: list[ApiKey]
    next: int | None
    """Hand it back as `after`; null on the last page."""


@get(
    "/keys",
    opt={"right": SELF},
    summary="API keys",
    responses=answers("bad_request", *KEYED, "account_unknown"),
    raises=[],
)
async def list_keys(
    request: Request,
    account: Annotated[
        int | None, QueryParameter(ge=1, le=2**31 - 1, description="Whose; yours if not given. Needs people.read")
    ] = None,
    after: Number = 0,
    limit: Limit = 100,
) -> KeyPage:
    """Return keys, revoked ones too, without the keys themselves."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    if account not in (None, principal.account) and not principal.may("people.read"):
        raise Problem("right_missing", "this needs the right people.read")
    items = await sync_to_thread(parts.people.keys, principal, account=account, after=after, limit=limit)
    return KeyPage(items, items[-1].id if len(items) == limit else None)


@post(
    "/keys",
    opt={"right": SELF},
    status_code=201,
    summary="Make an API key",
    responses=answers(*CHANGES, "session_needed", "right_above", "keys_full", "expiry_past", "supplier_unknown"),
)
async def create_key(request: Request, data: JSONBody[NewKey]) -> MadeKey:
    """Make a key of your own. It sees what you see, and does what you both may: what you lose, it loses.

    Only a person who is logged in makes keys: a key makes none.
    """
    parts: Parts = request.app.state.parts
    about, key = await sync_to_thread(
        parts.people.create_key,
        person_of(request),
        name=data.name,
        rights=data.rights,
        expires_ms=data.expires_ms,
        purposes=data.purposes,
        supplier=data.supplier,
    )
    return MadeKey(key, about)


@delete(
    "/keys/{key_id:int}",
    opt={"right": SELF},
    status_code=204,
    summary="Revoke an API key",
    responses=answers(*CHANGES, "key_unknown", "role_above"),
)
async def revoke_key(request: Request, key_id: FromPath[int]) -> None:
    """Put a key out of force at once: one of yours, or, with people.write, of an account that you may change."""
    parts: Parts = request.app.state.parts
    await sync_to_thread(parts.people.revoke_key, principal_of(request), key_id if 0 < key_id < 2**31 else 0)


RESOURCES: Final = (list_keys, create_key, revoke_key)
