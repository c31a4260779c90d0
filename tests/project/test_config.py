"""Options come from where they should, and a wrong one says what, from where and within what bound."""

import re
from pathlib import Path

import pytest

from core.config import (
    FIELDS,
    Config,
    ConfigError,
    bound_text,
    is_loopback,
    load_config,
    load_options,
    split_address,
)
from core.limits import TRUSTED_NETWORKS_MAX
from storage.clickhouse import ReportStore


def test_the_command_line_beats_the_environment_beats_the_file_beats_the_default(tmp_path: Path) -> None:
    file = tmp_path / "carillon.toml"
    file.write_text('ack_window_ms = 1\nidle_s = 60\nnode = "north"\n')
    environment = {"CARILLON_ACK_WINDOW_MS": "2", "CARILLON_IDLE_S": "70", "HOME": "/"}
    config = load_config({"ack_window_ms": 3, "tcp": None}, file=file, environment=environment)
    assert (config.ack_window_ms, config.idle_s, config.node, config.tcp) == (3, 70, "north", Config().tcp)
    named = load_config(environment={"CARILLON_CONFIG": str(file)})
    assert named.idle_s == 60


@pytest.mark.parametrize(
    ("command_line", "environment", "said"),
    [
        ({"ack_window_ms": 51}, {}, "ack_window_ms = 51 (from --ack-window-ms): 0 to 50"),
        ({}, {"CARILLON_ACK_WINDOW_MS": "80"}, "ack_window_ms = 80 (from CARILLON_ACK_WINDOW_MS): 0 to 50"),
        ({}, {"CARILLON_ACK_WINDOW_MS": "ten"}, "ack_window_ms = ten (from CARILLON_ACK_WINDOW_MS): 0 to 50"),
        ({"registration": "all"}, {}, "registration = all (from --registration): known or open"),
        ({"tcp": "8808"}, {}, "tcp = 8808 (from --tcp): HOST:PORT, the port 0 to 65535"),
        ({"tcp": "127.0.0.1:65536"}, {}, "tcp = 127.0.0.1:65536 (from --tcp): HOST:PORT, the port 0 to 65535"),
        ({}, {"CARILLON_DEMO": "maybe"}, "demo = maybe (from CARILLON_DEMO): true or false"),
        ({}, {"CARILLON_TPC": "x"}, "CARILLON_TPC (from environment) is no option; did you mean tcp?"),
        ({"data": ""}, {}, "data =  (from --data): text, not empty"),
        ({"node": "Nord 1"}, {}, "node = Nord 1 (from --node): text matching"),
        ({}, {"CARILLON_LOG_FORMAT": "xml"}, "log_format = xml (from CARILLON_LOG_FORMAT): json or text"),
        ({"report_dsn": "mysql://h/d"}, {}, "report_dsn = mysql://h/d (from --report-dsn): chdb:///DIRECTORY or"),
        ({"business_dsn": "sqlite://"}, {}, "business_dsn = sqlite:// (from --business-dsn): sqlite:////FILE or"),
        (
            {"business_dsn": "postgresql://u:s3c@ret@h/d"},
            {},
            "business_dsn = postgresql://u:***@h/d (from --business-dsn): sqlite:////FILE or",
        ),
        ({"map_tiles_url": "https://t/{z}/{x}"}, {}, "map_tiles_url = https://t/{z}/{x} (from --map-tiles-url): http"),
        ({"map_hosts": "https://a; script-src *"}, {}, "map_hosts = https://a; script-src * (from --map-hosts): text"),
        ({"map_style_url": "javascript:x"}, {}, "map_style_url = javascript:x (from --map-style-url): text matching"),
        ({"data": "a\0b"}, {}, "data = a\0b (from --data): text, not empty"),
        (
            {"trusted_addresses": "10.0.0.1 10.1.0.0/33"},
            {},
            "trusted_addresses = 10.0.0.1 10.1.0.0/33 (from --trusted-addresses): addresses and networks",
        ),
        ({}, {"CARILLON_TRUSTED_ADDRESSES": "10.0.0.1/8"}, "trusted_addresses = 10.0.0.1/8 (from CARILLON_TRUSTED_ADD"),
    ],
)
def test_a_wrong_value_is_named_with_origin_and_bound(
    command_line: dict[str, object], environment: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigError, match="^" + re.escape(said)):
        load_config(command_line, environment=environment)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ack_window_ms = 51", "ack_window_ms = 51 (from {file}, line 1): 0 to 50"),
        ("# late\n\nack_window_ms = true", "ack_window_ms = True (from {file}, line 3): 0 to 50"),
        ('"idle_s" = 3', "idle_s = 3 (from {file}): 10 to 86,400"),
        ("[intake]\nidle_s = 3", "intake (from {file}, line 1) is no option"),
        ("idle_s =", "cannot read the configuration file {file}"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "carillon.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="^" + re.escape(said.format(file=file))):
        load_config(file=file, environment={})
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(file=tmp_path / "missing.toml", environment={})


def test_trusted_addresses_are_networks_and_not_more_than_the_bound() -> None:
    config = load_config({"trusted_addresses": "10.0.0.0/8, 2001:db8::/32 ::1"}, environment={})
    assert [str(network) for network in config.trusted_networks] == ["10.0.0.0/8", "2001:db8::/32", "::1/128"]
    assert load_config({"trusted_addresses": ""}, environment={}).trusted_networks == []
    text = " ".join(f"10.0.{k}.0/24" for k in range(TRUSTED_NETWORKS_MAX))
    assert len(load_config({"trusted_addresses": text}, environment={}).trusted_networks) == TRUSTED_NETWORKS_MAX
    with pytest.raises(ConfigError, match=f"{TRUSTED_NETWORKS_MAX} at most"):
        load_config({"trusted_addresses": text + " 10.1.0.0/24"}, environment={})


@pytest.mark.parametrize("name", [name for name in FIELDS if "," in bound_text(name) or " to " in bound_text(name)])
def test_bounds_hold_at_both_ends(name: str) -> None:
    match = re.fullmatch(r"([\d,]+) to ([\d,]+)", bound_text(name))
    if match is None:
        assert name not in ("ack_window_ms", "idle_s", "journal_bytes_max")
        return
    low, high = (int(end.replace(",", "")) for end in match.groups())
    for value in (low, high):
        assert getattr(load_config({name: value}, environment={}), name) == value
    for value in (low - 1, high + 1):
        with pytest.raises(ConfigError):
            load_config({name: value}, environment={})


def test_all_faults_are_named_at_once_each_on_its_line(tmp_path: Path) -> None:
    file = tmp_path / "carillon.toml"
    file.write_text('idle_s = 1\ntpc = "x"\nnode = "north"\n')
    with pytest.raises(ConfigError) as refused:
        load_config({"tcp": "x"}, file=file, environment={"CARILLON_DRAIN_S": "601", "CARILLON_NODE": "B 1"})
    assert str(refused.value).splitlines() == [
        f"tpc (from {file}, line 2) is no option; did you mean tcp?",
        f"idle_s = 1 (from {file}, line 1): 10 to 86,400",
        "node = B 1 (from CARILLON_NODE): text matching ^[a-z0-9][a-z0-9-]{0,31}$",
        "drain_s = 601 (from CARILLON_DRAIN_S): 0 to 600",
        "tcp = x (from --tcp): HOST:PORT, the port 0 to 65535",
    ]


WRONG: dict[str, object] = {
    "data": "", "tcp": "x", "http": "x", "registration": "x", "ack_after": "x", "ack_window_ms": -1,
    "journal_keep_h": 0, "journal_bytes_max": 1, "media_bytes_max": 1, "idle_s": 9, "idle_traffic": "x",
    "trusted_addresses": "10.0.0.1/8", "links_per_address_max": 0, "links_per_address_minute_max": 0,
    "frames_per_s_max": 0, "bytes_per_s_max": 1023,
    "report_dsn": "x", "business_dsn": "x", "public_url": "x", "node": "", "demo": "x", "demo_vehicles": 0,
    "demo_history_h": 25, "areas_max": 0, "metrics": "x", "map_style_url": "x", "map_tiles_url": "x",
    "map_hosts": "x", "factor_roles": "x", "drain_s": 601, "log_level": "x", "log_format": "x",
}  # fmt: skip
TAKE_ANY_TEXT = {"journal", "media", "keys", "node_data", "map_attribution", "map_approval"}
"""Directories are looked at by the program that uses them; two texts are shown as they are."""


@pytest.mark.parametrize("name", FIELDS)
def test_every_option_refuses_what_it_cannot_take_from_wherever_it_comes(name: str, tmp_path: Path) -> None:
    if name in TAKE_ANY_TEXT:
        value: object = "a\0b"
    else:
        value = WRONG[name]

    def said(origin: str) -> str:
        return f"^{re.escape(f'{name} = {value} (from {origin}): {bound_text(name)}')}$"

    with pytest.raises(ConfigError, match=said(f"--{name.replace('_', '-')}")):
        load_config({name: value}, environment={})
    with pytest.raises(ConfigError, match=said(f"CARILLON_{name.upper()}")):
        load_config(environment={f"CARILLON_{name.upper()}": str(value)})
    file = tmp_path / "carillon.toml"
    written = str(value) if isinstance(value, int) else '"' + str(value).replace("\0", "\\u0000") + '"'
    file.write_text(f"\n{name} = {written}\n")
    with pytest.raises(ConfigError, match=said(f"{file}, line 2")):
        load_config(file=file, environment={})


@pytest.mark.parametrize(
    "dsn",
    ["chdb:///a/b", "chdb:///a?database=x", "clickhouse://h", "clickhouses://u:p@h:1/d", "clickhouse://[::1]:9/d_1"],
)
def test_a_dsn_that_is_taken_is_one_that_storage_takes(dsn: str) -> None:
    assert load_config({"report_dsn": dsn}, environment={}).reports == dsn
    ReportStore(dsn)


@pytest.mark.parametrize("dsn", ["chdb://relative", "clickhouse:///x", "sqlite:////x", "clickhouse://h:x/d"])
def test_a_dsn_that_storage_refuses_is_refused_before(dsn: str) -> None:
    with pytest.raises(ConfigError, match="report_dsn"):
        load_config({"report_dsn": dsn}, environment={})
    with pytest.raises(ValueError, match=r"chdb|clickhouse|Port"):
        ReportStore(dsn)


def test_where_each_option_came_from_is_known(tmp_path: Path) -> None:
    file = tmp_path / "carillon.toml"
    file.write_text("demo = true\nidle_s = 20\n")
    options = load_options({"tcp": "127.0.0.1:1"}, file=file, environment={"CARILLON_NODE": "n"})
    assert options.origins == {
        "demo": f"{file}, line 1",
        "idle_s": f"{file}, line 2",
        "node": "CARILLON_NODE",
        "tcp": "--tcp",
        "registration": f"demo, {file}, line 1",
    }
    assert options.told("idle_s", "too short") == f"idle_s = 20 (from {file}, line 2): too short"
    assert options.told("http", "taken") == "http = 127.0.0.1:8080 (from the default): taken"


def test_the_defaults_are_within_their_own_bounds() -> None:
    config = load_config({name: getattr(Config(), name) for name in FIELDS}, environment={})
    assert config == Config()


def test_the_demo_opens_registration_on_loopback_alone() -> None:
    assert load_config({"demo": True}, environment={}).registration == "open"
    assert load_config({"demo": True, "tcp": "0.0.0.0:8808"}, environment={}).registration == "known"
    assert load_config({"demo": True, "registration": "known"}, environment={}).registration == "known"
    assert load_config({}, environment={}).registration == "known"


def test_stores_default_to_the_data_directory(tmp_path: Path) -> None:
    config = load_config({"data": str(tmp_path)}, environment={})
    assert config.reports == f"chdb:///{tmp_path}/clickhouse"
    assert config.business == f"sqlite:///{tmp_path}/carillon.db"
    assert config.journal_path == tmp_path / "journal"


@pytest.mark.parametrize("text", ["", "x", "x:", ":1", "x:y", "a b:1", "::1:80", "[::1]", "x:1:2", "x:123456", "x:-1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        split_address(text)


def test_addresses_are_split_and_judged() -> None:
    assert split_address("[::1]:80") == ("::1", 80)
    assert split_address("localhost:0") == ("localhost", 0)
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")] == [
        True,
        True,
        True,
        False,
        False,
    ]
