"""What a training step is expected to cost in time before anything was measured. A prior, and said to be one.

The full cost model replaces this file's numbers; its interface (`step_seconds`) stays. After the first steps of a run
the measured value takes the prior's place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.recipe import TrainingShape

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


@dataclass(frozen=True, slots=True)
class StepTime:
    """Seconds per optimizer step and how sure: p90 = p50 * spread."""

    seconds: float
    spread: float
    source: str


def step_seconds(
    recipe: Mapping[str, JsonValue],
    shape: TrainingShape,
    parameters: int | None,
    accelerator: str,
    measured: float | None,
) -> StepTime:
    """Seconds per step on one device of `accelerator` (data-parallel devices each do the same step)."""
    if measured is not None:
        return StepTime(measured, MEASURED_SPREAD, "measured in this run's first steps")
    # 4N per token for frozen base weights, 6N when all of them train (no dW for frozen weights: 2/3 of full).
    flops_per_token = (4 if recipe.get("adapter") else 6) * (parameters or UNKNOWN_PARAMETERS)
    tokens = shape.micro_batch_size * shape.gradient_accumulation_steps * shape.sequence_len * TOKEN_FILL
    rate = SUSTAINED_FLOPS.get(accelerator, UNKNOWN_FLOPS)
    seconds = tokens * flops_per_token / rate + STEP_FLOOR_SECONDS * shape.gradient_accumulation_steps
    return StepTime(seconds, PRIOR_SPREAD, f"prior from FLOPs on {accelerator}; replaced by measurement")
