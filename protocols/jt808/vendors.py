"""What the items of 0x0200 mean that the standard leaves to makers (E1 to FF, and all that makers took besides)."""

from typing import Final

from protocols.jt808.wire import ItemTable

COMMON: Final = ItemTable("common", [])
