"""Parties outside the house (insurers, carriers, rescuers, banks) that answer late, twice, wrongly or never.

Whatever is asked of somebody outside has one outcome and any number of answers. Who waits for an answer waits a while
and then knows nothing: the outcome is unknown until it asks again or the answer comes after all. So a Party is asked
with the id of what is wanted; asking the same id again does nothing again, and the answers are a function of (seed,
party, id).

No clock, no socket: the caller says what time it is and carries the answers.
"""

import hashlib
import heapq
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

Outcome = Literal["confirmed", "failed"]
Shown = Literal["confirmed", "failed", "unknown"]

OPEN_MAX: Final = 100_000
"""What a party has been asked and has not forgotten. At the bound the oldest is: asked for, it is unknown for ever."""


class Manner(NamedTuple):
    """How a party is to deal with. Shares of all that it is asked; the rest is answered once and in time."""

    wait_ms: int
    """What an answer in time takes, on average; at most twice as long."""
    late: float
    late_ms: int
    """What a late one takes, on average."""
    twice: float
    never: float
    """Done or not done, but nothing is ever said of its own accord. Asked again, it tells."""
    fails: float
    """Not done, and said so (late, twice and never hold for that, too)."""


MANNERS: Final[Mapping[str, Manner]] = MappingProxyType(
    {
        "insurer": Manner(2_000, 0.3, 86_400_000, 0.1, 0.05, 0.02),
        "carrier": Manner(300, 0.03, 30_000, 0.02, 0.02, 0.03),
        "rescuer": Manner(60_000, 0.2, 1_200_000, 0.05, 0.05, 0.1),
        "bank": Manner(1_500, 0.02, 120_000, 0.01, 0.01, 0.04),
        "map": Manner(80, 0.01, 8_000, 0.0, 0.01, 0.01),
    }
)


class Answer(NamedTuple):
    """What a party says, and when."""

    at_ms: int
    about: str
    outcome: Outcome
    number: int
    """1; of what is said twice also 2."""


def _draws(*parts: object) -> list[float]:
    """Return eight numbers in [0, 1) that belong to these parts."""
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=32).digest()
    return [int.from_bytes(digest[n : n + 4], "big") / 2**32 for n in range(0, 32, 4)]


def answers(name: str, seed: int, about: str, asked_ms: int) -> tuple[Answer, ...]:
    """Return all that a party of MANNERS will ever say, of its own accord, to what it was asked at a time.

    Returns:
        None to two answers in order of time. Two answers to one thing say the same.
    """
    manner = MANNERS[name]
    fails, never, late, twice, wait, again, *_ = _draws(seed, name, about)
    if never < manner.never:
        return ()
    outcome = _outcome(manner, fails)
    takes_ms = manner.late_ms if late < manner.late else manner.wait_ms
    first_ms = asked_ms + 1 + int(takes_ms * (0.5 + wait))
    said: tuple[Answer, ...] = (Answer(first_ms, about, outcome, 1),)
    if twice < manner.twice:
        said += (Answer(first_ms + 1 + int(manner.wait_ms * (0.5 + 4 * again)), about, outcome, 2),)
    return said


def _outcome(manner: Manner, draw: float) -> Outcome:
    return "failed" if draw < manner.fails else "confirmed"


class Party:
    """One party at work. `ask` it, look at `due` answers, `enquire` where nothing came."""

    def __init__(self, name: str, seed: int = 1) -> None:
        self.name: Final = name
        self._manner = MANNERS[name]
        self._seed = seed
        self._asked: dict[str, int] = {}
        self._due: list[Answer] = []
        self.counts = {"asked": 0, "repeated": 0, "forgotten": 0, "enquiries": 0}

    def ask(self, about: str, now_ms: int, patience_ms: int) -> Shown:
        """Ask for something and wait a while for the answer.

        Args:
            about: id of what is wanted. The same again is known, and not done again.
            patience_ms: how long whoever asks waits.

        Returns:
            What is known after that: unknown where no answer came in time. An answer that came is not told again by
            `due`, but its repeat is.
        """
        if about in self._asked:
            self.counts["repeated"] += 1
            return "unknown"
        if len(self._asked) >= OPEN_MAX:
            del self._asked[next(iter(self._asked))]
            self.counts["forgotten"] += 1
        self.counts["asked"] += 1
        self._asked[about] = now_ms
        shown: Shown = "unknown"
        for answer in answers(self.name, self._seed, about, now_ms):
            if answer.number == 1 and answer.at_ms <= now_ms + patience_ms:
                shown = answer.outcome
            else:
                heapq.heappush(self._due, answer)
        return shown

    def due(self, now_ms: int) -> list[Answer]:
        """Return, once each, what the party says up to now that nobody waits for: late answers and repeats."""
        said = []
        while self._due and self._due[0].at_ms <= now_ms:
            said.append(heapq.heappop(self._due))
        return said

    def enquire(self, about: str, now_ms: int) -> Shown:
        """Return what became of something. The party always knows, once its time is over; of what it was never asked,
        or has forgotten, nothing: unknown."""
        self.counts["enquiries"] += 1
        asked_ms = self._asked.get(about)
        if asked_ms is None or now_ms < asked_ms + self._manner.wait_ms:
            return "unknown"
        return _outcome(self._manner, _draws(self._seed, self.name, about)[0])
