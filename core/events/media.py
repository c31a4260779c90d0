"""Facts of pictures, sounds and films that terminals announce and send. Ids, kind and hash: never what they show."""

import msgspec


class MediaAnnounced(msgspec.Struct, frozen=True, kw_only=True):
    """media.announced: a terminal said that it has taken something (0x0800). It may send it or keep it."""

    vehicle_id: int
    terminal: int
    media_id: int
    """What the terminal calls it."""
    kind: str
    """picture, audio, video; other where the terminal's number means none of them."""
    code: int
    """The terminal's reason: 0 asked for, 1 timed, 2 robbery, 3 collision or rollover … (JT/T 808, 0x0800)."""
    channel: int


class MediaStored(msgspec.Struct, frozen=True, kw_only=True):
    """media.stored: what a terminal sent (0x0801) is on disk, whole. Once for each content that an id ever had."""

    media: int
    """Number of its row, as /api/v1/media/{id} takes it."""
    vehicle_id: int
    terminal: int
    media_id: int
    kind: str
    sha256: str
