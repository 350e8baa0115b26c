"""The cost model with the coefficients that were fitted on published measurements, and what own runs have shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.coefficients import CellKey, Correction
from orchestrator.domain.cost.gpus import Gpu
from orchestrator.domain.cost.prediction import Prediction
from orchestrator.domain.cost.setup import TrainingSetup


@dataclass(frozen=True, slots=True)
class FITTED:
    corrections: Mapping[CellKey, Correction] = field(default_factory=dict)
    version: int = 0

    def step(self, architecture: Architecture, setup: TrainingSetup, gpu: Gpu) -> Prediction:
        flops = 4 * architecture.matmul * setup.micro_tokens * setup.accumulation
        return Prediction(flops / (0.4 * gpu.peak), 0.2, (), "temporary")

    def peak(self, architecture: Architecture, setup: TrainingSetup, gpu: Gpu) -> Prediction:
        return Prediction(2.2 * architecture.parameters + setup.micro_tokens * architecture.hidden * 60, 0.1, (), "t")

    def correction(self, cell: CellKey) -> Correction | None:
        return self.corrections.get(cell)
