"""What a terminal of the campaign writes down: its reports as they leave and as they are acknowledged.

Entries are those of simulators/load.py, so that one comparison (bench/stored.py) takes all clients' files.
"""

from pathlib import Path

import numpy as np

from simulators.load import RECORD, RECORD_ACKED, RECORD_ANSWERED, RECORD_REFUSED, RECORD_SENT


class Notes:
    """A record file. Written through at once: what is noted counts even if the writer is killed next. One thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.acked = 0
        self._file = path.open("wb", buffering=0)

    def sent(self, terminal: int, serial: int, time_s: int) -> None:
        """Note a report before its first byte leaves. Once a report, however often it is sent again."""
        self._note(terminal, serial, time_s, RECORD_SENT, 0)

    def maybe(self, terminal: int, serial: int, time_s: int) -> None:
        """Note a report that may be stored, and that nobody waits for."""
        self._note(terminal, serial, time_s, RECORD_ANSWERED, 0)

    def answered(self, terminal: int, serial: int, time_s: int, result: int) -> None:
        """Note the first answer to a report."""
        self.acked += result == 0
        self._note(terminal, serial, time_s, RECORD_ACKED if result == 0 else RECORD_REFUSED, result)

    def _note(self, terminal: int, serial: int, time_s: int, kind: int, result: int) -> None:
        self._file.write(np.array([(terminal, time_s, 0, serial, kind, result)], RECORD).tobytes())

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        self._file.close()
