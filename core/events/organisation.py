"""What is said of the tree of a dealer group, who works where, with which skills."""

from typing import Final

import msgspec

EVENTS: Final[dict[tuple[str, int], type[msgspec.Struct]]] = {}
