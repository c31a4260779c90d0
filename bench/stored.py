"""What a stopped server has stored, as keys to compare with what a load client wrote down.

    python -m bench.stored DATA OUT PHONE_FIRST [DSN [CONDITION]]

In a process of its own: the embedded store belongs to one. With a condition it is about what was set aside.

A key is (terminal, serial, fix time) in one uint64: 16 bits of terminal number, 16 of serial, 32 of epoch seconds.
Sets are compared, never counts: as many reports too many here as too few there would hide each other.
"""

import itertools
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from bench.machine import REPOSITORY
from simulators.load import RECORD, RECORD_ACKED, RECORD_ANSWERED, RECORD_REFUSED, RECORD_SENT

STORED: Final = np.dtype([("terminal", "<u4"), ("serial", "<u2"), ("time_s", "<u4"), ("report_id", "<u8")])
"""One stored report as it comes from ClickHouse in the format RowBinary: packed."""

TERMINALS_MAX: Final = 1 << 16
SLICE_ENTRIES: Final = 20_000_000
"""Entries of records compared at once: some 2 GB while they are sorted."""
VEHICLES_AT_ONCE: Final = 500
"""Vehicles read from the store at once: of a hundred million reports of 2,000 terminals 450 MB."""


class Comparison(msgspec.Struct, frozen=True):
    """What the client wrote down against what the server has. All differences must be 0."""

    sent: int
    acked: int
    stored: int
    """Reports in the table, with `final`."""
    stored_rows: int
    """Rows in the table before repeats are merged away."""
    acked_not_stored: int
    stored_not_sent: int
    stored_twice: int
    """Keys that several stored reports have, and report ids that several have."""
    sent_twice: int
    """Keys that the client used twice: its own fault."""

    @property
    def right(self) -> bool:
        return not (self.acked_not_stored or self.stored_not_sent or self.stored_twice or self.sent_twice)


def keys(entries: np.ndarray) -> np.ndarray:
    """Return the keys of record entries or stored reports, (n,) uint64."""
    terminal = entries["terminal"].astype(np.uint64)
    serial = entries["serial"].astype(np.uint64)
    return (terminal << np.uint64(48)) | (serial << np.uint64(32)) | entries["time_s"].astype(np.uint64)


