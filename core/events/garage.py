"""What is said of cars over time: their people, their state, their health record."""

from typing import Final

import msgspec

EVENTS: Final[dict[tuple[str, int], type[msgspec.Struct]]] = {}
