"""Run the business: rules over the event log, inside the transaction of the log's owner.

A business actor is a table of rules. A rule is handed one event at a time, in the order of the log, and a State: rows
of its own actor's tables, and the events it says in answer. It does no I/O, reads no clock and draws no lots; so
folding the log again from empty gives the same rows and the same events (`storage.replay`).

    outside event ─▶ append, number ─▶ each actor's rules ─▶ their events ─▶ append, number ─▶ …, until quiet ─▶ commit

What a rule writes is held in a layer of its own and kept only when the rule ends well. A rule that fails parks its
actor for the event's key, and nothing else: later events of that key wait in order until a person releases it. An
intent gets exactly one decision, from the one actor that decides its type, or a deferral with a timer; an actor that
says `Refused` has decided too.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol, TypeVar, cast

import msgspec

from core.actor import failure_of
from core.events import DEPTH_MAX, EVENTS, Event, derive_id
from core.events.spine import (
    ActorJoined,
    IntentRefused,
    KeyParked,
    KeyRelease,
    KeyReleased,
    ModuleSwitch,
    ModuleSwitched,
    RuleAdopted,
    RuleAdoption,
    TimerDue,
)
from core.limits import (
    BUSINESS_CACHE_ROWS_MAX,
    EMITTED_EVENTS_MAX,
    FIND_ROWS_MAX,
    PARKED_KEYS_KNOWN_MAX,
    PARKED_REASON_CHARACTERS_MAX,
    WAITING_EVENTS_RELEASED_MAX,
)

Row = TypeVar("Row", bound=msgspec.Struct)
Key = tuple[Any, ...]


class Kept(NamedTuple):
    """A table of an actor."""

    row: type[msgspec.Struct]
    """Frozen; its fields are the columns. int, str, bool, float and unions with None as they are, all else as JSON."""
    table: str
    key: tuple[str, ...]
    """Fields of the primary key, in order."""

    def key_of(self, row: msgspec.Struct) -> Key:
        """Return the primary key of a row."""
        return tuple(getattr(row, name) for name in self.key)


Run = Callable[[Event, "State"], None]
Reads = Callable[[Event], Iterable[tuple[type[msgspec.Struct], Key]]]


class Rule(NamedTuple):
    """What an actor does when it hears events of these types."""

    name: str
    """Part of the ids of what it says: never renamed."""
    types: tuple[str, ...]
    run: Run | Mapping[int, Run]
    """By version. The lowest is in force until `rule.adopted` says otherwise: an old version stays callable."""
    reads: Reads | None = None
    """(event) -> rows it will get: fetched for all events of a wave in one question."""

    @property
    def versions(self) -> Mapping[int, Run]:
        """Return the rule's versions; one that has a single one has version 1."""
        return {1: self.run} if callable(self.run) else self.run


class BusinessActor(NamedTuple):
    """One actor of the business: rows of its own, and rules."""

    name: str
    """Who says its events; never a word of somebody else."""
    kept: tuple[Kept, ...]
    rules: tuple[Rule, ...]
    decides: tuple[str, ...] = ()
    """Types of the intents that it alone answers."""
    emits: tuple[str, ...] = ()
    """Types of the events that it says, `intent.refused` aside."""
    always: bool = False
    """Cannot be switched off in a store."""
    says: str = ""
    """What it is for, in a sentence."""


class Refused(Exception):  # noqa: N818 (a decision, not an error)
    """The intent is refused: what the rule wrote is dropped, and `intent.refused` answers it."""

    def __init__(self, code: str, detail: str = "") -> None:
        """
        Args:
            code: for programs, a few words joined by `_`.
            detail: for people, in English; no personal data: it stands in the log.
        """
        super().__init__(code)
        self.code = code
        self.detail = detail


class RuleFaultError(Exception):
    """A rule did what none may: a bug in it. Its key is parked."""


class Tables(Protocol):
    """Where rows are kept, as the owner's transaction sees them."""

    failures: tuple[type[Exception], ...]
    """Errors that are the store's own: they roll the transaction back, and park nothing."""

    def fetch(self, kept: Kept, keys: Sequence[Key]) -> dict[Key, msgspec.Struct]:
        """Return the rows with these keys, those that are there."""

    def find(self, kept: Kept, equal: Mapping[str, object], limit: int) -> list[msgspec.Struct]:
        """Return up to `limit` rows whose columns equal these values, in the order of their key."""

    def write(self, kept: Kept, rows: Sequence[msgspec.Struct], gone: Sequence[Key]) -> None:
        """Insert or replace rows, and delete those with these keys."""


