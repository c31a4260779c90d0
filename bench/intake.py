"""The intake alone as a server: loop, journal, syncs, and one reader that logs every terminal in. Stores nothing.

    python -m bench.intake --data DIR --tcp HOST:PORT

What it costs is the floor of the whole program, without Trio, detection, API and store. Driven by bench/ingest.py.
"""

import argparse
import contextlib
import os
import select
import signal
import sys
import threading
from pathlib import Path

from core.config import load_config
from core.data_directory import DataDirectory
from core.intake.intake import Intake, listen
from core.intake.journal import Journal, Reader
from core.intake.links import KIND_LINK_CLOSED, Frame
from protocols.jt808.codec import Header, decode, encode
from protocols.jt808.kernels import KERNELS
from protocols.jt808.messages import Authenticate, PlatformGeneralReply, Register, RegisterReply
from protocols.report import phone_text
from protocols.seam import CLASS_LOGIN


class Porter:
    """Lets everybody in: answers 0x0100 with a code and 0x0102 with the gate opened."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def take(self, frame: Frame) -> None:
        """Act on one frame of the journal."""
        if frame.kind == KIND_LINK_CLOSED or frame.frame_class != CLASS_LOGIN:
            return
        decoded = decode(frame.data)
        phone = phone_text(*frame.phone)
        # From the phone, so that a terminal is the same after a restart.
        terminal = int(phone[-6:], 16) + 1
        match decoded.body:
            case Register():
                answer = encode(RegisterReply(decoded.header.serial, 0, "bench"), Header(0x8100, phone, 0))
                self._intake.send(frame.link, answer)
            case Authenticate():
                answer = encode(PlatformGeneralReply(decoded.header.serial, 0x0102, 0), Header(0x8001, phone, 1))
                self._intake.admit(frame.link, frame.phone, terminal, terminal, answer)


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m bench.intake", description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--tcp", required=True, metavar="HOST:PORT")
    config = load_config(vars(parser.parse_args(arguments)))
    stop = threading.Event()
    stopped = os.eventfd(0, os.EFD_NONBLOCK)

    def on_signal(number: int, frame: object) -> None:
        stop.set()
        os.eventfd_write(stopped, 1)

    signal.signal(signal.SIGTERM, on_signal)
    with DataDirectory(Path(config.data)) as directory:
        journal = Journal(config.journal_path, keep_ms=0, bytes_max=config.journal_bytes_max)
        listener = listen(*config.tcp_address)
        port = listener.getsockname()[1]
        intake = Intake(
            journal,
            KERNELS,
            listener,
            boot=1,
            ack_after=config.ack_after,
            ack_window_ms=config.ack_window_ms,
            trusted=config.trusted_networks,
            links_per_address_max=config.links_per_address_max,
            links_per_address_minute_max=config.links_per_address_minute_max,
            frames_per_s_max=config.frames_per_s_max,
            bytes_per_s_max=config.bytes_per_s_max,
        )
        position = journal.position("porter")
        reader = Reader(journal, KERNELS, position.sequence)
        porter = Porter(intake)
        intake.start()
        while "intake" not in intake.thread_ids:
            stop.wait(0.01)
        directory.publish(f"127.0.0.1:{port}", "", intake.thread_ids)
        poll = select.poll()
        poll.register(intake.hand_up_fd, select.POLLIN)
        poll.register(stopped, select.POLLIN)
        while not stop.is_set():
            poll.poll(1000)
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(intake.hand_up_fd)
            while (batch := reader.read()) is not None:
                for frame in batch.frames:
                    porter.take(frame)
                position.advance(batch.sequence)
        intake.stop()
        reader.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
