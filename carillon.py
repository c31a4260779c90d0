"""The command line, and the one place that puts the program together.

Each subcommand is a row of COMMANDS at the foot. What a subcommand needs it imports itself: `explain` must not wait for
a compiler, nor `--help` for a database.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

if TYPE_CHECKING:
    from core.config import Config
    from core.data_directory import DataDirectory

VERSION: Final = "0.1.0"

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
"""What was asked could not be done; the reason is on standard error."""
EXIT_USAGE: Final = 2
"""The command line or the configuration is wrong."""
EXIT_REFUSED: Final = 3
"""This version cannot do that yet, or not with these stores; the reason is on standard error."""

EXPLAIN_LINE_BYTES_MAX: Final = 64 * 1024
"""A line of `explain -`. The largest frame is 4,096 bytes, 8,192 digits; spaces may treble that."""

KERNELS: Final = (
    "core.vehicle_table",
    "core.kernels.geodesy",
    "core.kernels.geofence",
    "core.kernels.crossing",
    "core.kernels.alarms",
    "core.intake.records",
    "core.intake.loop",
    "protocols.jt808.kernels",
    "storage.native",
    "simulators.roads",
    "simulators.city",
    "simulators.traffic",
    "simulators.scenarios",
    "simulators.load",
)
"""Modules with compiled kernels, what others call into first. A test compares this with the tree."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = parser().parse_args(arguments)
    from core.config import ConfigError
    from core.data_directory import DataDirectoryError

    try:
        return options.run(options)
    except ConfigError as error:
        return complain(str(error), EXIT_USAGE)
    except DataDirectoryError as error:
        return complain(str(error), EXIT_FAILED)
    except BrokenPipeError:
        # The reader of our output (head, less) has gone. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def complain(message: str, status: int) -> int:
    """Say on standard error why it did not work, and return the status."""
    print(f"carillon: {message}", file=sys.stderr)
    return status


def read_config(options: argparse.Namespace) -> "Config":
    """Return the configuration: the subcommand's options over environment over file."""
    from core.config import FIELDS, load_config

    given = {name: value for name, value in vars(options).items() if name in FIELDS}
    return load_config(given, file=getattr(options, "config", None))


# --- up ---------------------------------------------------------------------------------------------------------------


def run_up(options: argparse.Namespace) -> int:
    """Run everything in one process until SIGTERM or SIGINT."""
    return up(read_config(options))


def up(config: "Config") -> int:
    """Run everything in one process until SIGTERM or SIGINT; return the exit status.

    Raises:
        DataDirectoryError: another process uses the data directory, or a newer version wrote it.
    """
    from core.data_directory import DataDirectory
    from core.logging import start_logging
    from core.warm import warm

    start_logging(config.log_level)
    with DataDirectory(config.data_path) as data:
        # Before anything listens: a terminal must not wait for a compiler. Also before chdb (start order, see serve).
        warm(KERNELS, report=lambda line: print(line, file=sys.stderr, flush=True))
        import trio

        from api.server import ServerError

        fault = ""
        try:
            trio.run(serve, config, data)
        except* ServerError as failed:
            fault = "; ".join(str(error) for error in failed.exceptions)
    return complain(fault, EXIT_FAILED) if fault else EXIT_OK


