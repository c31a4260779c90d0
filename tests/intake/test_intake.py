"""What terminals and actors may rely on from the intake, shown on a protocol it has never heard of."""

import ipaddress
import time
from typing import Any

import numpy as np
import pytest

from core.intake import loop
from core.intake.journal import SegmentRoom, read_segment
from core.intake.links import KIND_ASSEMBLED, KIND_FRAME, KIND_LINK_CLOSED, KIND_TERMINAL_SILENT
from core.limits import (
    ACCEPT_PER_ROUND,
    BAD_FRAMES_MAX,
    COMMAND_QUEUE_BYTES,
    FRAMES_BEFORE_LOGIN_MAX,
    PARTIAL_BYTES_MAX,
    RECEIVE_BYTES,
    SEAL_ROWS_MAX,
    SEND_POOL_CHUNK_BYTES,
)
from protocols.seam import CLASS_FRAME, CLASS_LOGIN, RESULT_FAILURE, RESULT_OK, RESULT_UNSUPPORTED, RESULT_WRONG
from tests.intake import toy

UNHURRIED: dict[str, Any] = {
    "frames_per_s_max": 1_000_000,
    "bytes_per_s_max": 1 << 30,
    "trusted": (ipaddress.ip_network("127.0.0.0/8"),),
}
"""For what one connection of a test sends faster, and opens more often, than a car's may."""


def test_a_report_is_acknowledged_and_read_from_the_journal(make_rig: Any) -> None:
    rig = make_rig()
    client = rig.client()
    rig.login(client, 7, 70)
    client.send(*(toy.frame("R", 7, serial, 1000 + serial) for serial in range(300)))
    assert client.replies(300) == [("R", serial, RESULT_OK) for serial in range(300)]
    rig.read_until(lambda: len(rig.rows) == 300)
    assert rig.rows == [(7, serial, 1000 + serial) for serial in range(300)]


def test_a_frame_cut_anywhere_is_one_frame(make_rig: Any) -> None:
    rig = make_rig()
    client = rig.client()
    rig.login(client, 7, 70)
    stream = toy.frame("R", 7, 1, 5) + toy.frame("R", 7, 2, 6)
    for cut in range(1, len(stream)):
        client.send(stream[:cut])
        first = client.replies(1) if cut >= toy.FRAME_BYTES else []
        client.send(stream[cut:])
        assert first + client.replies(2 - len(first)) == [("R", 1, RESULT_OK), ("R", 2, RESULT_OK)], f"{cut=}"


def test_frames_before_login_are_refused_and_not_kept(make_rig: Any) -> None:
    rig = make_rig()
    client = rig.client()
    client.send(toy.frame("R", 7, 1, 5), toy.frame("H", 7, 2), toy.frame("F", 7, 3))
    assert [result for _, _, result in client.replies(3)] == [RESULT_FAILURE] * 3
    rig.login(client, 7, 70)
    assert rig.rows == []
    assert [f.frame_class for f in rig.frames] == [CLASS_LOGIN]
    assert rig.intake.counters()["frames_refused"] == 3


def test_too_many_logins_without_success_end_the_link(make_rig: Any) -> None:
    rig = make_rig()
    client = rig.client()
    client.send(*(toy.frame("L", 7, serial) for serial in range(FRAMES_BEFORE_LOGIN_MAX + 1)))
    assert client.ended()
    rig.read_until(lambda: rig.frames and rig.frames[-1].kind == KIND_LINK_CLOSED)
    assert [f.kind for f in rig.frames] == [KIND_FRAME] * FRAMES_BEFORE_LOGIN_MAX + [KIND_LINK_CLOSED]
    assert rig.frames[-1].data == b"garbage"


def test_a_terminal_cannot_speak_for_another(make_rig: Any) -> None:
    rig = make_rig()
    honest, forger = rig.client(), rig.client()
    rig.login(honest, 7, 70)
    rig.login(forger, 8, 80)
    forger.send(toy.frame("R", 7, 1, 5), toy.frame("R", 8, 2, 6))
    assert forger.replies(2) == [("R", 1, RESULT_FAILURE), ("R", 2, RESULT_OK)]
    rig.read_until(lambda: len(rig.rows) == 1)
    assert rig.rows == [(8, 2, 6)]


