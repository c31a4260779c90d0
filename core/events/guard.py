"""Guarding: thefts suspected and cleared, cars armed and disarmed, and whether their devices can be reached."""

from typing import Final

import msgspec

THEFT_KINDS: Final = (
    "moving_without_ignition",
    "displaced",
    "illegal_ignition",
    "stolen",
    "power_cut",
    "jammed",
    "silenced",
    "left_place",
    "ignition",
    "door",
)
"""Kinds of evidence of a theft: moved with the ignition off; the terminal's own bits 28, 27 and 26; its power cut;
jammed, or silent, while driving or armed; and only of an armed car: left its place, ignition on, a door opened."""

CLEARED_REASONS: Final = ("ignition", "returned", "heard", "power", "withdrawn")
"""Why detection ends an episode by itself: started by its driver, back where it stood, reports again, has power again,
the terminal took its alarm back."""
SETTLED_REASONS: Final = ("owner", "towed", "workshop", "mistaken", "recovered", "disarmed")
"""What people say of an episode when they end it: the owner drives, towed on order, in the workshop, nothing was there,
stolen and found again; disarmed without another word."""


class TheftSuspected(msgspec.Struct, frozen=True, kw_only=True):
    """theft.suspected: a car is moved, cut off, jammed or silent as a thief makes it; again when it is nearly certain.

    Once an episode at stage 1, and once more at stage 2, unless it begins there.
    """

    vehicle_id: int
    terminal: int
    report_id: str
    """The report that settled it; of silence the last one that was heard. 16 hexadecimal digits."""
    first_report_id: str
    """The report with the first evidence of the episode: the same at both stages."""
    kind: str
    """The weightiest of `kinds`."""
    kinds: tuple[str, ...]
    """THEFT_KINDS seen in this episode."""
    stage: int
    confidence: float
    """0 to 1: the weights of the kinds combined as independent."""
    armed: bool
    late: bool = False
    lat_1e7: int
    lon_1e7: int
    """Where it was seen last."""
    place_lat_1e7: int | None = None
    place_lon_1e7: int | None = None
    """Where it was parked, or is to stay."""
    distance_m: int = 0
    """How far from there."""
    silent_s: int = 0
    """How long nothing had come; 0 where a report settled it."""
    speed_kmh10: int = 0
    satellites: int | None = None
    satellites_before: int | None = None
    cell_signal: int | None = None
    cell_signal_before: int | None = None
    """What the receiver and the modem said last, and while both were well; none where the terminal says neither."""
    rule_version: int = 0


class TheftCleared(msgspec.Struct, frozen=True, kw_only=True):
    """theft.cleared: an episode is over, by what the car did (CLEARED_REASONS) or by a person (SETTLED_REASONS)."""

    vehicle_id: int
    reason: str
    first_report_id: str = ""
    """Of the episode, as theft.suspected has it."""
    kinds: tuple[str, ...] = ()
    terminal: int = 0
    report_id: str = ""
    """The report that showed it; empty where a person did."""
    lat_1e7: int | None = None
    lon_1e7: int | None = None
    rule_version: int = 0


class VehicleArmed(msgspec.Struct, frozen=True, kw_only=True):
    """vehicle.armed: a car may not be moved, started or opened, from now on or every night."""

    vehicle_id: int
    armed_ms: int = 0
    """Since when by hand; 0: by the schedule only."""
    lat_1e7: int | None = None
    lon_1e7: int | None = None
    """The place that it may not leave; none: where it is parked."""
    radius_m: int
    from_minute: int | None = None
    to_minute: int | None = None
    days: int | None = None
    """The schedule, by the store's clock; none: there is none."""
    revision: int


class VehicleDisarmed(msgspec.Struct, frozen=True, kw_only=True):
    """vehicle.disarmed: the car is its driver's again."""

    vehicle_id: int
    suspended_ms: int = 0
    """A schedule stays and rests until then; 0: there is none, or it is not its time."""
    scheduled: bool = False
    """It is armed again by its schedule."""
    revision: int


class DevicePresence(msgspec.Struct, frozen=True, kw_only=True):
    """device.online, device.offline, device.silent: whether a terminal is logged in, and reports."""

    vehicle_id: int
    terminal: int
    since_ms: int
    """Logged in or out since; of silence, when its last report arrived. UTC epoch ms."""
    usual_s: int = 0
    """How often it reports as a rule; of silence only."""


class DevicePower(msgspec.Struct, frozen=True, kw_only=True):
    """device.unplugged, device.plugged: a terminal was cut from the car's power, or is on it again."""

    vehicle_id: int
    terminal: int
    report_id: str
    by_silence: bool = False
    """The cut was the last it said."""
    rule_version: int = 0
