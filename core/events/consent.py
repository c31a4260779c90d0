"""What is said of what persons allow, withdraw and are asked."""

from typing import Final

import msgspec

EVENTS: Final[dict[tuple[str, int], type[msgspec.Struct]]] = {}
