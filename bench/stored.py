"""What a stopped server has stored, as keys to compare with what a load client wrote down.

    python -m bench.stored DATA OUT PHONE_FIRST [DSN [CONDITION]]

In a process of its own: the embedded store belongs to one. With a condition it is about what was set aside.

A key is (terminal, serial, fix time) in one uint64: 16 bits of terminal number, 16 of serial, 32 of epoch seconds.
Sets are compared, never counts: as many reports too many here as too few there would hide each other.
"""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from bench.machine import REPOSITORY
from simulators.load import RECORD_ACKED, RECORD_ANSWERED, RECORD_REFUSED, RECORD_SENT, read_record

STORED: Final = np.dtype([("terminal", "<u4"), ("serial", "<u2"), ("time_s", "<u4"), ("report_id", "<u8")])
"""One stored report as it comes from ClickHouse in the format RowBinary: packed."""

TERMINALS_MAX: Final = 1 << 16


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
    """Compare the record files of the clients with the stored reports, (n,) STORED."""
    sent, acked, answered = [], [], []
    for record in records:
        entries = read_record(record)
        sent.append(keys(entries[entries["kind"] == RECORD_SENT]))
        acked.append(keys(entries[entries["kind"] == RECORD_ACKED]))
        answered.append(keys(entries[np.isin(entries["kind"], (RECORD_ANSWERED, RECORD_REFUSED))]))
    all_sent, all_acked = np.concatenate(sent), np.concatenate(acked)
    distinct_sent = np.unique(all_sent)
    stored_keys = keys(stored)
    distinct_stored = np.unique(stored_keys)
    allowed = np.union1d(distinct_sent, np.concatenate(answered))
    return Comparison(
        sent=len(all_sent),
        acked=len(all_acked),
        stored=len(stored),
        stored_rows=stored_rows,
        acked_not_stored=len(np.setdiff1d(all_acked, distinct_stored)),
        stored_not_sent=len(np.setdiff1d(distinct_stored, allowed)),
        stored_twice=len(stored_keys) - len(distinct_stored) + len(stored) - len(np.unique(stored["report_id"])),
        sent_twice=len(all_sent) - len(distinct_sent),
    )


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
    return np.fromfile(out, STORED), int(answer.stdout.split()[-1])


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
    answer = client.raw_query(
        f"SELECT {key} FROM {table} WHERE {mine} AND ({condition})",  # noqa: S608
        settings={"final": 1},
        fmt="RowBinary",
    )
    out.write_bytes(answer)
    whole = {"final": 1} if table == "report_refused" else {"final": 0}
    rows = client.raw_query(f"SELECT count() FROM {table} WHERE {mine}", settings=whole, fmt="TSV")  # noqa: S608
    print(int(rows))
    client.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
