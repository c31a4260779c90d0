"""Trials: replays of the last day that the portal asks for, one at a time, in a thread beside the node's own work."""

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from actors.replay import CancelledError, Ground, Progress, ReplayError, changed_rules, replay, types_of
from core import limits
from core.outcome import WARM_UP_S, Span, Trial, TrialBusyError
from core.rights import Principal
from core.thresholds import Value
from storage.errors import StorageError


class _Under:
    """A trial, whose it is, and the wish that it ends."""

    def __init__(self, principal: Principal, trial: Trial) -> None:
        self.owner = (principal.scope.group, principal.account, principal.api_key)
        self.trial = trial
        self.unwanted = threading.Event()


class Trials:
    """See api.parts.Trials. The last trial is kept until the next; its outcome is bounded (REPLAY_LISTED_MAX).

    Args:
        ground: what reports are judged on, as it stands now. Blocks.
        newest: (from_ms, to_ms, n) -> arrival of the n-th newest report between them, 0 if there are fewer. Blocks.
        clock: UTC epoch ms.
    """

    def __init__(
        self,
        ground: Callable[[], Ground],
        newest: Callable[[int, int, int], int],
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._ground = ground
        self._newest = newest
        self._clock = clock
        self._changing = threading.Lock()
        self._last: _Under | None = None
        self._thread: threading.Thread | None = None
        self.counts: dict[str, int] = dict.fromkeys(("begun", "done", "cancelled", "failed"), 0)

    def start(self, principal: Principal, detector: str, values: Mapping[str, Value]) -> Trial:
        """See api.parts.Trials.start."""
        types_of(detector)
        ground = self._ground()
        # What does not fit is the asker's to hear of now, not the thread's.
        changed_rules(ground.rules, detector, values, principal.scope.group)
        under = _Under(principal, Trial(id=secrets.token_hex(8), detector=detector, state="running"))
        with self._changing:
            before = self._last
            if before is not None and before.trial.state == "running":
                if before.owner != under.owner:
                    raise TrialBusyError
                before.unwanted.set()
                if self._thread is not None:
                    # It looks after each page of reports: a fraction of a second.
                    self._thread.join()
            self._last = under
            self.counts["begun"] += 1
            self._thread = threading.Thread(target=self._run, args=(under, ground, values), name="trial", daemon=True)
            self._thread.start()
        return under.trial

    def state(self, principal: Principal, number: str) -> Trial | None:
        """See api.parts.Trials.state."""
        under = self._mine(principal, number)
        return None if under is None else under.trial

    def cancel(self, principal: Principal, number: str) -> Trial | None:
        """See api.parts.Trials.cancel."""
        under = self._mine(principal, number)
        if under is None:
            return None
        under.unwanted.set()
        return under.trial

    def close(self) -> None:
        """End what is under way and wait for it."""
        with self._changing:
            if self._last is not None:
                self._last.unwanted.set()
            if self._thread is not None:
                self._thread.join()

    def statistics(self) -> dict[str, int]:
        """Return how many were begun and how they ended."""
        return dict(self.counts)

    def _mine(self, principal: Principal, number: str) -> _Under | None:
        under = self._last
        owner = (principal.scope.group, principal.account, principal.api_key)
        return under if under is not None and under.owner == owner and under.trial.id == number else None

    def _run(self, under: _Under, ground: Ground, values: Mapping[str, Value]) -> None:
        def tell(progress: Progress) -> None:
            if under.unwanted.is_set():
                raise CancelledError
            under.trial = msgspec.structs.replace(under.trial, reports=progress.reports, share=progress.share)

        trial = under.trial
        ended: dict[str, Any] = {"state": "failed", "reason": "the fault is ours"}
        try:
            outcome = replay(ground, trial.detector, values, self._span(under.owner[0]), tell)
            ended = {"state": "done", "outcome": outcome, "reports": outcome.reports, "share": 1.0}
        except CancelledError:
            ended = {"state": "cancelled"}
        except (ReplayError, StorageError) as error:
            ended = {"state": "failed", "reason": str(error)}
        finally:
            self.counts[ended["state"]] += 1
            under.trial = msgspec.structs.replace(under.trial, **ended)

    def _span(self, group: int) -> Span:
        """Return the last day, or as much of it as TRIAL_REPORTS_MAX reports are."""
        to_ms = self._clock()
        from_ms = to_ms - limits.TRIAL_S * 1000
        warm_up_ms = WARM_UP_S * 1000
        newest_ms = self._newest(from_ms - warm_up_ms, to_ms, limits.TRIAL_REPORTS_MAX)
        if newest_ms:
            warm_up_ms = min(warm_up_ms, (to_ms - newest_ms) // 4)
            from_ms = newest_ms + warm_up_ms
        return Span(from_ms=from_ms, to_ms=to_ms, warm_up_ms=warm_up_ms, late_ms=0, group=group)
