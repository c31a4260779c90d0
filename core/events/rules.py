"""What people do with the thresholds of detectors. The values stand in the table `rule`, one row a version."""

import msgspec


class RulesChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A detector's thresholds were changed for the whole group: whoever judges by them reads them anew."""

    detector: str
    version: int
    """The version that counts from here on; facts name it."""
    fields: tuple[str, ...]
    """Thresholds that have another value than in the version before."""