def compare(records: Iterable[Path], stored: np.ndarray, stored_rows: int) -> Comparison:
    """Compare the record files of the clients with the stored reports, (n,) STORED.

    Terminal by terminal where there is much: a hundred million reports are 5 GB of entries, of which a slice is held.
    """
    entries = [_mapped(record) for record in records]
    # Side by side: they are looked through once a slice, and not with strides of 16 bytes.
    numbers = [np.ascontiguousarray(one["terminal"]) for one in (stored, *entries)]
    slices = max(sum(map(len, entries)) // SLICE_ENTRIES, 1)
    terminals = max((int(one.max()) for one in numbers if len(one)), default=0) + 1
    bounds = [terminals * number // slices for number in range(slices + 1)]
    found = [0] * 6
    for low, high in itertools.pairwise(bounds):
        whole = slices == 1
        mine, *theirs = (
            one if whole else one[(terminal >= low) & (terminal < high)]
            for one, terminal in zip((stored, *entries), numbers, strict=True)
        )
        found = [a + b for a, b in zip(found, _compare_slice(theirs, mine), strict=True)]
    sent, acked, lost, invented, twice, sent_twice = found
    ids = stored["report_id"].copy()
    ids.sort()
    return Comparison(
        sent=sent,
        acked=acked,
        stored=len(stored),
        stored_rows=stored_rows,
        acked_not_stored=lost,
        stored_not_sent=invented,
        stored_twice=twice + int((ids[1:] == ids[:-1]).sum()),
        sent_twice=sent_twice,
    )


def _mapped(record: Path) -> np.ndarray:
    """Return the entries of a record file without reading them all, (n,) RECORD."""
    return np.memmap(record, RECORD, mode="r") if record.stat().st_size else np.zeros(0, RECORD)


def _compare_slice(records: list[np.ndarray], stored: np.ndarray) -> tuple[int, int, int, int, int, int]:
    """Return sent, acknowledged, acknowledged and not stored, stored and not sent, stored twice, sent twice."""
    sent, acked, answered = [], [], []
    for entries in records:
        kind = entries["kind"]
        sent.append(keys(entries[kind == RECORD_SENT]))
        acked.append(keys(entries[kind == RECORD_ACKED]))
        answered.append(keys(entries[np.isin(kind, (RECORD_ANSWERED, RECORD_REFUSED))]))
    # Each is sorted once and looked through side by side: numpy's own set functions sort or hash again and again.
    all_sent, all_acked, there = _sorted(sent), _sorted(acked), np.sort(keys(stored))
    distinct_sent, distinct_stored = _distinct(all_sent), _distinct(there)
    unsent = _missing(distinct_stored, distinct_sent)
    return (
        len(all_sent),
        len(all_acked),
        len(_missing(_distinct(all_acked), distinct_stored)),
        len(_missing(unsent, _distinct(_sorted(answered)))),
        len(there) - len(distinct_stored),
        len(all_sent) - len(distinct_sent),
    )


def _sorted(parts: list[np.ndarray]) -> np.ndarray:
    whole = np.concatenate([np.zeros(0, np.uint64), *parts])
    whole.sort()
    return whole


def _distinct(ordered: np.ndarray) -> np.ndarray:
    """Return each value of a sorted array once."""
    return ordered[np.concatenate([ordered[:1] == ordered[:1], ordered[1:] != ordered[:-1]])]


def _missing(ordered: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return what of a sorted array is not in another sorted one."""
    if not len(among):
        return ordered
    at = np.searchsorted(among, ordered)
    at[at == len(among)] = 0
    return ordered[among[at] != ordered]


def read_stored(data: Path, phone_first: int, report_dsn: str = "") -> tuple[np.ndarray, int]:
    """Return the stored reports of a stopped server, (n,) STORED, and how many rows they are before merging.

    Args:
        report_dsn: of a ClickHouse server; empty: the store embedded in the data directory.
    """
    out = data.with_suffix(".stored")
    answer = subprocess.run(
        [sys.executable, "-m", "bench.stored", str(data), str(out), str(phone_first), report_dsn],
        cwd=REPOSITORY,
        check=True,
        stdout=subprocess.PIPE,
    )
    stored = np.memmap(out, STORED, mode="r") if out.stat().st_size else np.zeros(0, STORED)
    return stored, int(answer.stdout.split()[-1])


def read_refused(data: Path, phone_first: int, report_dsn: str, condition: str) -> tuple[np.ndarray, int]:
    """Return what was set aside and fulfils a condition, (n,) STORED, and how many rows beside it do not."""
    out = data.with_suffix(".refused")
    answer = subprocess.run(
        [sys.executable, "-m", "bench.stored", str(data), str(out), str(phone_first), report_dsn, condition],
        cwd=REPOSITORY,
        check=True,
        stdout=subprocess.PIPE,
    )
    found = np.fromfile(out, STORED)
    return found, int(answer.stdout.split()[-1]) - len(found)


def compare_stopped(records: Iterable[Path], data: Path, phone_first: int, report_dsn: str = "") -> Comparison:
    """Compare the clients' records with the store of a stopped server."""
    return compare(records, *read_stored(data, phone_first, report_dsn))


def main(arguments: list[str]) -> int:
    """Write the stored reports of terminals from PHONE_FIRST on to OUT, and print the number of rows behind them."""
    import clickhouse_connect

    from core.config import Config

    data, out, phone_first = Path(arguments[0]), Path(arguments[1]), int(arguments[2])
    dsn = arguments[3] if len(arguments) > 3 else ""
    client: Any
    if dsn:
        client = clickhouse_connect.get_client(dsn=dsn.replace("clickhouse://", "http://", 1), compress=False)
    else:
        path = Config(data=str(data.resolve())).reports.removeprefix("chdb://")
        client = clickhouse_connect.get_client(interface="chdb", path=path)
        client.database = "carillon"
    table, condition = ("report_refused", arguments[4]) if len(arguments) > 4 else ("report", "1")
    mine = f"toUInt64OrZero(phone) BETWEEN {phone_first} AND {phone_first + TERMINALS_MAX - 1}"
    number = f"toUInt32(toUInt64OrZero(phone) - {phone_first})"
    key = f"{number}, serial, toUInt32(intDiv(time_ms, 1000)), report_id"
    last = int(client.raw_query(f"SELECT max(vehicle_id) FROM {table}", fmt="TSV"))  # noqa: S608
    with out.open("wb") as file:
        # Vehicles lie side by side: a slice of them reads a slice of the table.
        for first in range(0, last + 1, VEHICLES_AT_ONCE):
            slice_ = f"vehicle_id BETWEEN {first} AND {first + VEHICLES_AT_ONCE - 1}"
            sql = f"SELECT {key} FROM {table} WHERE {slice_} AND {mine} AND ({condition})"  # noqa: S608
            file.write(client.raw_query(sql, settings={"final": 1}, fmt="RowBinary"))
    whole = {"final": 1} if table == "report_refused" else {"final": 0}
    rows = client.raw_query(f"SELECT count() FROM {table} WHERE {mine}", settings=whole, fmt="TSV")  # noqa: S608
    print(int(rows))
    client.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
