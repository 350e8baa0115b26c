"""Which rows a run trains on and is evaluated on: what was named, matched to what the strategy needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.formats import PAIRS_IN_WORDS, is_pairs, missing_pairs
from orchestrator.domain.run import DatasetRef
from orchestrator.domain.stages import StageKind, StageSpec
from orchestrator.domain.strategies import Strategy
from orchestrator.ports.inputs import Inputs


class RowWish(Protocol):
    """The part of a draft that names rows."""

    @property
    def dataset(self) -> str | None: ...

    @property
    def preferences(self) -> str | None: ...

    @property
    def heldout(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Rows:
    """`preferences` is None where no training needs pairs, or `dataset` holds them."""

    dataset: DatasetRef
    preferences: DatasetRef | None = None
    notes: tuple[str, ...] = ()


def choose_rows(inputs: Inputs, wish: RowWish, strategy: Strategy, stages: Sequence[StageSpec]) -> Rows:
    """Raises `InvalidInputError` naming `dataset`, `preferences` or `heldout`: what is missing, malformed, or not of
    the kind that the strategy needs."""
    trainings = [stage for stage in stages if stage.kind is StageKind.TRAIN]
    on_pairs = [stage for stage in trainings if stage.on_pairs]
    if wish.preferences is not None and len(on_pairs) in {0, len(trainings)}:
        why = "is for a strategy that trains on pairs after another dataset"
        raise InvalidInputError.of("preferences", f"{why}; name the rows of {strategy.key} as its dataset")
    if len(on_pairs) == len(trainings):
        return Rows(_with_pairs(inputs.dataset(wish.dataset, wish.heldout, pairs=True), "dataset", strategy))
    dataset = inputs.dataset(wish.dataset, wish.heldout)
    paired = is_pairs(dataset.format)
    notes = (f"the supervised training learns the chosen answers of the pairs in {dataset.source}",) if paired else ()
    if not on_pairs or (paired and wish.preferences is None):
        return Rows(dataset, notes=notes)
    if wish.preferences is None and wish.dataset is not None:
        first = f"{strategy.key} trains on these {dataset.format} rows first"
        raise InvalidInputError.of("preferences", f"is missing: {first}, and then on {PAIRS_IN_WORDS}")
    # Held-out rows are the first dataset's; what they ask is left out of the pairs on the node.
    pairs = inputs.dataset(wish.preferences, None, field="preferences", pairs=True, keeps_out=False)
    pairs = _with_pairs(pairs, "preferences", strategy)
    if pairs.source == dataset.source:
        return Rows(dataset, notes=notes)
    if pairs.source == dataset.heldout_source:
        raise InvalidInputError.of("preferences", "are the held-out rows: rows that were trained on prove nothing")
    return Rows(dataset, pairs, notes)


def _with_pairs(rows: DatasetRef, field: str, strategy: Strategy) -> DatasetRef:
    missing = missing_pairs(rows.format)
    if missing is not None:
        raise InvalidInputError.of(field, f"{missing}, as {strategy.key} does")
    return rows