class Log(Protocol):
    """The log, as the owner's transaction has it."""

    def append(self, events: Sequence[Event]) -> list[int]:
        """Append the events; return their numbers, the existing one where an id is known."""

    def answered(self, intents: Sequence[str]) -> set[str]:
        """Return which of these intents have a decision."""

    def at(self, seqs: Sequence[int]) -> list[Event]:
        """Return the events with these numbers, in their order."""


# --- rows of the spine itself -----------------------------------------------------------------------------------------


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """Whether an actor works in a store (0: in the whole group, where the store says nothing)."""

    group_id: int
    store_id: int
    actor: str
    active: bool


class Adopted(msgspec.Struct, frozen=True, kw_only=True):
    """The version of a rule that is in force for a group."""

    group_id: int
    actor: str
    rule: str
    version: int


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """A `timer.due` to come."""

    actor: str
    key: str
    name: str
    due_ms: int
    group_id: int
    store_id: int
    subject: str
    cause: str
    correlation: str
    purpose: str
    depth: int


class Deferred(msgspec.Struct, frozen=True, kw_only=True):
    """An intent without a decision yet."""

    intent: str
    actor: str
    key: str
    type: str
    group_id: int
    store_id: int
    asked_ms: int
    due_ms: int


class Parked(msgspec.Struct, frozen=True, kw_only=True):
    """A key at which an actor has stopped."""

    actor: str
    key: str
    group_id: int
    store_id: int
    event: str
    type: str
    reason: str
    time_ms: int


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """An event that an actor has not handled yet, because its key is parked."""

    actor: str
    key: str
    seq: int


class Counter(msgspec.Struct, frozen=True, kw_only=True):
    """The last number given out under a name."""

    actor: str
    name: str
    number: int


MODULE: Final = Kept(Module, "module", ("group_id", "store_id", "actor"))
ADOPTED: Final = Kept(Adopted, "rule_adopted", ("group_id", "actor", "rule"))
TIMER: Final = Kept(Timer, "timer", ("actor", "key", "name"))
DEFERRED: Final = Kept(Deferred, "deferred", ("intent",))
PARKED: Final = Kept(Parked, "parked", ("actor", "key"))
WAITING: Final = Kept(Waiting, "waiting", ("actor", "key", "seq"))
COUNTER: Final = Kept(Counter, "business_counter", ("actor", "name"))


# --- what rules see ---------------------------------------------------------------------------------------------------


