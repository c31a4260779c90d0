"""Tables in the docs that are made from the program. `python -m tests.project.pages` writes them; a test compares."""

import re
from pathlib import Path
from typing import Any

import msgspec

from core.config import FIELDS, bound_text, description
from core.events import EVENTS
from core.rights import RIGHTS, ROLES

DOCS = Path(__file__).resolve().parents[2] / "docs"


def options_table() -> str:
    """Return every option with its default, what it takes and what it does."""
    lines = ["| option | default | takes | what it does |", "|---|---|---|---|"]
    for name, field in FIELDS.items():
        default = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
        shown = f"`{default}`" if default else "empty"
        lines.append(f"| `{name}` | {shown} | {bound_text(name)} | {description(name)} |")
    return "\n".join(lines) + "\n"


def events_table() -> str:
    """Return every type of event with its payload's meaning and fields."""
    lines = ["| type | version | what it says | payload |", "|---|---|---|---|"]
    for (type_, version), payload in EVENTS.items():
        meaning = re.sub(r"^[a-z., ]+: ", "", (payload.__doc__ or "").strip().split("\n")[0])
        fields = ", ".join(f"`{field.name}` {_kind(field.type)}" for field in msgspec.structs.fields(payload))
        lines.append(f"| `{type_}` | {version} | {meaning} | {fields} |")
    return "\n".join(lines) + "\n"


def rights_table() -> str:
    """Return which role has which right."""
    lines = [f"| right | {' | '.join(ROLES)} |", f"|---|{'---|' * len(ROLES)}"]
    for right in RIGHTS:
        lines.append(f"| `{right}` | {' | '.join('yes' if right in rights else '' for rights in ROLES.values())} |")
    return "\n".join(lines) + "\n"


def _kind(type_: Any) -> str:
    """Return a type as a reader of JSON knows it."""
    return {int: "integer", str: "text", bool: "true or false", float: "number"}.get(type_, "object")


TABLES = (
    ("operate.md", "options", options_table),
    ("events.md", "events", events_table),
    ("security.md", "rights", rights_table),
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
