"""The command line, and the one place that puts the program together.

Each subcommand is a row of COMMANDS at the foot. What a subcommand needs it imports itself: `explain` must not wait for
a compiler, nor `--help` for a database.
"""

import argparse
import functools
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from core.version import VERSION

if TYPE_CHECKING:
    from pathlib import Path

    import trio

    from actors.detection import Detection
    from actors.replay import Ground as ReplayGround
    from actors.replay import Progress
    from api.parts import Ground, Parts
    from api.server import ApiServer
    from core.arming import Arming
    from core.config import Config, Options
    from core.data_directory import DataDirectory
    from core.events import Event
    from core.metrics import Metrics
    from core.outcome import Outcome
    from core.supervisor import Supervisor
    from storage.eventlog import EventLog
    from storage.people import People
    from storage.registry import Registry
    from storage.replay import Replayed

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
"""What was asked could not be done; the reason is on standard error."""
EXIT_USAGE: Final = 2
"""The command line or the configuration is wrong."""
EXIT_REFUSED: Final = 3
"""This version cannot do that yet, or not with these stores; the reason is on standard error."""
EXIT_FENCED: Final = 4
"""Another process has taken over the event log. To start again would take it back: whoever supervises must not."""
EXIT_DIFFERS: Final = 5
"""What was compared is not equal."""

EXPLAIN_LINE_BYTES_MAX: Final = 64 * 1024
"""A line of `explain -`. The largest frame is 4,096 bytes, 8,192 digits; spaces may treble that."""

KERNELS: Final = (
    "core.vehicle_table",
    "core.kernels.facts",
    "core.kernels.groups",
    "core.kernels.geodesy",
    "core.kernels.geofence",
    "core.kernels.rings",
    "core.kernels.outline",
    "core.kernels.crossing",
    "core.kernels.alarms",
    "core.kernels.theft",
    "core.kernels.power",
    "core.kernels.crash",
    "core.kernels.cleaning",
    "core.kernels.driving",
    "core.kernels.proximity",
    "core.kernels.track",
    "core.intake.records",
    "core.intake.loop",
    "core.intake.archive",
    "protocols.jt808.kernels",
    "storage.native",
    "storage.summary",
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
    return read_options(options).config


def read_options(options: argparse.Namespace) -> "Options":
    """Return the configuration and where each option came from."""
    from core.config import FIELDS, load_options

    given = {name: value for name, value in vars(options).items() if name in FIELDS}
    return load_options(given, file=getattr(options, "config", None))


def usable(options: "Options", names: Sequence[str] = ("data", "journal", "media", "keys")) -> "Config":
    """Return the configuration once its directories are made and may be written to.

    Raises:
        ConfigError: one may not, or is none; the option that names it is told, and where it comes from.
    """
    from core.config import ConfigError

    config = options.config
    faults = []
    paths = {
        "data": config.data_path,
        "journal": config.journal_path,
        "media": config.media_path,
        "keys": config.keys_path,
    }
    for name, path in paths.items():
        if name not in names or (name != "data" and not getattr(config, name)):
            continue
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
                faults.append(options.told(name, "a directory that this user may read and write is needed"))
        except OSError as error:
            faults.append(options.told(name, f"a directory is needed, and there is none: {error.strerror}"))
    if faults:
        raise ConfigError("\n".join(faults))
    return config


def run_config(options: argparse.Namespace) -> int:
    """Print every option with its value and where it comes from; what is wrong with them is on standard error."""
    from core.config import FIELDS, redact

    read = read_options(options)
    for name in FIELDS:
        value = getattr(read.config, name)
        shown = redact(json.dumps(value, ensure_ascii=False))
        print(f"{f'{name} = {shown}':44}  # {read.origins.get(name, 'default')}")
    return EXIT_OK


# --- subscribe --------------------------------------------------------------------------------------------------------


def subscribe(
    where: "str | Path",
    types: Sequence[str] = (),
    *,
    position: "str | Path | None" = None,
    key: str = "",
    after: int | None = None,
    doorbell: "str | Path" = "",
) -> "Iterator[Event]":
    """Yield events in the order of the log, each once, without end: see api.subscribe.subscribe.

    Args:
        where: address of a node's API, its data directory, or the DSN of the log's database.
        types: prefixes of event types; all where empty.
        position: file that remembers how far it was read.
        key: API key, for an address.
        after: number to begin after without such a file; None: now.
        doorbell: with a DSN: data directory of the node that owns the log.
    """
    from api.subscribe import subscribe

    return subscribe(where, types, position=position, key=key, after=after, doorbell=doorbell)


# --- up ---------------------------------------------------------------------------------------------------------------


def run_up(options: argparse.Namespace) -> int:
    """Run everything in one process until SIGTERM or SIGINT."""
    return run_node(usable(read_options(options)), with_api=True)


def run_node(config: "Config", *, with_api: bool) -> int:
    """Run a node, with the API in the same process or without, until SIGTERM or SIGINT; return the exit status.

    Raises:
        DataDirectoryError: another process uses the data directory, or a newer version wrote it.
    """
    from core.data_directory import DataDirectory
    from core.logging import start_logging
    from core.warm import warm

    start_logging(config.log_level, config.log_format)
    with DataDirectory(config.data_path) as data:
        # Before anything listens: a terminal must not wait for a compiler. Also before chdb (start order, see serve).
        warm(KERNELS, report=lambda line: print(line, file=sys.stderr, flush=True))
        import trio

        from api.server import ServerError
        from core.envelope import KeyringError, SealBrokenError
        from core.intake.journal import JournalError
        from storage.errors import OwnerFencedError, StorageError

        fault, status = "", EXIT_OK
        try:
            trio.run(serve, config, data, with_api)
        except* OwnerFencedError as failed:
            fault = f"{failed.exceptions[0]}; this node has stopped, what it acknowledged is in its journal"
            status = EXIT_FENCED
        except* (JournalError, KeyringError, SealBrokenError, ServerError, StorageError) as failed:
            fault, status = "; ".join(str(error) for error in failed.exceptions), EXIT_FAILED
    return complain(fault, status) if status else EXIT_OK


async def serve(config: "Config", data: "DataDirectory", with_api: bool) -> None:
    """Put the parts together and run them; a signal stops them in order.

    Start order matters: kernels are compiled before chdb is opened, chdb before the database and the API's thread, for
    the engine changes signal handlers as it starts. What stops first is whoever asks, then whoever answers, then
    whoever stores: at the end everything acknowledged is stored, or waits in the journal for the next start.
    """
    import gc
    import resource

    import trio

    from core.actor import run_actor
    from core.logging import say
    from core.supervisor import Supervisor

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    say("node.descriptors", limit=hard, before=soft)
    supervisor = Supervisor()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        stop = trio.Event()
        node = await trio.to_thread.run_sync(Node, config, data, trio.lowlevel.current_trio_token(), stop)
        if config.demo:
            await trio.to_thread.run_sync(node.enter_demo)
        await node.fleet.load()
        server = api_server(node) if with_api else None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_actor, node.writer.run, "log")
            nursery.start_soon(run_actor, node.recorder.run, "recorder")
            for name, errand in node.errands.items():
                nursery.start_soon(run_actor, errand.run, f"errand:{name}")
            for name, follower in node.followers.items():
                nursery.start_soon(run_actor, follower.run, f"follower:{name}")
            nursery.start_soon(run_actor, node.rebuild_fences, "fences")
            async with trio.open_nursery() as live:
                live.start_soon(node.gateway.run)
                if server is not None:
                    await trio.to_thread.run_sync(server.start)
                node.intake.start()
                # What is known of a hundred thousand cars makes a full collection take most of a second: keep what is
                # here out of it, and collect the rest seldom.
                gc.freeze()
                gc.set_threshold(100_000, 50, 100)
                threads = dict(node.intake.thread_ids)
                if server is not None:
                    threads["api"] = server.native_id
                data.publish(node.tcp, "" if server is None else server.address, threads)
                say("node.serving", tcp=node.tcp, registration=config.registration)
                if server is not None:
                    say("api.serving", http=server.address, key_file=str(data.run / "api.key"))
                    await trio.to_thread.run_sync(welcome, node.people, config, data, server.address)
                if config.demo:
                    live.start_soon(run_demo, node, "" if server is None else server.address)
                nursery.start_soon(node.watch, supervisor)
                nursery.start_soon(node.follow_signals, signals, stop)
                supervisor.ready(f"terminals on {node.tcp}")
                await stop.wait()
                node.stopping = True
                began_s = trio.current_time()
                supervisor.stopping(config.drain_s + STOP_S_MAX)
                if node.fenced is None and not node.intake.ended:
                    with trio.move_on_after(config.drain_s):
                        await node.hurried.wait()
                live.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                if server is not None:
                    await trio.to_thread.run_sync(server.stop)
                await node.close()
                say("node.stopped", seconds=trio.current_time() - began_s)
            nursery.cancel_scope.cancel()
    if node.fenced is not None:
        raise node.fenced


def api_server(node: "Node") -> "ApiServer":
    """Return the API over a node of this process, not yet started."""
    from api.app import create_app
    from api.server import ApiServer

    app = create_app(node.parts())
    return ApiServer(app, *node.config.http_address, on_stop=app.state.streams.close)


