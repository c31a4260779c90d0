"""The promise: what was acknowledged is stored, once, and nothing else is. Ends of every kind, under load."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.servers import ChildServer, start_carillon
from bench.stored import compare_stopped
from bench.watch import PHONE_FIRST, wait_until
from simulators.load import LoadClient, LoadPlan

TERMINALS = 300
REPORTS_PER_S = 3_000


@contextmanager
def driving(client: LoadClient) -> Iterator[None]:
    """Let the client report, and log in again where it is cut, for as long as the block lasts."""
    stop = threading.Event()
    driver = threading.Thread(target=client.drive, args=(1e6, stop.is_set))
    driver.start()
    try:
        yield
    finally:
        stop.set()
        driver.join()


def test_no_acknowledged_report_is_lost_or_doubled_however_the_server_ends(tmp_path: Path) -> None:
    data, record = tmp_path / "data", tmp_path / "record"
    server = start_carillon(data)
    plan = LoadPlan(
        port=server.port,
        terminals=TERMINALS,
        reports_per_s=REPORTS_PER_S,
        phone_first=PHONE_FIRST,
        reconnect=True,
        record=str(record),
    )
    ends = 0

    def under_load(client: LoadClient, stored: bool) -> None:
        """Wait until all are logged in and report, and, where asked, until the recorder has stored a segment."""
        wait_until(lambda: client.ready == TERMINALS, "every terminal is logged in", server)
        acked = client.acked
        wait_until(lambda: client.acked > acked + REPORTS_PER_S // 3, "reports are acknowledged", server)
        if stored:
            wait_until(lambda: server.figure("carillon_recorder_segments_total") > 0, "a segment is stored", server)

    try:
        with LoadClient(plan) as client:
            assert client.login() == TERMINALS
            with driving(client):
                # Before the first segment is sealed; right behind an insert; and in order.
                for stored, end in ((False, ChildServer.kill), (True, ChildServer.kill), (False, ChildServer.stop)):
                    under_load(client, stored)
                    end(server)
                    ends += 1
                    server = start_carillon(data, tcp=plan.port)
                under_load(client, stored=False)
            assert client.drain() == 0
            result = client.result()
        server.stop()
    finally:
        server.kill()
    assert (result.ready, result.lost, result.refused) == (TERMINALS, 0, 0)
    assert result.cuts >= ends * TERMINALS
    assert result.logins >= (ends + 1) * TERMINALS
    comparison = compare_stopped([record], data, PHONE_FIRST)
    assert comparison.acked > ends * REPORTS_PER_S // 3
    assert comparison.right, comparison
