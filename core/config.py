"""Config: every option of the program, where each value came from, and what is wrong with it if something is.

A value is taken from the first of these that names it: command line, environment (`CARILLON_` and the name in
capitals), the TOML file, the default below. A key or variable that names no option is refused: a typing error must not
silently leave a default in force.
"""

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from core.limits import (
    AREAS_PER_TERMINAL_MAX,
    BYTES_PER_S_MAX,
    FRAMES_PER_S_MAX,
    LINKS_MAX,
    LINKS_PER_ADDRESS_MAX,
    LINKS_PER_ADDRESS_MINUTE_MAX,
    MEDIA_STORE_BYTES,
    TRUSTED_NETWORKS_MAX,
)
from core.rights import ROLES

ENVIRONMENT_PREFIX: Final = "CARILLON_"
NOT_OPTIONS: Final = frozenset({"CARILLON_CONFIG"})
"""Variables with our prefix that are no field of Config: the one that names the file."""


class ConfigError(Exception):
    """The operator's configuration cannot be used; the text names value, origin and bound, a line for each fault."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The options of one process. Build it with `load_config`, which checks the bounds that stand here."""

    data: Annotated[str, Meta(min_length=1, description="Directory of everything this node keeps.")] = "data"
    tcp: Annotated[str, Meta(description="Where terminals connect. Port 0 takes any free one.")] = "127.0.0.1:8808"
    http: Annotated[str, Meta(description="Where the API and the status page answer.")] = "127.0.0.1:8080"
    registration: Annotated[
        Literal["open", "known"],
        Meta(
            description="Whether a terminal that nobody has entered may register (0x0100). With `demo` and `tcp` on "
            "loopback the default is `open`."
        ),
    ] = "known"
    ack_after: Annotated[
        Literal["sync", "write", "receive"],
        Meta(
            description="What must be done with a frame before it is acknowledged: `sync` survives a power cut, "
            "`write` a killed process; `receive` keeps no promise and is for benchmarks."
        ),
    ] = "sync"
    ack_window_ms: Annotated[
        # A terminal waits seconds for its answer, and one sync costs about 130 us of CPU: at 10 ms that is at most
        # 100 syncs a second, 1.3 % of a core. Above 50 ms nothing more is saved.
        int, Meta(ge=0, le=50, description="Least time between two rounds of receiving, syncing and acknowledging, ms.")
    ] = 10
    journal: Annotated[
        str,
        Meta(description="Directory of the journal, for a volume of its own; empty: `journal` in `data`."),
    ] = ""
    journal_keep_h: Annotated[
        int, Meta(ge=1, le=8_760, description="How long raw frames are kept after every reader has passed them, hours.")
    ] = 24
    journal_bytes_max: Annotated[
        # 10,000 terminals reporting every 10 s with 150 bytes a record write 13 GB a day.
        int,
        Meta(
            ge=64 * 1024 * 1024,
            le=1 << 50,
            description="Most bytes of journal. Kept frames go first; when all are still needed, acknowledging stops.",
        ),
    ] = 32 * 1024**3
    media: Annotated[
        str,
        Meta(description="Directory of pictures, sounds and films, for a volume of its own; empty: `media` in `data`."),
    ] = ""
    media_bytes_max: Annotated[
        # 100 cars with ten pictures of 100 KB a day fill 20 GB in 200 days.
        int,
        Meta(
            ge=16 * 1024 * 1024,
            le=1 << 50,
            description="Most bytes of pictures, sounds and films. At the bound new ones are refused; none is deleted.",
        ),
    ] = MEDIA_STORE_BYTES
    keys: Annotated[
        str,
        Meta(
            description="Directory of the keys that secrets and personal columns are sealed under, for a volume and a "
            "backup of their own; empty: `keys` in `data`."
        ),
    ] = ""
    idle_s: Annotated[
        # Terminals are commonly set to a heartbeat of 60 s or less (parameter 0x0001). Three in a row lost in a
        # tunnel are a dead connection; the terminal reconnects and re-sends, so being wrong costs one login.
        int, Meta(ge=10, le=86_400, description="Silence after which a terminal's connection is closed, seconds.")
    ] = 180
    idle_traffic: Annotated[
        Literal["uplink", "any"],
        Meta(
            description="What ends that silence: only what the terminal sends (`uplink`), or also what we send to it "
            "(`any`), for terminals that mostly listen. With `any` a dead connection is found only when TCP gives up."
        ),
    ] = "uplink"
    trusted_addresses: Annotated[
        str,
        Meta(
            description="Addresses and networks (10.0.0.0/8) that many terminals come from: forwarding platforms, a "
            "carrier's NAT, a proxy. The limits per address and per connection are not for them. Apart by spaces."
        ),
    ] = "127.0.0.1 ::1"
    links_per_address_max: Annotated[
        int, Meta(ge=1, le=LINKS_MAX, description="Most connections of one address that is not trusted.")
    ] = LINKS_PER_ADDRESS_MAX
    links_per_address_minute_max: Annotated[
        int,
        Meta(
            ge=1,
            le=60_000,
            description="Most connections that such an address may open in a minute in the long run; at once as many "
            "as `links_per_address_max`.",
        ),
    ] = LINKS_PER_ADDRESS_MINUTE_MAX
    frames_per_s_max: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="Most frames of one terminal in a second in the long run; at once a minute's worth. "
            "Beyond, it is read only as fast, or on a shared connection let go, to send again.",
        ),
    ] = FRAMES_PER_S_MAX
    bytes_per_s_max: Annotated[
        int,
        Meta(
            ge=1_024,
            le=100_000_000,
            description="Most bytes of one connection in a second in the long run, likewise.",
        ),
    ] = BYTES_PER_S_MAX
    report_dsn: Annotated[
        str,
        Meta(description="Where reports are stored; empty: ClickHouse embedded, in `clickhouse` in `data`."),
    ] = ""
    business_dsn: Annotated[
        str,
        Meta(description="Where event log and business tables are; empty: SQLite, `carillon.db` in `data`."),
    ] = ""
    node_data: Annotated[
        str,
        Meta(
            description="`carillon api` only: `data` of the node that owns the event log, if it runs on this machine. "
            "Then events are shown as they happen; else up to two seconds later."
        ),
    ] = ""
    public_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^\s/?#]+)?$",
            description="Where people reach the portal, for links that are sent out (`https://cars.example.com`); "
            "empty: where `http` listens. With https the session's cookie is for https only.",
        ),
    ] = ""
    node: Annotated[
        str,
        Meta(
            pattern="^[a-z0-9][a-z0-9-]{0,31}$",
            description="Name of this node, different on each. It marks inserts as ours: never change it "
            "on a node that has data.",
        ),
    ] = "node1"
    demo: Annotated[bool, Meta(description="Simulate a fleet; reading the API needs no key on loopback.")] = False
    demo_vehicles: Annotated[int, Meta(ge=1, le=10_000, description="Cars of the simulated fleet.")] = 200
    demo_history_h: Annotated[
        # 200 cars report 40,000 times in an hour of the past, and live through it in two seconds.
        int,
        Meta(ge=0, le=24, description="Hours that the simulated fleet has driven before the demo's first start."),
    ] = 6
    areas_max: Annotated[
        int,
        Meta(ge=1, le=1_000, description="Geofences of one kind (circle, rectangle, polygon) kept on one terminal."),
    ] = AREAS_PER_TERMINAL_MAX
    metrics: Annotated[
        Literal["loopback", "key", "open"],
        Meta(
            description="Who may read /metrics: with `loopback` anyone as long as `http` is on loopback, else who "
            "has the key; with `key` only who has it; with `open` anyone."
        ),
    ] = "loopback"
    map_style_url: Annotated[
        str,
        Meta(
            pattern=r"^((https?:/)?/[^\s;,'\"]+)?$",
            description="MapLibre style that every map is drawn with; empty: the demo's city, or plain ground.",
        ),
    ] = ""
    map_tiles_url: Annotated[
        str,
        Meta(
            description="Map tiles as pictures of 256 pixels, with {z}, {x} and {y}, in Web Mercator over WGS-84; used "
            "where there is no `map_style_url`."
        ),
    ] = ""
    map_attribution: Annotated[str, Meta(description="Whose map it is, shown in its corner.")] = ""
    map_approval: Annotated[str, Meta(description="Approval number of the map (审图号), shown in its corner.")] = ""
    map_hosts: Annotated[
        str,
        Meta(
            # They go into the content security policy, where a semicolon would begin a rule of its own.
            pattern=r"^( *https?://[^\s/?#;,'\"]+)* *$",
            description="Further origins that the style loads from (https://glyphs.example.com), apart by spaces.",
        ),
    ] = ""
    factor_roles: Annotated[
        str,
        Meta(
            description="Roles whose people do nothing before they have a second factor (an authenticator's digits), "
            "apart by spaces: `administrator manager`. Empty: who wants one has one."
        ),
    ] = ""
    drain_s: Annotated[
        # A load balancer asks every few seconds and wants two or three answers before it believes them.
        int,
        Meta(
            ge=0,
            le=600,
            description="How long a node that was told to stop goes on working while /health says that it is stopping, "
            "so that a load balancer sends nobody here any more, seconds.",
        ),
    ] = 0
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="Least level logged.")] = "info"
    log_format: Annotated[
        Literal["text", "json"],
        Meta(
            description="How a line of the log looks: `text` for people, `json` for whoever collects it, an object a "
            "line with stable names."
        ),
    ] = "text"

    @property
    def data_path(self) -> Path:
        return Path(self.data)

    @property
    def journal_path(self) -> Path:
        return Path(self.journal) if self.journal else self.data_path / "journal"

    @property
    def media_path(self) -> Path:
        return Path(self.media) if self.media else self.data_path / "media"

    @property
    def keys_path(self) -> Path:
        return Path(self.keys) if self.keys else self.data_path / "keys"

    @property
    def reports(self) -> str:
        """DSN of the reports, defaults filled in."""
        return self.report_dsn or f"chdb:///{(self.data_path / 'clickhouse').absolute()}"

    @property
    def business(self) -> str:
        """DSN of event log and business tables, defaults filled in."""
        return self.business_dsn or f"sqlite:///{(self.data_path / 'carillon.db').absolute()}"

    @property
    def tcp_address(self) -> tuple[str, int]:
        return split_address(self.tcp)

    @property
    def trusted_networks(self) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        return split_networks(self.trusted_addresses)

    @property
    def http_address(self) -> tuple[str, int]:
        return split_address(self.http)

    @property
    def http_is_loopback(self) -> bool:
        return is_loopback(self.http_address[0])


