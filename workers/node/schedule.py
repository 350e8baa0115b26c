"""The learning rate as a pure function of the step and the horizon, so that moving the horizon moves the schedule."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

_DECAYS: dict[str, Callable[[float], float]] = {
    "cosine": lambda progress: 0.5 * (1.0 + math.cos(math.pi * progress)),
    "linear": lambda progress: 1.0 - progress,
    "constant": lambda _: 1.0,
    "constant_with_warmup": lambda _: 1.0,
}
KINDS = frozenset(_DECAYS)


@dataclass(slots=True)
class Schedule:
    """Warm-up, then decay to `floor` at `horizon` steps; the configured run's proportions at every horizon.

    The warm-up shrinks with the horizon: thirty warm-up steps of a thousand would be most of a run cut to forty.
    """

    kind: str
    warmup_steps: int
    """As configured, for `intended_steps`."""
    intended_steps: int
    horizon: int
    floor: float = 0.0
    """The fraction of the peak that is left at the horizon, in 0..1."""

    def factor(self, step: int) -> float:
        """The fraction of the peak learning rate, in 0..1, at which step number `step` (from 0) is taken."""
        warmup = self._warmup()
        if step < warmup:
            return step / warmup
        progress = min(1.0, (step - warmup) / max(1, self.horizon - warmup))
        return self.floor + (1.0 - self.floor) * _DECAYS[self.kind](progress)

    def _warmup(self) -> int:
        if self.kind == "constant":
            return 0
        if self.horizon >= self.intended_steps:
            return self.warmup_steps
        return self.warmup_steps * self.horizon // max(1, self.intended_steps)
