"""What an optimizer step is expected to take: measured where it was, else predicted, else a plain prior."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from orchestrator.domain.cost.calibration import NOISE_SD_WITHOUT_SHEET
from orchestrator.domain.cost.coefficients import Correction
from orchestrator.domain.cost.prediction import Prediction, Term
from orchestrator.domain.recipe import TrainingShape
from orchestrator.domain.techniques import time_factor

SUSTAINED_FLOPS: Mapping[str, float] = {
    # What a small x86 machine reaches in training.
    "CPU": 3.0e10,
}
UNKNOWN_FLOPS = 100e12
STEP_FLOOR_SECONDS = 0.05
"""Launching the kernels of a small model takes this long whatever its size."""
UNKNOWN_PARAMETERS = 8_000_000_000
P90 = NormalDist().inv_cdf(0.9)
PRIOR_SIGMA = math.log(3.0) / P90
"""A prior's p90 is three times its middle."""
MEASURED_P90 = 1.15
MEASURED_SIGMA = math.log(MEASURED_P90) / P90
"""A measured step's p90 is 1.15 times its middle: rows differ in length, and machines have neighbours."""
SCALED_SIGMA = math.log(1.5) / P90
"""The same for a speed that another training of the run lets us guess."""


@dataclass(frozen=True, slots=True)
class StepTime:
    """Seconds per optimizer step, the standard deviation of their logarithm, where they come from and their terms."""

    seconds: float
    sigma: float
    source: str
    terms: tuple[Term, ...] = ()

    @property
    def spread(self) -> float:
        """p90 over p50."""
        return math.exp(P90 * self.sigma)

    def quantile(self, share: float) -> float:
        """Seconds that a step stays below with probability `share`."""
        return self.seconds * math.exp(NormalDist().inv_cdf(share) * self.sigma)

    @classmethod
    def predicted(cls, prediction: Prediction) -> StepTime:
        return cls(prediction.middle, prediction.sigma, prediction.source, prediction.terms)

    @classmethod
    def measured(cls, seconds: float) -> StepTime:
        return cls(seconds, MEASURED_SIGMA, "measured in this run's first steps")

    def scaled(self, factor: float, like: str) -> StepTime:
        """The same for a training that was not measured, by what was measured of another one."""
        terms = tuple(Term(each.name, each.value * factor, each.formula) for each in self.terms)
        return StepTime(self.seconds * factor, SCALED_SIGMA, f"from what was measured of: {like}", terms)


def prior_step(
    techniques: Sequence[str],
    shape: TrainingShape,
    row_tokens: float,
    parameters: int | None,
    accelerator: str,
    correction: Correction | None = None,
) -> StepTime:
    """Seconds per step on one device that has no data sheet here; `row_tokens` is what a row costs, padding counted."""
    # 4 N for frozen base weights (no weight gradients: 2/3 of the 6 N of full training); the techniques multiply it.
    flops_per_token = 4 * (parameters or UNKNOWN_PARAMETERS) * time_factor(techniques)
    tokens = shape.micro_batch_size * shape.gradient_accumulation_steps * row_tokens
    rate = SUSTAINED_FLOPS.get(accelerator, UNKNOWN_FLOPS)
    computing, floor = tokens * flops_per_token / rate, STEP_FLOOR_SECONDS * shape.gradient_accumulation_steps
    source = f"prior from FLOPs on {accelerator}; replaced by measurement"
    factor, sigma = 1.0, PRIOR_SIGMA
    if correction is not None:
        factor = math.exp(correction.log_factor)
        # The next training differs from the cell's mean as those before did.
        sigma = min(math.hypot(correction.sigma, NOISE_SD_WITHOUT_SHEET), PRIOR_SIGMA)
        source = f"prior from FLOPs on {accelerator}, times {factor:.3g} as {correction.observations} stages measured"
    terms = (
        Term("compute", computing * factor, f"{tokens:.0f} tokens x {flops_per_token:.3g} FLOPs / {rate:.3g} FLOP/s"),
        Term("launch floor", floor * factor, f"{STEP_FLOOR_SECONDS} s a micro-step"),
    )
    return StepTime((computing + floor) * factor, sigma, source, terms)
