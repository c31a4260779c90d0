"""The vault: what people said of themselves, each capture under a key of its own, found again by blind tokens.

A capture is taken in one transaction with its intent: sealed, its values numbered, compared with those that share a
telephone, a car or a number with it. Only numbers, levels and weights go into the log; the actor identity decides.

    as written ─▶ one spelling, checks ─▶ sealed under its key          vault_capture, vault_key
                                       └▶ blind token ─▶ value number   vault_value, vault_item ─▶ candidates ─▶ intent

The keys of a person are those of its captures. So a merge that is taken back needs nothing sealed anew, and to forget a
person is to destroy those keys: what was sealed under them opens no more, in a backup either.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from sqlalchemy import Connection, Text, cast, delete, func, insert, literal, select, update

from core import limits
from core.clock import wall_ms
from core.envelope import Keyring, new_key, seal, unseal
from core.events import Event, derive_id
from core.events.identity import Candidate, CaptureRequested
from core.events.spine import IntentRefused
from core.linkage import BLOCKS, MODEL, NAMES, Records, name_frequency, sound_of
from core.rights import Principal
from storage.attributes import KINDS, Checked, checked
from storage.database import Database
from storage.eventlog import EVENT_COLUMNS, EventLog, LogTransaction, event_of
from storage.inbox import InboxLog
from storage.tables.business import COUNTER
from storage.tables.identity import VAULT_CAPTURE, VAULT_CODE, VAULT_ITEM, VAULT_KEY, VAULT_VALUE

DAY_MS: Final = 86_400_000
_WAIT_S: Final = 5.0
_BLOCK_KINDS: Final = frozenset(NAMES[field] for field in BLOCKS)
_SOUND: Final = "name_sound"
_TAIL: Final = "phone_tail"
TAIL_DIGITS: Final = 4
"""Last digits of a telephone that one may search by: what people say at a counter."""


class NewCapture(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody told us of a person."""

    source: str
    """core.events.identity.SOURCES"""
    store: int = 0
    time_ms: int = 0
    """When it was said, which may be long before it arrives; 0: now."""
    traits: dict[str, str]
    """Kind -> as it was written. Kinds of storage.attributes.KINDS; others are refused."""
    basis: str = "none"
    shared: bool = False
    """A partner's: the person agreed that it is handed on."""
    person: int = 0
    """Who it is, where an advisor says so."""
    seen: dict[str, str] = {}
    """Kind -> how it was verified there and then: document, code, call."""
    reference: str = ""
    """The sender's own number of it: the same again is the same capture, however much later."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a capture."""

    state: str
    """linked, new, stated, quarantined; repeated: it was here before; refused."""
    capture: int = 0
    person: int = 0
    matches: int = 0
    """How many persons it may also be of, which somebody is asked."""
    posterior: float = 0.0
    checks: dict[str, str] = {}
    """Kind -> what is wrong with it, for those that something is."""
    code: str = ""
    """Why it was refused."""
    detail: str = ""


class Item(msgspec.Struct, frozen=True, array_like=True):
    """An attribute as it stands in the vault."""

    written: str
    value: str
    fault: str = ""


_SEALED: Final = msgspec.json.Decoder(dict[str, Item])
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


def about_capture(capture: int) -> str:
    """Return what a capture's key and seal are about."""
    return f"capture:{capture}"