class Options(NamedTuple):
    """A configuration, and where each option that was given came from."""

    config: Config
    origins: Mapping[str, str]
    """Name of an option -> `--tcp`, `CARILLON_TCP`, `/etc/carillon.toml, line 3`; the others have their defaults."""

    def told(self, name: str, fault: str) -> str:
        """Return the sentence by which an option is refused: what it is, from where, and why it will not do."""
        return told(name, getattr(self.config, name), self.origins.get(name, "the default"), fault)


def load_config(
    command_line: Mapping[str, object] | None = None,
    *,
    file: str | Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Config:
    """Return the checked configuration; see load_options."""
    return load_options(command_line, file=file, environment=environment).config


def load_options(
    command_line: Mapping[str, object] | None = None,
    *,
    file: str | Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Options:
    """Return the checked configuration and where it comes from.

    Args:
        command_line: options given there, by field name; None values count as not given.
        file: TOML file; None: the one that CARILLON_CONFIG names, if any. A table of its own groups nothing: keys
            stand at the top level, named as the fields are.
        environment: None: the process's.

    Raises:
        ConfigError: values are out of bounds, options are unknown, or the file cannot be read. All faults are named.
    """
    environment = os.environ if environment is None else environment
    given: dict[str, tuple[object, str]] = {}
    faults: list[str] = []

    def take(name: str, value: object, shown: str, origin: str, place: str) -> None:
        if name in FIELDS:
            given[name] = (value, origin)
            return
        close = difflib.get_close_matches(name, FIELDS, n=1)
        faults.append(f"{shown} (from {place}) is no option{f'; did you mean {close[0]}?' if close else ''}")

    path = file or environment.get("CARILLON_CONFIG")
    if path:
        values, lines = _read_file(Path(path))
        for name, value in values.items():
            line = f", line {lines[name]}" if name in lines else ""
            take(name, value, name, f"{path}{line}", f"{path}{line}")
    for variable, text in environment.items():
        if variable.startswith(ENVIRONMENT_PREFIX) and variable not in NOT_OPTIONS:
            take(variable.removeprefix(ENVIRONMENT_PREFIX).lower(), text, variable, variable, "environment")
    for name, value in (command_line or {}).items():
        if value is not None:
            take(name, value, name, f"--{name.replace('_', '-')}", "command line")
    checked: dict[str, object] = {}
    for name, (value, origin) in given.items():
        try:
            checked[name] = _checked(name, value)
        except ValueError:
            faults.append(told(name, value, origin, bound_text(name)))
    if faults:
        raise ConfigError("\n".join(faults))
    origins = {name: origin for name, (_, origin) in given.items()}
    on_loopback = is_loopback(split_address(str(checked.get("tcp", Config().tcp)))[0])
    if checked.get("demo") and on_loopback and "registration" not in checked:
        # Nobody has entered the simulated cars; from outside this machine no one can use the open door.
        checked["registration"], origins["registration"] = "open", f"demo, {origins['demo']}"
    return Options(msgspec.convert(checked, Config), origins)


def _read_file(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the file's values, and in which line each stands."""
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error}") from error
    # The reader of TOML does not tell; a key written in another way than plainly has no line.
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.match(r"\s*\[?\s*([A-Za-z0-9_-]+)\s*[\]=]", line):
            lines.setdefault(match[1], number)
    return values, lines


def _checked(name: str, value: object) -> object:
    """Return a value as its field's type, text converted ('80' is an int where one is wanted, 'true' a bool).

    Raises:
        ValueError: it is none, or out of bounds.
    """
    if isinstance(value, str) and "\0" in value:
        raise ValueError("no option has a NUL")
    converted = msgspec.convert(value, FIELDS[name].type, strict=not isinstance(value, str))
    if name in CHECKS:
        CHECKS[name].check(converted)
    return converted


def told(name: str, value: object, origin: str, fault: str) -> str:
    """Return the sentence by which a value is refused. What is secret in it is not shown."""
    return f"{name} = {redact(str(value))} (from {origin}): {fault}"


def redact(text: str) -> str:
    """Return a DSN without its password, any other text as it is."""
    # Up to the last @: one that stands in a password unquoted must not show the rest of it.
    return re.sub(r"(?<=://)([^:/@]*):.*@", r"\1:***@", text)


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of 'HOST:PORT' or '[V6]:PORT'.

    Raises:
        ValueError: it is neither, or the port is not 0 to 65535.
    """
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\s:\[\]/]+)):([0-9]{1,5})", address)
    if match is None or int(match[3]) > 65_535:
        raise ValueError(f"not HOST:PORT: {address}")
    return match[1] or match[2], int(match[3])


def check_report_dsn(dsn: str) -> None:
    """Raise ValueError unless reports can be kept there; an empty one is the default. Storage takes it apart."""
    url = urlsplit(dsn)
    here = url.scheme == "chdb" and not url.netloc and url.path.startswith("/")
    away = url.scheme in ("clickhouse", "clickhouses") and bool(url.hostname) and (url.port is None or url.port > 0)
    database = url.path.strip("/")
    if dsn and not (here or (away and re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]{0,62})?", database))):
        raise ValueError(f"no store of reports: {redact(dsn)}")


def check_business_dsn(dsn: str) -> None:
    """Raise ValueError unless event log and tables can be kept there; an empty one is the default."""
    url = urlsplit(dsn)
    here = url.scheme == "sqlite" and not url.netloc and len(url.path) > 1 and not url.path.endswith(":memory:")
    away = url.scheme == "postgresql+psycopg" and len(url.path) > 1 and (url.port is None or url.port > 0)
    if dsn and not (here or away):
        raise ValueError(f"no business database: {redact(dsn)}")


def check_tiles_url(url: str) -> None:
    """Raise ValueError unless it is an address of tiles: with {z}, {x} and {y}. Empty: there are none."""
    well = re.fullmatch(r"(https?:/)?/[^\s;,'\"]+", url) and all(sign in url for sign in ("{z}", "{x}", "{y}"))
    if url and not well:
        raise ValueError(f"no address of tiles: {url}")


def check_roles(text: str) -> None:
    """Raise ValueError unless these are roles, apart by spaces; empty: none."""
    if unknown := [role for role in text.split() if role not in ROLES]:
        raise ValueError(f"no role: {unknown[0]}")


def split_networks(text: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Return the networks that stand in a text, apart by spaces or commas; an address is a network of one.

    Raises:
        ValueError: one is none, has bits behind its mask, or they are more than TRUSTED_NETWORKS_MAX.
    """
    networks = [ipaddress.ip_network(word) for word in text.replace(",", " ").split()]
    if len(networks) > TRUSTED_NETWORKS_MAX:
        raise ValueError(f"{len(networks)} networks")
    return networks


def is_loopback(host: str) -> bool:
    """Tell whether a listener on `host` is reached from this machine alone; a name other than localhost is not."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bound_text(name: str) -> str:
    """Return what a field takes, for messages and for the table in docs/operate.md: '0 to 50', 'open or known'."""
    if name in CHECKS:
        return CHECKS[name].takes
    type_ = _inner(msgspec.inspect.type_info(FIELDS[name].type))
    match type_:
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.IntType(ge=low, le=high):
            return f"{low:,} to {high:,}"
        case msgspec.inspect.LiteralType(values=values):
            *first, last = (str(value) for value in values)
            return f"{', '.join(first)} or {last}"
        case msgspec.inspect.StrType(pattern=str(pattern)):
            return f"text matching {pattern}"
        case msgspec.inspect.StrType(min_length=int()):
            return "text, not empty"
        case _:
            return "text"


def _inner(type_: msgspec.inspect.Type) -> msgspec.inspect.Type:
    return _inner(type_.type) if isinstance(type_, msgspec.inspect.Metadata) else type_


def description(name: str) -> str:
    """Return the one sentence that says what a field is for."""
    metadata = msgspec.inspect.type_info(FIELDS[name].type)
    schema = getattr(metadata, "extra_json_schema", None) or {}
    return str(schema["description"])


class Check(NamedTuple):
    """What a field takes beyond its type."""

    check: Callable[[str], object]
    """Raises ValueError."""
    takes: str


CHECKS: Final[Mapping[str, Check]] = {
    "tcp": Check(split_address, "HOST:PORT, the port 0 to 65535"),
    "http": Check(split_address, "HOST:PORT, the port 0 to 65535"),
    "trusted_addresses": Check(
        split_networks, f"addresses and networks apart by spaces, {TRUSTED_NETWORKS_MAX} at most"
    ),
    "report_dsn": Check(
        check_report_dsn, "chdb:///DIRECTORY or clickhouse[s]://USER:PASSWORD@HOST:PORT/DATABASE, or empty"
    ),
    "business_dsn": Check(
        check_business_dsn, "sqlite:////FILE or postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE, or empty"
    ),
    "factor_roles": Check(check_roles, f"of {' '.join(ROLES)}, apart by spaces, or empty"),
    "map_tiles_url": Check(check_tiles_url, "http[s]://HOST/… or /… with {z}, {x} and {y}, or empty"),
}
FIELDS: Final = {field.name: field for field in msgspec.structs.fields(Config)}
