"""A server that is killed again and again while people are to be told: each of them is told of each event once."""

from collections import Counter
from pathlib import Path

from bench.servers import start_carillon
from core.rights import NODE
from storage.database import Database
from storage.inbox import InboxLog
from storage.outbox import Outbox
from storage.people import People
from tests.line.conftest import until
from tests.log.test_alerting import happened

KILLS = 3
EACH = 150


def test_each_crash_is_one_row_and_one_fact_for_each_recipient_through_kills(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = start_carillon(data)
    database = Database(f"sqlite:///{data / 'carillon.db'}")
    log = InboxLog(database)
    people = People(database)
    accounts = []
    for login in ("one", "two"):
        account, token = people.create_account(NODE, login=login, name=login, role="manager", stores=None)
        people.take_invitation(token, "korrekt-pferd-batterie")
        accounts.append(account.id)
    for kill in range(KILLS):
        kinds = ("crash.suspected", "sos.pressed", "fence.entered")
        log.append([happened(kill * EACH + n, kinds[n % 3]) for n in range(EACH)])
        # Some are told already, some asked for, some not moved into the log yet.
        until(lambda kill=kill: len(log.read(0, type_prefix="message.sent")) > kill * 4 * EACH // 3 + 20)
        server.kill()
        server = start_carillon(data)
    wanted = [event for event in log.read(0) if event.type in ("crash.suspected", "sos.pressed")]
    until(lambda: len(log.read(0, type_prefix="message.sent")) == 2 * len(wanted))
    assert len(wanted) == KILLS * EACH * 2 // 3
    rows = Outbox(database).page(NODE, limit=1_000).items
    assert Counter((row.account, row.cause, row.state) for row in rows) == {
        (account, event.id, "sent"): 1 for account in accounts for event in wanted
    }
    assert {event.answers for event in log.read(0, type_prefix="message.sent")} == {row.id for row in rows}
    status, page = server.ask("GET", "/api/v1/outbox?limit=10&state=sent")
    assert (status, len(page["items"])) == (200, 10)
    status, second = server.ask("GET", f"/api/v1/outbox?limit=10&after={page['next']}")
    assert not {row["id"] for row in page["items"]} & {row["id"] for row in second["items"]}
    assert server.ask("GET", "/api/v1/outbox?after=x")[1]["code"] == "bad_request"
    database.close()
    server.stop()
