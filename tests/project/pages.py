"""Tables in the docs that are made from the program. `python -m tests.project.pages` writes them; a test compares."""

import logging
import re
from pathlib import Path

from actors.business import BUSINESS
from actors.voices import VOICES
from api.messages.business import MESSAGES as BUSINESS_TEXTS
from api.portal.places import PLACES, places_of
from api.portal.render import words_in
from api.portal.terms import field_name, message_name
from core.business import SPINE
from core.catalogue import catalogue, fields_of
from core.config import FIELDS, bound_text, description
from core.events import EVENTS
from core.logging import OCCURRENCES
from core.rights import RIGHTS, ROLES
from core.rules import RULES
from core.thresholds import thresholds
from protocols.jt808.forms import id_text
from protocols.jt808.location import STANDARD
from protocols.jt808.messages import MESSAGES, answer_to, is_downlink
from protocols.jt808.parameters import PARAMETERS
from protocols.jt808.safety import SAFETY
from protocols.jt808.vendors import COMMON, VENDORS
from protocols.jt808.wire import VERSIONS

DOCS = Path(__file__).resolve().parents[2] / "docs"


def options_table() -> str:
    """Return every option with its default, what it takes and what it does."""
    lines = ["| option | default | takes | what it does |", "|---|---|---|---|"]
    for name, field in FIELDS.items():
        default = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
        shown = f"`{default}`" if default else "empty"
        lines.append(f"| `{name}` | {shown} | {bound_text(name)} | {description(name)} |")
    return "\n".join(lines) + "\n"


def occurrences_table() -> str:
    """Return everything the program logs."""
    lines = ["| event | level | what it says |", "|---|---|---|"]
    for name, (level, said) in OCCURRENCES.items():
        words = re.sub(r"\{(\w+)[^}]*\}", r"`\1`", said)
        lines.append(f"| `{name}` | {logging.getLevelName(level).lower()} | {words} |")
    return "\n".join(lines) + "\n"


def events_table() -> str:
    """Return every type of event: who says and hears it, its payload's meaning and fields with their units."""
    types = catalogue((SPINE, *(actor for actor in BUSINESS if actor is not SPINE)), VOICES)
    lines = ["| type | version | what it says | said by | heard by | payload |", "|---|---|---|---|---|---|"]
    for (type_, version), payload in EVENTS.items():
        one = types[type_]
        meaning = re.sub(r"^[a-z., ]+: ", "", (payload.__doc__ or "").strip().split("\n")[0])
        fields = ", ".join(
            f"`{field.name}` {field.takes}{f' ({UNIT_WORDS[field.unit]})' if field.unit else ''}"
            for field in fields_of(payload)
        )
        who = f"{', '.join(one.said_by)} | {', '.join(one.heard_by)}"
        lines.append(f"| `{type_}` | {version} | {meaning} | {who} | {fields} |")
    return "\n".join(lines) + "\n"


UNIT_WORDS = {
    key.removeprefix("catalogue_unit_"): english
    for key, (english, _) in BUSINESS_TEXTS.items()
    if key.startswith("catalogue_unit_")
}


def thresholds_table() -> str:
    """Return every threshold of every detector, in both languages."""
    zh, en = words_in("zh"), words_in("en")
    lines = ["| detector | threshold | default | from | to | what it is | 参数 |", "|---|---|---|---|---|---|---|"]
    for detector in RULES:
        for one in thresholds(detector):
            default = str(one.default).lower() if one.kind == "switch" else f"{one.default:.10g}"
            bounds = ["" if bound is None else f"{bound:.10g}" for bound in (one.least, one.most)]
            titles = [words.or_text(f"rules_{detector}_{one.name}", one.name) for words in (en, zh)]
            lines.append(f"| `{detector}` | `{one.name}` | {default} | {' | '.join([*bounds, *titles])} |")
    return "\n".join(lines) + "\n"