def test_several_terminals_share_a_link_and_one_can_be_put_out(make_rig: Any) -> None:
    rig = make_rig(terminals_per_link_max=3)
    client = rig.client()
    link = rig.login(client, 1, 11)
    rig.login(client, 2, 12)
    rig.login(client, 3, 13)
    client.send(*(toy.frame("R", phone, 9, phone) for phone in (1, 2, 3)))
    assert {result for _, _, result in client.replies(3)} == {RESULT_OK}
    rig.intake.evict(link, (0, 2))
    rig.intake.evict(link, (0, 1))
    rig.intake.send(link, b"evicted!")
    assert client.read(8) == b"evicted!"
    client.send(*(toy.frame("R", phone, 9, phone) for phone in (1, 2, 3)))
    assert [result for _, _, result in client.replies(3)] == [RESULT_FAILURE, RESULT_FAILURE, RESULT_OK]
    rig.login(client, 4, 14)
    rig.login(client, 5, 15)
    # One past the bound: refused, counted, and nobody else notices.
    client.send(toy.frame("L", 6, 1))
    rig.read_until(lambda: any(f.phone == (0, 6) for f in rig.frames))
    rig.intake.admit(link, (0, 6), 16, 116, b"welcome!")
    client.send(toy.frame("R", 6, 1, 1), toy.frame("R", 3, 2, 2))
    assert client.replies(2) == [("R", 1, RESULT_FAILURE), ("R", 2, RESULT_OK)]
    assert rig.intake.counters()["admissions_refused"] == 1


def test_each_class_of_frame_gets_the_answer_it_is_due(make_rig: Any) -> None:
    rig = make_rig()
    client = rig.client()
    link = rig.login(client, 7, 70)
    client.send(*(toy.frame(kind, 7, k, 1) for k, kind in enumerate("HUPXF")))
    assert client.replies(4) == [
        ("H", 0, RESULT_OK),
        ("U", 1, RESULT_WRONG),
        ("P", 2, RESULT_OK),
        ("X", 3, RESULT_UNSUPPORTED),
    ]
    rig.read_until(lambda: len(rig.frames) == 3)
    fragment, other = rig.frames[1:]
    assert (fragment.terminal, fragment.vehicle_id, fragment.link) == (70, 170, link)
    assert other.frame_class == CLASS_FRAME
    assert other.data == toy.frame("F", 7, 4, 1)


def test_an_assembled_message_enters_the_journal_as_a_frame_and_a_report_as_a_row(make_rig: Any) -> None:
    rig = make_rig()
    client = rig.client()
    link = rig.login(client, 7, 70)
    rig.intake.reenter(link, 70, 170, toy.frame("F", 7, 1))
    rig.intake.reenter(link, 70, 170, toy.frame("R", 7, 2, 99))
    rig.read_until(lambda: len(rig.frames) == 3 and len(rig.rows) == 1)
    assert [f.kind for f in rig.frames[1:]] == [KIND_ASSEMBLED] * 2
    assert rig.rows == [(7, 2, 99)]


def test_endless_garbage_ends_the_link_and_one_bad_frame_does_not(make_rig: Any) -> None:
    rig = make_rig()
    client, other = rig.client(), rig.client()
    rig.login(client, 7, 70)
    rig.login(other, 8, 80)
    for _ in range(3):
        client.send(toy.frame("R", 7, 1, end=b"?") * BAD_FRAMES_MAX, toy.frame("R", 7, 2, 5))
        assert client.replies(1) == [("R", 2, RESULT_OK)]
    client.send(toy.frame("R", 7, 1, end=b"?") * (BAD_FRAMES_MAX + 1))
    assert client.ended()
    other.send(toy.frame("R", 8, 3, 5))
    assert other.replies(1) == [("R", 3, RESULT_OK)]
    assert rig.intake.counters()["bad_short"] == 4 * BAD_FRAMES_MAX + 1


def pinged(rig: Any, client: Any, phone: int, condition: Any) -> None:
    """Let a terminal report, and be answered, until the condition holds: the intake has then gone round."""
    for serial in range(5_000):
        client.send(toy.frame("R", phone, serial & 0xFFFF, 5))
        assert client.replies(1) == [("R", serial & 0xFFFF, RESULT_OK)]
        if condition(rig.intake.counters()):
            return
    raise AssertionError(f"it did not come to pass: {rig.intake.counters()}")