def welcome(people: "People", config: "Config", data: "DataDirectory", address: str) -> None:
    """Where nobody administers the group yet: make the first administrator's one-time link, say it, and write it down.

    The link stands in DATA/run/welcome.link until it is used; a start makes a new one, and the old opens nothing. A
    demo brings its own administrator.
    """
    from api.invitations import welcome_link
    from core.data_directory import write_atomically
    from core.limits import INVITATION_S
    from core.logging import say

    file = data.run / "welcome.link"
    people.on_invitation_taken = lambda: file.unlink(missing_ok=True)
    token = None if people.is_demo else people.first_administrator()
    if token is None:
        file.unlink(missing_ok=True)
        return
    link = welcome_link(config.public_url or f"http://{address}", token)
    write_atomically(file, f"{link}\n".encode())
    say("node.unadministered", link=link, hours=INVITATION_S // 3600, file=str(file))


async def run_demo(node: "Node", http: str) -> None:
    """Let a simulated fleet drive against this server, in a process of its own, until cancelled.

    Where there is an API (`http`, its HOST:PORT) the cars have owners, who act through it. What they truly did is
    written to DATA/run/world.truth: numbers only.

    It first lives through the hours since its last report, demo_history_h at most, and then goes on in real time. If
    the simulator ends it is not started again: its reason stands in the log, and the server goes on.
    """
    import time

    import trio

    from core.logging import say

    config = node.config
    epoch_ms, newest_ms = await trio.to_thread.run_sync(node.demo_times)
    history_s = max(0, min(config.demo_history_h * 3600, int(time.time()) - newest_ms // 1000 - 1))
    command = [
        sys.executable,
        "-m",
        "carillon",
        "simulate",
        "--tcp",
        node.tcp,
        "--scenario",
        "world" if http else "demo",
    ]
    command += ["--vehicles", str(config.demo_vehicles), "--interval", str(DEMO_INTERVAL_S)]
    command += ["--history", f"{history_s}s", "--epoch", str(epoch_ms), "--parent", str(os.getpid())]
    if http:
        command += ["--http", http, "--key-file", str(node.data.run / "api.key"), "--pace", str(DEMO_PACE)]
        command += ["--truth", str(node.data.run / "world.truth")]
    say("demo.driving", vehicles=config.demo_vehicles, history_h=history_s / 3600)
    ended = await trio.run_process(command, check=False, stdin=None)
    say("demo.ended", status=ended.returncode)


CATCH_UP_S_MAX: Final = 60.0
"""How long a stop waits for the store to take what is sealed; the rest is stored after the next start."""
STOP_S_MAX: Final = CATCH_UP_S_MAX + 45.0
"""How long a stop takes at the most, draining apart: that, the API's ten seconds, a snapshot, and the stores' own
closing. What the unit of systemd allows (docs/carillon.service) is more."""
DEMO_INTERVAL_S: Final = 3
"""Between two reports of a driving car of the demo: a car at 50 km/h is seen every 42 m."""


DEMO_PACE: Final = 240.0
"""How many times as much the demo's people do as in life: of seven hundred somebody does something twice a minute."""
DEMO_NIGHTS: Final = 6
"""Cars of the demo that are armed at night: of three hundred, those of one careful household in fifty."""


class Node:
    """What takes in, judges and stores, made in the order it needs one another. Making it blocks: databases open.

    Attributes are the parts that are run (writer, recorder, gateway, intake); `parts` is what the API sees of them.
    `fenced` is set once another owner has the event log; then `stop` is set too. `stopping` is set with it, and
    `hurried` by a second signal.
    """

    def __init__(
        self, config: "Config", data: "DataDirectory", token: "trio.lowlevel.TrioToken", stop: "trio.Event"
    ) -> None:
        import trio

        from actors.adapters import ADAPTERS, Outlet
        from actors.alerting import TYPES, Alerting
        from actors.areas import TYPES as AREA_TYPES
        from actors.areas import Areas
        from actors.auditing import Auditing
        from actors.business import BUSINESS
        from actors.commands import CommandRoom, last_fix_in
        from actors.credentials import Credentials
        from actors.detection import Detection
        from actors.evidence import TYPES as EVIDENCE_TYPES
        from actors.evidence import Evidence
        from actors.fleet import Fleet
        from actors.gateway import Gateway
        from actors.guarding import TYPES as THEFT_TYPES
        from actors.guarding import Guarding
        from actors.media import Keeper
        from actors.presence import LOOK_S as PRESENCE_LOOK_S
        from actors.presence import TYPES as PRESENCE_TYPES
        from actors.presence import Presences
        from actors.reception import Reception
        from actors.recorder import Recorder
        from actors.tracking import TYPES as TRACKING_TYPES
        from actors.tracking import Tracking
        from actors.trials import Trials
        from actors.uplinks import KEPT_BYTES
        from actors.vehicle import Counts, Epochs, Vehicle
        from api.server import ServerError
        from core.business import Business
        from core.clock import wall_ms
        from core.doorbell import Bell, topic_of
        from core.follow import Errand, Follower
        from core.intake.intake import Intake, listen
        from core.intake.journal import Journal
        from core.limits import AUDIT_SEAL_S, LINKS_MAX
        from core.log import LogWriter
        from core.position import Position
        from core.rules import Rules
        from core.supervisor import Pulse
        from core.vehicle_table import VehicleTable
        from protocols.jt808.kernels import KERNELS as JT808
        from storage import migrate
        from storage.clickhouse import ReportStore
        from storage.erasing import TYPES as ERASING_TYPES
        from storage.erasing import Eraser
        from storage.errors import AnsweredTwiceError, OwnerFencedError, StorageError
        from storage.eventlog import EventLog
        from storage.geofences import Judged
        from storage.inbox import Inbox
        from storage.keys import seal_clear
        from storage.media import MediaStore
        from storage.people import People
        from storage.query import QueryServer
        from storage.registry import Registry
        from storage.timers import Clock
        from storage.vault import Vault

        self.config = config
        self.data = data
        self.stopping = False
        self.hurried = trio.Event()
        self.store = ReportStore(config.reports)
        self.store_begun, self.store_fault = False, ""
        self.table = VehicleTable()
        self.begin_store()
        if self.store_fault and config.reports.startswith("chdb:"):
            raise StorageError(self.store_fault)
        migrate(config.business)
        self.fenced: OwnerFencedError | None = None

        def fence(error: OwnerFencedError) -> None:
            self.fenced = error
            stop.set()

        self.business = Business(BUSINESS)
        self.eventlog = EventLog(
            config.business,
            owner=config.node,
            keys=config.keys_path,
            business=self.business,
            on_fenced=lambda error: token.run_sync_soon(fence, error),
        )
        # Text of before there were seals, and the first word with the ring: a wrong one must be told before anything
        # is taken in.
        self.eventlog.database.keys.check()
        seal_clear(self.eventlog.database)
        catching_up = ProgressLine()
        self.eventlog.catch_up(catching_up.caught_up)
        catching_up.end()
        self.clock = Clock(self.eventlog)
        self.vault = Vault(self.eventlog)
        moving = Inbox(self.eventlog)
        self.inbox_statistics = moving.statistics
        self.alerting = Alerting(self.eventlog)
        self.media = MediaStore(self.eventlog, config.media_path, config.media_bytes_max)
        self.keeper = Keeper(self.media)
        self.evidence = Evidence(self.eventlog, self.media)
        self.auditing = Auditing(self.eventlog)
        self.guarding = Guarding(self.eventlog)
        self.tracking = Tracking(self.eventlog)
        self.eraser = Eraser(self.eventlog, self.vault, lambda *range_: self.store.erase(*range_))
        self.outlets = [Outlet(adapter, self.eventlog) for adapter in ADAPTERS]
        self.errands: dict[str, Errand] = {
            # An empty look costs 0.1 ms in a worker thread; who does not know our doorbell waits for it.
            "inbox": Errand(moving.move, look_s=0.5),
            "clock": Errand(self.clock.step, look_s=0.5),
            "store": Errand(self.begin_store),
            "auditing": Errand(self.auditing.step, look_s=AUDIT_SEAL_S),
            "guarding": Errand(self.guarding.step, sorted({topic_of(type_) for type_ in THEFT_TYPES})),
            "alerting": Errand(self.alerting.step, [topic_of(type_) for type_ in TYPES]),
            "evidence": Errand(self.evidence.step, [topic_of(type_) for type_ in EVIDENCE_TYPES]),
            "tracking": Errand(self.tracking.step, [topic_of(type_) for type_ in TRACKING_TYPES]),
            "eraser": Errand(self.eraser.step, sorted({topic_of(type_) for type_ in ERASING_TYPES})),
            **{
                f"adapter-{adapter.name}": Errand(outlet.step, [topic_of(adapter.intent)])
                for adapter, outlet in zip(ADAPTERS, self.outlets, strict=True)
            },
        }
        # Before anything is loaded that a follower loads anew: a change in between is then told, never missed.
        head = self.eventlog.head()
        self.followers = {
            name: Follower(types, functools.partial(handle, self), self.eventlog.follow, head)
            for name, types, handle in FOLLOWERS
        }
        self.bell = Bell(
            data.run, head, on_knock=lambda: token.run_sync_soon(self.errands["inbox"].wake, idempotent=True)
        )
        self.registry = Registry(self.eventlog)
        self.people = People(
            self.eventlog.database,
            demo=config.demo and config.http_is_loopback,
            log=self.eventlog,
            factor_roles=config.factor_roles.split(),
        )
        self.eventlog.on_committed = self.told
        self.boot = self.registry.next_boot()
        self.city = data.path / "city"
        self.journal = Journal(
            config.journal_path, keep_ms=config.journal_keep_h * 3_600_000, bytes_max=config.journal_bytes_max
        )
        self.fences = Judged(self.registry.geofences)
        self.fences_changed: set[int] = set()
        self.fences_asked = trio.Event()
        self.detection = Detection(
            self.table, self.fences.index(), Rules(self.registry.rules.load()), arming=self.arming()
        )
        self.fleet = Fleet(self.registry, config.registration, table=self.table)
        self.areas = Areas(self.eventlog, self.fleet.occupancy.since, config.areas_max)
        self.errands["areas"] = Errand(self.areas.step, sorted({topic_of(type_) for type_ in AREA_TYPES}))
        self.presence = Presences(self.eventlog, config.node, self.heard)
        self.errands["presence"] = Errand(
            self.presence.step, sorted({topic_of(type_) for type_ in PRESENCE_TYPES}), PRESENCE_LOOK_S
        )
        self.writer = LogWriter(self.eventlog.append, refusals=(AnsweredTwiceError,))
        try:
            listener = listen(*config.tcp_address)
        except OSError as error:
            raise ServerError(f"cannot listen on {config.tcp} for terminals: {error.strerror}") from error
        host, port = listener.getsockname()[:2]
        self.tcp = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.recorder = Recorder(
            self.journal,
            JT808,
            self.store,
            config.node,
            kept_bytes=KEPT_BYTES,
            version=lambda form, terminal: 2019 if form else self.fleet.occupancy.version(terminal),
        )
        self.intake = Intake(
            self.journal,
            JT808,
            listener,
            boot=self.boot,
            ack_after=config.ack_after,
            ack_window_ms=config.ack_window_ms,
            idle_s=config.idle_s,
            idle_any=config.idle_traffic == "any",
            links_max=LINKS_MAX,
            trusted=config.trusted_networks,
            links_per_address_max=config.links_per_address_max,
            links_per_address_minute_max=config.links_per_address_minute_max,
            frames_per_s_max=config.frames_per_s_max,
            bytes_per_s_max=config.bytes_per_s_max,
            on_sealed=lambda: token.run_sync_soon(self.recorder.wake, idempotent=True),
        )
        self.pulse = Pulse({"intake": lambda: self.intake.turns})
        credentials = Credentials.from_file(data.path)
        epochs = Epochs(self.boot)
        self.counts = Counts()
        position = Position()
        last_fix = last_fix_in(self.table)
        self.command_room = command_room = CommandRoom()

        done = position.done

        def make_vehicle(
            vehicle_id: int, start: Callable[[Vehicle], None], on_drained: Callable[[int], None]
        ) -> Vehicle:
            return Vehicle(
                vehicle_id,
                self.fleet,
                self.intake,
                self.writer,
                credentials,
                wall_ms,
                config.node,
                epochs=epochs,
                counts=self.counts,
                done=done,
                last_fix=last_fix,
                command_room=command_room,
                start=start,
                on_drained=on_drained,
                keeper=self.keeper,
            )

        self.gateway = Gateway(
            self.journal,
            JT808,
            self.intake.hand_up_fd,
            links=self.intake,
            fleet=self.fleet,
            table=self.table,
            detection=self.detection,
            log=self.writer,
            commands=self.eventlog,
            snapshot=data.path / "detection.snapshot",
            position=position,
            make_vehicle=make_vehicle,
            alarm_fd=self.intake.alarm_fd,
            take_alarms=self.intake.take_alarms,
        )
        self.reception = Reception(
            self.fleet,
            self.intake,
            wall_ms,
            node=config.node,
            boot=self.boot,
            counts=self.counts,
            done=position.done,
            hand_over=self.gateway.put_known,
            on_drained=lambda: self.gateway.drained(0),
            peer=self.intake.peer,
        )
        self.gateway.attach(self.reception)
        self.writer.on_committed = self.gateway.committed
        self.trials = Trials(
            lambda: replay_ground(self.registry, self.eventlog, self.store.journal_order), self.store.newest_arrival
        )
        self.query = QueryServer(self.store, data.run / "query.sock")
        self.query.__enter__()
        self._token = token
        # Last: whoever is woken is there.
        self.bell.subscribe(lambda seq, topics: token.run_sync_soon(self._rung, seq, topics))

    def begin_store(self) -> int:
        """Bring the store's tables up to date and load last positions, if that was not done. Returns 0: an errand.

        A ClickHouse server that is away keeps no node from starting: cars are answered from the journal, and crashes
        seen. Positions that come late are older than what the cars have told since, and change nothing of that. Blocks.

        Raises:
            StoreNewerError: the store is of a later version.
        """
        from core.logging import say
        from storage.errors import StorageError, StoreNewerError

        if self.store_begun:
            return 0
        try:
            self.store.ensure_schema()
            self.table.update_positions(rows_of(self.store.last_positions()))
        except StoreNewerError:
            raise
        except StorageError as error:
            if not self.store_fault:
                say("store.away", fault=str(error))
            self.store_fault = str(error)
        else:
            self.store_begun, self.store_fault = True, ""
        return 0

    def _rung(self, seq: int, topics: frozenset[str]) -> None:
        for follower in self.followers.values():
            follower.rung(seq, topics)
        for errand in self.errands.values():
            errand.rung(seq, topics)
        if "command" in topics:
            # Asked for by an errand, in a transaction of its own and not through the writer.
            self.gateway.committed(seq, frozenset({"command."}))

    async def watch(self, supervisor: "Supervisor") -> None:
        """Take the pulse of every part, and tell the supervisor as long as all of them turn. Until cancelled."""
        import trio

        from core.supervisor import LOOK_S

        while True:
            self.pulse.look()
            if not self.pulse.stuck():
                supervisor.alive()
            await trio.sleep(LOOK_S)

    async def follow_signals(self, signals: "Any", stop: "trio.Event") -> None:
        """Stop in order at the first signal; at a second one wait neither for drains nor for the store."""
        from core.logging import say

        async for number in signals:
            name = signal.Signals(number).name
            if not stop.is_set():
                say("node.stopping", signal=name)
                stop.set()
            elif not self.hurried.is_set():
                say("node.stopping_now", signal=name)
                self.hurried.set()

    async def reload_fences(self, events: "Sequence[Event]") -> None:
        """Have the index built anew of the fences that have changed."""
        self.fences_changed |= {event.payload.fence_id for event in events}
        self.fences_asked.set()

    async def rebuild_fences(self) -> None:
        """Judge by the fences as they stand now. The index is built beside; judging goes on meanwhile.

        One is built at a time, of all that has changed until then; what changes meanwhile waits for the next, which
        begins no sooner than the last one took: so at most half a core is spent on it, however fast people draw.
        """
        import trio

        from core.limits import FENCES_PAUSE_S_MAX, ZONES_LOOK_S

        while True:
            with trio.move_on_after(ZONES_LOOK_S):
                await self.fences_asked.wait()
            self.fences_asked = trio.Event()
            changed, self.fences_changed = self.fences_changed | self.fences.stale(), set()
            if not changed:
                continue
            began_s = trio.current_time()
            try:
                index = await trio.to_thread.run_sync(self.fences.index, changed)
                await self.gateway.change(functools.partial(self.detection.swap_fences, index))
            except BaseException:
                self.fences_changed |= changed
                self.fences_asked.set()
                raise
            await trio.sleep(min(trio.current_time() - began_s, FENCES_PAUSE_S_MAX))

    async def reload_rules(self, events: "Sequence[Event]") -> None:
        """Judge by the thresholds as they stand now."""
        import trio

        from core.rules import Rules

        await self.gateway.change_rules(Rules(await trio.to_thread.run_sync(self.registry.rules.load)))

    def arming(self) -> "Arming":
        """Return what is armed as the rows stand now. Blocking."""
        return arming_of(self.registry, self.table.capacity)

    async def reload_arming(self, events: "Sequence[Event]") -> None:
        """Judge by what is armed now."""
        import trio

        if all(event.actor == "detection" for event in events):
            # It ended an episode by itself.
            return
        arming = await trio.to_thread.run_sync(self.arming)
        await self.gateway.change(lambda: self.detection.swap_arming(arming))

    def told(self, first: int, last: int, types: frozenset[str]) -> None:
        """Tell whoever follows the log that it has grown, and who remembers principals that they may be others now."""
        self.people.heard(types)
        self.bell.ring(first, last, types)

    def heard(self, vehicle_id: int, terminal: int) -> tuple[int, int]:
        """Return when a terminal's last report arrived, and how often it reports as a rule, in ms; 0: not known."""
        if not 0 < vehicle_id < self.table.capacity:
            return 0, 0
        row = self.table.position[vehicle_id]
        arrival_ms = int(row["arrival_ms"]) if row["terminal"] == terminal else 0
        return arrival_ms, self.detection.usual_ms(vehicle_id)

    async def follow_registry(self, events: "Sequence[Event]") -> None:
        """Know the terminals and cars as they stand now; log out who speaks for another car, or for none."""
        await self.gateway.registry_changed(events)

    def enter_demo(self) -> None:
        """Enter the demo's dealer group where nothing has been entered: stores, accounts, cars and fences. Blocking.

        Cars are entered as a store enters them, before they dial: with plate, VIN, make and model. The city that they
        drive in is written to `city` in the data directory, for the map.
        """
        import time

        import msgspec

        from core.arming import Schedule
        from core.geofence import Geofence
        from core.rights import NODE
        from simulators import base_map, group
        from simulators.roads import build
        from simulators.terminals import identity
        from storage.people import Store
        from storage.registry import NewTerminal

        city = build()
        if not base_map.is_current(self.city, city.plan.seed):
            base_map.write(self.city, city)
        if self.registry.load() or self.people.stores(NODE) or self.registry.geofences.count(NODE):
            return
        config = self.config
        # A terminal was entered before it first reported.
        epoch_ms = (int(time.time()) - config.demo_history_h * 3600) * 1000
        stores = [self.people.save_store(NODE, Store(**store._asdict())).id for store in group.stores(city)]
        if config.http_is_loopback:
            self.people.seed_demo(manager_store=stores[0], viewer_store=stores[1])
        new = []
        for number in range(config.demo_vehicles):
            who = identity(number)
            new.append(
                NewTerminal(
                    phone=who.phone,
                    terminal_id=who.terminal_id,
                    maker=who.model.maker,
                    model=who.model.name,
                    plate=who.plate,
                    plate_colour=who.plate_colour,
                    vin=group.vin_of(number),
                    store=stores[group.store_of(number, len(stores))],
                    time_ms=epoch_ms,
                )
            )
        cars = [row.vehicle_id for row in self.registry.register(new)]
        drawn = []
        types = {field.name: field.type for field in msgspec.structs.fields(Geofence)}
        for fence in group.fences(city, config.demo_vehicles):
            drawn.append(
                Geofence(
                    name=fence.name,
                    kind=fence.kind,
                    geometry=fence.geometry,
                    colour=fence.colour,
                    store=0 if fence.store < 0 else stores[fence.store],
                    applies="all" if fence.cars is None else "vehicles",
                    vehicles=None if fence.cars is None else tuple(cars[number] for number in fence.cars),
                    # Converted by the types of the fence's own fields: windows and rules come as plain mappings.
                    **{name: msgspec.convert(value, types[name]) for name, value in fence.rules.items()},
                )
            )
        self.registry.geofences.save_all(drawn)
        self.detection.swap_fences(self.fences.index([fence.id for fence in self.registry.geofences.load()]))
        for car in cars[4 : 4 + DEMO_NIGHTS]:
            self.registry.guards.arm(NODE, car, by_hand=False, schedule=Schedule())
        self.detection.swap_arming(self.arming())

    def demo_times(self) -> tuple[int, int]:
        """Return when the demo's world began and when it was last reported from (0: never), UTC epoch ms. Blocking."""
        known = [row.created_ms for row in self.registry.load()]
        newest = max((position.time_ms for position in self.store.last_positions()), default=0)
        return min(known, default=0), newest

    async def close(self) -> None:
        """Stop the intake, store what it has sealed, let go of the stores."""
        import trio

        from core.logging import say

        await self.gateway.stop()
        await trio.to_thread.run_sync(self.intake.stop)
        await trio.to_thread.run_sync(self.query.close)
        await trio.to_thread.run_sync(self.trials.close)
        with trio.move_on_after(CATCH_UP_S_MAX) as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancel_at, self.hurried, scope)
                await self.recorder.catch_up()
                await self.recorder.flush()
                nursery.cancel_scope.cancel()
        if scope.cancelled_caught:
            say("store.left_behind")
        await trio.to_thread.run_sync(self.store.close)
        await trio.to_thread.run_sync(self.bell.close)
        await trio.to_thread.run_sync(self.eventlog.close)

    def faults(self) -> list[str]:
        """Say why the node cannot do its work now; nothing when it can. Blocks: it writes to the database."""
        from storage.errors import StorageError

        faults = ["node: it is stopping"] if self.stopping else []
        if self.intake.ended:
            faults.append("tcp: the intake has ended")
        elif not self.intake.thread_ids:
            faults.append("tcp: nothing listens for terminals yet")
        # A segment that cannot be prepared is no fault yet while another is ready; both are said.
        if fault := self.intake.fault or self.journal.last_error:
            faults.append(f"journal: {fault}")
        if fault := self.recorder.fault or self.store_fault:
            faults.append(f"store: {fault}")
        try:
            self.eventlog.ping_write()
        except StorageError as error:
            faults.append(f"log: {error}")
        return faults

    def parts(self) -> "Parts":
        """Return what the API sees of this node."""
        import msgspec

        from actors.voices import VOICES
        from api.embedded import LiveCars, append_through
        from api.parts import Coming, Knock, Parts, Session
        from core.intake.archive import Archive
        from protocols.jt808.kernels import KERNELS as JT808
        from storage.gallery import Gallery
        from storage.garage import Garage
        from storage.incidents import Incidents
        from storage.reader import Reader
        from storage.vehicles import Vehicles

        config = self.config
        online = self.fleet.occupancy.since.keys()

        def is_online(vehicle_id: int) -> bool:
            return any(t.terminal in online for t in self.fleet.terminals_of(vehicle_id))

        def session(terminal: int) -> Session | None:
            now = self.fleet.occupancy.since.get(terminal)
            return None if now is None else Session(now.since_ms, now.version)

        def heard_ms(vehicle_id: int, terminal: int) -> int:
            row = self.table.position[vehicle_id]
            return int(row["arrival_ms"]) if row["terminal"] == terminal else 0

        def knocking() -> list[Knock]:
            return [Knock(**msgspec.structs.asdict(knock)) for knock in self.reception.knocking.known_not()]

        def coming(vehicle_id: int) -> list[Coming]:
            return [
                Coming(one.terminal, one.media_id, len(one.parts), one.key.total)
                for one in self.gateway.transfers(vehicle_id)
            ]

        cars = LiveCars(self.table, is_online, logged_in=online)
        self.reader = reader = Reader(self.eventlog.database, self.store, cars.last_positions)
        return Parts(
            node=config.node,
            version=VERSION,
            key=self.data.api_key(),
            demo=config.demo and config.http_is_loopback,
            public_url=config.public_url,
            metrics_open=metrics_open(config),
            metrics=self.metrics(),
            faults=self.faults,
            stuck=self.pulse.stuck,
            people=self.people,
            registry=self.registry,
            reader=reader,
            gallery=Gallery(reader, self.media.files),
            coming=coming,
            vehicles=Vehicles(self.eventlog.database),
            garage=Garage(self.eventlog.database),
            vault=self.vault,
            incidents=Incidents(self.eventlog.database),
            live=cars,
            doorbell=self.bell,
            # Written by the demo, a moment after the API is up.
            city=self.city if config.demo else None,
            ground=ground_of(config),
            append=append_through(self._token, self.writer.append),
            archive=Archive(self.journal, JT808),
            session=session,
            heard_ms=heard_ms,
            knocking=knocking,
            trials=self.trials,
            quality=self.detection.cleaning,
            actors=self.business.actors,
            voices=VOICES,
            business_counts=lambda: self.business.counts,
        )

    def metrics(self) -> "Metrics":
        """Return every figure of the node."""
        from actors.vehicle import COUNTS
        from core import limits
        from core.intake import loop
        from core.metrics import Metrics
        from storage.media import MEDIA_COUNTS
        from storage.people import PEOPLE_COUNTS

        metrics = Metrics()
        metrics.array("intake", self.intake.state[loop.COUNT :], loop.COUNTERS, gauges=loop.GAUGES)
        for name, help_, read in self.intake.gauges():
            metrics.gauge(f"intake_{name}", help_, read)
        metrics.gauge("journal_bytes", "Bytes of sealed journal segments.", self.journal.size)
        metrics.gauge("journal_needed_bytes", "Of them those that some reader has not done with.", self.journal.needed)
        metrics.gauge(
            "journal_sequence",
            "Last journal record that is synced.",
            lambda: int(self.intake.state[loop.PUBLISHED_SEQUENCE]) or self.journal.last_sequence,
        )
        metrics.gauge("journal_segments", "Sealed journal segments.", lambda: len(self.journal.segments))
        metrics.counted("journal_full", "Times no segment could be prepared.", lambda: self.journal.full)
        metrics.counted("journal_corrupt", "Damaged places met in sealed segments.", lambda: self.journal.corrupt)
        metrics.statistics(
            "recorder",
            self.recorder.statistics,
            (
                ("segments", "Segments stored."),
                ("stored", "Reports stored."),
                ("refused", "Reports the store refused, kept in report_refused."),
                ("uplinks", "Messages stored that say more than where a car is."),
                ("uplinks_cut", "Of them those that were longer than what is kept."),
                ("uplinks_refused", "Messages the store refused, kept in uplink_refused."),
                ("unreadable", "Locations inside frames that could not be read."),
                ("failures", "Calls of the store that failed and were repeated."),
                ("behind", "Sealed segments that wait to be stored."),
            ),
            gauges=("behind",),
        )
        metrics.statistics(
            "gateway",
            self.gateway.statistics,
            (
                ("batches", "Batches read behind the journal's tail."),
                ("rows", "Locations judged."),
                ("frames", "Frames brought to vehicles."),
                ("events", "Facts that detection found."),
                ("changes", "Changes of terminals and cars followed."),
                ("sequence", "Last journal record taken."),
                ("conversation_sequence", "Journal records up to this one are done with."),
                ("detection_sequence", "Journal records up to this one are in detection's snapshot."),
                ("vehicles", "Vehicles that have been heard since the start."),
                ("held", "Frames in front of full mailboxes."),
                ("commands_open", "Commands without a decision."),
                ("snapshots", "Snapshots of detection."),
                ("swaps", "Times that what detection judges by was changed."),
                ("alarms", "Reports with an alarm bit shown while the journal took nothing."),
                ("alarms_unjudged", "Of them those that more recent ones displaced before they were judged."),
                ("unreadable", "Locations inside frames that could not be read."),
                ("mailboxes_full", "Times a command waited for room in its car's mailbox."),
            ),
            gauges=("sequence", "conversation_sequence", "detection_sequence", "vehicles", "held", "commands_open"),
        )
        metrics.statistics(
            "log",
            self.writer.statistics,
            (
                ("appended", "Events appended."),
                ("batches", "Transactions."),
                ("refused", "Events the log would not take."),
                ("failures", "Calls of the log that failed and were repeated."),
                ("waiting", "Events that wait."),
                ("waiting_safety", "Safety events that wait."),
                ("seq", "Highest number in the log seen."),
            ),
            gauges=("waiting", "waiting_safety", "seq"),
        )
        metrics.statistics(
            "fleet",
            self.fleet.statistics,
            (
                ("terminals", "Terminals known."),
                ("vehicles", "Vehicles known."),
                ("sessions", "Terminals logged in."),
                ("registered", "Terminals registered since the start."),
                ("failures", "Calls of the registry that failed and were repeated."),
            ),
            gauges=("terminals", "vehicles", "sessions"),
        )
        metrics.statistics("people", self.people.statistics, PEOPLE_COUNTS)
        metrics.statistics(
            "media",
            self.media.statistics,
            (*MEDIA_COUNTS, ("bytes", "Bytes of media files.")),
            gauges=("bytes",),
        )
        metrics.statistics(
            "media",
            self.keeper.statistics,
            (("held_bytes", "Bytes of media half received."), ("failures", "Calls of the media store repeated.")),
            gauges=("held_bytes",),
        )
        metrics.statistics(
            "audit",
            self.auditing.statistics,
            (
                ("sealed", "Seals of the audit log put into the event log."),
                ("alerts", "Readers of persons beyond their measure told of."),
                ("rewrapped", "Data keys wrapped anew after a rotation."),
            ),
        )
        metrics.statistics("evidence", self.evidence.statistics, (("linked", "Media whose links changed."),))
        metrics.statistics(
            "tracking",
            self.tracking.statistics,
            (
                ("asked", "Cars asked for dense reports after a suspected crash."),
                ("running", "Suspicions of cars whose dense reports still ran."),
                ("old", "Suspicions that came too late to ask."),
                ("let_go", "Suspicions past the bound of cars asked in a minute."),
            ),
        )
        metrics.statistics(
            "areas",
            self.areas.statistics,
            (
                ("asked", "Commands about areas asked for."),
                ("told", "Areas that terminals confirmed."),
                ("withdrawn", "Areas taken off terminals."),
                ("compared", "Comparisons ended."),
                ("failed", "Commands about areas that were refused or not answered."),
            ),
        )
        metrics.statistics(
            "guarding",
            self.guarding.statistics,
            (("opened", "Thefts suspected."), ("closed", "Suspicions of a theft that are over.")),
        )
        metrics.statistics(
            "presence",
            self.presence.statistics,
            (
                ("online", "Terminals said to be online."),
                ("offline", "Terminals said to be offline."),
                ("silent", "Terminals said to be silent."),
                ("timers", "Timers of terminals that are not offline."),
            ),
            gauges=("timers",),
        )
        metrics.statistics(
            "trials",
            self.trials.statistics,
            (
                ("begun", "Trials of thresholds begun."),
                ("done", "Trials that were done."),
                ("cancelled", "Trials that nobody wanted any more."),
                ("failed", "Trials that could not be done."),
            ),
        )
        metrics.gauge(
            "log_followers_behind",
            "Events that the slowest of the node's own followers of the log has not looked at.",
            lambda: max(0, self.writer.statistics().seq - min(one.seq for one in self.followers.values())),
        )
        metrics.gauge(
            "errands_busy",
            "Errands that follow the log and have something left to do.",
            lambda: sum(1 for errand in self.errands.values() if not errand.idle),
        )
        metrics.statistics("alerting", self.alerting.statistics, (("told", "Messages asked for."),))
        for outlet in self.outlets:
            told = (("sent", "Messages delivered."), ("failed", "Messages that were not."))
            metrics.statistics(f"adapter_{outlet.name}", outlet.statistics, told)
        metrics.statistics(
            "business",
            self.business.statistics,
            (
                ("handled", "Events that an actor's rules have handled"),
                ("said", "Events that rules have said in answer"),
                ("parked", "Times a rule failed and its actor stopped at one key (the portal's page of parked keys)"),
                ("waited", "Events that wait, or waited, because their key was parked"),
            ),
        )
        metrics.statistics(
            "vault",
            self.vault.statistics,
            (
                ("taken", "Captures of persons taken"),
                ("repeated", "Captures that were here before"),
                ("refused", "Captures refused"),
                ("compared", "Captures that new ones were compared with"),
                ("cut", "Captures of which not all that share something with them were compared"),
                ("destroyed", "Captures destroyed with their keys"),
            ),
        )
        metrics.statistics(
            "eraser",
            self.eraser.statistics,
            (("persons", "Persons erased"), ("captures", "Captures destroyed for it")),
        )
        metrics.statistics(
            "timers", self.clock.statistics, (("said", "Timers of the business that were said to be due"),)
        )
        metrics.statistics(
            "inbox",
            self.inbox_statistics,
            (
                ("moved", "Events of other processes moved into the log."),
                ("refused", "Events of other processes that the log would not take."),
            ),
        )
        show_process(metrics, self.config)
        for name in self.detection.statistics():
            # The highest of each is a place up to which state is kept, and grows like a counter.
            words = name.replace(".", ": ").replace("_", " ")
            read = functools.partial(_detected, self.detection, name)
            metrics.counted(f"detection_{name.replace('.', '_')}", f"Detection: {words}.", read)
        access = (
            ("written", "Rows of the access log written."),
            ("batches", "Transactions of the access log."),
            ("refused", "Reads of positions refused because their row could not be written."),
            ("waiting", "Reads of positions that wait for their row."),
        )
        metrics.statistics("access", lambda: self.reader.statistics(), access, gauges=("waiting",))
        metrics.gauge("reception_waiting", "Frames of unknown terminals that wait.", self.reception.waiting)
        room = self.command_room
        metrics.gauge("vehicle_commands_bytes", "Bytes of the fields of open commands.", lambda: room.bytes)
        metrics.gauge("vehicle_transfers", "Long messages on their way to cars.", lambda: room.transfers)
        knocking = self.reception.knocking
        metrics.gauge("reception_knocking", "Refused terminals remembered.", lambda: len(knocking))
        metrics.counted("reception_put_out", "Refused terminals forgotten for others.", lambda: knocking.put_out)
        for name in COUNTS:
            text = f"Conversation: {name.replace('_', ' ')}."
            metrics.counted(f"vehicle_{name}", text, lambda name=name: self.counts[name])  # type: ignore[misc]
        for name, bound in (
            ("intake_links_live", limits.LINKS_MAX),
            ("intake_admissions", loop.ADMISSIONS_MAX * 3 // 4),
            ("intake_send_chunks", limits.SEND_POOL_CHUNKS),
            ("intake_command_bytes", limits.COMMAND_QUEUE_BYTES),
            ("journal_needed_bytes", self.journal.bytes_max),
            ("log_waiting", limits.LOG_BACKLOG_EVENTS_MAX),
            ("log_waiting_safety", limits.LOG_BACKLOG_EVENTS_MAX),
            ("fleet_vehicles", limits.VEHICLES_MAX),
            ("fleet_terminals", limits.TERMINALS_MAX),
            ("reception_waiting", limits.RECEPTION_FRAMES_MAX),
            ("reception_knocking", limits.KNOCKING_MAX),
            ("vehicle_commands_bytes", limits.COMMANDS_OPEN_BYTES_MAX),
            ("vehicle_transfers", limits.TRANSFERS_MAX),
            ("media_bytes", self.media.bytes_max),
            ("media_held_bytes", limits.MEDIA_MEMORY_BYTES_MAX),
            ("access_waiting", limits.ACCESS_WAITING_MAX),
        ):
            metrics.bound(name, bound)
        return metrics


def _detected(detection: "Detection", name: str) -> int:
    return detection.statistics()[name]


def show_process(metrics: "Metrics", config: "Config") -> None:
    """Show what the process takes of its machine, and what its actors and its log go through."""
    from core import process
    from core.actor import ACTORS
    from core.logging import lines_let_go

    metrics.gauge("process_resident_bytes", "Memory of the process.", process.resident_bytes)
    metrics.counted("process_cpu_seconds", "Processor time of all threads.", process.cpu_s)
    metrics.gauge("process_descriptors", "Files and sockets open.", process.descriptors)
    metrics.bound("process_descriptors", process.descriptors_max)
    for name, path in (("data", config.data_path), ("journal", config.journal_path)):
        # The journal's directory may be a volume of its own, and is there once the journal is opened.
        metrics.gauge(
            f"disk_{name}_used_bytes",
            f"Bytes used on the volume of {name}.",
            lambda path=path: process.disk(path).used_bytes,  # type: ignore[misc]
        )
        metrics.bound(f"disk_{name}_used_bytes", lambda path=path: process.disk(path).bytes)  # type: ignore[misc]
    actors = (
        ("running", "Actors running or about to start again."),
        ("starts", "Starts of actors."),
        ("failures", "Failures of actors; each was started again."),
    )
    metrics.statistics("actor", ACTORS.totals, actors, gauges=("running",))
    metrics.counted("log_lines_let_go", "Lines of the operator's log past their bound.", lines_let_go)


async def cancel_at(event: "trio.Event", scope: "trio.CancelScope") -> None:
    """Cancel what is under way once an event has come."""
    await event.wait()
    scope.cancel()


FOLLOWERS: "Final[tuple[tuple[str, tuple[str, ...], Callable[[Node, Sequence[Event]], Awaitable[object]]], ...]]" = (
    ("fences", ("geofence.",), Node.reload_fences),
    ("rules", ("rules.",), Node.reload_rules),
    ("arming", ("vehicle.armed", "vehicle.disarmed", "vehicle.changed", "theft.cleared"), Node.reload_arming),
    (
        "registry",
        ("terminal.entered", "terminal.changed", "terminal.bound", "terminal.unbound", "terminal.retired", "vehicle."),
        Node.follow_registry,
    ),
)
"""Name, prefixes of event types, what the node does about them: it follows its own log, so a change of rows reaches it
whoever made it, by the event that was appended with it."""


def ground_of(config: "Config") -> "Ground":
    """Return what the operator puts under the cars."""
    from api.parts import Ground

    return Ground(
        style_url=config.map_style_url,
        tiles_url=config.map_tiles_url,
        attribution=config.map_attribution,
        approval=config.map_approval,
        hosts=config.map_hosts,
    )


def rows_of(positions: "Sequence[Any]") -> "Any":
    """Return stored last positions as (n,) REPORT rows, to fill the vehicle table with at a start."""
    import numpy as np

    from protocols.report import REPORT

    rows = np.zeros(len(positions), REPORT)
    for row, position in zip(rows, positions, strict=True):
        for name, value in position._asdict().items():
            row[name] = value
    return rows


# --- the same parts as separate processes -----------------------------------------------------------------------------


def run_part(options: argparse.Namespace) -> int:
    """Run one part as a process of its own, over stores that several processes can share."""
    names = ("data", "keys") if options.command == "api" else ("data", "journal", "media", "keys")
    config = usable(read_options(options), names)
    if fault := sharing_fault(config):
        return complain(f"{options.command}: {fault}", EXIT_REFUSED)
    if options.command == "ingest":
        return run_node(config, with_api=False)
    if options.command == "api":
        return serve_api(config)
    return complain(
        f"{options.command}: the business is folded by the node that owns the event log (carillon up or "
        "carillon ingest), in the transaction that appends; a process of its own would not be quicker",
        EXIT_REFUSED,
    )


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
    from pathlib import Path

    from api.app import create_app
    from api.server import ApiServer, ServerError
    from api.shared import SharedStores
    from core.data_directory import DataDirectory
    from core.logging import say, start_logging
    from core.metrics import Metrics
    from core.supervisor import Supervisor
    from storage.people import PEOPLE_COUNTS

    start_logging(config.log_level, config.log_format)
    supervisor = Supervisor()
    with DataDirectory(config.data_path) as data:
        run = Path(config.node_data) / "run" if config.node_data else None
        keys = Path(config.node_data) / "keys" if config.node_data and not config.keys else config.keys_path
        stores = SharedStores(
            config.reports,
            config.business,
            idle_s=config.idle_s,
            run=run,
            keys=keys,
            factor_roles=config.factor_roles.split(),
        )
        here = Path(config.node_data) / "media" if config.node_data else None
        media = Path(config.media) if config.media else here
        metrics = Metrics()
        metrics.statistics("people", stores.people.statistics, PEOPLE_COUNTS)
        show_process(metrics, config)
        parts = stores.parts(
            node=config.node,
            version=VERSION,
            key=data.api_key(),
            metrics_open=metrics_open(config),
            metrics=metrics,
            ground=ground_of(config),
            public_url=config.public_url,
            media=media,
        )
        app = create_app(parts)
        server = ApiServer(app, *config.http_address, on_stop=app.state.streams.close)
        signals = {signal.SIGTERM, signal.SIGINT}
        # Blocked here and in every thread started from here: they wait for us in sigwait.
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        try:
            server.start()
            data.publish("", server.address, {"api": server.native_id})
            say("api.serving", http=server.address, key_file=str(data.run / "api.key"))
            welcome(stores.people, config, data, server.address)
            supervisor.ready(f"API on {server.address}")
            say("node.stopping", signal=wait_for_signal(signals, supervisor))
            supervisor.stopping(STOP_S_MAX)
        except ServerError as error:
            return complain(str(error), EXIT_FAILED)
        finally:
            server.stop()
            stores.close()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    return EXIT_OK


def wait_for_signal(signals: "set[signal.Signals]", supervisor: "Supervisor") -> str:
    """Wait for one of these signals, which are blocked, and return its name; meanwhile tell that we are alive."""
    from core.supervisor import LOOK_S

    while (caught := signal.sigtimedwait(signals, LOOK_S)) is None:
        supervisor.alive()
    return signal.Signals(caught.si_signo).name


def metrics_open(config: "Config") -> bool:
    """Tell whether /metrics needs no key."""
    return config.metrics == "open" or (config.metrics == "loopback" and config.http_is_loopback)


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
    from simulators.run import seconds_of, simulate

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
            history_s=seconds_of(options.history),
            epoch_ms=options.epoch,
            parent=options.parent,
            http=options.http,
            key_file=Path(options.key_file),
            pace=options.pace,
            truth=Path(options.truth) if options.truth else None,
        )
    except (ValueError, OSError) as error:
        return complain(f"simulate: {error}", EXIT_FAILED)
    print(json.dumps(figures), flush=True)
    return EXIT_OK


def run_terminal(options: argparse.Namespace) -> int:
    """Be one terminal, told from a prompt what to say."""
    from simulators.console import main

    return main(options)


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
    import contextlib

    from core.data_directory import DataDirectory
    from storage.clickhouse import ReportStore, is_embedded
    from storage.errors import QueryRefusedError, StorageError
    from storage.query import as_json, as_text, ask_or_open

    config = read_config(options)
    with contextlib.ExitStack() as stack:

        def open_store() -> ReportStore:
            if is_embedded(config.reports):
                if not (config.data_path / "version").exists():
                    raise StorageError(f"there is no data in {config.data_path}")
                # An embedded store has one process: whoever starts meanwhile is told who has it.
                stack.enter_context(DataDirectory(config.data_path))
            return ReportStore(config.reports)

        try:
            table = ask_or_open(config.data_path / "run" / "query.sock", open_store, options.sql)
        except (QueryRefusedError, StorageError) as error:
            return complain(f"query: {error}", EXIT_FAILED)
    print(as_json(table) if options.json else as_text(table))
    return EXIT_OK


def run_frames(options: argparse.Namespace) -> int:
    """Print the frames of one terminal from the journal as they travelled, oldest first. A server may be running."""
    from datetime import UTC, datetime

    from core.intake.journal import frames_of
    from core.intake.links import KIND_ASSEMBLED
    from protocols.jt808.framing import wrap
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
        if frame.kind == KIND_ASSEMBLED:
            continue  # made here from fragments, which are printed themselves
        wire = wrap(frame.data).hex()
        arrival = datetime.fromtimestamp(frame.arrival_ms / 1000, UTC).isoformat(timespec="milliseconds")
        if options.json:
            shown = {"sequence": frame.sequence, "arrival_ms": frame.arrival_ms, "link": frame.link}
            print(json.dumps({**shown, "terminal": frame.terminal, "frame": wire}))
        else:
            print(f"{arrival} {frame.sequence:>10} {wire}")
    return EXIT_OK


def run_user(options: argparse.Namespace) -> int:
    """Enter a user, or make a new one-time link for one; print the link. A server may be running."""
    import contextlib

    from api.invitations import welcome_link
    from core.data_directory import DataDirectory, running_process
    from core.envelope import KeyringError, SealBrokenError
    from core.rights import NODE
    from storage import migrate
    from storage.database import Database
    from storage.errors import StorageError
    from storage.people import People, PeopleError

    config = read_config(options)
    with contextlib.ExitStack() as stack:
        running = running_process(config.data_path)
        if running is None:
            # Nobody serves: the directory is ours for a moment, and made where it is missing.
            stack.enter_context(DataDirectory(config.data_path))
        try:
            migrate(config.business)
            database = Database(config.business, config.keys_path)
            stack.callback(database.close)
            people = People(database)
            if options.action == "reset":
                token = people.invite(NODE, people.account_of(NODE, options.login).id)
            else:
                stores = people.stores_of(NODE, options.store) if options.store else None
                _, token = people.create_account(
                    NODE, login=options.login, name=options.name, role=options.role, stores=stores
                )
        except (PeopleError, StorageError, KeyringError, SealBrokenError) as error:
            return complain(f"user {options.action}: {error}", EXIT_FAILED)
    base = config.public_url or f"http://{(running and running.http) or config.http}"
    print(welcome_link(base, token))
    print("Whoever opens this first, within 72 hours, sets the password: bring it to its owner alone.", file=sys.stderr)
    return EXIT_OK


def run_keys(options: argparse.Namespace) -> int:
    """Show the ring of keys, or rotate it: a new key wraps from now on, and everything is wrapped by it."""
    import contextlib
    import datetime

    from core.data_directory import DataDirectory, DataDirectoryError
    from core.envelope import KeyringError, SealBrokenError
    from core.limits import KEY_GRACE_S
    from storage import migrate
    from storage.database import Database
    from storage.errors import StorageError
    from storage.keys import retire, rewrap, wrapped_by

    config = usable(read_options(options), ("data", "keys"))
    with contextlib.ExitStack() as stack:
        try:
            alone = config.business.startswith("sqlite")
            try:
                stack.enter_context(DataDirectory(config.data_path))
            except DataDirectoryError:
                alone = False
            migrate(config.business)
            database = Database(config.business, config.keys_path)
            stack.callback(database.close)
            database.keys.check()
            ring = database.keyring
            if options.action == "rotate":
                # One that was cut off is ended first; else a key would be added at every try.
                number = ring.current if len(ring.numbers) > 1 else ring.rotate()
                done = rewrap(database)
                print(f"key {number} wraps from now on; {done} keys were wrapped anew")
                for old in retire(database, grace_s=0 if alone else KEY_GRACE_S):
                    print(f"key {old} is destroyed")
                for old in ring.numbers[:-1]:
                    print(
                        f"key {old} still opens, for whoever wrapped by it a moment ago: a running node destroys it "
                        f"in {KEY_GRACE_S // 60} minutes; without one, do this again then"
                    )
            counts = wrapped_by(database)
            for number in ring.numbers:
                made = datetime.datetime.fromtimestamp(ring.made_ms(number) / 1000, datetime.UTC)
                now = "current" if number == ring.current else "opens only"
                print(f"key {number}: made {made:%Y-%m-%d %H:%M} UTC, {now}, wraps {counts.get(number, 0)} data keys")
        except (KeyringError, SealBrokenError, StorageError) as error:
            return complain(f"keys {options.action}: {error}", EXIT_FAILED)
    return EXIT_OK


def run_audit(options: argparse.Namespace) -> int:
    """Verify the audit log from its beginning; say the first broken row. A server may be running."""
    import contextlib

    import msgspec

    from core.envelope import KeyringError, SealBrokenError
    from storage.audit import verify
    from storage.database import Database
    from storage.errors import StorageError

    config = read_config(options)
    with contextlib.ExitStack() as stack:
        try:
            if config.business.startswith("sqlite") and not (config.data_path / "version").exists():
                raise StorageError(f"there is no data in {config.data_path}")
            database = Database(config.business, config.keys_path)
            stack.callback(database.close)
            shown = ProgressLine()
            found = verify(database, progress=shown.verified)
            shown.end()
        except (KeyringError, SealBrokenError, StorageError) as error:
            return complain(f"audit verify: {error}", EXIT_FAILED)
    if options.json:
        print(msgspec.json.encode(found).decode())
    elif found.broken is None:
        print(
            f"the audit log holds: {found.rows:,} rows, {found.seals:,} seals agree, the last at row {found.sealed_to}"
        )
    else:
        seal = f" (event {found.broken.seal})" if found.broken.seal else ""
        print(f"the audit log is BROKEN at row {found.broken.id}: {found.broken.fault}{seal}; {found.rows:,} rows hold")
    return EXIT_OK if found.broken is None else EXIT_FAILED


def run_replay(options: argparse.Namespace) -> int:
    """Judge stored reports again, by the rules in force and by others, and print what would differ."""
    import contextlib
    import time

    from actors.replay import ReplayError, changed_rules, replay, types_of
    from core.data_directory import DataDirectory, running_process
    from core.outcome import Span
    from core.rules import RULES
    from core.thresholds import ThresholdFaultError, read_value
    from core.warm import warm
    from storage import migrate
    from storage.clickhouse import ReportsAsked, ReportsFound, ReportStore, is_embedded
    from storage.database import Database
    from storage.errors import QueryRefusedError, StorageError
    from storage.eventlog import EventLog
    from storage.query import ask_reports
    from storage.registry import Registry

    if options.what == "business":
        return run_replay_business(options)
    if options.into or options.adopt:
        return complain("replay: --into and --adopt are for `replay business`", EXIT_USAGE)
    if not options.detector:
        return complain("replay: give --detector NAME, or `replay business`", EXIT_USAGE)
    config = read_config(options)
    try:
        types_of(options.detector)
    except KeyError:
        from actors.detectors import DETECTORS

        names = ", ".join(sorted({row.name for row in DETECTORS} | set(RULES)))
        return complain(f"replay: no detector {options.detector!r}; there are {names}", EXIT_USAGE)
    if options.set and options.detector not in RULES:
        return complain(f"replay: {options.detector} has no thresholds to set", EXIT_USAGE)
    try:
        values = dict(read_value(options.detector, text) for text in options.set or ())
        now_ms = time.time_ns() // 1_000_000
        span = Span(
            from_ms=moment_of(options.since, now_ms, "--from"),
            to_ms=min(moment_of(options.to, now_ms, "--to"), now_ms),
            warm_up_ms=seconds_of_text(options.warm_up, "--warm-up") * 1000,
            vehicle_id=options.vehicle,
        )
    except (ThresholdFaultError, ValueError) as fault:
        return complain(f"replay: {fault}", EXIT_USAGE)
    if span.from_ms >= span.to_ms:
        return complain("replay: --from is not before --to", EXIT_USAGE)
    warm(KERNELS, report=lambda line: print(line, file=sys.stderr, flush=True))
    socket = config.data_path / "run" / "query.sock"
    with contextlib.ExitStack() as stack:
        try:
            if running_process(config.data_path) is None and is_embedded(config.reports):
                if not (config.data_path / "version").exists():
                    raise StorageError(f"there is no data in {config.data_path}")
                # An embedded store has one process: whoever starts meanwhile is told who has it.
                stack.enter_context(DataDirectory(config.data_path))
                migrate(config.business)
            if running_process(config.data_path) is not None and is_embedded(config.reports):

                def read(asked: ReportsAsked) -> ReportsFound:
                    return ask_reports(socket, asked)
            else:
                store = ReportStore(config.reports)
                stack.callback(store.close)
                read = store.journal_order
            database = Database(config.business, config.keys_path)
            stack.callback(database.close)
            log = EventLog(database)
            ground = replay_ground(Registry(log), log, read)
            changed_rules(ground.rules, options.detector, values)
            shown = ProgressLine()
            outcome = replay(ground, options.detector, values, span, shown.tell)
            shown.end()
        except ThresholdFaultError as fault:
            return complain(f"replay: {fault}", EXIT_USAGE)
        except (ReplayError, StorageError, QueryRefusedError, OSError) as error:
            return complain(f"replay: {error}", EXIT_FAILED)
    if options.json:
        import msgspec

        print(msgspec.json.encode(outcome).decode())
    else:
        print(outcome_text(outcome))
    return EXIT_OK


def run_replay_business(options: argparse.Namespace) -> int:
    """Fold the business's log again from empty and print what differs. A server may be running.

    The exit status says what was found: 0 where events and tables are equal, and 5 where something differs by the
    rules that are in force. Under rules of `--adopt` differences are what was asked for.
    """
    import tempfile
    from pathlib import Path

    import msgspec

    from actors.business import BUSINESS
    from core.data_directory import running_process
    from storage.database import Database
    from storage.errors import StorageError
    from storage.replay import replay

    config = read_config(options)
    if options.set or options.detector:
        return complain("replay business: --detector and --set are for reports; see --adopt", EXIT_USAGE)
    adopt: dict[tuple[str, str], int] = {}
    for text in options.adopt or ():
        rule, _, version = text.partition("=")
        actor, _, name = rule.partition(".")
        if not (actor and name and version.isdecimal()):
            return complain(f"replay business: --adopt takes ACTOR.RULE=VERSION, got {text!r}", EXIT_USAGE)
        adopt[actor, name] = int(version)
    if running_process(config.data_path) is None and not (config.data_path / "version").exists():
        return complain(f"replay business: there is no data in {config.data_path}", EXIT_FAILED)
    shown = ProgressLine()
    with tempfile.TemporaryDirectory(prefix="carillon-replay-") as scratch:
        try:
            database = Database(config.business, config.keys_path)
            try:
                into = Path(options.into) if options.into else Path(scratch) / "business.db"
                found = replay(database, into, BUSINESS, adopt=adopt, progress=shown.caught_up)
            finally:
                database.close()
                shown.end()
        except ValueError as fault:
            return complain(f"replay business: {fault}", EXIT_USAGE)
        except (StorageError, OSError) as error:
            return complain(f"replay business: {error}", EXIT_FAILED)
    if options.json:
        print(msgspec.json.encode({**msgspec.to_builtins(found), "equal": found.equal}).decode())
    else:
        print(replayed_text(found))
    return EXIT_OK if found.equal or adopt else EXIT_DIFFERS


def replayed_text(found: "Replayed") -> str:
    """Return what a replay of the business found, as a person reads it."""
    lines = [
        f"{found.events:,} events folded, {found.handled:,} times a rule ran; {found.rows_compared:,} rows compared"
    ]
    if found.equal:
        return "\n".join([*lines, "equal: every event and every row comes out as it stands"])
    lines.append(
        f"events: {found.said:,} would be said, {found.unsaid:,} would not, {found.changed:,} with other words; "
        f"rows that differ: {found.rows:,}"
    )
    for one in found.differences:
        lines.append(f"{one.what:8} {one.name}  {one.about}")
        lines += [f"    {sign} {words}" for sign, words in (("-", one.before), ("+", one.now)) if words]
    told = len(found.differences)
    if (there := found.said + found.unsaid + found.changed + found.rows) > told:
        lines.append(f"… and {there - told:,} more")
    return "\n".join(lines)


def arming_of(registry: "Registry", capacity: int) -> "Arming":
    """Return what is armed as the rows stand now. Blocking."""
    from core.arming import Arming
    from core.clock import wall_ms

    return Arming(capacity, registry.guards.load(), wall_ms())


def replay_ground(registry: "Registry", log: "EventLog", read: "Callable[[Any], Any]") -> "ReplayGround":
    """Return what stored reports are judged on: the fences, thresholds, arming and owners of today. Blocking."""
    from actors.detection import Detection
    from actors.replay import Ground
    from core.limits import VEHICLES_MAX
    from storage.geofences import Judged

    index = Judged(registry.geofences).index()
    arming = arming_of(registry, VEHICLES_MAX)
    return Ground(
        read=read,
        make=lambda table, rules: Detection(table, index, rules, arming=arming),
        owners=registry.owners(),
        rules=registry.rules.load(),
        log=log,
    )


def moment_of(text: str, now_ms: int, name: str) -> int:
    """Return a time as UTC epoch ms: ISO 8601, epoch ms, `now`, or how long ago (`24h`, `90m`, `7d`).

    Raises:
        ValueError: it is none of these.
    """
    from datetime import datetime

    if text == "now":
        return now_ms
    if text.isdecimal() and len(text) > 8:
        return int(text)
    try:
        return now_ms - seconds_of_text(text, name) * 1000
    except ValueError:
        pass
    try:
        # Without an offset it is meant as this machine's clock shows it.
        return int(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"{name}: {text!r} is neither ISO 8601 (2026-01-31T08:00), milliseconds, now, nor an age (24h, 90m, 7d)"
        ) from None


def seconds_of_text(text: str, name: str) -> int:
    """Return a length of time as seconds: 90s, 90m, 24h, 7d. Raises ValueError for anything else."""
    number, unit = text[:-1], text[-1:]
    scale = {"s": 1, "m": 60, "h": 3600, "d": 86_400}.get(unit)
    if scale is None or not number.isdecimal() or len(number) > 7:
        raise ValueError(f"{name}: {text!r} is no length of time as 90m, 24h or 7d")
    return int(number) * scale


class ProgressLine:
    """How far a replay has come, on standard error, a line every few seconds; on a terminal always the same one."""

    def __init__(self, every_s: float = 3.0) -> None:
        self._every_s = 0.3 if sys.stderr.isatty() else every_s
        self._ending = "\r" if sys.stderr.isatty() else "\n"
        self._said_s = 0.0

    def tell(self, progress: "Progress") -> None:
        """Say it if it was not said just now."""
        import time

        now_s = time.monotonic()
        if now_s - self._said_s < self._every_s:
            return
        self._said_s = now_s
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(progress.arrival_ms / 1000))
        said = f"replay: {progress.share:4.0%}  {at}  {progress.reports:,} reports"
        print(said, end=self._ending, file=sys.stderr, flush=True)

    def caught_up(self, folded: int, head: int) -> None:
        """Say how far the business has come in a log that it had not heard, if that was not said just now."""
        import time

        now_s = time.monotonic()
        if now_s - self._said_s >= self._every_s and head > folded:
            self._said_s = now_s
            print(f"business: event {folded:,} of {head:,}", end=self._ending, file=sys.stderr, flush=True)

    def verified(self, rows: int) -> None:
        """Say how many rows of the audit log hold, if that was not said just now."""
        import time

        now_s = time.monotonic()
        if now_s - self._said_s >= self._every_s:
            self._said_s = now_s
            print(f"audit: {rows:,} rows hold so far", end=self._ending, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._ending == "\r" and self._said_s:
            print(file=sys.stderr)


def outcome_text(outcome: "Outcome") -> str:
    """Return what a replay found, as a person reads it."""
    from datetime import datetime

    from api.messages import text
    from core.outcome import Difference

    def moment(time_ms: int) -> str:
        return datetime.fromtimestamp(time_ms / 1000).astimezone().isoformat(" ", "seconds")

    def line(one: Difference, what: str) -> str:
        moved = f", {(one.time_ms - one.before_ms) / 1000:+.0f} s" if one.what == "moved" else ""
        return f"{what:8} {moment(one.time_ms)}  vehicle {one.vehicle_id:<7} {one.type} {one.mark}{moved}".rstrip()

    changed = ", ".join(f"{name}={value:g}" for name, value in outcome.values.items()) or "nothing changed"
    span = outcome.span
    between = f"facts from {moment(span.from_ms)} to {moment(span.to_ms)}"
    lines = [f"{outcome.detector}: {changed}; {between}, {outcome.reports:,} reports judged", ""]
    columns = ("log", "in force", "changed", "gained", "lost", "moved", "altered", "only log", "only replay")
    lines.append(f"{'':24}" + "".join(f"{name:>12}" for name in columns))
    for type_, count in outcome.counts.items():
        numbers = (
            count.logged, count.present, count.changed, count.gained, count.lost, count.moved, count.altered,
            count.log_only, count.replay_only,
        )  # fmt: skip
        lines.append(f"{type_:24}" + "".join(f"{number:>12,}" for number in numbers))
    if not outcome.counts:
        lines.append("no facts, in the log or found again")
    for title, listed, all_ in (
        ("what would differ:", [line(one, one.what) for one in outcome.differences], outcome.differences_all),
        (
            "in the log and not found again by the rules in force:",
            [line(one, "log") for one in outcome.log_only],
            sum(count.log_only for count in outcome.counts.values()),
        ),
    ):
        if listed:
            lines += ["", title, *listed]
            if all_ > len(listed):
                lines.append(f"… and {all_ - len(listed):,} more")
    if outcome.other_versions:
        lines += ["", f"{outcome.other_versions:,} facts of the log were judged by other versions of the rules."]
    lines += ["", "How exact this is:", *(f"- {text(f'rules_caveat_{name}', 'en')}" for name in outcome.caveats)]
    return "\n".join(lines)


# --- arguments --------------------------------------------------------------------------------------------------------


def add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", metavar="FILE", help="TOML file with options (docs/operate.md)")


def add_data(command: argparse.ArgumentParser) -> None:
    add_config(command)
    command.add_argument("--data", metavar="DIR", help="data directory (default: data)")


def add_ingest(command: argparse.ArgumentParser) -> None:
    add_data(command)
    command.add_argument("--tcp", metavar="HOST:PORT", help="where terminals connect (default: 127.0.0.1:8808)")
    command.add_argument("--registration", metavar="open|known", help="may unknown terminals register (default: known)")


def add_up(command: argparse.ArgumentParser) -> None:
    add_ingest(command)
    command.add_argument(
        "--http", metavar="HOST:PORT", help="where API and status page answer (default: 127.0.0.1:8080)"
    )
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
    command.add_argument(
        "--history", default="0", metavar="TIME", help="first live through so much of the past, in a hurry: 6h, 90m"
    )
    command.add_argument(
        "--epoch", type=int, metavar="MS", help="when the world began, UTC epoch ms (default: with its history)"
    )
    command.add_argument("--parent", type=int, metavar="PID", help="stop when the process that started this has ended")
    command.add_argument(
        "--http", default="127.0.0.1:8080", metavar="HOST:PORT", help="scenario world: the API (default: %(default)s)"
    )
    command.add_argument(
        "--key-file",
        default="data/run/api.key",
        metavar="FILE",
        help="scenario world: the API key that people act by (default: %(default)s)",
    )
    command.add_argument(
        "--pace", type=float, default=1.0, metavar="X", help="scenario world: people do X times as much as in life"
    )
    command.add_argument("--truth", metavar="FILE", help="scenario world: write what people did to this file")
    command.add_argument("--record", metavar="FILE", help="write each report sent and each acknowledged to this file")


def add_terminal(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--tcp", default="127.0.0.1:8808", metavar="HOST:PORT", help="the platform (default: %(default)s)"
    )
    command.add_argument("--phone", default="13909990001", metavar="DIGITS", help="its number (default: %(default)s)")
    command.add_argument(
        "--edition", type=int, default=2019, choices=(2011, 2013, 2019), help="of JT/T 808 (default: %(default)s)"
    )
    command.add_argument(
        "--terminal-id", default="", metavar="TEXT", help="up to 7 characters (default: by its number)"
    )
    command.add_argument("--plate", default="", metavar="TEXT", help="up to 11 bytes in GBK (default: of its number)")
    command.add_argument("--script", metavar="FILE", help="lines to carry out; - and a pipe: from standard input")


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
    command.add_argument(
        "action",
        choices=["add", "reset"],
        help="add: enter a user; reset: a new one-time link for a forgotten password",
    )
    command.add_argument("login", metavar="LOGIN", help="what they log in with: a-z, 0-9 and . _ @ -")
    command.add_argument("--name", default="", help="what they are called")
    command.add_argument(
        "--role",
        default="viewer",
        choices=["viewer", "operator", "manager", "administrator"],
        help="what they may do (default: %(default)s)",
    )
    command.add_argument(
        "--store", action="append", metavar="CODE", help="a store whose cars they see; again for more (default: all)"
    )
    add_data(command)


def add_keys(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "action",
        choices=["show", "rotate"],
        help="show: which keys there are, and how much each wraps; rotate: a new key, and everything wrapped by it",
    )
    add_data(command)


def add_audit(command: argparse.ArgumentParser) -> None:
    command.add_argument("action", choices=["verify"], help="verify: look at every row, its chain and its seals")
    command.add_argument("--json", action="store_true", help="one JSON object instead of text")
    add_data(command)


def add_replay(command: argparse.ArgumentParser) -> None:
    add_data(command)
    command.add_argument(
        "what",
        nargs="?",
        choices=("reports", "business"),
        default="reports",
        help="stored reports by a detector (default), or the whole business from the first event of its log",
    )
    command.add_argument("--detector", default="", metavar="NAME", help="reports: whose facts: geofence, crash …")
    command.add_argument(
        "--into", default="", metavar="PATH", help="business: keep the tables made anew in this file (default: do not)"
    )
    command.add_argument(
        "--adopt",
        action="append",
        metavar="ACTOR.RULE=VERSION",
        help="business: this version of a rule from the first event on; again for more (default: as the log says)",
    )
    command.add_argument(
        "--from",
        dest="since",
        default="24h",
        metavar="TIME",
        help="facts that happened from then on: 2026-01-31T08:00, or how long ago: 24h, 90m, 7d (default: 24h)",
    )
    command.add_argument("--to", default="now", metavar="TIME", help="… and before then (default: now)")
    command.add_argument(
        "--set", action="append", metavar="KEY=VALUE", help="a threshold as it might be; again for more (default: none)"
    )
    command.add_argument("--vehicle", type=int, default=0, metavar="ID", help="only this vehicle (default: all)")
    command.add_argument(
        "--warm-up", default="2h", metavar="TIME", help="state is built up from so long before (default: 2h)"
    )
    command.add_argument("--json", action="store_true", help="one JSON object instead of text")


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
    Command("ingest", "take in, judge and store, without the API (needs shared stores)", add_ingest, run_part),
    Command("business", "run the business actors as a process of their own (needs shared stores)", add_data, run_part),
    Command("api", "run the API as a process of its own (needs shared stores)", add_data, run_part),
    Command("simulate", "drive simulated cars against a server", add_simulate, run_simulate),
    Command("terminal", "be one simulated terminal, from a prompt or a script", add_terminal, run_terminal),
    Command("explain", "name every field of a frame", add_explain, run_explain),
    Command("query", "ask the stored reports in SQL", add_query, run_query),
    Command("frames", "print the raw frames of a terminal from the journal", add_frames, run_frames),
    Command("user", "enter a user, or make a new one-time link for one", add_user, run_user),
    Command("keys", "show or rotate the keys that secrets and personal columns are sealed under", add_keys, run_keys),
    Command("audit", "verify the audit log: who looked at what and who did what", add_audit, run_audit),
    Command("replay", "judge stored reports again, or fold the business again, by other rules", add_replay, run_replay),
    Command("config", "show every option, its value and where it comes from", add_up, run_config),
    Command("warm", "compile the kernels into numba's cache, once on a machine", add_nothing, run_warm),
)

if __name__ == "__main__":
    sys.exit(main())