class _Rows:
    """Rows of all actors: what is stored, over it what this transaction has changed.

    Between transactions they are remembered: only the owner of the log writes these tables. Whoever rolls back, or
    finds that there is another owner, forgets them.
    """

    def __init__(self) -> None:
        self._young: dict[tuple[str, Key], msgspec.Struct | None] = {}
        self._old: dict[tuple[str, Key], msgspec.Struct | None] = {}
        self.changed: dict[str, dict[Key, msgspec.Struct | None]] = {}
        """Table -> key -> row, None where it is gone, since the last `flush`."""
        self.tables: Tables | None = None
        self._parked: set[Key] | None = None
        """Every key that is parked: asked for with each event, and as a rule there is none."""
        self._parked_beyond = False

    def forget(self) -> None:
        self._young, self._old, self.changed = {}, {}, {}
        self._parked, self._parked_beyond = None, False

    def is_parked(self, key: Key) -> bool:
        if self._parked is None:
            found = self._stored.find(PARKED, {}, PARKED_KEYS_KNOWN_MAX + 1)
            self._parked = {PARKED.key_of(row) for row in found}
        # Once there were more, what is known is not all, however many are released.
        self._parked_beyond = self._parked_beyond or len(self._parked) > PARKED_KEYS_KNOWN_MAX
        return self.get(PARKED, key) is not None if self._parked_beyond else key in self._parked

    def get(self, kept: Kept, key: Key) -> msgspec.Struct | None:
        place = (kept.table, key)
        try:
            return self._young[place]
        except KeyError:
            pass
        if place in self._old:
            row = self._old[place]
        else:
            row = self._stored.fetch(kept, [key]).get(key)
        self._remember(place, row)
        return row

    def prefetch(self, wanted: Mapping[str, tuple[Kept, set[Key]]]) -> None:
        for kept, keys in wanted.values():
            missing = [
                key for key in keys if (kept.table, key) not in self._young and (kept.table, key) not in self._old
            ]
            if missing:
                found = self._stored.fetch(kept, missing)
                for key in missing:
                    self._remember((kept.table, key), found.get(key))

    def put(self, kept: Kept, key: Key, row: msgspec.Struct | None) -> None:
        if kept is PARKED and self._parked is not None:
            (self._parked.discard if row is None else self._parked.add)(key)
        self.changed.setdefault(kept.table, {})[key] = row
        self._remember((kept.table, key), row)

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        return self._stored.failures

    def find(self, kept: Kept, equal: Mapping[str, object], layer: Mapping[Key, msgspec.Struct | None]) -> list[Any]:
        found = {kept.key_of(row): row for row in self._stored.find(kept, equal, FIND_ROWS_MAX + 1)}
        for changes in (self.changed.get(kept.table, {}), layer):
            for key, row in changes.items():
                if row is not None and all(getattr(row, name) == value for name, value in equal.items()):
                    found[key] = row
                else:
                    found.pop(key, None)
        if len(found) > FIND_ROWS_MAX:
            raise RuleFaultError(f"more than {FIND_ROWS_MAX} rows of {kept.table} where {dict(equal)}")
        return [found[key] for key in sorted(found)]

    def first(self, kept: Kept, equal: Mapping[str, object], limit: int) -> list[Any]:
        """Return the first rows by key, at most `limit`, and perhaps fewer where some have just gone."""
        found = {kept.key_of(row): row for row in self._stored.find(kept, equal, limit)}
        for key, row in self.changed.get(kept.table, {}).items():
            if row is not None and all(getattr(row, name) == value for name, value in equal.items()):
                found[key] = row
            else:
                found.pop(key, None)
        return [found[key] for key in sorted(found)][:limit]

    def flush(self, kept_by_table: Mapping[str, Kept]) -> None:
        for table, changes in self.changed.items():
            rows = [row for row in changes.values() if row is not None]
            gone = [key for key, row in changes.items() if row is None]
            self._stored.write(kept_by_table[table], rows, gone)
        self.changed = {}

    @property
    def _stored(self) -> Tables:
        assert self.tables is not None, "rows are read within a transaction"
        return self.tables

    def _remember(self, place: tuple[str, Key], row: msgspec.Struct | None) -> None:
        self._young[place] = row
        # Two generations: what was not asked for while the young one filled is let go with the old one.
        if len(self._young) * 2 > BUSINESS_CACHE_ROWS_MAX and not self.changed:
            self._old, self._young = self._young, {}