def test_an_unfinished_frame_one_byte_past_the_bound_ends_its_link_and_no_other(make_rig: Any) -> None:
    rig = make_rig(**UNHURRIED)
    client, other = rig.client(), rig.client()
    rig.login(client, 7, 70)
    rig.login(other, 8, 80)
    before = rig.intake.counters()["bytes_received"]
    client.send(b"#Z".ljust(PARTIAL_BYTES_MAX, b"z"))
    pinged(rig, other, 8, lambda counted: counted["bytes_received"] >= before + PARTIAL_BYTES_MAX)
    assert rig.intake.counters()["links_garbage"] == 0
    client.send(b"z")
    assert client.ended()
    pinged(rig, other, 8, lambda counted: counted["links_garbage"] == 1)


def test_more_than_one_round_accepts_come_in_with_the_next_ones_while_reports_are_answered(make_rig: Any) -> None:
    rig = make_rig(ack_window_ms=100, **UNHURRIED)
    first = rig.client()
    rig.login(first, 1, 11)
    # While the loop rests after this report, all of these queue at its door.
    first.send(toy.frame("R", 1, 1, 5))
    assert first.replies(1) == [("R", 1, RESULT_OK)]
    rounds = rig.intake.counters()["rounds"]
    storm = [rig.client() for _ in range(2 * ACCEPT_PER_ROUND + 1)]
    for client in storm:
        client.send(toy.frame("H", 7, 3))
    first.send(toy.frame("R", 1, 2, 5))
    assert first.replies(1) == [("R", 2, RESULT_OK)]
    assert {client.replies(1)[0] for client in storm} == {("H", 3, RESULT_FAILURE)}
    counted = rig.intake.counters()
    assert (counted["links_live"], counted["links_refused"]) == (len(storm) + 1, 0)
    assert counted["rounds"] - rounds >= 3


def test_the_end_of_a_link_is_told_behind_its_last_frame(make_rig: Any) -> None:
    rig = make_rig()
    client = rig.client()
    link = rig.login(client, 7, 70)
    client.send(toy.frame("F", 7, 1))
    client.close()
    rig.read_until(lambda: rig.frames[-1].kind == KIND_LINK_CLOSED)
    assert [f.data for f in rig.frames[1:]] == [toy.frame("F", 7, 1), b"closed"]
    assert rig.frames[-1].link == link
    # What is said to a link that has ended is dropped.
    assert rig.intake.send(link, b"hello")
    rig.intake.reenter(link, 70, 170, toy.frame("F", 7, 2))
    rig.read_until(lambda: rig.frames[-1].kind == KIND_ASSEMBLED)
    assert rig.intake.counters()["commands_late"] == 1


def test_a_silent_link_is_ended(make_rig: Any) -> None:
    rig = make_rig(idle_s=0.001)
    client = rig.client()
    assert client.ended()
    # The peer may see the end of its connection before the loop has counted it.
    rig.stop()
    assert rig.intake.counters()["links_silent"] == 1


def test_a_link_on_which_only_answers_to_downlinks_come_is_not_silent(make_rig: Any) -> None:
    idle_s = 0.5
    rig = make_rig(idle_s=idle_s)
    client = rig.client()
    link = rig.login(client, 1, 11)
    end = time.monotonic() + 3 * idle_s
    asked = 0
    while time.monotonic() < end:
        assert rig.intake.send(link, b"question")
        assert client.read(8) == b"question"
        client.send(toy.frame("R", 1, asked, asked))
        assert client.replies(1) == [("R", asked, RESULT_OK)]
        asked += 1
    assert rig.intake.counters()["links_silent"] == 0
    # A dead one is told from it by its silence alone.
    assert client.ended()


