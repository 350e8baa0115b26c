"""The cost model on the coefficients that were fitted to published measurements, and on what own runs have shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.coefficients import CellKey, Coefficients, Correction
from orchestrator.domain.cost.fitted_memory import MEMORY_COEFFICIENTS
from orchestrator.domain.cost.fitted_speed import COEFFICIENTS
from orchestrator.domain.cost.gpus import Gpu
from orchestrator.domain.cost.memory import predict_memory
from orchestrator.domain.cost.memory_coefficients import MemoryCoefficients
from orchestrator.domain.cost.prediction import Prediction
from orchestrator.domain.cost.setup import TrainingSetup
from orchestrator.domain.cost.speed_model import predict_step

Corrections = Mapping[CellKey, Correction]


@dataclass(frozen=True, slots=True, eq=False)
class FittedModel:
    """`corrections` are those of the seconds, whatever the device; the coefficients hold them for known ones."""

    speed: Coefficients
    memory: MemoryCoefficients
    corrections: Corrections = field(default_factory=dict)

    def step(self, architecture: Architecture, setup: TrainingSetup, gpu: Gpu) -> Prediction:
        return predict_step(architecture, setup, gpu, self.speed)

    def peak(self, architecture: Architecture, setup: TrainingSetup, gpu: Gpu) -> Prediction:
        return predict_memory(architecture, setup, gpu, self.memory)

    def correction(self, cell: CellKey) -> Correction | None:
        return self.corrections.get(cell)

    def corrected(self, seconds: Corrections, bytes_: Corrections) -> FittedModel:
        """The same, with what measured runs say of step times and of peaks."""
        return replace(
            self,
            speed=self.speed.corrected(seconds),
            memory=self.memory.corrected(bytes_),
            corrections=seconds,
        )


FITTED = FittedModel(COEFFICIENTS, MEMORY_COEFFICIENTS)