class State:
    """What a rule sees of its actor while it handles one event, and how it answers. See core.business.Rule."""

    __slots__ = ("_actor", "_business", "_event", "_rows", "_said", "emitted", "layer", "version", "waits")

    def __init__(self, business: "Business", actor: BusinessActor, event: Event, rows: _Rows) -> None:
        self._business = business
        self._actor = actor
        self._event = event
        self._rows = rows
        self._said = ("", 1)
        self.layer: dict[str, dict[Key, msgspec.Struct | None]] = {}
        self.emitted: list[Event] = []
        self.waits = False
        self.version = 1
        """Of the rule that runs."""

    def begin(self, rule: str, version: int) -> None:
        """Say which rule runs now: the dispatcher's."""
        self._said = (rule, version)
        self.version = version

    def get(self, row: type[Row], *key: Any) -> Row | None:
        """Return the row with this primary key, as this rule has left it; None if there is none."""
        kept = self._kept(row)
        changes = self.layer.get(kept.table)
        if changes is not None and key in changes:
            return cast("Row | None", changes[key])
        return cast("Row | None", self._rows.get(kept, key))

    def find(self, row: type[Row], **equal: object) -> list[Row]:
        """Return the rows whose columns equal these values, by key, as this rule has left them.

        Raises:
            RuleFaultError: more than FIND_ROWS_MAX.
        """
        kept = self._kept(row)
        return cast("list[Row]", self._rows.find(kept, equal, self.layer.get(kept.table, {})))

    def put(self, row: msgspec.Struct) -> None:
        """Insert the row, or replace the one of its key."""
        kept = self._kept(type(row))
        self.layer.setdefault(kept.table, {})[kept.key_of(row)] = row

    def drop(self, row: type[msgspec.Struct], *key: Any) -> None:
        """Delete the row with this primary key, if there is one."""
        self.layer.setdefault(self._kept(row).table, {})[key] = None

    def number(self, name: str) -> int:
        """Return the next number of this name, from 1: for ids that this actor gives out."""
        last = cast("Counter | None", self._spine_row(COUNTER, (self._actor.name, name)))
        number = 1 if last is None else last.number + 1
        self._spine_put(COUNTER, Counter(actor=self._actor.name, name=name, number=number))
        return number

    def emit(
        self,
        type_: str,
        payload: msgspec.Struct,
        *,
        subject: str = "",
        key: str = "",
        store: int | None = None,
        purpose: str = "",
        time_ms: int | None = None,
        part: str = "",
        answers: str = "",
    ) -> Event:
        """Say an event. What is empty is as in the event that this rule handles.

        Args:
            key: the subject given, where empty; else the key of the event handled.
            part: tells apart what this rule says of one type about one subject in answer to one event.
        """
        cause = self._event
        version = VERSIONS.get((type_, type(payload)))
        if version is None:
            raise RuleFaultError(f"{type_} does not carry {type(payload).__name__}")
        if type_ not in self._actor.emits and type_ != "intent.refused":
            raise RuleFaultError(f"{self._actor.name} does not say that it emits {type_}")
        about = subject or cause.subject
        event = Event(
            id=derive_id(self._actor.name, self._said[0], self._said[1], (cause.id,), f"{type_}:{about}:{part}"),
            type=type_,
            version=version,
            time_ms=cause.time_ms if time_ms is None else time_ms,
            subject=about,
            key=key or subject or cause.key,
            group=cause.group,
            store=cause.store if store is None else store,
            actor=self._actor.name,
            cause=cause.id,
            correlation=cause.correlation or cause.id,
            answers=answers,
            depth=cause.depth + 1,
            purpose=purpose or cause.purpose,
            payload=payload,
        )
        if event.depth > DEPTH_MAX:
            raise RuleFaultError(f"{type_} would be {event.depth} steps from an outside cause, at most {DEPTH_MAX}")
        if len(self.emitted) >= EMITTED_EVENTS_MAX:
            raise RuleFaultError(f"more than {EMITTED_EVENTS_MAX} events in answer to one")
        if any(event.id == other.id for other in self.emitted):
            raise RuleFaultError(f"{type_} about {about} is said twice: tell them apart by `part`")
        self.emitted.append(event)
        return event

    def decide(self, type_: str, payload: msgspec.Struct, *, answers: str = "", **about: Any) -> Event:
        """Say the decision of the intent handled, or of the deferred intent `answers`; else as `emit`."""
        intent = answers or self._event.id
        if answers and self._spine_row(DEFERRED, (intent,)) is not None:
            self.layer.setdefault(DEFERRED.table, {})[(intent,)] = None
        return self.emit(type_, payload, answers=intent, **about)

    def refuse(self, answers: str, code: str, detail: str = "", *, intent: str = "") -> Event:
        """Refuse a deferred intent. One that is being handled is refused by raising `Refused`."""
        return self.decide("intent.refused", IntentRefused(intent=intent, code=code, detail=detail), answers=answers)

    def defer(self, due_ms: int, name: str = "decision") -> None:
        """Leave the intent undecided until a timer of this name is due."""
        event = self._event
        self.waits = True
        self._spine_put(
            DEFERRED,
            Deferred(
                intent=event.id, actor=self._actor.name, key=event.key, type=event.type, group_id=event.group,
                store_id=event.store, asked_ms=event.time_ms, due_ms=due_ms,
            ),
        )  # fmt: skip
        self.timer(name, due_ms)

    def timer(self, name: str, due_ms: int, *, key: str = "") -> None:
        """Have `timer.due` of this name and the event's key said at that time, in place of an earlier one.

        Time is an outside cause: what waits begins to count its hops anew, so that a clock may strike for ever. A timer
        that is due at once goes on counting: a loop of those ends at DEPTH_MAX.
        """
        event = self._event
        waits = due_ms > max(event.arrival_ms, event.time_ms)
        self._spine_put(
            TIMER,
            Timer(
                actor=self._actor.name, key=key or event.key, name=name, due_ms=due_ms, group_id=event.group,
                store_id=event.store, subject=event.subject, cause=event.id,
                correlation=event.correlation or event.id, purpose=event.purpose, depth=0 if waits else event.depth,
            ),
        )  # fmt: skip

    def cancel(self, name: str, *, key: str = "") -> None:
        """Forget the timer of this name and the event's key, if it is set."""
        place = (self._actor.name, key or self._event.key, name)
        if self._spine_row(TIMER, place) is not None:
            self.layer.setdefault(TIMER.table, {})[place] = None

    def _kept(self, row: type[msgspec.Struct]) -> Kept:
        kept = self._business.kept_of(self._actor.name, row)
        if kept is None:
            raise RuleFaultError(f"{row.__name__} is no row of {self._actor.name}")
        return kept

    def _spine_row(self, kept: Kept, key: Key) -> msgspec.Struct | None:
        changes = self.layer.get(kept.table)
        if changes is not None and key in changes:
            return changes[key]
        return self._rows.get(kept, key)

    def _spine_put(self, kept: Kept, row: msgspec.Struct) -> None:
        self.layer.setdefault(kept.table, {})[kept.key_of(row)] = row