def test_of_many_terminals_on_one_link_the_silent_are_shut_out_and_may_log_in_again(make_rig: Any) -> None:
    rig = make_rig(idle_s=1.0)
    client = rig.client()
    link = rig.login(client, 1, 11)
    for phone in (2, 3):
        rig.login(client, phone, 10 + phone)
    asked = 0

    def told() -> list[tuple[int, int, bytes]]:
        # The third goes on and keeps the connection alive for all.
        nonlocal asked
        asked += 1
        client.send(toy.frame("R", 3, asked, asked))
        assert client.replies(1) == [("R", asked, RESULT_OK)]
        return [(f.terminal, f.link, f.data) for f in rig.frames if f.kind == KIND_TERMINAL_SILENT]

    rig.read_until(lambda: len(told()) == 2)
    assert set(told()) == {(11, link, b"silent"), (12, link, b"silent")}
    for phone in (1, 2):
        client.send(toy.frame("R", phone, 9, 9))
        assert client.replies(1) == [("R", 9, RESULT_FAILURE)]
        rig.login(client, phone, 10 + phone)
        client.send(toy.frame("R", phone, 9, 9))
        assert client.replies(1) == [("R", 9, RESULT_OK)]
    assert rig.intake.counters()["terminals_silent"] == 2
    assert rig.intake.counters()["links_silent"] == 0


def test_where_any_traffic_counts_what_we_send_keeps_a_link_that_only_listens(make_rig: Any) -> None:
    idle_s = 0.5
    rig = make_rig(idle_s=idle_s, idle_any=True)
    client = rig.client()
    link = rig.login(client, 1, 11)
    end = time.monotonic() + 5 * idle_s
    while time.monotonic() < end:
        assert rig.intake.send(link, b"question")
        assert client.read(8) == b"question"
    assert rig.intake.counters()["links_silent"] == 0
    # Nothing in either direction: it is ended all the same.
    assert client.ended()
    rig.stop()
    assert rig.intake.counters()["links_silent"] == 1


def test_a_link_more_than_the_bound_is_refused_and_a_free_place_is_used(make_rig: Any) -> None:
    rig = make_rig(links_max=2)
    first, second = rig.client(), rig.client()
    rig.login(first, 1, 11)
    rig.login(second, 2, 12)
    assert rig.turns_away()
    first.close()
    rig.read_until(lambda: rig.frames[-1].kind == KIND_LINK_CLOSED)
    rig.login(rig.client(), 3, 13)
    assert rig.intake.counters()["links_refused"] == 1


def test_a_paused_link_is_not_read_until_resumed(make_rig: Any) -> None:
    rig = make_rig()
    client, other = rig.client(), rig.client()
    link = rig.login(client, 7, 70)
    rig.login(other, 8, 80)
    rig.intake.pause(link)
    rig.intake.send(link, b"paused!!")
    assert client.read(8) == b"paused!!"
    client.send(toy.frame("R", 7, 1, 1))
    other.send(toy.frame("R", 8, 2, 2))
    assert other.replies(1) == [("R", 2, RESULT_OK)]
    rig.read_until(lambda: len(rig.rows) == 1)
    assert rig.rows == [(8, 2, 2)]
    rig.intake.resume(link)
    assert client.replies(1) == [("R", 1, RESULT_OK)]


def test_a_close_lets_what_was_said_before_leave(make_rig: Any) -> None:
    rig = make_rig()
    client = rig.client()
    link = rig.login(client, 7, 70)
    rig.intake.send(link, b"goodbye!")
    rig.intake.close(link, "replaced")
    assert client.read(8) == b"goodbye!"
    assert client.ended()
    rig.read_until(lambda: rig.frames[-1].kind == KIND_LINK_CLOSED)
    assert rig.frames[-1].data == b"ended"


def test_a_peer_that_does_not_read_is_cut_off_and_others_are_served(make_rig: Any) -> None:
    rig = make_rig()
    client, other = rig.client(), rig.client()
    link = rig.login(client, 7, 70)
    rig.login(other, 8, 80)
    for _ in range(400):
        assert rig.intake.send(link, b"x" * 4096)
    rig.read_until(lambda: rig.frames[-1].kind == KIND_LINK_CLOSED)
    assert rig.frames[-1].data == b"slow"
    other.send(toy.frame("R", 8, 2, 2))
    assert other.replies(1) == [("R", 2, RESULT_OK)]
    assert rig.intake.counters()["links_slow"] == 1