async def serve(config: "Config", data: "DataDirectory") -> None:
    """Put the parts together and run them; a signal stops them in order."""
    import logging

    import trio

    from api.app import create_app
    from api.parts import Parts
    from api.server import ApiServer
    from core.metrics import Metrics

    log = logging.getLogger("up")
    metrics = Metrics()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        # ---- composition: intake, stores, log, fleet, detection, recorder, vehicles stand here ---------------------
        async def append(event: Any) -> Any:
            raise OSError("the event log is not there")

        parts = Parts(
            node=config.node,
            version=VERSION,
            key=data.api_key(),
            reads_open=config.demo and config.http_is_loopback,
            metrics_open=config.metrics == "open" or (config.metrics == "loopback" and config.http_is_loopback),
            metrics=metrics,
            faults=lambda: ["tcp: nothing listens for terminals", "store: none is open"],
            positions=lambda after, limit: [],
            vehicle=lambda vehicle_id: None,
            events=lambda after, prefix, limit: [],
            command=lambda command_id: [],
            command_fault=lambda message, fields: "commands cannot be sent: no intake runs",
            append=append,
        )
        # ---- end of composition ------------------------------------------------------------------------------------
        server = ApiServer(create_app(parts), *config.http_address)
        await trio.to_thread.run_sync(server.start)
        try:
            data.publish("", server.address, {"api": server.native_id})
            log.info("status page and API on http://%s/, key in %s", server.address, data.run / "api.key")
            async for number in signals:
                log.info("%s: stopping", signal.Signals(number).name)
                break
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(server.stop)


# --- the same parts as separate processes -----------------------------------------------------------------------------


def run_part(options: argparse.Namespace) -> int:
    """Run one part as a process of its own, over stores that several processes can share."""
    config = read_config(options)
    if fault := sharing_fault(config):
        return complain(f"{options.command}: {fault}", EXIT_REFUSED)
    if options.command == "api":
        return serve_api(config)
    return complain(f"{options.command}: {NOT_YET[options.command]}", EXIT_REFUSED)


def sharing_fault(config: "Config") -> str | None:
    """Return why these stores cannot be shared between processes, None if they can."""
    for name, dsn, needed, why in (
        ("report_dsn", config.reports, "clickhouse://HOST", "embedded ClickHouse belongs to one process"),
        ("business_dsn", config.business, "postgresql+psycopg://HOST", "an SQLite file has one machine and one writer"),
    ):
        scheme = dsn.partition(":")[0]
        if scheme in ("chdb", "sqlite"):
            return f"{name} is {scheme}: {why}; give {needed}, or run everything in one process: carillon up"
    return None


def serve_api(config: "Config") -> int:
    """Serve the API alone, over shared stores, until SIGTERM or SIGINT; return the exit status."""
    import logging

    from api.app import create_app
    from api.server import ApiServer, ServerError
    from api.shared import SharedStores
    from core.data_directory import DataDirectory
    from core.logging import start_logging
    from core.metrics import Metrics

    start_logging(config.log_level)
    with DataDirectory(config.data_path) as data:
        stores = SharedStores(config.reports, config.business, idle_s=config.idle_s)
        parts = stores.parts(
            node=config.node,
            version=VERSION,
            key=data.api_key(),
            metrics_open=metrics_open(config),
            metrics=Metrics(),
        )
        server = ApiServer(create_app(parts), *config.http_address)
        signals = {signal.SIGTERM, signal.SIGINT}
        # Blocked here and in every thread started from here: they wait for us in sigwait.
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        try:
            server.start()
            data.publish("", server.address, {"api": server.native_id})
            log = logging.getLogger("api")
            log.info("status page and API on http://%s/, key in %s", server.address, data.run / "api.key")
            log.info("%s: stopping", signal.Signals(signal.sigwait(signals)).name)
        except ServerError as error:
            return complain(str(error), EXIT_FAILED)
        finally:
            server.stop()
            stores.close()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    return EXIT_OK


def metrics_open(config: "Config") -> bool:
    """Tell whether /metrics needs no key."""
    return config.metrics == "open" or (config.metrics == "loopback" and config.http_is_loopback)


NOT_YET: Final = {
    "ingest": "the intake still runs inside `carillon up` only; use that, with these stores if you like",
    "business": "there are no business actors yet; facts are in the event log (GET /api/v1/events)",
}


# --- tools ------------------------------------------------------------------------------------------------------------


def run_warm(options: argparse.Namespace) -> int:
    """Fill numba's cache."""
    from core.warm import warm

    compiled = warm(KERNELS, report=lambda line: print(line, flush=True))
    if not compiled:
        print("all kernels are compiled already")
    return EXIT_OK


