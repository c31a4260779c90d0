"""The campaign: break the program on purpose, and see that nothing it has acknowledged is lost, and no fact told twice.

    python -m bench.faults [--quick] [--seed N] [--only NAME ...] [--store embedded|clickhouse|both] [--json]

Each row of the table FAULTS (bench/faults/__main__.py) is one way to break it. A row is run in a world of its own (a
data directory, a server, terminals that report); to add one, write a function that takes a World and list it:

    def kill(world: World) -> None:
        world.begin()                           # the server starts, terminals report, cars live through their story
        for _ in range(world.times(10, 2)):     # in the full form, with --quick
            world.let_it_work(0.2, 6.0)         # a seeded moment
            with world.fault():                 # one fault tried; on leaving, what was killed is started, and the
                world.server.kill()             # time is taken until all is well again

    ROWS = (Fault("kill", "kill -9 of the process at any moment", kill, stores=BOTH, quick=True),)

and add the module's ROWS to FAULTS. What else a row may use: `world.draw` (chance, from the seed), `world.data`,
`world.quick`, `world.start(environment={...}, **options)` before `begin` (an LD_PRELOAD, an option of core/config.py;
kept for the next starts), `world.ask`, `world.figure(NAME)`, `world.promise(holds, "what should have been")` for what
must hold beyond the sets, `world.wait(until, "what")`, `world.note(name=figure)` for what is worth a line of the
report, and `world.records`, to which a row that plays terminals itself adds its Notes' file (from OTHERS_FIRST).

When the function returns, the frame lets the cars finish what they are at, waits for the last acknowledgements and
until every reader has caught up, stops the server in order, and compares:

    reports   what clients wrote down as acknowledged, with what is stored: none lost, none twice, none invented
    facts     what the cars are known to have done (story.py), with the event log: each once, none else; and commands
              that were accepted (asking.py): each decided, once

A row that needs no such world (a power cut is thousands of small ones) returns an Outcome of its own instead of None.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from bench.faults.world import World

EMBEDDED: Final = ("embedded",)
CLICKHOUSE: Final = ("clickhouse",)
BOTH: Final = ("embedded", "clickhouse")
"""Where reports are stored while a fault is tried: in the process, or on a ClickHouse server that the world runs."""


class Outcome(msgspec.Struct, kw_only=True):
    """What came of one row on one store. Right when all that was lost or doubled is 0 and no promise was broken."""

    tried: int = 0
    """Times the fault was done."""
    acknowledged: int = 0
    """Reports."""
    lost: int = 0
    """Reports acknowledged and not stored."""
    doubled: int = 0
    """Reports stored twice, or stored and never sent."""
    facts: int = 0
    """Facts that are known to have happened."""
    facts_lost: int = 0
    facts_doubled: int = 0
    """Facts told twice, or told and never happened."""
    recover_s: float = 0.0
    """Longest time from the end of a fault until every terminal was logged in, acknowledged, and /health said 200."""
    caught_up_s: float = 0.0
    """From the last acknowledgement until every reader had caught up."""
    broken: list[str] = msgspec.field(default_factory=list)
    """Promises not kept, a sentence each."""
    notes: dict[str, Any] = msgspec.field(default_factory=dict)
    """Figures of this row."""

    @property
    def right(self) -> bool:
        return not (self.lost or self.doubled or self.facts_lost or self.facts_doubled or self.broken)


class Fault(msgspec.Struct, frozen=True):
    """A row of the table FAULTS."""

    name: str
    does: str
    """What is broken, in a few words for the report."""
    run: "Callable[[World], Outcome | None]"
    stores: tuple[str, ...] = EMBEDDED
    quick: bool = False
    """Whether --quick tries it: within some ten seconds then."""
