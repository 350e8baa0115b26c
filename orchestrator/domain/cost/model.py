"""The cost model as planning sees it: one place that answers how long a step takes and how much memory it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.coefficients import CellKey, Correction
from orchestrator.domain.cost.gpus import Gpu
from orchestrator.domain.cost.prediction import Prediction
from orchestrator.domain.cost.setup import TrainingSetup


class CostModel(Protocol):
    """Promises: pure, the same answer for the same question; seconds for one optimizer step, bytes for one device; the
    terms of a prediction add up to its middle."""

    def step(self, architecture: Architecture, setup: TrainingSetup, gpu: Gpu) -> Prediction: ...

    def peak(self, architecture: Architecture, setup: TrainingSetup, gpu: Gpu) -> Prediction: ...

    def correction(self, cell: CellKey) -> Correction | None:
        """What measured runs say of the seconds of a kind of training: they are in `step` already, and for a device
        without a data sheet, such as a CPU, they are all there is."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a training fits a device: peak bytes (the middle, and the p95 that decides) against what is there."""

    middle: int
    p95: int
    limit: int

    @property
    def fits(self) -> bool:
        return self.p95 <= self.limit
