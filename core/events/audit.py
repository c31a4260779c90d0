"""What is said of seals over the audit log, exports and their approval."""

from typing import Final

import msgspec

EVENTS: Final[dict[tuple[str, int], type[msgspec.Struct]]] = {}
