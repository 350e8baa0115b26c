"""From what a person asked for to a complete, validated `RunSpec`: every problem named, nothing started."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from orchestrator.domain.errors import FieldProblem, InvalidInputError
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.money import SECONDS_PER_HOUR, Money, parse_dollars
from orchestrator.domain.recipe import TrainingShape
from orchestrator.domain.run import RunSpec
from orchestrator.domain.strategies import find_strategy
from orchestrator.ports.inputs import Inputs, ModelFacts
from orchestrator.ports.trainer import Trainer

MAX_HOURS = 24 * 30
MAX_GPUS = 4
MAX_NAME = 120
DEFAULT_SEED = 42

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunDraft:
    """A wish as it came in; nothing in it is trusted yet. Only `strategy` and `budget` (dollars) are required."""

    strategy: object
    budget: object
    model: str | None = None
    dataset: str | None = None
    heldout: str | None = None
    max_hours: object = None
    gpus: object = None
    overrides: Mapping[str, JsonValue] = field(default_factory=dict)
    seed: object = DEFAULT_SEED
    name: str = ""


class SpecifyRun:
    """Validates a draft against the strategies, the trainer's keys and the inputs."""

    def __init__(self, inputs: Inputs, trainer: Trainer) -> None:
        self._inputs = inputs
        self._trainer = trainer

    def execute(self, draft: RunDraft) -> tuple[RunSpec, Money]:
        """The spec and its cap. Raises `InvalidInputError` with every problem found, `NotBuiltError` for a known
        strategy that is not built yet."""
        problems: list[FieldProblem] = []
        strategy = find_strategy(draft.strategy)
        cap = _gather(problems, lambda: parse_dollars(draft.budget, "budget"))
        max_seconds = _gather(problems, lambda: _hours(draft.max_hours))
        gpus = _gather(problems, lambda: _whole(draft.gpus, "gpus", 1, MAX_GPUS))
        seed = _gather(problems, lambda: _whole(draft.seed, "seed", 0, 2**31 - 1))
        name = _gather(problems, lambda: _name(draft.name))
        model = _gather(problems, lambda: self._inputs.model(draft.model))
        dataset = _gather(problems, lambda: self._inputs.dataset(draft.dataset, draft.heldout))
        recipe, notes = self._recipe(_fitted(strategy.recipe(), model), draft.overrides, problems)
        if problems or cap is None or model is None or dataset is None:
            raise InvalidInputError(problems)
        spec = RunSpec(
            strategy=strategy.key,
            model=model.source,
            model_parameters=model.parameters,
            model_is_local=model.is_local,
            dataset=dataset,
            recipe=recipe,
            seed=DEFAULT_SEED if seed is None else seed,
            name=name or "",
            gpus=gpus,
            max_seconds=max_seconds,
            notes=notes,
        )
        return spec, cap

    def _recipe(
        self, recipe: dict[str, JsonValue], overrides: Mapping[str, JsonValue], problems: list[FieldProblem]
    ) -> tuple[Mapping[str, JsonValue], tuple[str, ...]]:
        resolution = self._trainer.resolve(recipe, overrides)
        problems.extend(resolution.problems)
        if not resolution.problems:
            _gather(problems, lambda: TrainingShape.from_recipe(resolution.recipe))
        return resolution.recipe, resolution.notes


def _fitted(recipe: dict[str, JsonValue], model: ModelFacts | None) -> dict[str, JsonValue]:
    """A strategy's sequence length is for models that are made for it; a shorter model gets its own."""
    length = recipe.get("sequence_len")
    if model is None or model.max_sequence_len is None or not isinstance(length, int):
        return recipe
    return {**recipe, "sequence_len": min(length, model.max_sequence_len)}


def _gather(problems: list[FieldProblem], parse: Callable[[], T]) -> T | None:
    try:
        return parse()
    except InvalidInputError as error:
        problems.extend(error.problems)
        return None


def _hours(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInputError.of("max_hours", "must be a number of hours, for example 1.5")
    if not 0 < value <= MAX_HOURS:
        raise InvalidInputError.of("max_hours", f"must be above zero and at most {MAX_HOURS}")
    # Rounded down: the person said "at most".
    return int(value * SECONDS_PER_HOUR)


def _whole(value: object, field_name: str, low: int, high: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidInputError.of(field_name, f"must be a whole number from {low} to {high}")
    return value


def _name(value: str) -> str:
    text = value.strip()
    if len(text) > MAX_NAME or not text.isprintable():
        raise InvalidInputError.of("name", f"must be at most {MAX_NAME} printable characters")
    return text
