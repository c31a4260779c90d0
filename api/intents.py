"""Intents: how a route asks the business for something, and is answered with what it decided.

No route sets a row of the business. It appends an intent; the actor that owns the matter decides in the same
transaction, and the route answers with the decision.
"""

import secrets
import time
from typing import Any

import msgspec
import trio
from litestar.concurrency import sync_to_thread

from api.parts import Parts
from api.problems import PROBLEMS, Problem
from core.business import VERSIONS
from core.events import Event, derive_id
from core.events.spine import IntentRefused
from core.rights import Principal


def intent(
    principal: Principal,
    type_: str,
    payload: msgspec.Struct,
    *,
    subject: str,
    key: str = "",
    store: int = 0,
    purpose: str = "service",
    idempotency_key: str = "",
    time_ms: int | None = None,
) -> Event:
    """Return an intent of a principal, not appended.

    Args:
        key: partition in whose order it is decided; the subject where empty.
        store: whose it is; the module that decides must work there.
        idempotency_key: the same again, of the same principal, is the same intent, and has the same decision.
    """
    return Event(
        id=derive_id("api", type_, 1, (idempotency_key or secrets.token_hex(16),), f"{principal.actor}:{subject}"),
        type=type_,
        version=VERSIONS[type_, type(payload)],
        time_ms=time.time_ns() // 1_000_000 if time_ms is None else time_ms,
        subject=subject,
        key=key,
        group=principal.scope.group,
        store=store,
        actor=principal.actor,
        purpose=purpose,
        payload=payload,
    )


async def ask(parts: Parts, principal: Principal, type_: str, payload: msgspec.Struct, **about: Any) -> Event:
    """Append an intent and return its decision. Arguments as for `intent`.

    Raises:
        Problem: the refusal's own code where PROBLEMS has it, else `intent_refused` (409; `field` is that code);
            `intent_waiting` (409: nobody has decided yet), `not_ready` (503: the log does not take it).
    """
    return await decision_of(parts, intent(principal, type_, payload, **about))


async def decision_of(parts: Parts, asked: Event) -> Event:
    """Append an intent and return its decision; as `ask`."""
    try:
        stands = await parts.append(asked)
    except (OSError, trio.RunFinishedError) as error:
        raise Problem("not_ready", f"the log does not take it: {error}") from error
    decision = await sync_to_thread(parts.reader.decision, stands.id)
    if decision is None:
        raise Problem("intent_waiting", f"{asked.type} waits for a decision: {stands.id}")
    if isinstance(decision.payload, IntentRefused):
        refused = decision.payload
        if refused.code in PROBLEMS:
            raise Problem(refused.code, refused.detail)
        raise Problem("intent_refused", refused.detail or refused.code, field=refused.code)
    return decision
