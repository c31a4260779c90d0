"""/api/v1/event-types, /actors, /parked: what the business says and hears, which actors work where, and what stands.

Changes are intents: the business decides them in its log, as everything else of it.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar import Request, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, JSONBody

from api.guards import SELF, principal_of
from api.intents import ask
from api.parts import Parts
from api.problems import CHANGES, KEYED, Problem, answers
from core.business import BusinessActor, Counts
from core.catalogue import EventType, catalogue, hears_of
from core.events.spine import KeyRelease, ModuleSwitch, RuleAdoption
from core.rights import Principal
from storage.spine import ParkedKey, Spine


class EventTypePage(msgspec.Struct, frozen=True):
    """Every type of event."""

    items: list[EventType]


class RuleShown(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of an actor."""

    name: str
    types: tuple[str, ...]
    versions: tuple[int, ...]
    version: int
    """The one in force for the group."""


class ActorShown(msgspec.Struct, frozen=True, kw_only=True):
    """An actor of the business, and how it stands."""

    name: str
    says: str
    always: bool
    """Cannot be switched off."""
    active: bool
    """In the group, where a store says nothing else."""
    stores: dict[int, bool]
    """Stores that say something else, as far as the reader may see them."""
    hears: tuple[str, ...]
    decides: tuple[str, ...]
    emits: tuple[str, ...]
    tables: dict[str, int]
    """Table -> rows."""
    rules: tuple[RuleShown, ...]
    parked: int
    """Keys at which it has stopped, of the reader's stores."""
    handled: int | None
    """Events since the node started; null where another process has the log."""
    said: int | None
    waited: int | None


class ActorPage(msgspec.Struct, frozen=True):
    """All actors, and how far they have come: they hear every event in one transaction, so there is one position."""

    items: list[ActorShown]
    head: int
    folded: int


class ParkedPage(msgspec.Struct, frozen=True):
    """Parked keys, the longest parked first."""

    items: list[ParkedKey]


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Let an actor go on."""

    actor: str
    key: str
    skip: bool = False
    """Pass over the event at which it stopped; else it is tried again first."""


class Switch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Switch an actor on or off."""

    actor: str
    active: bool
    store: int = 0
    """0: in the whole group, where a store says nothing else."""


