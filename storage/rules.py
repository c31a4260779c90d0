"""Thresholds of the detectors, group by group: which are in force, which were, and who changed them.

Every change is one row of table `rule` and one event `rules.changed`, in one transaction of the event log. Rows are
never changed: a fact names the version it was judged by. They are the whole group's, so only who has the whole group
changes them; everybody of the group sees them.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy import Connection, and_, func, insert, select

from core import limits
from core.events import Event, RulesChanged, derive_id
from core.logging import say
from core.rights import Principal
from core.rules import RULES, GroupRule
from core.thresholds import ThresholdFaultError, Value, rule_with, threshold, thresholds, told
from storage.database import Database
from storage.tables.business import RULE

_ACTOR: Final = "rules"


class RuleUnknownError(LookupError):
    """There is no detector of this name with thresholds."""


class RuleChangedError(Exception):
    """Somebody else has changed the thresholds since; `version` is the present one."""

    def __init__(self, detector: str, version: int) -> None:
        super().__init__(f"{detector} has been changed since: it is at version {version}")
        self.version = version


class RuleForeignError(Exception):
    """Thresholds are the whole group's, and whoever asks has some stores of it only."""


class RulesFullError(Exception):
    """A detector's thresholds have been changed RULE_VERSIONS_MAX times."""


class RuleVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of what a group set for a detector. Version 0 stands for the program's defaults."""

    detector: str
    version: int
    values: dict[str, Value]
    """Every threshold by name, as this version has it."""
    changed: tuple[str, ...] = ()
    """Those that differ from the version before; told by `history` and `change` only."""
    changed_ms: int = 0
    changed_by: str = ""
    """account:3, node; empty for the defaults."""
    note: str = ""


class Transaction(Protocol):
    """What is needed of storage.eventlog.LogTransaction."""

    @property
    def connection(self) -> Connection: ...
    def append(self, events: Sequence[Event]) -> Sequence[int]: ...


class Log(Protocol):
    """What is needed of storage.eventlog.EventLog, or of what stands for it in a process that does not own the log."""

    @property
    def database(self) -> Database: ...
    @property
    def transaction(self) -> Callable[[], AbstractContextManager[Transaction]]: ...


class RuleStore:
    """The thresholds in one business database. Everything blocks; each call is one unit of work."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._database = log.database

    # --- reading ------------------------------------------------------------------------------------------------------

    def load(self) -> list[GroupRule]:
        """Return what is in force of every group that has set something, for core.rules.Rules.

        What no longer fits, because the program has other bounds than when it was set, counts as not set, and is said.
        """
        newest = (
            select(RULE.c.group_id, RULE.c.detector, func.max(RULE.c.version).label("version"))
            .group_by(RULE.c.group_id, RULE.c.detector)
            .subquery()
        )
        same = and_(*(RULE.c[name] == newest.c[name] for name in ("group_id", "detector", "version")))
        with self._database.read() as connection:
            rows = connection.execute(select(RULE).join(newest, same).order_by(RULE.c.group_id, RULE.c.detector)).all()
        rules = []
        for row in rows:
            if row.detector not in RULES:
                continue  # of a later program
            if not 0 <= row.group_id < limits.RULE_GROUPS_MAX:
                say("rules.beyond", group=row.group_id)
                continue
            rules.append(GroupRule(row.group_id, row.detector, row.version, _rule_of(row)))
        return rules

    def page(self, principal: Principal) -> list[RuleVersion]:
        """Return what is in force in the principal's group, a row for each detector of RULES."""
        with self._database.read() as connection:
            return [_version(_newest(connection, principal.scope.group, detector), detector) for detector in RULES]

    def one(self, principal: Principal, detector: str) -> RuleVersion:
        """Return what is in force for one detector. Raises RuleUnknownError."""
        _check_detector(detector)
        with self._database.read() as connection:
            return _version(_newest(connection, principal.scope.group, detector), detector)

    def history(self, principal: Principal, detector: str, before: int = 0, limit: int = 50) -> list[RuleVersion]:
        """Return the versions of one detector's thresholds, newest first, the defaults (version 0) last.

        Args:
            before: only versions below this; 0: from the newest.
            limit: at most so many.

        Raises:
            RuleUnknownError: RULES has no such detector.
        """
        _check_detector(detector)
        wanted = and_(RULE.c.group_id == principal.scope.group, RULE.c.detector == detector)
        if before:
            wanted = and_(wanted, RULE.c.version < before)
        # One more: what a version changed is told by the one before it.
        found = select(RULE).where(wanted).order_by(RULE.c.version.desc()).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(found).all()
        versions = [_version(row, detector) for row in rows]
        if len(rows) <= limit:
            versions.append(_version(None, detector))
        return [
            msgspec.structs.replace(one, changed=_differences(one.values, earlier.values))
            for one, earlier in pairwise(versions)
        ] + [one for one in versions[:limit] if one.version == 0]

    # --- changing -----------------------------------------------------------------------------------------------------

    def change(
        self, principal: Principal, detector: str, values: Mapping[str, Value | None], version: int, note: str = ""
    ) -> RuleVersion:
        """Set some thresholds of a detector and leave the others; return what is in force then.

        Args:
            values: by name; None: its default.
            version: the one that whoever asks has seen.
            note: why, for whoever reads the history.

        Raises:
            RuleUnknownError: RULES has no such detector.
            ThresholdFaultError: a value does not fit.
            RuleChangedError: version is not the present one.
            RuleForeignError: the principal has not the whole group.
            RulesFullError, OwnerFencedError, StorageError: nothing is written.
        """
        _check_detector(detector)
        if principal.scope.stores is not None:
            raise RuleForeignError("thresholds are the whole group's")
        for name in values:
            threshold(detector, name)
        group = principal.scope.group
        with self._log.transaction() as transaction:
            row = _newest(transaction.connection, group, detector)
            known = _version(row, detector)
            if known.version != version:
                raise RuleChangedError(detector, known.version)
            wanted = {**known.values, **values}
            rule = rule_with(detector, {name: value for name, value in wanted.items() if value is not None})
            changed = _differences(msgspec.structs.asdict(rule), known.values)
            if not changed:
                return known
            if known.version >= limits.RULE_VERSIONS_MAX:
                raise RulesFullError(f"{detector} has been changed {known.version} times")
            after = RuleVersion(
                detector=detector,
                version=known.version + 1,
                values=msgspec.structs.asdict(rule),
                changed=changed,
                changed_ms=time.time_ns() // 1_000_000,
                changed_by=principal.actor,
                note=note,
            )
            transaction.connection.execute(
                insert(RULE).values(
                    group_id=group,
                    detector=detector,
                    version=after.version,
                    thresholds=msgspec.json.encode(told(rule)).decode(),
                    changed_ms=after.changed_ms,
                    changed_by=after.changed_by,
                    note=note,
                )
            )
            transaction.append([_event(after, group)])
        return after

    def reset(self, principal: Principal, detector: str, version: int, note: str = "") -> RuleVersion:
        """Set every threshold of a detector back to its default; see `change` for what it raises."""
        _check_detector(detector)
        return self.change(principal, detector, {one.name: None for one in thresholds(detector)}, version, note)