def run_simulate(options: argparse.Namespace) -> int:
    """Drive simulated cars against a server."""
    from pathlib import Path

    from core.warm import warm

    # Compiled at set-up as a rule; where they are not, this says why nothing moves for a while.
    warm(KERNELS, report=lambda line: print(line, file=sys.stderr, flush=True))
    from simulators.run import simulate

    try:
        figures = simulate(
            options.vehicles,
            options.tcp,
            options.scenario,
            options.seed,
            options.speed,
            options.seconds,
            options.interval,
            Path(options.record) if options.record else None,
        )
    except (ValueError, OSError) as error:
        return complain(f"simulate: {error}", EXIT_FAILED)
    print(json.dumps(figures), flush=True)
    return EXIT_OK


def run_explain(options: argparse.Namespace) -> int:
    """Explain frames, from the command line or one a line from standard input."""
    from protocols.jt808.explain import explain, explain_text

    if options.frame == ["-"]:
        for line in lines_of(sys.stdin.buffer):
            print(json.dumps(explain(line), ensure_ascii=False), flush=True)
        return EXIT_OK
    answer = explain(" ".join(options.frame))
    print(json.dumps(answer, ensure_ascii=False) if options.json else explain_text(answer))
    return EXIT_FAILED if "error" in answer else EXIT_OK


def lines_of(stream: BinaryIO) -> Iterator[str]:
    """Yield the lines of a stream without their ends, each cut to EXPLAIN_LINE_BYTES_MAX and one more.

    A line past the bound is still one line: what it is cut to is past the bound of the explainer too, which says so.
    """
    while line := stream.readline(EXPLAIN_LINE_BYTES_MAX + 1):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(EXPLAIN_LINE_BYTES_MAX)
        yield line.decode("ascii", "replace").rstrip("\r\n")


def run_query(options: argparse.Namespace) -> int:
    """Ask the stored reports a question in SQL."""
    return complain("query: the store is not part of this version yet", EXIT_REFUSED)


def run_frames(options: argparse.Namespace) -> int:
    """Print the raw frames of one terminal from the journal, oldest first. A server may be running meanwhile."""
    from datetime import UTC, datetime

    from core.intake.journal import frames_of
    from protocols.jt808.kernels import KERNELS as JT808
    from protocols.report import phone_key

    config = read_config(options)
    try:
        phone = phone_key(options.phone)
    except ValueError as error:
        return complain(f"frames: {error}", EXIT_USAGE)
    if not config.journal_path.is_dir():
        return complain(f"frames: there is no journal in {config.journal_path}", EXIT_FAILED)
    for frame in frames_of(config.journal_path, JT808, phone):
        arrival = datetime.fromtimestamp(frame.arrival_ms / 1000, UTC).isoformat(timespec="milliseconds")
        if options.json:
            shown = {"sequence": frame.sequence, "arrival_ms": frame.arrival_ms, "link": frame.link}
            print(json.dumps({**shown, "terminal": frame.terminal, "frame": frame.data.hex()}))
        else:
            print(f"{arrival} {frame.sequence:>10} {frame.data.hex()}")
    return EXIT_OK


def run_user(options: argparse.Namespace) -> int:
    """Enter a user."""
    return complain(
        "user add: there are no users yet; the API takes the key in run/api.key of the data directory", EXIT_REFUSED
    )


def run_replay(options: argparse.Namespace) -> int:
    """Read kept frames again with the decoder of today."""
    return complain(
        "replay: not built yet; unread frames are read on their own at the next start of `carillon up`", EXIT_REFUSED
    )


# --- arguments --------------------------------------------------------------------------------------------------------


def add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", metavar="FILE", help="TOML file with options (docs/operate.md)")


def add_data(command: argparse.ArgumentParser) -> None:
    add_config(command)
    command.add_argument("--data", metavar="DIR", help="data directory (default: data)")