def clogged(rig: Any, link: int, other: Any) -> None:
    """Say things to a link that does not read until its socket takes no more and the rest waits in the only chunk."""
    rounds = 0
    while rounds < 20:
        if rig.intake.state[loop.POOL_TOP] > 0:
            # What waited has left after all: the peer's kernel had room.
            assert rig.intake.send(link, b"x" * (SEND_POOL_CHUNK_BYTES // 4))
            rounds = 0
        pinged(rig, other, 8, lambda counted: True)
        rounds += 1


def test_what_one_peer_does_not_read_waits_in_one_chunk_and_no_more(
    make_rig: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.intake.intake.SEND_POOL_CHUNKS", 1)
    rig = make_rig(**UNHURRIED)
    client, second, other = rig.client(receive_bytes=4096), rig.client(receive_bytes=4096), rig.client()
    link, late = rig.login(client, 7, 70), rig.login(second, 9, 90)
    rig.login(other, 8, 80)
    clogged(rig, link, other)
    assert rig.intake.counters()["links_slow"] == 0, "a quarter of a chunk fits"
    # The only chunk is taken: the next peer that does not read is cut off at once, the first one is not.
    while rig.intake.counters()["links_slow"] == 0:
        assert rig.intake.send(late, b"x" * (SEND_POOL_CHUNK_BYTES // 4))
        pinged(rig, other, 8, lambda counted: True)
    assert second.ended()
    assert (rig.intake.counters()["links_live"], rig.intake.state[loop.POOL_TOP]) == (2, 0)
    # A chunk and a byte do not fit: now the first is cut off, too, and its chunk is free again.
    assert rig.intake.send(link, b"x" * (SEND_POOL_CHUNK_BYTES + 1))
    pinged(rig, other, 8, lambda counted: counted["links_slow"] == 2)
    assert rig.intake.state[loop.POOL_TOP] == 1


def test_a_full_command_queue_says_so_and_loses_nothing_it_took(make_rig: Any) -> None:
    rig = make_rig(ack_window_ms=50)
    client = rig.client()
    link = rig.login(client, 7, 70)
    payload = toy.frame("F", 7, 1) * 4096
    taken = 0
    while rig.intake.reenter(link, 70, 170, payload[:65536]):
        taken += 1
        assert taken < 10_000, "the queue has no bound"
    rig.read_until(lambda: sum(f.kind == KIND_ASSEMBLED for f in rig.frames) == taken)
    assert taken >= COMMAND_QUEUE_BYTES // 65_600 - 1


def test_a_segment_is_sealed_at_its_most_records_however_young(make_rig: Any) -> None:
    rig = make_rig(**UNHURRIED)
    client = rig.client()
    rig.login(client, 7, 70)
    step = 1_000
    for first in range(0, SEAL_ROWS_MAX + step, step):
        client.send(*(toy.frame("R", 7, (first + k) & 0xFFFF, 5) for k in range(step)))
        client.read(8 * step)
    rig.stop()
    ends = [segment.last_sequence for segment in rig.journal.sealed_after(0)]
    counts = np.diff([0, *ends]).tolist()
    # The login, and the reports. A round commits what one recv brought: at most so many 16-byte frames more.
    assert sum(counts) >= 1 + SEAL_ROWS_MAX + step
    assert max(counts) <= SEAL_ROWS_MAX + RECEIVE_BYTES // toy.FRAME_BYTES + 1


def test_a_clean_stop_seals_everything_and_the_next_start_goes_on(make_rig: Any) -> None:
    rig = make_rig()
    client = rig.client()
    rig.login(client, 7, 70)
    client.send(*(toy.frame("R", 7, serial, serial) for serial in range(100)))
    client.replies(100)
    rig.stop()
    sealed = rig.journal.sealed_after(0)
    assert sealed[-1].last_sequence == rig.journal.last_sequence
    room = SegmentRoom()
    read_segment(rig.journal, sealed[-1], toy.KERNELS, room)
    rows, blob = room.rows[: room.found], room.bytes[: room.at]
    assert rows["serial"].tolist() == list(range(100))
    assert rows["terminal"].tolist() == [70] * 100
    assert rows["vehicle_id"].tolist() == [170] * 100
    assert {blob[r["items_offset"] :][: r["items_length"]].tobytes() for r in rows} == {b"abc"}
    assert room.unreadable == 0
    assert np.all(np.diff(rows["sequence"]) == 1)

    again = make_rig()
    assert again.journal.last_sequence == rig.journal.last_sequence
    client = again.client()
    link = again.login(client, 7, 70)
    assert link >> 40 == 2
    again.read_until(lambda: len(again.rows) == 100)
    assert again.rows == [(7, serial, serial) for serial in range(100)]
    # The journal's numbers go on without a gap.
    assert again.frames[-1].sequence == again.reader.sequence
