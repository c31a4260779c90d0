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
    split_address,
)


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
        ("ack_window_ms = 51", "ack_window_ms = 51 (from {file}): 0 to 50"),
        ("ack_window_ms = true", "ack_window_ms = True (from {file}): 0 to 50"),
        ("[intake]\nidle_s = 3", "intake (from {file}) is no option"),
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