def add_up(command: argparse.ArgumentParser) -> None:
    add_data(command)
    command.add_argument("--tcp", metavar="HOST:PORT", help="where terminals connect (default: 127.0.0.1:8808)")
    command.add_argument(
        "--http", metavar="HOST:PORT", help="where API and status page answer (default: 127.0.0.1:8080)"
    )
    command.add_argument("--registration", metavar="open|known", help="may unknown terminals register (default: known)")
    command.add_argument(
        "--demo", action="store_const", const=True, help="simulate a fleet, show it to all on loopback"
    )


def add_simulate(command: argparse.ArgumentParser) -> None:
    command.add_argument("--vehicles", type=int, default=100, metavar="N", help="how many cars (default: 100)")
    command.add_argument(
        "--tcp", default="127.0.0.1:8808", metavar="HOST:PORT", help="the server (default: %(default)s)"
    )
    command.add_argument("--scenario", default="city", metavar="NAME", help="what they do (default: %(default)s)")
    command.add_argument(
        "--seed", type=int, default=1, metavar="N", help="same seed, same bytes (default: %(default)s)"
    )
    command.add_argument("--speed", type=float, default=1.0, metavar="X", help="time runs X times as fast (default: 1)")
    command.add_argument("--seconds", type=float, metavar="S", help="stop after so much real time (default: never)")
    command.add_argument("--interval", type=float, default=10.0, metavar="S", help="between reports (default: 10)")
    command.add_argument("--record", metavar="FILE", help="write each report sent and each acknowledged to this file")


def add_explain(command: argparse.ArgumentParser) -> None:
    command.add_argument("frame", nargs="+", metavar="HEX", help="a frame in hexadecimal, or - for one a line")
    command.add_argument("--json", action="store_true", help="one JSON object instead of text; - always gives JSON")


def add_query(command: argparse.ArgumentParser) -> None:
    command.add_argument("sql", metavar="SQL", help="one SELECT; read-only and bounded")
    add_data(command)
    command.add_argument("--json", action="store_true", help="one array of objects instead of a table")


def add_frames(command: argparse.ArgumentParser) -> None:
    command.add_argument("phone", metavar="PHONE", help="the terminal's phone, as it sends it")
    add_data(command)
    command.add_argument("--json", action="store_true", help="one JSON object a frame")


def add_user(command: argparse.ArgumentParser) -> None:
    command.add_argument("action", choices=["add"], help="add: enter a user")
    command.add_argument("name", nargs="?", metavar="NAME")
    add_data(command)


def add_replay(command: argparse.ArgumentParser) -> None:
    add_data(command)


def add_nothing(command: argparse.ArgumentParser) -> None:
    pass


class Command(NamedTuple):
    """A subcommand: what it is called, what it does, its arguments, its function."""

    name: str
    help: str
    add: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    whole = argparse.ArgumentParser(
        prog="carillon", description="Telematics for car dealer groups: JT/T 808 in, facts and business events out."
    )
    whole.add_argument("--version", action="version", version=f"carillon {VERSION}")
    subparsers = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        sub = subparsers.add_parser(command.name, help=command.help, description=command.help)
        command.add(sub)
        sub.set_defaults(run=command.run)
    return whole


COMMANDS: Final = (
    Command("up", "run everything in one process", add_up, run_up),
    Command("ingest", "run the intake as a process of its own (needs shared stores)", add_data, run_part),
    Command("business", "run the business actors as a process of their own (needs shared stores)", add_data, run_part),
    Command("api", "run the API as a process of its own (needs shared stores)", add_data, run_part),
    Command("simulate", "drive simulated cars against a server", add_simulate, run_simulate),
    Command("explain", "name every field of a frame", add_explain, run_explain),
    Command("query", "ask the stored reports in SQL", add_query, run_query),
    Command("frames", "print the raw frames of a terminal from the journal", add_frames, run_frames),
    Command("user", "enter a user", add_user, run_user),
    Command("replay", "read kept frames again", add_replay, run_replay),
    Command("warm", "compile the kernels into numba's cache, once on a machine", add_nothing, run_warm),
)

if __name__ == "__main__":
    sys.exit(main())
