"""What a person may have sent to a terminal: what answers it, how long that takes, and what two others must approve.

Most of it follows from the declarations: every downlink but the protocol's own answers, answered as MESSAGES says.
POLICIES at the foot has a row for each message of which more is to be said.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from protocols.jt808.control import COMMANDS, ControlVehicle, SetParameters, TerminalControl
from protocols.jt808.forms import id_text, sendable
from protocols.jt808.media import RecorderData, Transparent
from protocols.jt808.messages import MESSAGES, Text, answer_to
from protocols.jt808.parameters import redirects
from protocols.jt808.plain import Invalid, from_plain
from protocols.jt808.wire import VERSIONS

GENERAL_REPLY: Final = 0x0001
SENDABLE: Final = frozenset(sendable())

TIMEOUT_S: Final = 20.0
"""First wait for an answer. A terminal on a slow link answers within seconds; one that reboots is back within 20."""
EFFECT_S: Final = 60.0
"""Wait for the answer of its own once a terminal has acknowledged: most send both at once."""
TRIES: Final = 2
"""Sent once and repeated once. The n-th wait is n times the one before it (T(n+1) = T(n) * (n+1), section 7.1)."""

TEXT_BYTES_MAX: Final = 1_021
"""0x8300: a body holds 1,023 bytes; flags and class take two."""

ANY_COMMAND: Final = 0xF030
"""A parameter whose text some makers' terminals take for a command of any kind (protocol sheet, section 16)."""
TRANSPARENT_COMMAND: Final = 0xF0
"""0x8900 of this kind is such a text too."""

RECORDER_IMPERSONAL: Final = frozenset({0x00, 0x02, 0x03, 0x04, 0x06, 0x07, 0x13, 0x14, 0x15})
"""GB/T 19056 blocks that name nobody and no place: version, clock, mileage, pulses, signals, number, power, changes."""


class Policy(NamedTuple):
    """What is to be known of one downlink beyond its declaration."""

    reply: int = 0
    """Message that ends it; 0: what MESSAGES says answers it."""
    timeout_s: float = TIMEOUT_S
    effect_s: float = EFFECT_S
    tries: int = TRIES
    approved: Callable[[Any], bool] = lambda _body: False
    """(body) -> two others must approve it. It is sent once at most: nobody approved a second time."""
    immobilising: Callable[[Any], bool] = lambda _body: False
    """(body) -> it may stop the car, so the car must stand."""
    check: Callable[[Any], None] = lambda _body: None
    """(body): raises Invalid for what can be encoded and would do nothing, or not what is meant."""


def policy_of(message: int) -> Policy:
    """Return what is to be known of a downlink."""
    return POLICIES.get(message, DEFAULT)


def knows(message: int, version: int) -> bool:
    """Tell whether an edition of the standard has a message."""
    return MESSAGES[message].since <= version <= MESSAGES[message].until


def reply_of(message: int, version: int) -> int:
    """Return the message with which a terminal of this edition ends a command; 0: nothing answers it."""
    reply = policy_of(message).reply or answer_to(message)
    return GENERAL_REPLY if reply and not knows(reply, version) else reply


def message_of(text: str) -> int:
    """Read the id of a downlink that a person may send, as `0x8300`.

    Raises:
        Invalid: it is no id, or nobody may send it.
    """
    try:
        message = int(text, 16)
    except ValueError:
        raise Invalid(f"{text[:16]!r} is no message id") from None
    if message not in SENDABLE:
        raise Invalid(f"{id_text(message) if message < 1 << 16 else text[:16]} cannot be sent as a command")
    return message


def edition_for(message: int, fields: Mapping[str, Any]) -> int:
    """Return the newest edition in which plain values make a command's body, while the terminal's is not known.

    Raises:
        Invalid: they make none in any; what is wrong with them in the newest.
    """
    first: Invalid | None = None
    for version in reversed(VERSIONS):
        if knows(message, version):
            try:
                body_of(message, fields, version)
            except Invalid as fault:
                first = first or fault
            else:
                return version
    assert first is not None
    raise first