class Adoption(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Put a version of a rule in force."""

    actor: str
    rule: str
    version: int


class Decided(msgspec.Struct, frozen=True):
    """The decision, an event of the log."""

    seq: int
    id: str
    type: str


def types_in(parts: Parts) -> dict[str, EventType]:
    """Return the catalogue; made once for a set of parts."""
    found = _MADE.get(id(parts.actors))
    if found is None:
        _MADE.clear()
        found = _MADE[id(parts.actors)] = catalogue(parts.actors, parts.voices)
    return found


_MADE: Final[dict[int, dict[str, EventType]]] = {}


def actors_in(parts: Parts, principal: Principal) -> ActorPage:
    """Return all actors as this principal may see how they stand. Blocks."""
    spine = Spine(parts.reader.database)
    in_force, parked, standing = spine.in_force(principal), spine.parked_count(principal), spine.standing()
    rows = spine.rows([kept for actor in parts.actors for kept in actor.kept])
    counts: Mapping[str, Counts] = parts.business_counts()
    shown = []
    for actor in parts.actors:
        one = counts.get(actor.name)
        shown.append(
            ActorShown(
                name=actor.name,
                says=actor.says,
                always=actor.always,
                active=actor.always or in_force.modules.get((actor.name, 0), True),
                stores={
                    store: active for (name, store), active in sorted(in_force.modules.items())
                    if name == actor.name and store
                },
                hears=hears_of(actor),
                decides=actor.decides,
                emits=actor.emits,
                tables={kept.table: rows[kept.table] for kept in actor.kept},
                rules=tuple(
                    RuleShown(
                        name=rule.name,
                        types=rule.types,
                        versions=tuple(sorted(rule.versions)),
                        version=in_force.versions.get((actor.name, rule.name), min(rule.versions)),
                    )
                    for rule in actor.rules
                ),
                parked=parked.get(actor.name, 0),
                handled=one.handled if one else None,
                said=one.said if one else None,
                waited=one.waited if one else None,
            )
        )  # fmt: skip
    return ActorPage(shown, standing.head, standing.folded)


@get("/event-types", opt={"right": SELF}, summary="Every type of event", responses=answers(*KEYED), raises=[])
async def list_event_types(request: Request[Any, Any, Any]) -> EventTypePage:
    """Return every type of event: its fields with their units, who says it, who hears it, who decides it."""
    return EventTypePage(list(types_in(request.app.state.parts).values()))


@get(
    "/event-types/{type_:str}",
    opt={"right": SELF},
    summary="One type of event",
    responses=answers("event_unknown", *KEYED),
    raises=[],
)
async def read_event_type(request: Request[Any, Any, Any], type_: FromPath[str]) -> EventType:
    """Return one type of event."""
    found = types_in(request.app.state.parts).get(type_)
    if found is None:
        raise Problem("event_unknown", f"no event is called {type_[:80]}")
    return found


@get("/actors", opt={"right": "business.read"}, summary="Actors of the business", responses=answers(*KEYED), raises=[])
async def list_actors(request: Request[Any, Any, Any]) -> ActorPage:
    """Return what each actor hears, says and keeps, what is in force of it, and how far it has come."""
    return await sync_to_thread(actors_in, request.app.state.parts, principal_of(request))


@get("/parked", opt={"right": "business.read"}, summary="Parked keys", responses=answers(*KEYED), raises=[])
async def list_parked(request: Request[Any, Any, Any]) -> ParkedPage:
    """Return at which keys actors have stopped, why, and how much waits for them."""
    parts: Parts = request.app.state.parts
    return ParkedPage(await sync_to_thread(Spine(parts.reader.database).parked, principal_of(request)))


@post(
    "/parked/release",
    opt={"right": "business.write"},
    summary="Let an actor go on at a parked key",
    status_code=200,
    responses=answers("key_not_parked", "intent_refused", "intent_waiting", *CHANGES),
    raises=[],
)
async def release_key(request: Request[Any, Any, Any], data: JSONBody[Release]) -> Decided:
    """Have what waits handled, in order; what failed is tried again first, or passed over. Parked again if it fails."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    spine = Spine(parts.reader.database)
    if not await sync_to_thread(spine.parked, principal, actor=data.actor, key=data.key):
        raise Problem("key_not_parked", f"{data.actor[:80]} is not parked at {data.key[:80]}")
    payload = KeyRelease(actor=data.actor, key=data.key, skip=data.skip)
    return await _decided(parts, principal, "ops.release.requested", payload, data.actor)


@post(
    "/actors/switch",
    opt={"right": "business.write"},
    summary="Switch an actor on or off in a store",
    status_code=200,
    responses=answers("actor_unknown", "store_outside", "intent_refused", "intent_waiting", *CHANGES),
    raises=[],
)
async def switch_actor(request: Request[Any, Any, Any], data: JSONBody[Switch]) -> Decided:
    """Switch a module of the business on or off from here on. Switched off it hears nothing, and says nothing."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    actor = _actor(parts, data.actor)
    if actor.always:
        raise Problem("actor_always", f"{actor.name} cannot be switched off")
    if principal.scope.stores is not None and data.store not in principal.scope.stores:
        raise Problem("store_outside", f"store {data.store}", field="store")
    payload = ModuleSwitch(actor=actor.name, store=data.store, active=data.active)
    return await _decided(parts, principal, "module.switch.requested", payload, actor.name, data.store)


@post(
    "/actors/adopt",
    opt={"right": "business.write"},
    summary="Put a version of a business rule in force",
    status_code=200,
    responses=answers("actor_unknown", "rule_foreign", "intent_refused", "intent_waiting", *CHANGES),
    raises=[],
)
async def adopt_rule(request: Request[Any, Any, Any], data: JSONBody[Adoption]) -> Decided:
    """Have events judged by this version of a rule from here on. `carillon replay business --adopt` tries it first."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    if principal.scope.stores is not None:
        raise Problem("rule_foreign")
    rules = {rule.name: rule.versions for rule in _actor(parts, data.actor).rules}
    if data.version not in rules.get(data.rule, {}):
        raise Problem("actor_unknown", f"no version {data.version} of {data.actor}.{data.rule[:80]}", field="version")
    payload = RuleAdoption(actor=data.actor, rule=data.rule, version=data.version)
    return await _decided(parts, principal, "rule.adoption.requested", payload, data.actor)


def _actor(parts: Parts, name: str) -> BusinessActor:
    for actor in parts.actors:
        if actor.name == name:
            return actor
    raise Problem("actor_unknown", f"no actor is called {name[:80]}", field="actor")


async def _decided(
    parts: Parts, principal: Principal, type_: str, payload: msgspec.Struct, actor: str, store: int = 0
) -> Decided:
    decision = await ask(parts, principal, type_, payload, subject=f"actor:{actor}", store=store)
    return Decided(decision.seq, decision.id, decision.type)


RESOURCES: Final = (
    list_event_types, read_event_type, list_actors, switch_actor, adopt_rule, list_parked, release_key,
)  # fmt: skip