def _check_detector(detector: str) -> None:
    if detector not in RULES:
        raise RuleUnknownError(f"no detector {detector} with thresholds; there are {', '.join(RULES)}")


def _newest(connection: Connection, group: int, detector: str) -> Any:
    """Return the row in force, None where the group has set nothing."""
    wanted = and_(RULE.c.group_id == group, RULE.c.detector == detector)
    return connection.execute(select(RULE).where(wanted).order_by(RULE.c.version.desc()).limit(1)).first()


def _rule_of(row: Any) -> msgspec.Struct:
    """Return the rule of a row; a value that does not fit any more, or has no threshold any more, counts as not set."""
    values: dict[str, object] = {}
    for name, value in msgspec.json.decode(row.thresholds).items():
        try:
            rule_with(row.detector, {name: value})
        except ThresholdFaultError as fault:
            _misread(row, fault)
            continue
        values[name] = value
    try:
        return rule_with(row.detector, values)
    except ThresholdFaultError as fault:
        _misread(row, fault)
        return rule_with(row.detector, {})


def _version(row: Any, detector: str) -> RuleVersion:
    """Return a row as a version, None as the defaults."""
    if row is None:
        return RuleVersion(detector=detector, version=0, values=msgspec.structs.asdict(RULES[detector]()))
    return RuleVersion(
        detector=detector,
        version=row.version,
        values=msgspec.structs.asdict(_rule_of(row)),
        changed_ms=row.changed_ms,
        changed_by=row.changed_by,
        note=row.note,
    )


def _differences(values: Mapping[str, Value], before: Mapping[str, Value]) -> tuple[str, ...]:
    return tuple(name for name, value in values.items() if value != before.get(name))


def _event(rule: RuleVersion, group: int) -> Event:
    return Event(
        # A version is written once: whoever holds the row gives the next one.
        id=derive_id(_ACTOR, "rules.changed", 1, (), f"{group}:{rule.detector}:{rule.version}"),
        type="rules.changed",
        time_ms=rule.changed_ms,
        subject=f"rules:{rule.detector}",
        group=group,
        actor=rule.changed_by,
        payload=RulesChanged(detector=rule.detector, version=rule.version, fields=rule.changed),
    )


def _misread(row: Any, fault: ThresholdFaultError) -> None:
    say("rules.misread", detector=row.detector, version=row.version, group=row.group_id, fault=str(fault))
