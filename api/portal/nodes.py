"""What nodes of the organisation, and certificates of people, are called on pages."""

import time
from typing import Final, NamedTuple

from api.portal.render import Words
from core.rights import Principal
from storage.organisation import Certificate, Node, Organisation

CERTIFICATE_SOON_MS: Final = 30 * 86_400_000
"""A certificate that ends within so long is shown as one to renew."""


def name_of(node: Node, words: Words) -> str:
    """Return what a node is called; the group by its own name where nobody has given it one."""
    if node.kind == "group" and node.name_en == "Group":
        return words.t("organisation_group")
    return (node.name_en or node.name_zh) if words.language == "en" else node.name_zh


class Held(NamedTuple):
    """A certificate as a badge."""

    name: str
    level: int
    kind: str
    expires_ms: int


def held_by(
    certificates: list[Certificate], organisation: Organisation, principal: Principal, words: Words
) -> dict[int, list[Held]]:
    names = {
        one.skill: (one.name_en or one.name_zh) if words.language == "en" else one.name_zh
        for one in organisation.skills(principal)
    }
    now_ms = time.time_ns() // 1_000_000
    found: dict[int, list[Held]] = {}
    for one in certificates:
        soon = one.expires_ms and one.expires_ms < now_ms + CERTIFICATE_SOON_MS
        held = Held(names.get(one.skill, one.skill), one.level, "warn" if soon else "info", one.expires_ms)
        found.setdefault(one.account, []).append(held)
    return found
