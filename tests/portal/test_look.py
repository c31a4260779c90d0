"""The look: inks that can be read on their grounds, in light and dark; a sprite with each icon that is asked for."""

import re
from pathlib import Path

import pytest

from api.portal import happenings
from api.portal.assets import DIRECTORY, SOURCES, manifest
from api.portal.navigation import ENTRIES

STYLE = (SOURCES / "portal.css").read_text()
TOKENS = {
    name: (light.strip(), dark.strip())
    for name, light, dark in re.findall(r"--([a-z0-9-]+):\s*light-dark\((#[0-9a-f]+),\s*(#[0-9a-f]+)\)", STYLE)
}
INKS = ("ink", "ink-soft", "ink-faint", "accent", "accent-strong", "good", "warn", "bad", "info", "quiet")
HUES = tuple(f"hue-{number}" for number in range(1, 7))
PAIRS = [
    *((ink, ground) for ink in INKS for ground in ("surface", "raised", "ground")),
    *((hue, ground) for hue in HUES for ground in ("surface", "chosen")),
    *((state, f"{state}-soft") for state in ("good", "warn", "bad", "info", "quiet")),
    *((ink, "hover") for ink in ("ink", "ink-soft", "accent")),
    *((ink, "chosen") for ink in ("ink", "ink-soft", "accent-strong", "accent")),
    ("accent-ink", "accent"),
    ("accent-ink", "accent-strong"),
]


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_formula_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), PAIRS)
def test_every_ink_can_be_read_on_its_ground(ink: str, ground: str, theme: int) -> None:
    assert contrast(TOKENS[ink][theme], TOKENS[ground][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_focus_is_seen_on_every_surface(theme: int) -> None:
    for ground in ("surface", "raised", "ground"):
        assert contrast(TOKENS["focus"][theme], TOKENS[ground][theme]) >= 3


def test_colours_stand_in_tokens_only() -> None:
    behind = STYLE[STYLE.index("/* --- ground") : STYLE.index("@media print")]
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsl", behind)


def test_every_icon_that_is_asked_for_is_in_the_sprite() -> None:
    sprite = (DIRECTORY / manifest().islands["icons.svg"].file).read_text()
    there = set(re.findall(r'<symbol id="([a-z]+)"', sprite))
    api = Path(happenings.__file__).parent
    templates = "\n".join(path.read_text() for path in (api / "templates").glob("*.html"))
    asked = set(re.findall(r"""icon\(["']([a-z]+)["']\)""", templates))
    asked |= {look.icon for look in happenings.LOOKS.values()} | {entry.icon for entry in ENTRIES}
    assert not asked - there
