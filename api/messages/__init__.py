"""Every text a person reads on a page of ours, by key, in English and Simplified Chinese."""

from typing import Final

from api.messages import (
    account,
    approvals,
    audit,
    business,
    commands,
    consent,
    crash,
    docs,
    driving,
    events,
    explain,
    garage,
    geofences,
    guard,
    identity,
    incidents,
    jt808,
    jt808_parameters,
    jt808_recorder,
    map,
    media,
    organisation,
    outbox,
    people,
    portal,
    problems,
    quality,
    rules,
    system,
    terminals,
    uplinks,
    vehicles,
)

LANGUAGES: Final = {"en": "en", "zh": "zh-CN"}
"""Language we write -> what the page's lang attribute says."""

TOPICS: Final = (
    account,
    approvals,
    audit,
    business,
    commands,
    consent,
    crash,
    docs,
    driving,
    events,
    explain,
    garage,
    geofences,
    guard,
    identity,
    incidents,
    jt808,
    jt808_parameters,
    jt808_recorder,
    map,
    media,
    organisation,
    outbox,
    people,
    portal,
    problems,
    quality,
    rules,
    system,
    terminals,
    uplinks,
    vehicles,
)
"""One file of texts a topic, as a rule a page."""

MESSAGES: Final[dict[str, tuple[str, str]]] = {key: value for topic in TOPICS for key, value in topic.MESSAGES.items()}
"""key -> (English, Chinese)."""


def text(key: str, language: str, **values: object) -> str:
    """Return a message with its {names} filled in; `language` is a key of LANGUAGES."""
    english, chinese = MESSAGES[key]
    said = chinese if language == "zh" else english
    return said.format_map(values) if values else said


def language_of(chosen: str | None, accept: str) -> str:
    """Return the language for a page: the one chosen, else the first of Accept-Language that we write, else English."""
    if chosen in LANGUAGES:
        return chosen or "en"
    weighted = []
    for position, part in enumerate(accept.split(",")[:16]):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            continue
        language = tag.split("-")[0].strip().lower()
        if language in LANGUAGES and weight > 0:
            weighted.append((-weight, position, language))
    return min(weighted)[2] if weighted else "en"
