"""What is said of seals over the audit log, of exports and who approves them, and of suppliers' contracts.

Whose data was exported, and what was searched for, never stands here: events name the table, the form and the count.
"""

from typing import Final

import msgspec


class AuditSealed(msgspec.Struct, frozen=True, kw_only=True):
    """The audit log is sealed up to a row: storage.audit.verify compares."""

    first: int
    last: int
    """Numbers of the rows."""
    hash: str
    """Of the last one, and so of all before it."""
    mark: str
    """Made with the ring's index key: who has the database alone cannot make one."""


class AuditAlerted(msgspec.Struct, frozen=True, kw_only=True):
    """One account read the data of many more persons in an hour than it ever does."""

    account: int
    api_key: int
    """0: not by a key."""
    persons: int
    usual: int
    """The most it read in an hour of the four weeks before."""
    from_ms: int
    to_ms: int


class ExportRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: make a file of a table. A small one is granted at once, of a large one another person decides."""

    export: str
    """Its id: it stands in the file too."""
    account: int
    listing: str
    """Which table."""
    form: str
    """csv or xlsx."""
    size: int
    """Rows."""
    asked: str
    """SHA-256 of what was asked for, so that what is fetched is what was approved."""


class ExportGranted(msgspec.Struct, frozen=True, kw_only=True):
    """Decision: the file may be fetched, once, by who asked for it."""

    export: str
    by: int
    """Account that approved it; 0: it is so small that nobody must."""


class ExportDenied(msgspec.Struct, frozen=True, kw_only=True):
    """Decision: there is no file."""

    export: str
    by: int
    """0: nobody judged it in time."""
    reason: str
    """denied, timed_out"""


class ExportApprovalRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: approve an export that another person has asked for, or deny it."""

    export: str
    account: int
    approve: bool


class ExportJudged(msgspec.Struct, frozen=True, kw_only=True):
    """Decision: somebody's judgement counts."""

    export: str
    by: int
    approved: bool


class ExportFetch(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: hand the file out. It is made by then, and its hash known."""

    export: str
    account: int
    asked: str
    size: int
    sha256: str


class ExportMade(msgspec.Struct, frozen=True, kw_only=True):
    """Decision: the file was handed out."""

    export: str
    account: int
    listing: str
    form: str
    size: int
    sha256: str


class SupplierContract(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: enter a supplier, or change until when their contract lasts."""

    supplier: int = 0
    """0: a new one."""
    name: str
    """Of the company."""
    contract: str
    """Its number, as it stands on paper."""
    ends_ms: int
    """Their keys open nothing from then on, UTC epoch ms."""


class SupplierContracted(msgspec.Struct, frozen=True, kw_only=True):
    """Decision: a supplier's keys open until then."""

    supplier: int
    name: str
    contract: str
    ends_ms: int


EVENTS: Final[dict[tuple[str, int], type[msgspec.Struct]]] = {
    ("audit.sealed", 1): AuditSealed,
    ("audit.alerted", 1): AuditAlerted,
    ("export.requested", 1): ExportRequested,
    ("export.granted", 1): ExportGranted,
    ("export.denied", 1): ExportDenied,
    ("export.approval.requested", 1): ExportApprovalRequested,
    ("export.judged", 1): ExportJudged,
    ("export.fetch.requested", 1): ExportFetch,
    ("export.made", 1): ExportMade,
    ("supplier.contract.requested", 1): SupplierContract,
    ("supplier.contracted", 1): SupplierContracted,
}
