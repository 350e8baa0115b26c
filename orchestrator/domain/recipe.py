"""Reading the few numbers that planning needs out of a recipe in the trainer's own keys."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.domain.errors import FieldProblem, InvalidInputError
from orchestrator.domain.json_value import JsonValue


@dataclass(frozen=True, slots=True)
class TrainingShape:
    """How the rows are cut into optimizer steps. Sizes count rows per device; `sequence_len` counts tokens per row."""

    micro_batch_size: int
    gradient_accumulation_steps: int
    sequence_len: int
    num_epochs: float
    max_steps: int | None = None

    def steps(self, rows: int, gpus: int) -> int:
        """Optimizer steps that the strategy would use on `rows` training rows, at least 1."""
        per_step = self.micro_batch_size * self.gradient_accumulation_steps * gpus
        wanted = max(math.ceil(math.ceil(rows / per_step) * self.num_epochs), 1)
        return wanted if self.max_steps is None else min(wanted, self.max_steps)

    @classmethod
    def from_recipe(cls, recipe: Mapping[str, JsonValue]) -> TrainingShape:
        """The shape in `recipe`; `InvalidInputError` naming every number that is missing or out of range."""
        problems: list[FieldProblem] = []
        micro = _whole(recipe, "micro_batch_size", 1, 4096, problems)
        accumulation = _whole(recipe, "gradient_accumulation_steps", 1, 65536, problems)
        length = _whole(recipe, "sequence_len", 8, 1_048_576, problems)
        epochs = _number(recipe, "num_epochs", 0.001, 1000.0, problems)
        limit = _whole(recipe, "max_steps", 1, 10_000_000, problems) if "max_steps" in recipe else None
        if problems:
            raise InvalidInputError(problems)
        return cls(micro, accumulation, length, epochs, limit)


def _whole(recipe: Mapping[str, JsonValue], key: str, low: int, high: int, problems: list[FieldProblem]) -> int:
    value = recipe.get(key)
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    problems.append(FieldProblem(f"overrides.{key}", f"must be a whole number from {low} to {high}"))
    return low


def _number(recipe: Mapping[str, JsonValue], key: str, low: float, high: float, problems: list[FieldProblem]) -> float:
    value = recipe.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
        return float(value)
    problems.append(FieldProblem(f"overrides.{key}", f"must be a number from {low} to {high}"))
    return low
