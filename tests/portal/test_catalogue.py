"""The catalogue of texts: each key is there, in both languages alike, and used; each fault of the API has its words."""

import re
import string
from pathlib import Path

import pytest

from api.messages import MESSAGES, TOPICS
from api.portal.assets import SOURCES, manifest
from api.portal.happenings import GROUPS
from api.problems import PROBLEMS
from core.events import EVENTS

API = Path(__file__).parents[2] / "api"
PYTHON = "\n".join(path.read_text() for path in API.rglob("*.py") if not {"node_modules", "messages"} & set(path.parts))
TEMPLATES = "\n".join(path.read_text() for path in (API / "portal" / "templates").glob("*.html"))
ISLANDS = "\n".join(path.read_text() for path in SOURCES.rglob("*.js") if "node_modules" not in path.parts)


def test_no_key_stands_in_two_topics() -> None:
    assert sum(len(topic.MESSAGES) for topic in TOPICS) == len(MESSAGES)


def names_in(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", sorted(MESSAGES))
def test_a_text_says_the_same_in_both_languages(key: str) -> None:
    english, chinese = MESSAGES[key]
    assert english.strip()
    assert chinese.strip()
    assert names_in(english) == names_in(chinese)


def test_every_key_that_a_template_or_an_island_asks_for_is_there() -> None:
    asked = set(re.findall(r"""\bt\(\s*["']([a-z0-9_]+)["']\s*[,)]""", TEMPLATES + ISLANDS))
    assert len(asked) > 100
    assert not asked - set(MESSAGES)
    for source, island in manifest().islands.items():
        assert not set(island.texts) - set(MESSAGES), source
        for family in island.families:
            assert any(key.startswith(family) for key in MESSAGES), (source, family)


def test_every_key_is_used() -> None:
    everything = PYTHON + TEMPLATES + ISLANDS
    quoted = set(re.findall(r"""["'`]([a-z0-9_]+)["'`]""", everything))
    # A family: the beginning of a key, put together with what follows: "role_" ~ role, f"problem_{code}", `state_${x}`.
    families = set(re.findall(r"""["'`]([a-z0-9]+(?:_[a-z0-9]+)*_)(?:["'`]|\$?\{)""", everything))
    unused = [key for key in MESSAGES if key not in quoted and not any(key.startswith(family) for family in families)]
    assert not unused


@pytest.mark.parametrize("code", sorted(PROBLEMS))
def test_every_problem_of_the_api_has_its_words(code: str) -> None:
    assert f"problem_{code}" in MESSAGES


@pytest.mark.parametrize("event_type", sorted({event_type for event_type, _ in EVENTS}))
def test_every_type_of_event_has_its_words(event_type: str) -> None:
    assert "event_type_" + event_type.replace(".", "_") in MESSAGES


def test_every_group_of_events_holds_a_type_and_has_its_words() -> None:
    types = {event_type for event_type, _ in EVENTS}
    for group, prefixes in GROUPS.items():
        assert f"event_group_{group}" in MESSAGES
        assert any(event_type.startswith(prefixes) for event_type in types), group


def test_every_field_of_an_event_has_its_words() -> None:
    hidden = {"has_fix", "rule_version", "lat_1e7", "lon_1e7"}
    fields = {name for payload in EVENTS.values() for name in payload.__struct_fields__} - hidden
    assert not {name for name in fields if f"event_field_{name}" not in MESSAGES}
