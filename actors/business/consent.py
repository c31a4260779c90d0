"""Consent: what each person allows for which purpose, of which data, how exactly and by which channel; and break-glass.

A person agrees to a version of a text. Marketing, care, research and partners have what that text lists and nothing
else; where nobody was asked the answer is no. A withdrawal ends all that it names in one commit, and says what follows.
Nothing here can close what safety, theft and the contract need: there is no consent for those to withdraw. The one
reader (storage/permits.py) looks at these rows at every read.
"""

from hashlib import sha256
from typing import Final

import msgspec

from core import limits
from core.business import BusinessActor, Kept, Refused, Rule, State
from core.chain import START, link
from core.consents import record_parts
from core.data_classes import CHANNELS, CONSENT_RUNGS, CONSENTED, HOLDS, LADDER, lesser
from core.events import Event
from core.events.consent import (
    GLASS_FINDINGS,
    GLASS_REASONS,
    Cell,
    ConsentAccepted,
    ConsentAsked,
    ConsentAskRequested,
    ConsentCascaded,
    ConsentEnded,
    ConsentGiven,
    ConsentGiveRequested,
    ConsentHeld,
    ConsentTextPublished,
    ConsentTextRequested,
    ConsentWithdrawalRequested,
    ContactBarred,
    ContactBarRequested,
    GlassOpened,
    GlassRequested,
    GlassReviewed,
    GlassReviewRequested,
    GlassStep,
    GlassUsed,
)
from core.events.garage import VehiclePersonEnded, VehiclePersonLinked
from core.events.identity import PersonCreated, PersonErased, PersonMerged, PersonUnmerged
from core.events.spine import TimerDue

DAY_MS: Final = 86_400_000
ROLES: Final = ("owner", "driver")
"""Roles of people whose word counts for a car: whose it is, and who drives it."""


# --- rows -------------------------------------------------------------------------------------------------------------


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """What a person said of one purpose, data class and channel."""

    person: int
    purpose: str
    data_class: str
    channel: str
    group_id: int
    store_id: int
    state: str
    """asked, given, held (while merged with a record that said no later), withdrawn, expired"""
    precision: str
    text: str
    version: int
    evidence: str
    since_ms: int
    expires_ms: int
    changed_ms: int
    event: str
    held_by: int = 0
    bucket: int
    """person % BUCKETS: who renews a text goes through them bucket by bucket."""

    @property
    def cell(self) -> tuple[str, str, str]:
        """Return what it is about."""
        return (self.purpose, self.data_class, self.channel)


class ConsentSubject(msgspec.Struct, frozen=True, kw_only=True):
    """Whose word counts for a subject of events, from when to when."""

    subject: str
    person: int
    role: str
    from_ms: int
    to_ms: int
    """0: it lasts."""
    group_id: int
    store_id: int


class ConsentPerson(msgspec.Struct, frozen=True, kw_only=True):
    """A person who can be asked, and the end of the chain of what they said."""

    person: int
    group_id: int
    store_id: int
    state: str = "known"
    """known, merged, erased"""
    survivor: int = 0
    cars: int = 0
    """Links to cars there ever were."""
    records: int = 0
    hash: str = START


class ConsentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One change of what a person allows: a link of their chain."""

    person: int
    number: int
    group_id: int
    store_id: int
    event: str
    type: str
    time_ms: int
    purpose: str
    data_class: str
    precision: str
    channel: str
    text: str
    version: int
    evidence: str
    actor: str
    hash: str


class ConsentText(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a text that people agree to."""

    group_id: int
    text: str
    version: int
    store_id: int
    purpose: str
    cells: tuple[Cell, ...]
    title_zh: str
    title_en: str
    body_zh: str
    body_en: str
    sha256: str
    valid_days: int
    published_ms: int
    current: bool