def body_of(message: int, fields: Mapping[str, Any], version: int) -> msgspec.Struct:
    """Return a command's body from plain values, as a terminal of this edition takes it.

    Raises:
        Invalid: the fields make no body, or one that does nothing.
    """
    if not knows(message, version):
        raise Invalid(f"JT/T 808-{version} does not know {id_text(message)}")
    declared = MESSAGES[message]
    first: Invalid | None = None
    for layout_version in declared.layouts(version, -1):
        try:
            body: msgspec.Struct = from_plain(declared.body, dict(fields), layout_version)
        except Invalid as fault:
            first = first or fault
            continue
        policy_of(message).check(body)
        return body
    assert first is not None
    raise first


def needs_approval(message: int, body: msgspec.Struct) -> bool:
    """Tell whether two people other than who asks must approve it."""
    return policy_of(message).approved(body)


def may_need_approval(message: int) -> bool:
    """Tell whether there are bodies of it that must be approved."""
    return policy_of(message).approved is not DEFAULT.approved


def immobilises(message: int, body: msgspec.Struct) -> bool:
    """Tell whether it may stop a car that drives."""
    return policy_of(message).immobilising(body)


def is_personal(reply: int, body: msgspec.Struct) -> bool:
    """Tell whether a reply names persons or places, so that it is read from the message itself and not from events."""
    if isinstance(body, RecorderData):
        return body.asked not in RECORDER_IMPERSONAL
    return reply in PERSONAL


PERSONAL: Final = frozenset({0x0702})


# --- policies ---------------------------------------------------------------------------------------------------------


def redirects_terminal(body: SetParameters) -> bool:
    """Some parameter makes the terminal speak to, or obey, somebody else; or nobody knows what it does."""
    return any(redirects(parameter.id) for parameter in body.parameters)


def sets_command(body: SetParameters) -> bool:
    return any(parameter.id == ANY_COMMAND for parameter in body.parameters)


def is_vendors(body: TerminalControl) -> bool:
    """The standard's seven are known. Any other is a maker's own, and among those are the ones that cut the fuel:
    F0 and F1, 64 and 65, `#0;1` (protocol sheet, section 16)."""
    return body.command not in COMMANDS


def is_command(body: Transparent) -> bool:
    return body.kind == TRANSPARENT_COMMAND


def always(_body: Any) -> bool:
    return True


def check_text(body: Text) -> None:
    if not body.text:
        raise Invalid("there is nothing to send", "text")
    if (size := len(body.text.encode("gbk"))) > TEXT_BYTES_MAX:
        raise Invalid(f"{size} bytes in GBK, a message holds {TEXT_BYTES_MAX}", "text")


def check_control(body: ControlVehicle) -> None:
    if body.flags is None and not body.controls:
        raise Invalid("there is nothing to control", "controls")


def check_parameters(body: SetParameters) -> None:
    if not body.parameters:
        raise Invalid("there is nothing to set", "parameters")


DEFAULT: Final = Policy()
POLICIES: Final[Mapping[int, Policy]] = {
    0x8103: Policy(approved=redirects_terminal, immobilising=sets_command, check=check_parameters),
    0x8105: Policy(approved=always, immobilising=is_vendors, tries=1),
    # Received, written to flash, restarted: it says how that went when it is back.
    0x8108: Policy(reply=0x0108, timeout_s=60.0, effect_s=3600.0, tries=2),
    0x8300: Policy(check=check_text),
    # The driver has time to answer.
    0x8302: Policy(reply=0x0302, effect_s=600.0),
    0x8500: Policy(approved=always, immobilising=always, tries=1, check=check_control),
    # A recorder's block comes over a serial line at 9,600 baud, in fragments.
    0x8700: Policy(timeout_s=60.0, effect_s=180.0),
    # It answers when the pictures are taken, and shots may be a minute apart.
    0x8801: Policy(effect_s=600.0),
    # Long lists come in fragments.
    0x8802: Policy(timeout_s=60.0, effect_s=180.0),
    0x8900: Policy(approved=is_command, immobilising=is_command),
    0x9201: Policy(timeout_s=60.0, effect_s=180.0),
    0x9205: Policy(timeout_s=60.0, effect_s=180.0),
    # Hours of video over a mobile network.
    0x9206: Policy(reply=0x1206, effect_s=6 * 3600.0),
}
"""Downlinks of which there is more to say than their declarations do."""
