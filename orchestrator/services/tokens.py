"""What the chosen rows are in the model's tokens, as the trainings of a run will read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.domain.cost.tokens import Excess
from orchestrator.domain.formats import is_pairs
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.recipe import TrainingShape
from orchestrator.domain.run import DatasetRef
from orchestrator.domain.stages import StageKind, StageSpec
from orchestrator.ports.inputs import Inputs, ModelFacts, TokenWish
from orchestrator.services.rows import Rows


def with_tokens(inputs: Inputs, rows: Rows, model: ModelFacts, stages: Sequence[StageSpec], seed: int) -> Rows:
    """The rows with their tokens, each dataset for the first training that reads it.

    `InvalidInputError` naming `dataset` or `preferences` where a training would have no row left.
    """
    trainings = [stage for stage in stages if stage.kind is StageKind.TRAIN]
    apart = rows.preferences is not None
    dataset = _counted(inputs, rows.dataset, model, [each for each in trainings if not (apart and each.on_pairs)],
                       seed, "dataset")  # fmt: skip
    if rows.preferences is None:
        return replace(rows, dataset=dataset)
    on_pairs = [each for each in trainings if each.on_pairs]
    return replace(
        rows, dataset=dataset, preferences=_counted(inputs, rows.preferences, model, on_pairs, seed, "preferences")
    )


def _counted(
    inputs: Inputs, dataset: DatasetRef, model: ModelFacts, readers: Sequence[StageSpec], seed: int, field: str
) -> DatasetRef:
    if not readers:
        return dataset
    found = [
        inputs.tokens(
            dataset, model, TrainingShape.from_recipe(each.recipe).sequence_len, _how(each, dataset, seed, field)
        )
        for each in readers
    ]
    return replace(dataset, tokens=found[0])


def _how(stage: StageSpec, dataset: DatasetRef, seed: int, field: str) -> TokenWish:
    recipe: Mapping[str, JsonValue] = stage.recipe
    excess, least = recipe.get("excess_length_strategy"), recipe.get("min_sample_len")
    return TokenWish(
        seed=seed,
        excess=Excess(excess) if isinstance(excess, str) else Excess.DROP,
        least=least if isinstance(least, int) else None,
        chosen=is_pairs(dataset.format) and not stage.on_pairs,
        field=field,
    )
