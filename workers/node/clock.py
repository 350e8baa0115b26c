"""The one place on the node where a clock is read, and deadlines that survive a clock stepping backwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """`wall` gives Unix seconds (UTC); `monotonic` gives seconds that only ever grow, from any origin."""

    wall: Callable[[], float]
    monotonic: Callable[[], float]


SYSTEM_CLOCK = Clock(wall=time.time, monotonic=time.monotonic)  # noqa: TID251 - the node has no injected clock above it


@dataclass(frozen=True, slots=True)
class Deadline:
    """An absolute moment, kept on both clocks: whichever says first that it has passed is believed.

    A wall clock that steps back (NTP, a resumed virtual machine) must not buy compute time that nobody reserved.
    """

    at: float
    monotonic_at: float

    @classmethod
    def armed(cls, at: float, clock: Clock) -> Deadline:
        """Arm the Unix second `at`; from now on the monotonic clock counts down to it as well."""
        return cls(at=at, monotonic_at=clock.monotonic() + (at - clock.wall()))

    def left(self, clock: Clock) -> float:
        """Seconds until the deadline; negative once it has passed."""
        return min(self.at - clock.wall(), self.monotonic_at - clock.monotonic())