class ConsentBar(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody is not to be contacted by a channel; empty: by none."""

    person: int
    channel: str
    group_id: int
    store_id: int
    since_ms: int
    evidence: str


class BreakGlass(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a car because of an incident."""

    id: int
    group_id: int
    store_id: int
    vehicle_id: int
    account: str
    incident: str
    reason: str
    state: str
    """opened, used, ended, overdue, closed"""
    opened_ms: int
    until_ms: int
    used: int = 0
    used_ms: int = 0
    finding: str = ""
    reviewer: str = ""
    reviewed_ms: int = 0
    event: str = ""


# --- texts ------------------------------------------------------------------------------------------------------------


def publish_text(event: Event, state: State) -> None:
    """Publish a version of a text; where it says so, what was agreed to before must be asked for anew."""
    asked: ConsentTextRequested = event.payload
    if asked.purpose not in CONSENTED:
        raise Refused("purpose_not_consented", f"{asked.purpose} rests on law or contract: nobody is asked for it")
    if not (asked.text.replace("-", "").isalnum() and asked.text.isascii() and len(asked.text) <= 40):
        raise Refused("text_name", "a text is called by letters, digits and hyphens, 40 at most")
    if not asked.cells or len(asked.cells) > limits.CONSENT_CELLS_MAX:
        raise Refused("cells", f"a text allows 1 to {limits.CONSENT_CELLS_MAX} things, not {len(asked.cells)}")
    if len({(cell.data_class, cell.channel) for cell in asked.cells}) != len(asked.cells):
        raise Refused("cells", "a text names each data class once for each channel")
    for cell in asked.cells:
        _check_cell(asked.purpose, cell)
    if not (asked.title_zh and asked.title_en and asked.body_zh and asked.body_en):
        raise Refused("words_missing", "a text has a title and a body in Chinese and in English")
    if max(len(asked.body_zh), len(asked.body_en)) > limits.CONSENT_BODY_CHARACTERS_MAX:
        raise Refused("text_long", f"a body has {limits.CONSENT_BODY_CHARACTERS_MAX} characters at most")
    if not 0 <= asked.valid_days <= limits.CONSENT_DAYS_MAX:
        raise Refused("days", f"a consent lasts up to {limits.CONSENT_DAYS_MAX} days")
    before = state.find(ConsentText, group_id=event.group, text=asked.text)
    if before and before[-1].purpose != asked.purpose:
        raise Refused("purpose_changed", f"{asked.text} is for {before[-1].purpose}: another purpose is another text")
    for old in before:
        if old.current:
            state.put(msgspec.structs.replace(old, current=False))
    words = "\x00".join((asked.title_zh, asked.title_en, asked.body_zh, asked.body_en))
    version = before[-1].version + 1 if before else 1
    row = ConsentText(
        group_id=event.group, store_id=event.store, text=asked.text, version=version, purpose=asked.purpose,
        cells=asked.cells, title_zh=asked.title_zh, title_en=asked.title_en, body_zh=asked.body_zh,
        body_en=asked.body_en, sha256=sha256(words.encode()).hexdigest(), valid_days=asked.valid_days,
        published_ms=event.time_ms, current=True,
    )  # fmt: skip
    state.put(row)
    state.decide(
        "consent.text.published",
        ConsentTextPublished(
            text=row.text, version=version, purpose=row.purpose, cells=row.cells, sha256=row.sha256, renew=asked.renew
        ),
    )
    if asked.renew and before:
        # Of each consent in turn: there may be more than one answer may name.
        state.timer(f"renew:{row.text}:{version}:0", event.time_ms, key=f"consent-text:{event.group}:{row.text}")


def _check_cell(purpose: str, cell: Cell) -> None:
    """Refuse what a purpose may not hold, whatever anybody agrees to."""
    ceiling = HOLDS[purpose].get(cell.data_class, "none")
    if ceiling == "none":
        raise Refused("class_not_held", f"{purpose} may not hold {cell.data_class}, whatever anybody agrees to")
    allowed = CONSENT_RUNGS if cell.data_class == "position" else ("exact",)
    if cell.precision not in allowed:
        raise Refused("precision", f"{cell.data_class} is allowed as one of {', '.join(allowed)}, not {cell.precision}")
    if LADDER.index(cell.precision) > LADDER.index(ceiling):
        raise Refused("precision_above", f"{purpose} holds {cell.data_class} as exactly as {ceiling} at most")
    if cell.channel not in CHANNELS or (cell.channel == "data") == (cell.data_class == "contact"):
        raise Refused("channel", "contact is allowed by a channel, every other class as data")


# --- consents ---------------------------------------------------------------------------------------------------------


def ask(event: Event, state: State) -> None:
    """Note that a person has a text before them."""
    asked: ConsentAskRequested = event.payload
    person = _person(event, state, asked.person)
    text = _current(event, state, asked.text)
    said = state.decide(
        "consent.asked",
        ConsentAsked(person=asked.person, purpose=text.purpose, text=text.text, version=text.version),
    )
    for cell in text.cells:
        row = state.get(Consent, asked.person, text.purpose, cell.data_class, cell.channel)
        if row is None or row.state not in ("given", "held"):
            state.put(_consent(event, asked.person, text, cell, said.id, "asked"))
    state.put(person)


def give(event: Event, state: State) -> None:
    """Take down that a person agrees to a text, or to a part of it."""
    asked: ConsentGiveRequested = event.payload
    person = _person(event, state, asked.person)
    text = _current(event, state, asked.text)
    if asked.version != text.version:
        raise Refused("text_not_current", f"{asked.text} is at version {text.version}; they saw {asked.version}")
    _check_evidence(asked.evidence)
    expires_ms = _expiry(event, text, asked.expires_ms)
    offered = {(cell.data_class, cell.channel): cell for cell in text.cells}
    cells: dict[tuple[str, str], Cell] = {}
    for cell in asked.cells or text.cells:
        there = offered.get((cell.data_class, cell.channel))
        if there is None or LADDER.index(cell.precision) > LADDER.index(there.precision):
            raise Refused("not_in_text", f"{asked.text} does not ask for {cell.data_class} as {cell.precision}")
        _check_cell(text.purpose, cell)
        cells[cell.data_class, cell.channel] = cell
    state.decide(
        "consent.accepted",
        ConsentAccepted(
            person=asked.person, purpose=text.purpose, text=text.text, version=text.version, given=len(cells)
        ),
    )
    for cell in cells.values():
        before = state.get(Consent, asked.person, text.purpose, cell.data_class, cell.channel)
        said = state.emit(
            "consent.given",
            ConsentGiven(
                person=asked.person, purpose=text.purpose, data_class=cell.data_class, precision=cell.precision,
                channel=cell.channel, text=text.text, version=text.version, evidence=asked.evidence,
                expires_ms=expires_ms,
            ),
            subject=_key(asked.person),
            part=f"{cell.data_class}:{cell.channel}",
        )  # fmt: skip
        row = _consent(event, asked.person, text, cell, said.id, "given")
        since_ms = event.time_ms
        if (
            before is not None
            and before.state == "given"
            and lesser(before.precision, cell.precision) == cell.precision
        ):
            # Renewed without a gap and no wider: what it covered it covers still.
            since_ms = before.since_ms
        row = msgspec.structs.replace(row, evidence=asked.evidence, since_ms=since_ms, expires_ms=expires_ms)
        state.put(row)
        timer = f"expiry:{':'.join(row.cell)}"
        if expires_ms:
            state.timer(timer, expires_ms, key=_key(asked.person))
        else:
            state.cancel(timer, key=_key(asked.person))
        person = _chained(state, person, said, row)
    state.put(person)


def withdraw(event: Event, state: State) -> None:
    """End what a person takes back, for all records that are taken for them, and say what follows from it."""
    asked: ConsentWithdrawalRequested = event.payload
    person = _person(event, state, asked.person)
    if asked.evidence:
        _check_evidence(asked.evidence)
    wanted = {"purpose": asked.purpose, "data_class": asked.data_class, "channel": asked.channel}
    ended: list[Consent] = []
    questions = timers = 0
    people = _cluster(state, person)
    for one in people:
        for row in state.find(Consent, person=one.person):
            if any(value and getattr(row, name) != value for name, value in wanted.items()):
                continue
            if row.state in ("given", "held"):
                ended.append(row)
                timers += row.expires_ms > 0
            elif row.state == "asked":
                questions += 1
                state.put(msgspec.structs.replace(row, state="withdrawn", changed_ms=event.time_ms, event=event.id))
    told = [row for row in ended if row.data_class != "contact"]
    concerned = [one for one in people if any(row.person == one.person for row in told)]
    vehicles = {
        int(link_.subject[8:])
        for one in concerned
        if one.cars <= CARS_NAMED_MAX
        for link_ in state.find(ConsentSubject, person=one.person)
        if link_.subject.startswith("vehicle:")
    }
    state.decide(
        "consent.cascaded",
        ConsentCascaded(
            person=asked.person,
            **wanted,
            withdrawn=len(ended),
            purposes=tuple(sorted({row.purpose for row in ended})),
            vehicles=tuple(sorted(vehicles)),
            cars=sum(one.cars for one in concerned),
            channels=tuple(sorted({row.channel for row in ended} - {"data"})),
            asked=questions,
            timers=timers,
            evidence=asked.evidence,
        ),
    )
    by_person = {one.person: one for one in people}
    for row in ended:
        by_person[row.person] = _end(event, state, by_person[row.person], row, "asked", asked.evidence)
    for one in by_person.values():
        state.put(one)


CARS_NAMED_MAX: Final = 200
"""A company with more cars than that is told how many there are, not which."""


def expire(event: Event, state: State) -> None:
    """End a consent whose time is over."""
    due: TimerDue = event.payload
    kind, _, rest = due.name.partition(":")
    if kind != "expiry":
        return
    number = int(event.key.removeprefix("person:"))
    row = state.get(Consent, number, *rest.split(":"))
    person = state.get(ConsentPerson, number)
    # A timer may fire although the consent was renewed or is over: what counts is the row.
    if row is None or person is None or row.state not in ("given", "held") or not 0 < row.expires_ms <= due.due_ms:
        return
    state.put(_end(event, state, person, row, "time"))


def renew(event: Event, state: State) -> None:
    """End the consents to earlier versions of a text, some at a time, until there are none."""
    due: TimerDue = event.payload
    kind, _, rest = due.name.partition(":")
    if kind != "renew":
        return
    name, version, first = rest.split(":")
    left = RENEWED_AT_ONCE
    for bucket in range(int(first), min(int(first) + BUCKETS_AT_ONCE, BUCKETS)):
        for row in state.find(Consent, group_id=event.group, text=name, bucket=bucket):
            person = state.get(ConsentPerson, row.person)
            if person is None or row.version >= int(version) or row.state not in ("given", "held"):
                continue
            if left == 0:
                state.timer(f"renew:{name}:{version}:{bucket}", due.due_ms)
                return
            state.put(_end(event, state, person, row, "text"))
            left -= 1
    if int(first) + BUCKETS_AT_ONCE < BUCKETS:
        state.timer(f"renew:{name}:{version}:{int(first) + BUCKETS_AT_ONCE}", due.due_ms)


BUCKETS: Final = 4_096
"""Of 200,000 persons with ten cells of one text each bucket has 500 rows: half of what a rule may be given at once."""
BUCKETS_AT_ONCE: Final = 64
RENEWED_AT_ONCE: Final = 200
"""Buckets looked through, and consents ended, by one step of a renewal: the rest waits for the next timer."""


def bar(event: Event, state: State) -> None:
    """Let a person not be contacted, by a channel or at all; or be contacted again as far as they allow it."""
    asked: ContactBarRequested = event.payload
    _person(event, state, asked.person)
    if asked.channel and (asked.channel not in CHANNELS or asked.channel == "data"):
        raise Refused("channel", f"there is no channel {asked.channel}")
    if asked.evidence:
        _check_evidence(asked.evidence)
    payload = ContactBarred(person=asked.person, channel=asked.channel, evidence=asked.evidence)
    if asked.barred:
        state.put(
            ConsentBar(
                person=asked.person, channel=asked.channel, group_id=event.group, store_id=event.store,
                since_ms=event.time_ms, evidence=asked.evidence,
            )
        )  # fmt: skip
        state.decide("consent.contact.barred", payload)
        return
    if state.get(ConsentBar, asked.person, asked.channel) is None:
        raise Refused("not_barred", "this channel is not barred")
    state.drop(ConsentBar, asked.person, asked.channel)
    state.decide("consent.contact.opened", payload)


# --- people and cars --------------------------------------------------------------------------------------------------


def know(event: Event, state: State) -> None:
    """Hear of a person who can be asked from now on."""
    created: PersonCreated = event.payload
    _know(event, state, created.person)


def link_person(event: Event, state: State) -> None:
    """Remember whose word counts for a car."""
    linked: VehiclePersonLinked = event.payload
    if linked.role not in ROLES:
        return
    subject = f"vehicle:{linked.vehicle_id}"
    person = _know(event, state, linked.person)
    if state.get(ConsentSubject, subject, linked.person, linked.role, linked.from_ms) is None:
        state.put(msgspec.structs.replace(person, cars=person.cars + 1))
    state.put(
        ConsentSubject(
            subject=subject, person=linked.person, role=linked.role, from_ms=linked.from_ms, to_ms=linked.to_ms,
            group_id=event.group, store_id=event.store,
        )
    )  # fmt: skip


def end_link(event: Event, state: State) -> None:
    """Note that a person's word counts for a car no longer than that."""
    ended: VehiclePersonEnded = event.payload
    subject = f"vehicle:{ended.vehicle_id}"
    row = state.get(ConsentSubject, subject, ended.person, ended.role, ended.from_ms)
    if row is not None:
        state.put(msgspec.structs.replace(row, to_ms=ended.to_ms))


def merge(event: Event, state: State) -> None:
    """Take two records for one person: where one of them said no after the other said yes, the no counts.

    The yes is held, not ended: when they are parted again it counts as before.
    """
    merged: PersonMerged = event.payload
    number, survivor = merged.person, merged.into
    person, other = state.get(ConsentPerson, number), state.get(ConsentPerson, survivor)
    if person is None:
        return
    state.put(msgspec.structs.replace(person, state="merged", survivor=survivor))
    if other is None:
        return
    for one, against in ((number, survivor), (survivor, number)):
        for row in state.find(Consent, person=one, state="given"):
            no = state.get(Consent, against, *row.cell)
            if no is not None and no.state == "withdrawn" and no.changed_ms > row.changed_ms:
                state.put(msgspec.structs.replace(row, state="held", held_by=against))
                _say_held(state, "consent.held", row, against)


def part(event: Event, state: State) -> None:
    """Take two records for two people again: what was held because of the other counts again."""
    parted: PersonUnmerged = event.payload
    number = parted.person
    person = state.get(ConsentPerson, number)
    if person is None or not person.survivor:
        return
    survivor = person.survivor
    state.put(msgspec.structs.replace(person, state="known", survivor=0))
    for one, against in ((number, survivor), (survivor, number)):
        for row in state.find(Consent, person=one, state="held"):
            if row.held_by == against:
                state.put(msgspec.structs.replace(row, state="given", held_by=0))
                _say_held(state, "consent.resumed", row, against)


def forget(event: Event, state: State) -> None:
    """End all that a person allowed. Their number stays at their cars: of that time nobody else can allow anything."""
    erased: PersonErased = event.payload
    for number in dict.fromkeys((erased.person, *erased.persons)):
        person = state.get(ConsentPerson, number)
        if person is None:
            continue
        for row in state.find(Consent, person=number):
            if row.state in ("given", "held"):
                person = _end(event, state, person, row, "erased")
            elif row.state == "asked":
                state.put(msgspec.structs.replace(row, state="withdrawn", changed_ms=event.time_ms, event=event.id))
        state.put(msgspec.structs.replace(person, state="erased"))


# --- break-glass ------------------------------------------------------------------------------------------------------


def open_glass(event: Event, state: State) -> None:
    """Let somebody see exactly where a car is for a short time; somebody else judges it afterwards."""
    asked: GlassRequested = event.payload
    if asked.reason not in GLASS_REASONS:
        raise Refused("reason", f"a reason is one of {', '.join(GLASS_REASONS)}")
    if not asked.incident.strip() or len(asked.incident) > limits.CONSENT_EVIDENCE_CHARACTERS_MAX:
        raise Refused("incident_missing", "say which incident it is for")
    if not 1 <= asked.minutes <= limits.GLASS_MINUTES_MAX:
        raise Refused("minutes", f"it opens for 1 to {limits.GLASS_MINUTES_MAX} minutes")
    if not event.actor.startswith("account:"):
        raise Refused("nobody", "only a person breaks the glass")
    mine = state.find(BreakGlass, account=event.actor, reviewed_ms=0)
    if len(mine) >= limits.GLASS_OPEN_MAX:
        raise Refused("unreviewed", f"{len(mine)} of yours wait for their review")
    number = state.number("breakglass")
    until_ms = event.time_ms + asked.minutes * 60_000
    said = state.decide(
        "breakglass.opened",
        GlassOpened(
            glass=number, vehicle_id=asked.vehicle_id, account=event.actor, incident=asked.incident,
            reason=asked.reason, until_ms=until_ms,
        ),
        purpose="safety",
    )  # fmt: skip
    state.put(
        BreakGlass(
            id=number, group_id=event.group, store_id=event.store, vehicle_id=asked.vehicle_id, account=event.actor,
            incident=asked.incident, reason=asked.reason, state="opened", opened_ms=event.time_ms, until_ms=until_ms,
            event=said.id,
        )
    )  # fmt: skip
    state.timer("glass:end", until_ms, key=f"breakglass:{number}")


def use_glass(event: Event, state: State) -> None:
    """Note that something was seen by a break-glass."""
    used: GlassUsed = event.payload
    row = state.get(BreakGlass, used.glass)
    if row is not None and row.state != "closed":
        state.put(
            msgspec.structs.replace(
                row, state="used" if row.state == "opened" else row.state, used=row.used + 1,
                used_ms=max(row.used_ms, event.time_ms),
            )
        )  # fmt: skip


def end_glass(event: Event, state: State) -> None:
    """End a break-glass, and later say that nobody has reviewed it."""
    due: TimerDue = event.payload
    if not due.name.startswith("glass:"):
        return
    row = state.get(BreakGlass, int(event.key.removeprefix("breakglass:")))
    if row is None or row.state == "closed":
        return
    overdue = due.name == "glass:review"
    state.put(msgspec.structs.replace(row, state="overdue" if overdue else "ended"))
    step = GlassStep(glass=row.id, vehicle_id=row.vehicle_id, used=row.used)
    state.emit("breakglass.overdue" if overdue else "breakglass.ended", step)
    if not overdue:
        state.timer("glass:review", due.due_ms + limits.GLASS_REVIEW_H * 3_600_000)


def review_glass(event: Event, state: State) -> None:
    """Take down what another person says of a look, and close it."""
    asked: GlassReviewRequested = event.payload
    row = state.get(BreakGlass, asked.glass)
    if row is None or row.group_id != event.group:
        raise Refused("glass_unknown", f"there is no break-glass {asked.glass}")
    if asked.finding not in GLASS_FINDINGS:
        raise Refused("finding", f"a finding is one of {', '.join(GLASS_FINDINGS)}")
    if row.account == event.actor:
        raise Refused("own_glass", "somebody else reviews it")
    if row.state == "closed":
        raise Refused("closed", f"it was reviewed by {row.reviewer}")
    state.put(
        msgspec.structs.replace(
            row, state="closed", finding=asked.finding, reviewer=event.actor, reviewed_ms=event.time_ms,
            until_ms=min(row.until_ms, event.time_ms),
        )
    )  # fmt: skip
    about = f"vehicle:{row.vehicle_id}"
    state.decide(
        "breakglass.reviewed",
        GlassReviewed(glass=row.id, vehicle_id=row.vehicle_id, finding=asked.finding, account=event.actor),
        subject=about,
        key=event.key,
    )
    step = GlassStep(glass=row.id, vehicle_id=row.vehicle_id, used=row.used)
    state.emit("breakglass.closed", step, subject=about, key=event.key)
    for name in ("glass:end", "glass:review"):
        state.cancel(name, key=f"breakglass:{row.id}")


# --- what the rules share ---------------------------------------------------------------------------------------------


def _key(person: int) -> str:
    return f"person:{person}"


def _know(event: Event, state: State, number: int) -> ConsentPerson:
    """Make a person known, whose word counts for themselves; return them."""
    person = state.get(ConsentPerson, number)
    if person is None:
        person = ConsentPerson(person=number, group_id=event.group, store_id=event.store)
        state.put(person)
        state.put(
            ConsentSubject(
                subject=_key(number), person=number, role="self", from_ms=0, to_ms=0, group_id=event.group,
                store_id=event.store,
            )
        )  # fmt: skip
    return person


def _person(event: Event, state: State, number: int) -> ConsentPerson:
    """Return a person who can say something. Refuses one who is unknown here, erased, or of another group."""
    person = state.get(ConsentPerson, number)
    if person is None or person.group_id != event.group:
        raise Refused("person_unknown", f"there is no person {number}")
    if person.state == "erased":
        raise Refused("person_erased", f"person {number} is forgotten")
    return person


def _cluster(state: State, person: ConsentPerson) -> list[ConsentPerson]:
    """Return all records that are taken for one person, this one first."""
    head = person
    # Records merged one after another: followed to the last. A ring cannot be; the bound is for a fault.
    for _ in range(limits.CONSENT_CELLS_MAX):
        above = state.get(ConsentPerson, head.survivor) if head.survivor else None
        if above is None:
            break
        head = above
    found = [head]
    for one in found:
        found += [other for other in state.find(ConsentPerson, survivor=one.person) if other not in found]
    return [person, *(one for one in found if one.person != person.person)]


def _current(event: Event, state: State, name: str) -> ConsentText:
    for text in reversed(state.find(ConsentText, group_id=event.group, text=name)):
        if text.current:
            return text
    raise Refused("text_unknown", f"there is no text {name}")


def _check_evidence(evidence: str) -> None:
    kind, _, number = evidence.partition(":")
    if not (kind.isalpha() and number and evidence.isascii() and evidence.isprintable() and " " not in evidence):
        raise Refused("evidence_missing", "say what shows it, as kind:number (form:8812, call:17)")
    if len(evidence) > limits.CONSENT_EVIDENCE_CHARACTERS_MAX:
        raise Refused("evidence_long", f"evidence has {limits.CONSENT_EVIDENCE_CHARACTERS_MAX} characters at most")


def _expiry(event: Event, text: ConsentText, asked_ms: int) -> int:
    """Return when a consent given now ends; 0: not by itself."""
    latest_ms = event.time_ms + text.valid_days * DAY_MS if text.valid_days else 0
    if not asked_ms:
        return latest_ms
    if asked_ms <= event.time_ms:
        raise Refused("expiry_past", "a consent ends after it begins")
    if asked_ms > (latest_ms or event.time_ms + limits.CONSENT_DAYS_MAX * DAY_MS):
        raise Refused("expiry_late", "that is longer than the text allows")
    return asked_ms


def _consent(event: Event, person: int, text: ConsentText, cell: Cell, said: str, to: str) -> Consent:
    return Consent(
        person=person, purpose=text.purpose, data_class=cell.data_class, channel=cell.channel, group_id=event.group,
        store_id=event.store, state=to, precision=cell.precision, text=text.text, version=text.version, evidence="",
        since_ms=event.time_ms, expires_ms=0, changed_ms=event.time_ms, event=said, bucket=person % BUCKETS,
    )  # fmt: skip


def _end(
    event: Event, state: State, person: ConsentPerson, row: Consent, reason: str, evidence: str = ""
) -> ConsentPerson:
    """End a consent; return the person with the new end of their chain, which the caller puts."""
    type_ = "consent.expired" if reason == "time" else "consent.withdrawn"
    said = state.emit(
        type_,
        ConsentEnded(
            person=row.person, purpose=row.purpose, data_class=row.data_class, precision=row.precision,
            channel=row.channel, text=row.text, version=row.version, reason=reason,
        ),
        subject=_key(row.person),
        part=":".join(row.cell),
    )  # fmt: skip
    over = msgspec.structs.replace(
        row, state="expired" if reason == "time" else "withdrawn", changed_ms=event.time_ms, event=said.id, held_by=0
    )
    state.put(over)
    state.cancel(f"expiry:{':'.join(row.cell)}", key=_key(row.person))
    return _chained(state, person, said, msgspec.structs.replace(over, evidence=evidence), event.actor)


def _say_held(state: State, type_: str, row: Consent, other: int) -> None:
    state.emit(
        type_,
        ConsentHeld(
            person=row.person, purpose=row.purpose, data_class=row.data_class, channel=row.channel, other=other
        ),
        subject=_key(row.person),
        part=":".join(row.cell),
    )


def _chained(state: State, person: ConsentPerson, said: Event, row: Consent, actor: str = "") -> ConsentPerson:
    """Add what was said to a person's chain, and return the person with its new end."""
    number = person.records + 1
    record = ConsentRecord(
        person=person.person, number=number, group_id=row.group_id, store_id=row.store_id, event=said.id,
        type=said.type, time_ms=said.time_ms, purpose=row.purpose, data_class=row.data_class, precision=row.precision,
        channel=row.channel, text=row.text, version=row.version, evidence=row.evidence, actor=actor, hash="",
    )  # fmt: skip
    hash_ = link(person.hash, *record_parts(record))
    state.put(msgspec.structs.replace(record, hash=hash_))
    return msgspec.structs.replace(person, records=number, hash=hash_)


CONSENT: Final = BusinessActor(
    name="consent",
    says="Keeps what persons allow for which purpose, withdraws it, and opens break-glasses that others review.",
    kept=(
        Kept(Consent, "consent", ("person", "purpose", "data_class", "channel")),
        Kept(ConsentSubject, "consent_subject", ("subject", "person", "role", "from_ms")),
        Kept(ConsentPerson, "consent_person", ("person",)),
        Kept(ConsentRecord, "consent_record", ("person", "number")),
        Kept(ConsentText, "consent_text", ("group_id", "text", "version")),
        Kept(ConsentBar, "consent_bar", ("person", "channel")),
        Kept(BreakGlass, "break_glass", ("id",)),
    ),
    rules=(
        Rule("publish", ("consent.text.requested",), publish_text),
        Rule("ask", ("consent.ask.requested",), ask),
        Rule("give", ("consent.give.requested",), give),
        Rule("withdraw", ("consent.withdrawal.requested",), withdraw),
        Rule("bar", ("consent.contact.requested",), bar),
        Rule("expire", ("timer.due",), expire),
        Rule("renew", ("timer.due",), renew),
        Rule("know", ("person.created",), know),
        Rule("link", ("vehicle.person.linked",), link_person),
        Rule("unlink", ("vehicle.person.ended",), end_link),
        Rule("merge", ("person.merged",), merge),
        Rule("part", ("person.unmerged",), part),
        Rule("forget", ("person.erased",), forget),
        Rule("open", ("breakglass.requested",), open_glass),
        Rule("use", ("breakglass.used",), use_glass),
        Rule("end", ("timer.due",), end_glass),
        Rule("review", ("breakglass.review.requested",), review_glass),
    ),
    decides=(
        "consent.text.requested",
        "consent.ask.requested",
        "consent.give.requested",
        "consent.withdrawal.requested",
        "consent.contact.requested",
        "breakglass.requested",
        "breakglass.review.requested",
    ),
    emits=(
        "consent.text.published",
        "consent.asked",
        "consent.accepted",
        "consent.given",
        "consent.cascaded",
        "consent.withdrawn",
        "consent.expired",
        "consent.held",
        "consent.resumed",
        "consent.contact.barred",
        "consent.contact.opened",
        "breakglass.opened",
        "breakglass.reviewed",
        "breakglass.closed",
        "breakglass.ended",
        "breakglass.overdue",
    ),
    # Who could switch it off could read on after a withdrawal.
    always=True,
)
