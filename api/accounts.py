"""/api/v1/accounts: who may log in, as what, for which stores. Nobody gives away more than they have."""

from typing import Annotated, Final, Literal

import msgspec
from litestar import Request, get, patch, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, JSONBody, QueryParameter

from api.guards import person_of, principal_of
from api.invitations import Invitation, invitation_of
from api.parts import Parts
from api.problems import CHANGES, KEYED, Problem, answers
from core import limits
from storage.people import Account, AccountChange

Role = Literal["viewer", "operator", "manager", "administrator"]
Name = Annotated[str, msgspec.Meta(max_length=64)]
Stores = Annotated[list[int], msgspec.Meta(max_length=limits.ACCOUNT_STORES_MAX)] | None
Notify = Annotated[list[Annotated[str, msgspec.Meta(pattern=r"^[a-z_.]{0,64}$")]], msgspec.Meta(max_length=64)]
Number = Annotated[int, QueryParameter(ge=0, le=2**31 - 1, description="Id to go on behind")]
Limit = Annotated[int, QueryParameter(ge=1, le=limits.PEOPLE_READ_MAX, description="Most items on this page")]


class NewAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who shall be able to log in."""

    login: Annotated[str, msgspec.Meta(min_length=2, max_length=64)]
    role: Role
    stores: Stores
    """Ids of stores; null: all of the group."""
    name: Name = ""
    language: Literal["", "zh", "en"] = ""
    notify: Notify | None = None
    """Beginnings of event types that this person wants a message about."""


class ChangedAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of an account; what is left out stays."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    role: Role | msgspec.UnsetType = msgspec.UNSET
    stores: Annotated[list[int], msgspec.Meta(max_length=limits.ACCOUNT_STORES_MAX)] | msgspec.UnsetType | None = (
        msgspec.UNSET
    )
    state: Literal["active", "disabled"] | msgspec.UnsetType = msgspec.UNSET
    language: Literal["", "zh", "en"] | msgspec.UnsetType = msgspec.UNSET
    notify: Notify | msgspec.UnsetType = msgspec.UNSET


class InvitedAccount(msgspec.Struct, frozen=True):
    """A new account and the link by which its owner sets a password."""

    account: Account
    invitation: Invitation


class AccountPage(msgspec.Struct, frozen=True):
    """Accounts by id, and where the next page starts."""

    items: list[Account]
    next: int | None
    """Hand it back as `after`; null on the last page."""


@get(
    "/accounts",
    opt={"right": "people.read"},
    summary="Accounts",
    responses=answers("bad_request", *KEYED),
    raises=[],
)
async def list_accounts(request: Request, after: Number = 0, limit: Limit = 100) -> AccountPage:
    """Return the accounts of the group, or those wholly of your stores."""
    parts: Parts = request.app.state.parts
    items = await sync_to_thread(parts.people.accounts, principal_of(request), after, limit)
    return AccountPage(items, items[-1].id if len(items) == limit else None)


@get(
    "/accounts/{account_id:int}",
    opt={"right": "people.read"},
    summary="One account",
    responses=answers("account_unknown", *KEYED),
)
async def read_account(request: Request, account_id: FromPath[int]) -> Account:
    """Return the account; 404 `account_unknown` if there is none of this id for you."""
    parts: Parts = request.app.state.parts
    account = await sync_to_thread(parts.people.account, principal_of(request), account_id)
    if account is None:
        raise Problem("account_unknown", f"no account {account_id}")
    return account


@post(
    "/accounts",
    opt={"right": "people.write"},
    status_code=201,
    summary="Enter an account",
    responses=answers(*CHANGES, "role_above", "store_outside", "login_taken", "login_unfit", "stores_needed"),
)
async def create_account(request: Request, data: JSONBody[NewAccount]) -> InvitedAccount:
    """Enter an account and return the one-time link by which its owner sets a password, within 72 hours.

    403 `role_above` or `store_outside` for what you do not have yourself.
    """
    parts: Parts = request.app.state.parts
    account, token = await sync_to_thread(
        parts.people.create_account,
        principal_of(request),
        login=data.login,
        name=data.name,
        role=data.role,
        stores=data.stores,
        language=data.language,
        notify=data.notify,
    )
    return InvitedAccount(account, invitation_of(request, token))


@patch(
    "/accounts/{account_id:int}",
    opt={"right": "people.write"},
    summary="Change an account",
    responses=answers(
        *CHANGES, "account_unknown", "role_above", "store_outside", "last_administrator", "own_account", "stores_needed"
    ),
)
async def change_account(request: Request, account_id: FromPath[int], data: JSONBody[ChangedAccount]) -> Account:
    """Change name, role, stores, state, language or messages. It counts at once, for sessions and keys too.

    Disabling ends every session. 409 `last_administrator` for the last one who could administer the group.
    """
    parts: Parts = request.app.state.parts
    change = AccountChange(**{name: getattr(data, name) for name in data.__struct_fields__})
    return await sync_to_thread(parts.people.change_account, principal_of(request), account_id, change)


@post(
    "/accounts/{account_id:int}/invitation",
    opt={"right": "people.write"},
    status_code=201,
    summary="A new one-time link",
    responses=answers(*CHANGES, "account_unknown", "role_above", "account_disabled", "demo_account"),
)
async def invite_account(request: Request, account_id: FromPath[int]) -> Invitation:
    """Return a new one-time link for who has lost the password or the link; links given before open nothing any more.

    Until it is used the old password works: disable the account where it must not.
    """
    parts: Parts = request.app.state.parts
    token = await sync_to_thread(parts.people.invite, principal_of(request), account_id)
    return invitation_of(request, token)


class ChangedSelf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one may change of oneself; what is left out stays."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    language: Literal["", "zh", "en"] | msgspec.UnsetType = msgspec.UNSET
    notify: Notify | msgspec.UnsetType = msgspec.UNSET


@patch("/me", opt={"right": "self"}, summary="Change oneself", responses=answers(*CHANGES, "session_needed"))
async def change_me(request: Request, data: JSONBody[ChangedSelf]) -> Account:
    """Change your name, language, or what you want messages about. Only a person who is logged in does this."""
    parts: Parts = request.app.state.parts
    change = AccountChange(**{name: getattr(data, name) for name in data.__struct_fields__})
    return await sync_to_thread(parts.people.change_self, person_of(request), change)


RESOURCES: Final = (
    list_accounts,
    create_account,
    read_account,
    change_account,
    invite_account,
    change_me,
)
