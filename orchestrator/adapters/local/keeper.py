"""The keeper: a lease's machine, as far as this computer can play one, and the fuse on the provider's side.

Started by the launch as `python -m orchestrator.adapters.local.keeper LEASE_DIR`, in a session of its own. It needs
neither the service nor the node: it ends the lease's processes when the lease is over, when it idles, or when it is
asked to (SIGTERM, or `closing.json`), and writes `ended.json` when none is left. Standard library and psutil only.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.adapters.documents import create_document, number, read_document, replace_document
from orchestrator.adapters.local.places import LeasePlace
from orchestrator.adapters.local.processes import Identity, Mark, end_marked, marked
from orchestrator.domain.errors import ComputeError

POLL_SECONDS = 0.2
"""How late an extension, or the end of the lease, may be noticed."""
IDLE_LOOKS = 10
"""Looks for running jobs in every `idle_seconds`: an idle machine ends at most a tenth of it late."""
IDLE_LOOK_LEAST_SECONDS, IDLE_LOOK_MOST_SECONDS = 0.2, 15.0


@dataclass(frozen=True, slots=True)
class Clocks:
    """`wall` gives Unix seconds, `monotonic` seconds that only grow."""

    wall: Callable[[], float]
    monotonic: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Terms:
    """What `lease.json` says: when to end (Unix seconds), and after how many seconds without a job."""

    ends_at: float
    idle_seconds: float

    @classmethod
    def read(cls, place: LeasePlace) -> Terms | None:
        """None when the file is gone or senseless: the lease cannot be kept to then."""
        try:
            document = read_document(place.lease)
            if document is None:
                return None
            return cls(
                number(document, "gone_by") - number(document, "teardown_seconds"), number(document, "idle_seconds")
            )
        except ComputeError:
            return None


class Keeper:
    """Watches over one lease until it ends."""

    def __init__(self, place: LeasePlace, clocks: Clocks, asked: Callable[[], bool]) -> None:
        self._place = place
        self._mark = Mark(place.home, place.lease_id)
        self._clocks = clocks
        self._asked = asked
        self._ends_at: float | None = None
        self._monotonic_end = 0.0
        self._busy_at = self._looked_at = clocks.monotonic()

    def reason_to_end(self) -> str | None:
        """Why the lease must end now, None while it may go on."""
        if self._asked() or self._place.closing.exists():
            return "teardown"
        terms = Terms.read(self._place)
        if terms is None:
            return "lease_unreadable"
        if self._left(terms.ends_at) <= 0:
            return "gone_by"
        return "idle" if self._idle_for(terms.idle_seconds) >= terms.idle_seconds else None

    def end(self, why: str) -> None:
        """End every process of the lease, however long it takes, and say so."""
        with contextlib.suppress(OSError):  # the folder may be gone; the processes must go all the same
            create_document(self._place.closing, {"at": self._clocks.wall(), "why": why})
        while end_marked(self._mark, spare={os.getpid()}):
            pass
        with contextlib.suppress(OSError):
            create_document(self._place.ended, {"at": self._clocks.wall(), "why": why})

    def beat(self) -> None:
        """Leave a sign of life: the newest one says until when a machine lived whose keeper was killed."""
        with contextlib.suppress(OSError):
            now = self._clocks.wall()
            os.utime(self._place.keeper, (now, now))

    def _left(self, ends_at: float) -> float:
        # Kept on both clocks: a wall clock that steps back must not buy time that nobody reserved.
        if ends_at != self._ends_at:
            self._ends_at = ends_at
            self._monotonic_end = self._clocks.monotonic() + ends_at - self._clocks.wall()
        return min(ends_at - self._clocks.wall(), self._monotonic_end - self._clocks.monotonic())

    def _idle_for(self, idle_seconds: float) -> float:
        now = self._clocks.monotonic()
        every = min(max(idle_seconds / IDLE_LOOKS, IDLE_LOOK_LEAST_SECONDS), IDLE_LOOK_MOST_SECONDS)
        if now - self._looked_at >= every:
            self._looked_at = now
            if any(process.pid != os.getpid() for process in marked(self._mark)):
                self._busy_at = now
        return now - self._busy_at


class Bell:
    """SIGTERM as a bell that can be waited for; no work is done inside the handler."""

    def __init__(self) -> None:
        self.rung = False
        self._hears, self._rings = os.pipe()
        os.set_blocking(self._rings, False)
        signal.set_wakeup_fd(self._rings)
        signal.signal(signal.SIGTERM, self._ring)

    def wait(self, seconds: float) -> None:
        """Return after `seconds`, or as soon as it rings."""
        if select.select([self._hears], [], [], seconds)[0]:
            os.read(self._hears, 512)

    def _ring(self, *_: object) -> None:
        self.rung = True


def keep(place: LeasePlace, clocks: Clocks) -> None:
    """Keep the lease to its end. Returns at once when it has a keeper, or has ended."""
    with place.keeper_lock.open("ab") as lock:
        try:
            fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if place.ended.exists():
            return
        bell = Bell()
        replace_document(place.keeper, Identity.of(os.getpid()).document())
        keeper = Keeper(place, clocks, lambda: bell.rung)
        while (why := keeper.reason_to_end()) is None:
            keeper.beat()
            bell.wait(POLL_SECONDS)
        keeper.end(why)


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m orchestrator.adapters.local.keeper LEASE_DIR", file=sys.stderr)
        return 2
    # A process of its own has nobody who could inject a clock.
    keep(LeasePlace(Path(arguments[0])), Clocks(time.time, time.monotonic))  # noqa: TID251
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
