"""What is said of persons: captures, links, merges, erasure. Ids only: names and numbers stand in the vault."""

from typing import Final

import msgspec

EVENTS: Final[dict[tuple[str, int], type[msgspec.Struct]]] = {}