class Vault:
    """Personal data of one dealer group, beside its log. Everything blocks."""

    def __init__(self, log: EventLog, keyring: Keyring | None = None) -> None:
        """
        Args:
            keyring: the database's own where None, opened when it is first needed.
        """
        self._log = log
        self._given = keyring
        self._counts = {"taken": 0, "repeated": 0, "refused": 0, "compared": 0, "cut": 0, "destroyed": 0}

    @property
    def _keyring(self) -> Keyring:
        return self._given or self._log.database.keyring

    @property
    def database(self) -> Database:
        """The log's database, in which the vault stands too."""
        return self._log.database

    def statistics(self) -> dict[str, int]:
        """Return counts since the start: captures taken, repeated and refused; captures compared with, those that were
        one too many (LINK_CANDIDATES_MAX); captures destroyed."""
        return dict(self._counts)

    # --- taking -------------------------------------------------------------------------------------------------------

    def take(self, principal: Principal, captures: Sequence[NewCapture]) -> list[Taken]:
        """Take captures down, in one transaction; return what became of each, in order.

        The caller has seen to it that the principal may write for these stores.

        Raises:
            ValueError: more than CAPTURES_AT_ONCE_MAX.
            StorageError, OwnerFencedError: nothing was taken.
        """
        if len(captures) > limits.CAPTURES_AT_ONCE_MAX:
            raise ValueError(f"{len(captures)} captures, at most {limits.CAPTURES_AT_ONCE_MAX}")
        taken: list[Taken] = []
        intents: list[str] = []
        with self._log.transaction() as transaction:
            for capture in captures:
                one, intent = self._take(transaction, principal, capture)
                taken.append(one)
                intents.append(intent)
        decisions = self._decisions([intent for intent in intents if intent])
        found = [_decided(one, decisions.get(intent)) for one, intent in zip(taken, intents, strict=True)]
        for one in found:
            self._counts[
                "repeated" if one.state == "repeated" else "refused" if one.state == "refused" else "taken"
            ] += 1
        return found

    def _take(self, transaction: LogTransaction, principal: Principal, new: NewCapture) -> tuple[Taken, str]:
        """Return what became of a capture so far, and the intent whose decision says the rest."""
        unknown = sorted(set(new.traits) - KINDS.keys())
        if unknown:
            return Taken(state="refused", code="kind_unknown", detail=", ".join(unknown)), ""
        items = {kind: checked(kind, text) for kind, text in sorted(new.traits.items()) if text.strip()}
        faults = {kind: item.check for kind, item in items.items() if item.check}
        if not any(item.fits for item in items.values()):
            return Taken(state="refused", checks=faults, code="capture_empty", detail="nothing in it can be used"), ""
        connection, group = transaction.connection, principal.scope.group
        time_ms = new.time_ms or wall_ms()
        said = self._token("said", group, new.store, new.source, new.person, *((k, v.value) for k, v in items.items()))
        reference = self._token("reference", group, new.store, new.source, new.reference) if new.reference else ""
        if before := _before(connection, said, reference, time_ms):
            return Taken(state="repeated", capture=before[0], checks=faults), before[1]
        capture = _next(connection, "capture")
        quarantined = new.source == "partner" and not new.shared
        intent = derive_id("vault", "capture", 1, (), f"{group}:{capture}")
        connection.execute(
            insert(VAULT_CAPTURE).values(
                capture=capture, group_id=group, store_id=new.store, said=said, reference=reference, time_ms=time_ms,
                intent=intent, sealed=self._sealed(connection, capture, items, new.traits),
            )
        )  # fmt: skip
        # What is in quarantine has no tokens: nothing finds it, and it finds nothing.
        values = {} if quarantined else self._number(connection, capture, items)
        candidates = () if quarantined or new.person else self._compare(connection, capture, items, values)
        transaction.append(
            [
                Event(
                    id=intent,
                    type="capture.requested",
                    time_ms=time_ms,
                    subject=about_capture(capture),
                    group=group,
                    store=new.store,
                    actor=principal.actor,
                    payload=CaptureRequested(
                        capture=capture,
                        source=new.source,
                        items={kind: values.get(kind, 0) for kind in items},
                        checks=faults,
                        verified={kind: method for kind, method in new.seen.items() if kind in values},
                        basis=new.basis,
                        shared=new.shared,
                        person=new.person,
                        candidates=candidates,
                        model=MODEL.version,
                    ),
                )
            ]
        )
        return Taken(state="new", capture=capture, checks=faults), intent

    def release(self, principal: Principal, capture: int, basis: str) -> Taken:
        """Take a capture out of quarantine, for its consent was shown: it is compared and linked as any other.

        Raises:
            LookupError: there is none of this number, or its key is destroyed.
        """
        with self._log.transaction() as transaction:
            connection = transaction.connection
            items = {
                kind: Checked(item.value, item.fault)
                for kind, item in self._opened(connection, [capture]).get(capture, {}).items()
            }
            row = connection.execute(
                select(VAULT_CAPTURE.c.store_id).where(
                    VAULT_CAPTURE.c.capture == capture, VAULT_CAPTURE.c.group_id == principal.scope.group
                )
            ).first()
            if row is None or not items:
                raise LookupError(f"no capture {capture}")
            connection.execute(delete(VAULT_ITEM).where(VAULT_ITEM.c.capture == capture))
            values = self._number(connection, capture, items)
            event = Event(
                id=derive_id("vault", "release", 1, (secrets.token_hex(16),), about_capture(capture)),
                type="capture.release.requested",
                time_ms=wall_ms(),
                subject=about_capture(capture),
                group=principal.scope.group,
                store=row[0],
                actor=principal.actor,
                payload=CaptureRequested(
                    capture=capture,
                    source="partner",
                    items={kind: values.get(kind, 0) for kind in items},
                    checks={kind: item.check for kind, item in items.items() if item.check},
                    basis=basis,
                    shared=True,
                    candidates=self._compare(connection, capture, items, values),
                    model=MODEL.version,
                ),
            )
            transaction.append([event])
        return _decided(Taken(state="new", capture=capture), self._decisions([event.id]).get(event.id))

    def _sealed(
        self, connection: Connection, capture: int, items: Mapping[str, Checked], written: Mapping[str, str]
    ) -> bytes:
        key = new_key()
        about = about_capture(capture)
        connection.execute(insert(VAULT_KEY).values(subject=about, wrapped=self._keyring.wrap(key, about)))
        plain = {
            kind: Item(written[kind][: limits.ATTRIBUTE_CHARACTERS_MAX], item.value, item.check)
            for kind, item in items.items()
        }
        return seal(key, _ENCODER.encode(plain), about)

    def _number(self, connection: Connection, capture: int, items: Mapping[str, Checked]) -> dict[str, int]:
        """Return the number of each value that may be compared, and remember that this capture says it."""
        wanted = {kind: (kind, item.value) for kind, item in items.items() if item.fits}
        if "name" in wanted:
            wanted[_SOUND] = (_SOUND, sound_of(items["name"].value))
            _next(connection, "vault_name")
        if "phone" in wanted:
            wanted[_TAIL] = (_TAIL, items["phone"].value[-TAIL_DIGITS:])
        values: dict[str, int] = {}
        for column, (kind, value) in wanted.items():
            token = self._keyring.token(kind, value)
            number = connection.execute(
                update(VAULT_VALUE)
                .where(VAULT_VALUE.c.kind == kind, VAULT_VALUE.c.token == token)
                .values(captures=VAULT_VALUE.c.captures + 1)
                .returning(VAULT_VALUE.c.value)
            ).scalar()
            if number is None:
                number = _next(connection, "value")
                connection.execute(insert(VAULT_VALUE).values(value=number, kind=kind, token=token, captures=1))
            values[column] = number
        if values:
            connection.execute(
                insert(VAULT_ITEM), [{"capture": capture, "kind": kind, "value": n} for kind, n in values.items()]
            )
        return {kind: number for kind, number in values.items() if kind in KINDS}

    def _compare(
        self, connection: Connection, capture: int, items: Mapping[str, Checked], values: Mapping[str, int]
    ) -> tuple[Candidate, ...]:
        """Return the captures that share something with this one, and what each field says."""
        keys = [number for kind, number in values.items() if kind in _BLOCK_KINDS]
        if not keys:
            return ()
        wanted = (
            select(VAULT_ITEM.c.capture)
            .where(VAULT_ITEM.c.value.in_(keys), VAULT_ITEM.c.capture != capture)
            .group_by(VAULT_ITEM.c.capture)
            .order_by(func.count().desc(), VAULT_ITEM.c.capture.desc())
            .limit(limits.LINK_CANDIDATES_MAX + 1)
        )
        found = [row[0] for row in connection.execute(wanted)]
        if len(found) > limits.LINK_CANDIDATES_MAX:
            self._counts["cut"] += 1
            found.pop()
        opened = self._opened(connection, found)
        found = [one for one in found if one in opened]
        if not found:
            return ()
        self._counts["compared"] += len(found)
        records = Records([_traits(items), *(_traits(opened[one]) for one in found)])
        left, right = [0] * len(found), list(range(1, len(found) + 1))
        levels = records.levels(left, right)
        bits = MODEL.bits(levels, np.full(len(found), self._frequency(connection, values.get("name", 0))))
        return tuple(
            Candidate(capture=one, levels=tuple(level), bits=tuple(round(bit, 4) for bit in bit_row))
            for one, level, bit_row in zip(found, levels.tolist(), bits.tolist(), strict=True)
        )

    def _frequency(self, connection: Connection, name: int) -> float:
        if not name:
            return 0.0
        seen = connection.execute(select(VAULT_VALUE.c.captures).where(VAULT_VALUE.c.value == name)).scalar() or 0
        total = connection.execute(select(COUNTER.c.number).where(COUNTER.c.name == "vault_name")).scalar() or 0
        return name_frequency(seen, total)

    def _token(self, kind: str, *parts: object) -> str:
        return self._keyring.token(kind, _ENCODER.encode(parts).decode())

    def _decisions(self, intents: Iterable[str]) -> dict[str, Event]:
        """Return the decisions of these intents. Where another process owns the log, they come after a moment."""
        wanted = list(dict.fromkeys(intents))
        found: dict[str, Event] = {}
        deadline = time.monotonic() + (_WAIT_S if isinstance(self._log, InboxLog) else 0.0)
        while True:
            with self.database.read() as connection:
                sign = self.database.placeholder
                for first in range(0, len(wanted), limits.EVENTS_STATEMENT_MAX):
                    some = wanted[first : first + limits.EVENTS_STATEMENT_MAX]
                    signs = ", ".join([sign] * len(some))
                    sql = f"SELECT {', '.join(EVENT_COLUMNS)} FROM event WHERE answers IN ({signs})"
                    for row in connection.exec_driver_sql(sql, tuple(some)):
                        event = event_of(row)
                        found[event.answers] = event
            if len(found) == len(wanted) or time.monotonic() >= deadline:
                return found
            time.sleep(0.02)

    # --- opening ------------------------------------------------------------------------------------------------------

    def open(self, captures: Sequence[int]) -> dict[int, dict[str, Item]]:
        """Return what these captures say, of those that are still there. The caller has decided who may see it."""
        with self.database.read() as connection:
            return self._opened(connection, captures)

    def _opened(self, connection: Connection, captures: Sequence[int]) -> dict[int, dict[str, Item]]:
        opened: dict[int, dict[str, Item]] = {}
        for first in range(0, len(captures), 500):
            some = list(captures[first : first + 500])
            rows = connection.execute(
                select(VAULT_CAPTURE.c.capture, VAULT_CAPTURE.c.sealed, VAULT_KEY.c.wrapped)
                .join(VAULT_KEY, VAULT_KEY.c.subject == literal("capture:").concat(cast(VAULT_CAPTURE.c.capture, Text)))
                .where(VAULT_CAPTURE.c.capture.in_(some))
            )
            for capture, sealed, wrapped in rows:
                about = about_capture(capture)
                opened[capture] = _SEALED.decode(
                    unseal(self._keyring.unwrap(bytes(wrapped), about), bytes(sealed), about)
                )
        return opened

    def numbers(self, kind: str, text: str) -> list[int]:
        """Return the numbers of the values that a search means: of one kind, as it is written. At most one but for
        `name`, which is found by its sound too."""
        item = checked(kind, text)
        tokens = [(kind, item.value)] if item.fits else []
        if kind == "name" and item.fits:
            tokens.append((_SOUND, sound_of(item.value)))
        if kind == "phone" and len(text.strip()) == TAIL_DIGITS and text.strip().isdigit():
            tokens = [(_TAIL, text.strip())]
        found: list[int] = []
        with self.database.read() as connection:
            for name, value in tokens:
                token = self._keyring.token(name, value)
                wanted = select(VAULT_VALUE.c.value).where(VAULT_VALUE.c.kind == name, VAULT_VALUE.c.token == token)
                found += [row[0] for row in connection.execute(wanted)]
        return found

    # --- one-time codes -----------------------------------------------------------------------------------------------

    def send_code(self, principal: Principal, person: int, kind: str, value: int) -> tuple[str, str]:
        """Make a one-time code for a value of a person; return its name and the code, to be sent by an adapter.

        Raises:
            CodeRefusedError: code_often: VERIFICATIONS_PER_DAY_MAX were sent there within a day.
        """
        now_ms = wall_ms()
        name, code = secrets.token_urlsafe(12), f"{secrets.randbelow(1_000_000):06d}"
        with self.database.write() as connection:
            sent = connection.execute(
                select(func.count()).where(VAULT_CODE.c.value == value, VAULT_CODE.c.sent_ms > now_ms - DAY_MS)
            ).scalar_one()
            if sent >= limits.VERIFICATIONS_PER_DAY_MAX:
                raise CodeRefusedError("code_often", f"{sent} codes were sent there within a day")
            connection.execute(
                insert(VAULT_CODE).values(
                    code=name, group_id=principal.scope.group, person=person, kind=kind, value=value,
                    hash=self._code_hash(name, code), sent_ms=now_ms,
                    expires_ms=now_ms + limits.VERIFICATION_S * 1000, tries=0, state="open",
                )
            )  # fmt: skip
        return name, code

    def answer_code(self, principal: Principal, name: str, code: str) -> tuple[int, str, int]:
        """Return (person, kind, value) that the right code verifies; it opens once.

        Raises:
            CodeRefusedError: code_unknown, code_wrong, code_over (too late, used, or too many tries).
        """
        with self.database.write() as connection:
            row = connection.execute(
                select(VAULT_CODE).where(VAULT_CODE.c.code == name, VAULT_CODE.c.group_id == principal.scope.group)
            ).first()
            if row is None:
                raise CodeRefusedError("code_unknown")
            over = row.state != "open" or row.expires_ms < wall_ms() or row.tries >= limits.VERIFICATION_TRIES_MAX
            right = not over and hmac.compare_digest(row.hash, self._code_hash(name, code.strip()))
            if not over:
                connection.execute(
                    update(VAULT_CODE)
                    .where(VAULT_CODE.c.code == name)
                    .values(tries=row.tries + 1, state="used" if right else "open")
                )
        if over:
            raise CodeRefusedError("code_over")
        if not right:
            raise CodeRefusedError("code_wrong")
        return row.person, row.kind, row.value

    def _code_hash(self, name: str, code: str) -> str:
        # Under the index key: a million guesses at a stolen table find nothing without it.
        return self._keyring.token(f"code:{name}", hashlib.sha256(code.encode()).hexdigest())

    # --- forgetting ---------------------------------------------------------------------------------------------------

    def destroy(self, captures: Iterable[int]) -> int:
        """Destroy what these captures say, their keys, and the tokens that nothing else has; return how many there
        were. Again is the same."""
        destroyed = 0
        with self.database.write() as connection:
            for capture in captures:
                values = [
                    row[0]
                    for row in connection.execute(select(VAULT_ITEM.c.value).where(VAULT_ITEM.c.capture == capture))
                ]
                for value in values:
                    connection.execute(
                        update(VAULT_VALUE)
                        .where(VAULT_VALUE.c.value == value)
                        .values(captures=VAULT_VALUE.c.captures - 1)
                    )
                connection.execute(
                    delete(VAULT_VALUE).where(VAULT_VALUE.c.value.in_(values), VAULT_VALUE.c.captures <= 0)
                )
                connection.execute(delete(VAULT_CODE).where(VAULT_CODE.c.value.in_(values)))
                connection.execute(delete(VAULT_ITEM).where(VAULT_ITEM.c.capture == capture))
                connection.execute(delete(VAULT_KEY).where(VAULT_KEY.c.subject == about_capture(capture)))
                destroyed += connection.execute(
                    delete(VAULT_CAPTURE).where(VAULT_CAPTURE.c.capture == capture)
                ).rowcount
        self._counts["destroyed"] += destroyed
        return destroyed