def rights_table() -> str:
    """Return which role has which right."""
    lines = [f"| right | {' | '.join(ROLES)} |", f"|---|{'---|' * len(ROLES)}"]
    for right in RIGHTS:
        lines.append(f"| `{right}` | {' | '.join('yes' if right in rights else '' for rights in ROLES.values())} |")
    return "\n".join(lines) + "\n"


def messages_table() -> str:
    """Return every message that is declared: its names, way, editions, what answers it, where a user sees it."""
    zh, en = words_in("zh"), words_in("en")
    lines = ["| id | message | 消息 | way | editions | answered by | seen at |", "|---|---|---|---|---|---|---|"]
    for message, row in sorted(MESSAGES.items()):
        answer = answer_to(message)
        editions = [str(version) for version in VERSIONS if row.since <= version <= row.until]
        seen = ", ".join(PLACES[place][1] for place in places_of(message))
        lines.append(
            f"| {id_text(message)} | {message_name(message, en)} | {message_name(message, zh)} "
            f"| {'down' if is_downlink(message) else 'up'} | {', '.join(editions)} "
            f"| {id_text(answer) if answer else ''} | {seen} |"
        )
    return "\n".join(lines) + "\n"


def items_table() -> str:
    """Return every item that is declared: its table, id, lengths, and its fields in both languages."""
    zh, en = words_in("zh"), words_in("en")
    lines = ["| table | id | bytes | item | fields | 字段 |", "|---|---|---|---|---|---|"]
    for table in (STANDARD, SAFETY, COMMON, *(vendor.table for vendor in VENDORS.values())):
        for row in table.rows:
            names = [name for name in row.struct.__struct_fields__ if name != "as_sent"]
            fields = [", ".join(field_name(row.struct.__name__, name, words) for name in names) for words in (en, zh)]
            lengths = list(row.lengths)
            said = ", ".join(map(str, lengths if len(lengths) < 4 else [*lengths[:2], "…"]))
            id = f"0x{row.id:02X}" if row.id_bytes else "none"
            lines.append(f"| {table.name} | {id} | {said} | {row.struct.__name__} | {fields[0]} | {fields[1]} |")
    return "\n".join(lines) + "\n"


def messages_short() -> str:
    """Return how many messages there are each way, and their ids: the README's form of messages_table."""
    up = [message for message in sorted(MESSAGES) if not is_downlink(message)]
    down = [message for message in sorted(MESSAGES) if is_downlink(message)]
    lines = ["| | messages | ids |", "|---|---|---|"]
    for name, ids in (("terminal to platform", up), ("platform to terminal", down)):
        lines.append(f"| {name} | {len(ids)} | {', '.join(f'{message:04X}' for message in ids)} |")
    lines.append(
        f"| parameters of 0x8103 | {len(PARAMETERS) - 239} | each typed, with its unit; 0110-01FF count as one |"
    )
    return "\n".join(lines) + "\n"


TABLES = (
    ("operate.md", "options", options_table),
    ("operate.md", "occurrences", occurrences_table),
    ("events.md", "events", events_table),
    ("security.md", "rights", rights_table),
    ("detectors.md", "thresholds", thresholds_table),
    ("jt808.md", "messages", messages_table),
    ("items.md", "items", items_table),
    ("../README.md", "messages", messages_short),
)


def with_table(text: str, mark: str, table: str) -> str:
    """Return a page's text with what stands between `<!-- mark -->` and `<!-- end -->` replaced by the table."""
    before, _, rest = text.partition(f"<!-- {mark} -->\n")
    _, _, after = rest.partition("<!-- end -->")
    return f"{before}<!-- {mark} -->\n{table}<!-- end -->{after}"


if __name__ == "__main__":
    for name, mark, make in TABLES:
        page = DOCS / name
        page.write_text(with_table(page.read_text(encoding="utf-8"), mark, make()), encoding="utf-8")
