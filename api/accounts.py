"""/api/v1/accounts: who may log in, as what, for which stores. Nobody gives away more than they have."""

from typing import Annotated, Final, Literal

import msgspec
from litestar import Request, delete, get, patch, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, JSONBody, QueryParameter

from api.guards import person_of, principal_of
from api.invitations import Invitation, invitation_of
from api.parts import Parts
from api.problems import CHANGES, KEYED, Problem, answers
from core import limits
from core.events.organisation import PlaceWanted
from storage.people import Account, AccountChange
from storage.places import Place

Role = Literal["viewer", "operator", "manager", "administrator"]
Name = Annotated[str, msgspec.Meta(max_length=64)]
Notify = Annotated[list[Annotated[str, msgspec.Meta(pattern=r"^[a-z_.]{0,64}$")]], msgspec.Meta(max_length=64)]
Number = Annotated[int, QueryParameter(ge=0, le=2**31 - 1, description="Id to go on behind")]
Limit = Annotated[int, QueryParameter(ge=1, le=limits.PEOPLE_READ_MAX, description="Most items on this page")]


class WantedPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As what somebody shall work, and where."""

    node: Annotated[str, msgspec.Meta(max_length=64)]
    """Node of the organisation (`region:2`, `store:3`); empty: the group."""
    role: Role
    grade: Literal["", "open", "internal", "personal", "secret"] = ""
    """How much of persons they see; empty: what the role has by itself."""
    from_ms: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0
    """UTC epoch ms; 0: at once."""
    to_ms: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0
    """0: until it is ended."""


Places = Annotated[list[WantedPlace], msgspec.Meta(max_length=limits.PLACES_PER_ACCOUNT_MAX)]


class NewAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who shall be able to log in: by role and stores, or by places."""

    login: Annotated[str, msgspec.Meta(min_length=2, max_length=64)]
    role: Role | msgspec.UnsetType = msgspec.UNSET
    stores: Annotated[list[int], msgspec.Meta(max_length=limits.ACCOUNT_STORES_MAX)] | msgspec.UnsetType | None = (
        msgspec.UNSET
    )
    """Ids of stores, a place of that role at each; null: one at the group."""
    places: Places = []
    """Instead of role and stores."""
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
    places: Places | msgspec.UnsetType = msgspec.UNSET
    """Instead of role and stores: as what they work from now on, and as nothing else."""
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
    if not data.places and (data.role is msgspec.UNSET or data.stores is msgspec.UNSET):
        raise Problem("bad_request", "say role and stores, or places", field="role")
    account, token = await sync_to_thread(
        parts.people.create_account,
        principal_of(request),
        login=data.login,
        name=data.name,
        role="" if data.role is msgspec.UNSET else data.role,
        stores=None if data.stores is msgspec.UNSET else data.stores,
        places=wanted_places(data.places),
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
    """Change name, role and stores or places, state, language or messages. It counts at once, for sessions and keys.

    Disabling ends every session. 409 `last_administrator` for the last one who could administer the group.
    """
    parts: Parts = request.app.state.parts
    change = AccountChange(**{name: getattr(data, name) for name in AccountChange.__struct_fields__})
    places = None if data.places is msgspec.UNSET else wanted_places(data.places)
    return await sync_to_thread(parts.people.change_account, principal_of(request), account_id, change, places)


def wanted_places(places: list[WantedPlace]) -> list[PlaceWanted]:
    """Return places as the organisation is asked for them."""
    return [PlaceWanted(**{name: getattr(one, name) for name in one.__struct_fields__}) for one in places]


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


class AddedPlaces(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Places that somebody shall have besides those they have."""

    places: Places


class PlacePage(msgspec.Struct, frozen=True):
    """Places of an account, oldest first: those that have ended too, the newest hundred."""

    items: list[Place]
    next: None = None


@get(
    "/accounts/{account_id:int}/places",
    opt={"right": "people.read"},
    summary="Where somebody works and has worked",
    responses=answers("account_unknown", *KEYED),
)
async def list_places(request: Request, account_id: FromPath[int]) -> PlacePage:
    """Return the places of an account that you may see, ended ones with why."""
    parts: Parts = request.app.state.parts
    return PlacePage(await sync_to_thread(parts.people.history, principal_of(request), account_id))


@post(
    "/accounts/{account_id:int}/places",
    opt={"right": "people.write"},
    status_code=200,
    summary="Place somebody",
    responses=answers(
        *CHANGES, "account_unknown", "role_above", "store_outside", "node_closed", "places_full", "place_twice",
        "expiry_past",
    ),
)  # fmt: skip
async def add_places(request: Request, account_id: FromPath[int], data: JSONBody[AddedPlaces]) -> Account:
    """Give somebody of yours places besides those they have: all of them or none. They count at once, or from their
    day on."""
    parts: Parts = request.app.state.parts
    places = wanted_places(data.places)
    return await sync_to_thread(parts.people.add_places, principal_of(request), account_id, places)


@delete(
    "/places/{place:int}",
    opt={"right": "people.write"},
    status_code=204,
    summary="End a place",
    responses=answers(*CHANGES, "place_unknown", "role_above", "last_administrator", "store_outside"),
)
async def end_place(request: Request, place: FromPath[int]) -> None:
    """End one place of somebody at once; shifts that they were to do from it are cleared."""
    parts: Parts = request.app.state.parts
    await sync_to_thread(parts.people.end_place, principal_of(request), place)


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
    list_places,
    add_places,
    end_place,
    change_me,
)
