"""How large a run's files are: what a provider moves and a disk holds."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.layout import as_written
from orchestrator.domain.cost.recipes import is_checkpointed, setup_of
from orchestrator.domain.cost.setup import Method
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.recipe import TrainingShape

WEIGHT_BYTES = 2
ADAPTER_BYTES = 4
"""PEFT keeps and saves adapters in 32 bits."""
ADAPTER_STATE_BYTES = 8
"""Adam's two moments beside them."""
FULL_STATE_BYTES = {Method.FULL: 4, Method.GALORE: 2}
"""Two moments a weight: in 16 bits, or in 8 and of lower rank."""
UNKNOWN_ADAPTER_SHARE = 0.02
"""An adapter's part of a model whose matrices are not known; rank 128 on all of an 8B model's has 4 %."""


def checkpoint_bytes(recipe: Mapping[str, JsonValue], architecture: Architecture | None, parameters: int) -> int:
    """Bytes of one checkpoint: what is trained, and the optimizer's states."""
    if recipe.get("adapter"):
        return _adapter(recipe, architecture, parameters) * (ADAPTER_BYTES + ADAPTER_STATE_BYTES)
    return parameters * (WEIGHT_BYTES + FULL_STATE_BYTES[_method(recipe)])


def result_bytes(recipe: Mapping[str, JsonValue], architecture: Architecture | None, parameters: int) -> int:
    """Bytes of what a training leaves."""
    if recipe.get("adapter"):
        return _adapter(recipe, architecture, parameters) * ADAPTER_BYTES
    return parameters * WEIGHT_BYTES


def _method(recipe: Mapping[str, JsonValue]) -> Method:
    return setup_of(recipe, as_written(TrainingShape.from_recipe(recipe), 1, is_checkpointed(recipe)), 1).method


def _adapter(recipe: Mapping[str, JsonValue], architecture: Architecture | None, parameters: int) -> int:
    """Weights of the adapter."""
    if architecture is None:
        return int(parameters * UNKNOWN_ADAPTER_SHARE)
    setup = setup_of(recipe, as_written(TrainingShape.from_recipe(recipe), 1, is_checkpointed(recipe)), 1)
    return architecture.adapter_parameters(setup.rank, setup.targets)
