"""What a training step is expected to cost in time before anything was measured. A prior, and said to be one.

The full cost model replaces this file's numbers; its interface (`step_seconds`) stays. After the first steps of a run
the measured value takes the prior's place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.recipe import TrainingShape
from orchestrator.domain.techniques import time_factor

SUSTAINED_FLOPS: Mapping[str, float] = {
    # Dense bf16 peak (vendor data sheets) times 0.35, the middle of what fine-tuning reaches; CPU: a small x86 machine.
    "CPU": 3.0e10,
    "H200": 989e12 * 0.35,
    "H100": 989e12 * 0.35,
    "A100-80GB": 312e12 * 0.35,
    "B200": 2250e12 * 0.35,
    "L40S": 362e12 * 0.35,
}
UNKNOWN_FLOPS = 100e12
STEP_FLOOR_SECONDS = 0.05
"""Launching the kernels of a small model takes this long whatever its size."""
UNKNOWN_PARAMETERS = 8_000_000_000
TOKEN_FILL = 0.5
"""Share of `sequence_len` that an average row fills before the rows were counted in tokens."""
PRIOR_SPREAD = 3.0
"""p90 over p50 of a prior; measured speed has `MEASURED_SPREAD`."""
MEASURED_SPREAD = 1.15
SCALED_SPREAD = 1.5
"""p90 over p50 of a speed that another training of the same run lets us guess."""


@dataclass(frozen=True, slots=True)
class StepTime:
    """Seconds per optimizer step and how sure: p90 = p50 * spread."""

    seconds: float
    spread: float
    source: str

    @classmethod
    def measured(cls, seconds: float) -> StepTime:
        return cls(seconds, MEASURED_SPREAD, "measured in this run's first steps")

    def scaled(self, factor: float, like: str) -> StepTime:
        """The same for a training that was not measured, by what was measured of another one."""
        return StepTime(self.seconds * factor, SCALED_SPREAD, f"from what was measured of: {like}")


def step_seconds(techniques: Sequence[str], shape: TrainingShape, parameters: int | None, accelerator: str) -> StepTime:
    """Seconds per step on one device of `accelerator` (data-parallel devices each do the same step)."""
    # 4 N for frozen base weights (no weight gradients: 2/3 of the 6 N of full training); the techniques multiply it.
    flops_per_token = 4 * (parameters or UNKNOWN_PARAMETERS) * time_factor(techniques)
    tokens = shape.micro_batch_size * shape.gradient_accumulation_steps * shape.sequence_len * TOKEN_FILL
    rate = SUSTAINED_FLOPS.get(accelerator, UNKNOWN_FLOPS)
    seconds = tokens * flops_per_token / rate + STEP_FLOOR_SECONDS * shape.gradient_accumulation_steps
    return StepTime(seconds, PRIOR_SPREAD, f"prior from FLOPs on {accelerator}; replaced by measurement")