class CodeRefusedError(Exception):
    """A one-time code is not sent, or does not open; `code` says why."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


def _traits(items: Mapping[str, Any]) -> dict[str, str]:
    """Return what may be compared."""
    return {kind: item.value for kind, item in items.items() if item.value and _fault(item) in ("", "unusual")}


def _fault(item: Checked | Item) -> str:
    return item.check if isinstance(item, Checked) else item.fault


def _next(connection: Connection, name: str) -> int:
    """Return the next number of a counter, from 1."""
    number = connection.execute(
        update(COUNTER).where(COUNTER.c.name == name).values(number=COUNTER.c.number + 1).returning(COUNTER.c.number)
    ).scalar()
    if number is None:
        connection.execute(insert(COUNTER).values(name=name, number=1))
        return 1
    return int(number)


def _before(connection: Connection, said: str, reference: str, time_ms: int) -> tuple[int, str] | None:
    """Return the capture, and its intent, that this is the second sending of."""
    if reference:
        row = connection.execute(
            select(VAULT_CAPTURE.c.capture, VAULT_CAPTURE.c.intent).where(VAULT_CAPTURE.c.reference == reference)
        ).first()
        return None if row is None else (row[0], row[1])
    row = connection.execute(
        select(VAULT_CAPTURE.c.capture, VAULT_CAPTURE.c.intent).where(
            VAULT_CAPTURE.c.said == said,
            VAULT_CAPTURE.c.reference == "",
            VAULT_CAPTURE.c.time_ms.between(time_ms - DAY_MS, time_ms + DAY_MS),
        )
    ).first()
    return None if row is None else (row[0], row[1])


def _decided(taken: Taken, decision: Event | None) -> Taken:
    """Return what became of a capture, by its decision."""
    if taken.state == "refused":
        return taken
    if decision is None:
        return msgspec.structs.replace(taken, state="waiting")
    payload = decision.payload
    if isinstance(payload, IntentRefused):
        return msgspec.structs.replace(taken, state="refused", code=payload.code, detail=payload.detail)
    repeated = taken.state == "repeated"
    if decision.type == "capture.quarantined":
        return msgspec.structs.replace(taken, state="repeated" if repeated else "quarantined", code=payload.reason)
    return msgspec.structs.replace(
        taken,
        state="repeated" if repeated else payload.how,
        person=payload.person,
        matches=payload.matches,
        posterior=payload.posterior,
    )
