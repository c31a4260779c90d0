"""What the messages of a terminal mean that are neither reports nor logins: what is kept, said and answered of each."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

MEDIA_HEAD_BYTES: Final = 64
"""Of a picture the header (17 bytes, 21 in fragments), what it is (8) and where it was taken (28)."""

KEPT_BYTES: Final[Mapping[int, int]] = MappingProxyType({0x0001: 0, 0x0801: MEDIA_HEAD_BYTES})
"""Message -> bytes that the recorder keeps of its frames. A general reply is in the log as what it decided, and the
data of pictures, sound and video are kept as files."""
