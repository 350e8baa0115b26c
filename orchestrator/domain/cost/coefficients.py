"""Coefficients of the speed model, kept by cell: framework, accelerator, method and precision."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.cost.gpus import Gpu
from orchestrator.domain.cost.setup import Method, TrainingSetup


@dataclass(frozen=True, slots=True, order=True)
class CellKey:
    """What a coefficient holds for. `method` is a family: full, lora, dora, qlora, qdora, galore."""

    framework: str
    gpu: str
    method: str
    precision: str


@dataclass(frozen=True, slots=True)
class Correction:
    """What measured runs say of a cell: the logarithm of measured over predicted (its mean, and how sure that mean is)
    from so many `observations`. For seconds and for bytes alike."""

    log_factor: float
    sigma: float
    observations: int


def family_of(setup: TrainingSetup) -> str:
    """The method as cells are told apart by it: DoRA's kernels are others than LoRA's."""
    if not setup.dora:
        return setup.method.value
    return {Method.LORA: "dora", Method.QLORA: "qdora"}.get(setup.method, setup.method.value)


def cell_key(setup: TrainingSetup, gpu: Gpu) -> CellKey:
    """The cell that a training falls into."""
    return CellKey(setup.framework, gpu.name, family_of(setup), setup.precision)