VERSIONS: Final[Mapping[tuple[str, type], int]] = MappingProxyType(
    {(type_, payload): version for (type_, version), payload in sorted(EVENTS.items(), key=lambda item: item[0])}
)
"""(type, payload) -> the highest version of the type that carries it."""


# --- the dispatcher ---------------------------------------------------------------------------------------------------


class Counts(msgspec.Struct):
    """What one actor has done since the start."""

    handled: int = 0
    said: int = 0
    parked: int = 0
    """Times a key was parked."""
    waited: int = 0
    """Events that met a parked key, those that parked it among them."""


class Business:
    """All actors of one dealer group, folding its log.

    Args:
        actors: in the order in which they hear an event; SPINE is added in front.
        parked: (actor, id of the event) -> must be parked there, with this reason, whatever the rule would do now. For
            a replay, which repeats what the log says was parked.
        pinned: (actor, rule) -> the version in force, whatever is adopted: a replay's as well.

    Raises:
        ValueError: two actors share a name, a table, or an intent; a rule or event is declared wrongly.
    """

    def __init__(
        self,
        actors: Sequence[BusinessActor],
        *,
        parked: Mapping[tuple[str, str], str] = MappingProxyType({}),
        pinned: Mapping[tuple[str, str], int] = MappingProxyType({}),
    ) -> None:
        self.actors: Final = (SPINE, *(actor for actor in actors if actor is not SPINE))
        self.counts: Final = {actor.name: Counts() for actor in self.actors}
        self._parked_before = parked
        self._pinned = pinned
        self._decided: set[str] = set()
        """Intents that have got their decision since the last flush: the log does not know yet."""
        self._rows = _Rows()
        self._kept: dict[tuple[str, type], Kept] = {}
        self._by_table: dict[str, Kept] = {}
        self._rules: dict[str, list[tuple[BusinessActor, tuple[Rule, ...]]]] = {}
        self._decider: dict[str, BusinessActor] = {}
        for actor in self.actors:
            self._enter(actor)
        self._by_name = {actor.name: actor for actor in self.actors}

    def _enter(self, actor: BusinessActor) -> None:
        if [other.name for other in self.actors].count(actor.name) > 1:
            raise ValueError(f"two actors are called {actor.name}")
        for kept in actor.kept:
            if kept.table in self._by_table:
                raise ValueError(f"table {kept.table} belongs to two actors")
            self._by_table[kept.table] = kept
            self._kept[actor.name, kept.row] = kept
        for type_ in actor.decides:
            if type_ in self._decider:
                raise ValueError(f"{type_} is decided by {self._decider[type_].name} and by {actor.name}")
            self._decider[type_] = actor
        names = [rule.name for rule in actor.rules]
        if len(set(names)) != len(names):
            raise ValueError(f"{actor.name} has two rules of one name")
        known = {type_ for type_, _ in EVENTS}
        heard = {type_ for rule in actor.rules for type_ in rule.types}
        if strange := (heard | set(actor.emits) | set(actor.decides)) - known:
            raise ValueError(f"{actor.name} names events that nobody declares: {sorted(strange)}")
        if deaf := set(actor.decides) - heard:
            raise ValueError(f"{actor.name} decides what no rule of it hears: {sorted(deaf)}")
        for type_ in sorted(heard):
            rules = tuple(rule for rule in actor.rules if type_ in rule.types)
            self._rules.setdefault(type_, []).append((actor, rules))

    def kept_of(self, actor: str, row: type[msgspec.Struct]) -> Kept | None:
        """Return the table of an actor's row; None if it is not one of its rows."""
        return self._kept.get((actor, row))

    @property
    def kept(self) -> tuple[Kept, ...]:
        """Return every table that rules write."""
        return tuple(self._by_table.values())

    def listeners(self, type_: str) -> tuple[str, ...]:
        """Return the names of the actors that hear events of a type, in order."""
        return tuple(actor.name for actor, _ in self._rules.get(type_, ()))

    def decider(self, type_: str) -> str:
        """Return who decides intents of a type; empty where no business actor does."""
        actor = self._decider.get(type_)
        return "" if actor is None else actor.name

    def statistics(self) -> dict[str, int]:
        """Return counts over all actors: events handled, said, that met a parked key, and keys parked."""
        names = ("handled", "said", "parked", "waited")
        return {name: sum(getattr(one, name) for one in self.counts.values()) for name in names}

    def forget(self) -> None:
        """Forget what rows are remembered: what was written has been rolled back, or there is another owner."""
        self._rows.forget()
        self._decided.clear()

    def fold(self, events: Sequence[Event], log: Log, tables: Tables, *, only: str = "") -> None:
        """Run all rules over events that stand in the log, in its order; append what they say behind them.

        What they write is in `tables` when it returns. On an error from outside (a store that is away) nothing counts:
        roll back and `forget`.

        Args:
            only: one actor alone: one that has just joined.
        """
        self.begin(events, tables)
        said: list[Event] = []
        for event in events:
            said += self.hear(event, log, only=only)
        self.flush()
        if said:
            log.append(said)

    def begin(self, events: Sequence[Event], tables: Tables) -> None:
        """Say where rows are read and written from here on, and fetch what the rules will ask for of these events."""
        self._rows.tables = tables
        if len(events) > 1:
            self._prefetch(events)

    def flush(self) -> None:
        """Write what rules have put since the last time."""
        self._rows.flush(self._by_table)
        self._decided.clear()

    def hear(self, event: Event, log: Log, *, only: str = "", without: Collection[str] = frozenset()) -> list[Event]:
        """Run the rules of all actors over one event; return what they say, not appended.

        Args:
            only: one actor alone.
            without: actors that do not hear it: those that had not joined yet.
        """
        answers: list[Event] = []
        if event.type == "timer.due" and not self._due(event):
            return answers
        for actor, rules in self._rules.get(event.type, ()):
            if only in ("", actor.name) and actor.name not in without:
                self._hear(actor, rules, event, log, answers)
        if event.type in self._decider and not only:
            self._check_heard(event, answers)
        if event.type == "ops.released" and not only:
            self._release(event, log, answers)
        return answers

    def _prefetch(self, events: Sequence[Event]) -> None:
        wanted: dict[str, tuple[Kept, set[Key]]] = {}
        for event in events:
            for actor, rules in self._rules.get(event.type, ()):
                if not actor.always:
                    places = wanted.setdefault(MODULE.table, (MODULE, set()))[1]
                    places |= {(event.group, event.store, actor.name), (event.group, 0, actor.name)}
                for rule in rules:
                    if rule.reads is not None:
                        for row, key in rule.reads(event):
                            kept = self._kept[actor.name, row]
                            wanted.setdefault(kept.table, (kept, set()))[1].add(key)
        self._rows.prefetch(wanted)

    def _hear(
        self,
        actor: BusinessActor,
        rules: Sequence[Rule],
        event: Event,
        log: Log,
        answers: list[Event],
    ) -> None:
        """Have one actor handle one event, unless it is switched off, or its key is parked."""
        if event.type == "timer.due" and event.payload.actor != actor.name:
            return
        if not self._active(actor, event):
            return
        if self._rows.is_parked((actor.name, event.key)):
            self._wait(actor, event)
            return
        reason = self._parked_before.get((actor.name, event.id)) or self._handle(actor, rules, event, log, answers)
        if reason:
            self._park(actor, event, reason, answers)

    def _handle(
        self,
        actor: BusinessActor,
        rules: Sequence[Rule],
        event: Event,
        log: Log,
        answers: list[Event],
    ) -> str:
        """Run the rules of one actor over one event; return why it must be parked, empty when all went well."""
        state = State(self, actor, event, self._rows)

        def run() -> None:
            for rule in rules:
                version = self._version(event.group, actor.name, rule)
                state.begin(rule.name, version)
                rule.versions[version](event, state)

        error = failure_of(run, unless=self._rows.failures)
        decides = event.type in actor.decides
        if isinstance(error, Refused) and decides:
            state.layer.clear()
            state.emitted.clear()
            state.refuse(event.id, error.code, error.detail, intent=event.type)
            error = None
        if error is not None:
            return f"{type(error).__name__}: {error}"[:PARKED_REASON_CHARACTERS_MAX]
        decisions = [one.answers for one in state.emitted if one.answers]
        if decides and not state.waits and decisions.count(event.id) != 1:
            return f"{decisions.count(event.id)} decisions of {event.type}, where there must be one"
        if len(set(decisions)) != len(decisions) or (
            decisions and (self._decided & {*decisions} or log.answered(decisions))
        ):
            return "an intent would be decided twice"
        self._decided.update(decisions)
        for table, changes in state.layer.items():
            kept = self._by_table[table]
            for key, row in changes.items():
                self._rows.put(kept, key, row)
        answers += state.emitted
        counts = self.counts[actor.name]
        counts.handled += 1
        counts.said += len(state.emitted)
        return ""

    def _version(self, group: int, actor: str, rule: Rule) -> int:
        versions = rule.versions
        if len(versions) > 1:
            if pinned := self._pinned.get((actor, rule.name)):
                return pinned
            adopted = cast("Adopted | None", self._rows.get(ADOPTED, (group, actor, rule.name)))
            if adopted is not None:
                return adopted.version
        return min(versions)

    def _active(self, actor: BusinessActor, event: Event) -> bool:
        """Tell whether an actor works in the store of an event."""
        if actor.always:
            return True
        for store in dict.fromkeys((event.store, 0)):
            module = cast("Module | None", self._rows.get(MODULE, (event.group, store, actor.name)))
            if module is not None:
                return module.active
        return True

    def _due(self, event: Event) -> bool:
        """Tell whether a timer is still set; then it is no more."""
        payload: TimerDue = event.payload
        place = (payload.actor, event.key, payload.name)
        timer = cast("Timer | None", self._rows.get(TIMER, place))
        # One that was cancelled, or set anew, after the clock had said that it is due.
        if timer is None or timer.due_ms != payload.due_ms:
            return False
        self._rows.put(TIMER, place, None)
        return True

    def _check_heard(self, intent: Event, answers: list[Event]) -> None:
        """Refuse an intent whose owner does not work in the store it came from: nobody is left without an answer."""
        actor = self._decider[intent.type]
        if not self._active(actor, intent):
            state = State(self, SPINE, intent, self._rows)
            state.begin("module", 1)
            detail = f"{actor.name} is switched off in store {intent.store}"
            payload = IntentRefused(intent=intent.type, code="module_off", detail=detail)
            answers.append(state.emit("intent.refused", payload, answers=intent.id))

    def _wait(self, actor: BusinessActor, event: Event) -> None:
        place = (actor.name, event.key, event.seq)
        self._rows.put(WAITING, place, Waiting(actor=actor.name, key=event.key, seq=event.seq))
        self.counts[actor.name].waited += 1

    def _park(self, actor: BusinessActor, event: Event, reason: str, answers: list[Event]) -> None:
        self._rows.put(
            PARKED,
            (actor.name, event.key),
            Parked(
                actor=actor.name, key=event.key, group_id=event.group, store_id=event.store, event=event.id,
                type=event.type, reason=reason, time_ms=event.time_ms,
            ),
        )  # fmt: skip
        self._wait(actor, event)
        self.counts[actor.name].parked += 1
        answers.append(
            Event(
                id=derive_id(SPINE.name, "park", 1, (event.id,), actor.name),
                type="ops.parked",
                time_ms=event.time_ms,
                subject=event.subject,
                key=event.key,
                group=event.group,
                store=event.store,
                actor=SPINE.name,
                cause=event.id,
                correlation=event.correlation or event.id,
                depth=min(event.depth + 1, DEPTH_MAX),
                purpose=event.purpose,
                payload=KeyParked(actor=actor.name, key=event.key, event=event.id, type=event.type, reason=reason),
            )
        )

    def _release(self, released: Event, log: Log, answers: list[Event]) -> None:
        """Handle what has waited for a key, in order, until all is done or one fails again."""
        payload = released.payload
        assert isinstance(payload, KeyReleased)
        actor = self._by_name[payload.actor]
        self._rows.put(PARKED, (actor.name, payload.key), None)
        waiting = self._rows.first(WAITING, {"actor": actor.name, "key": payload.key}, WAITING_EVENTS_RELEASED_MAX + 1)
        for number, event in enumerate(log.at([one.seq for one in waiting])):
            if number == WAITING_EVENTS_RELEASED_MAX:
                self._park_again(actor, event, released, f"{number} events are handled, and more wait", answers)
                return
            self._rows.put(WAITING, (actor.name, payload.key, event.seq), None)
            if number == 0 and payload.skipped:
                if event.type in actor.decides:
                    state = State(self, SPINE, event, self._rows)
                    state.begin("skip", 1)
                    refusal = IntentRefused(intent=event.type, code="skipped", detail="a person passed it over")
                    answers.append(state.emit("intent.refused", refusal, answers=event.id))
                continue
            # None where the actor, as it is now, does not hear the event any more.
            rules = next((rules for one, rules in self._rules.get(event.type, ()) if one is actor), ())
            # Parked again under the release's own id: the log tells both apart.
            reason = self._parked_before.get((actor.name, f"{released.id}:{event.id}")) or self._handle(
                actor, rules, event, log, answers
            )
            if reason:
                self._park_again(actor, event, released, reason, answers)
                return

    def _park_again(
        self, actor: BusinessActor, event: Event, released: Event, reason: str, answers: list[Event]
    ) -> None:
        self._park(actor, event, reason, answers)
        again = answers.pop()
        answers.append(
            msgspec.structs.replace(
                again, id=derive_id(SPINE.name, "park", 1, (released.id, event.id), actor.name), cause=released.id
            )
        )


