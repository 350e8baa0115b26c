"""How many steps fit before the soft deadline: pure arithmetic over measured step times."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

WARM_UP_SAMPLES = 2
"""First steps of a process pay for allocation, autotuning and caches; they say nothing about the rest."""

PILOT_MARGIN = 1.03
"""A median of a few steps is slightly optimistic when lengths vary; the schedule should end before the deadline."""

MIN_SAMPLES_FOR_PACE = 16

MEASURED_STEPS = 60
"""So many steps into a process the pace is known well enough to size the run once more, up as well as down: a pilot of
six that was slow by chance must not cost a tenth of the training."""


@dataclass(frozen=True, slots=True)
class Room:
    """What the sizing of a run depends on. Times are seconds."""

    step: int
    """Steps already done."""
    configured_steps: int
    soft_left: float
    """Until the soft deadline; may be negative."""
    seconds_per_step: float
    save_seconds: float
    """Kept free for the last checkpoint."""


def sized_steps(room: Room) -> int:
    """The step at which to end: what fits before the soft deadline, at least one more, at most the configured one."""
    fitting = math.floor((room.soft_left - room.save_seconds) / max(room.seconds_per_step, 1e-6))
    return min(room.configured_steps, room.step + max(1, fitting))


def pilot_pace(samples: Sequence[float]) -> float:
    """Seconds per step from the first few steps: the median without the warm-up steps, and a small margin.

    `samples` is not empty. With three samples or fewer only the first is dropped, with one none.
    """
    dropped = WARM_UP_SAMPLES if len(samples) > 3 else min(1, len(samples) - 1)
    return statistics.median(samples[dropped:]) * PILOT_MARGIN


@dataclass(slots=True)
class Pace:
    """Step times of this process, in seconds, without time spent saving or evaluating."""

    samples: list[float] = field(default_factory=list)
    save_seconds: float = 0.0
    """The longest checkpoint so far."""

    def add(self, seconds: float) -> None:
        """One more step."""
        self.samples.append(seconds)

    def seconds_per_step(self, save_every: int | None) -> float:
        """The expected cost of a step, periodic checkpoints (one in `save_every` steps, None for none) included.

        A median while there are few samples; later the mean, which is what the remaining steps will really take.
        """
        settled = self.samples[WARM_UP_SAMPLES:]
        step = statistics.fmean(settled) if len(settled) >= MIN_SAMPLES_FOR_PACE else pilot_pace(self.samples)
        return step + (self.save_seconds / save_every if save_every else 0.0)


def reviewed_next(step: int, max_steps: int, measured: int) -> int:
    """The step at which to look at the pace again, with `measured` steps timed so far: O(log steps) looks in all.

    Early on whenever the evidence has doubled, towards the end whenever half of what was left is done.
    """
    return step + max(MIN_SAMPLES_FOR_PACE, min(measured, (max_steps - step) // 2))