# --- the spine's own rules --------------------------------------------------------------------------------------------


def switch_module(event: Event, state: State) -> None:
    """Switch an actor on or off in a store (0: the whole group)."""
    asked: ModuleSwitch = event.payload
    state.put(Module(group_id=event.group, store_id=asked.store, actor=asked.actor, active=asked.active))
    state.decide(
        "module.switched", ModuleSwitched(actor=asked.actor, store=asked.store, active=asked.active), store=asked.store
    )


def adopt_rule(event: Event, state: State) -> None:
    """Put another version of a rule in force, for everything that comes after."""
    asked: RuleAdoption = event.payload
    before = state.get(Adopted, event.group, asked.actor, asked.rule)
    state.put(Adopted(group_id=event.group, actor=asked.actor, rule=asked.rule, version=asked.version))
    state.decide(
        "rule.adopted",
        RuleAdopted(
            actor=asked.actor, rule=asked.rule, version=asked.version, version_before=before.version if before else 0
        ),
    )


def release_key(event: Event, state: State) -> None:
    """Let an actor go on with a key; what has waited is handled when `ops.released` is."""
    asked: KeyRelease = event.payload
    parked = state.get(Parked, asked.actor, asked.key)
    if parked is None or parked.group_id != event.group:
        raise Refused("not_parked", f"{asked.actor} is not parked at {asked.key}")
    state.decide("ops.released", KeyReleased(actor=asked.actor, key=asked.key, skipped=asked.skip, event=parked.event))


def fire_nothing(event: Event, state: State) -> None:
    """Hear that an actor has joined: nothing follows for the spine."""
    joined: ActorJoined = event.payload
    assert joined.actor


SPINE: Final = BusinessActor(
    name="spine",
    says="Keeps timers, undecided intents, parked keys, and which actors and rule versions are in force.",
    kept=(MODULE, ADOPTED, TIMER, DEFERRED, PARKED, WAITING, COUNTER),
    rules=(
        Rule("switch", ("module.switch.requested",), switch_module),
        Rule("adopt", ("rule.adoption.requested",), adopt_rule),
        Rule("release", ("ops.release.requested",), release_key),
        Rule("joined", ("actor.joined",), fire_nothing),
    ),
    decides=("module.switch.requested", "rule.adoption.requested", "ops.release.requested"),
    emits=("module.switched", "rule.adopted", "ops.parked", "ops.released"),
    always=True,
)
