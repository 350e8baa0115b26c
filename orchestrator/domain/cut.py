"""The best cut of a training for a machine: its layout, how long a step takes so, and what it needs of the memory."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.calibration import COVERAGE, Predicted
from orchestrator.domain.cost.coefficients import CellKey, cell_key
from orchestrator.domain.cost.flops import trains_weights
from orchestrator.domain.cost.gpus import Gpu
from orchestrator.domain.cost.layout import Layout, as_written
from orchestrator.domain.cost.model import CostModel, Fit
from orchestrator.domain.cost.prediction import Prediction, Term
from orchestrator.domain.cost.recipes import is_checkpointed, setup_of
from orchestrator.domain.cost.rows import Rows
from orchestrator.domain.cost.setup import Checkpointing, Sharding, TrainingSetup
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.recipe import TrainingShape
from orchestrator.domain.speed import StepTime

SURE = 0.95
"""The share of cases that a plan must hold for before it is called possible."""
LOW, HIGH = (1 - COVERAGE) / 2, (1 + COVERAGE) / 2
Saving = tuple[bool, bool, bool]
"""What is done only to save memory: to compute twice, and to gather what is split; and whether gradients are kept from
one micro-step to the next."""
KEPT_PREDICTIONS = 4096
"""Some ten models with all strategies, on thirty kinds of machine: other epochs or rates, other rows, ask the same."""
LEARNED_TERM = "learned from runs"


@dataclass(frozen=True, slots=True)
class Cut:
    """A training as it is done on one kind of machine. `fit` is None where nothing is known of the device's memory."""

    layout: Layout
    step: StepTime
    predicted: Predicted
    fit: Fit | None = None
    memory_terms: tuple[Term, ...] = ()


class Cutting:
    """One training of `rows` on devices that `gpu` describes. Every answer of the cost model is asked for once."""

    def __init__(
        self, recipe: Mapping[str, JsonValue], rows: Rows, architecture: Architecture, gpu: Gpu, model: CostModel
    ) -> None:
        self._recipe = recipe
        self._rows = rows
        self._architecture = architecture
        self._gpu = gpu
        self._model = model
        shape = TrainingShape.from_recipe(recipe)
        self._length = shape.sequence_len
        self._longest = rows.longest_of(self._length)
        self._setup = setup_of(recipe, as_written(shape, 1, is_checkpointed(recipe)), self._length)
        self._peaks: dict[Layout, Prediction] = {}

    def best(self, candidates: Sequence[Layout]) -> Cut | Fit:
        """The quickest of the layouts that fit; if none does, how far the least demanding is from it.

        What a layout needs grows with its micro-batch, as long as gradients are kept in both, and shrinks with what it
        does to save memory. So of each way to save, the largest micro-batch that fits is found by halving, and those
        are timed that no gentler way has room for: from the largest down, as long as smaller ones are quicker.
        """
        columns: dict[Saving, list[Layout]] = {}
        for layout in sorted(candidates, key=lambda each: (self._saving(each), each.micro_batch)):
            columns.setdefault(self._saving(layout), []).append(layout)
        rooms: dict[Saving, int] = {}
        found: list[tuple[float, Layout, Prediction]] = []
        for saving, column in columns.items():
            less = max((room for other, room in rooms.items() if _saves_less(other, saving)), default=0)
            rooms[saving] = self._room(column, less)
            done = max((room for other, room in rooms.items() if self._is_gentler(other, saving)), default=0)
            found += self._quickest(column[done : rooms[saving]])
        if not found:
            return min((self._fit(column[0]) for column in columns.values()), key=lambda fit: fit.p95)
        _, layout, step = min(found, key=lambda each: each[0])
        return self._cut(layout, step)

    def of(self, layout: Layout) -> Cut:
        """The training in this layout, whether it fits or not."""
        return self._cut(layout, self._step(layout))

    def _room(self, column: Sequence[Layout], least: int) -> int:
        """How many of a way's layouts fit, from the smallest on; of the first `least` it is known."""
        if least == len(column) or self._fit(column[-1]).fits:
            return len(column)
        if least == 0 and not self._fit(column[0]).fits:
            return 0
        return bisect_left(column, True, max(least, 1), len(column) - 1, key=lambda layout: not self._fit(layout).fits)

    def _quickest(self, layouts: Sequence[Layout]) -> list[tuple[float, Layout, Prediction]]:
        found: list[tuple[float, Layout, Prediction]] = []
        for layout in reversed(layouts):
            step = self._step(layout)
            pace = step.middle / layout.rows_per_step
            if found and pace >= found[-1][0]:
                break
            found.append((pace, layout, step))
        return found[-1:]

    def _is_gentler(self, other: Saving, saving: Saving) -> bool:
        """Whether the other way is quicker wherever it fits: it computes less twice, and splits no more. To split an
        adapter's frozen model does nothing but cost; of a whole model it shares the optimizer's work."""
        same = other[1] == saving[1] or not trains_weights(self._setup)
        return other != saving and same and _saves_less(other, saving)

    def _saving(self, layout: Layout) -> Saving:
        # An adapter's gradients are too small to tell.
        keeps = layout.accumulation > 1 or not trains_weights(self._setup)
        return layout.checkpointing is not Checkpointing.NONE, layout.sharding is not Sharding.NONE, keeps

    def _cut(self, layout: Layout, step: Prediction) -> Cut:
        peak = self._peak(layout)
        time = StepTime.predicted(step)
        predicted = foretold(time, cell_key(self._timed(layout), self._gpu), self._model)
        return Cut(layout, time, _with_peak(predicted, peak), self._fit(layout), peak.terms)

    def _fit(self, layout: Layout) -> Fit:
        peak = self._peak(layout)
        return Fit(math.ceil(peak.middle), math.ceil(peak.quantile(SURE)), self._gpu.memory)

    def _peak(self, layout: Layout) -> Prediction:
        """The longest rows decide the peak."""
        known = self._peaks.get(layout)
        if known is None:
            setup = self._laid_out(layout, self._longest)
            known = self._peaks[layout] = _peak(self._model, self._architecture, setup, self._gpu)
        return known

    def _step(self, layout: Layout) -> Prediction:
        return _step(self._model, self._architecture, self._timed(layout), self._gpu)

    def _timed(self, layout: Layout) -> TrainingSetup:
        length = self._rows.padded(layout.micro_batch, self._length, self._recipe)
        return self._laid_out(layout, max(round(length), 1))

    def _laid_out(self, layout: Layout, length: int) -> TrainingSetup:
        return replace(
            self._setup,
            sequence_len=length,
            micro_batch=layout.micro_batch,
            accumulation=layout.accumulation,
            devices=layout.devices,
            sharding=layout.sharding,
            checkpointing=layout.checkpointing,
        )


@lru_cache(maxsize=KEPT_PREDICTIONS)
def _peak(model: CostModel, architecture: Architecture, setup: TrainingSetup, gpu: Gpu) -> Prediction:
    return model.peak(architecture, setup, gpu)


@lru_cache(maxsize=KEPT_PREDICTIONS)
def _step(model: CostModel, architecture: Architecture, setup: TrainingSetup, gpu: Gpu) -> Prediction:
    return model.step(architecture, setup, gpu)


def forget() -> None:
    """Drop all predictions that are kept."""
    _peak.cache_clear()
    _step.cache_clear()


def _saves_less(one: Saving, other: Saving) -> bool:
    return one[0] <= other[0] and one[1] <= other[1] and one[2] == other[2]


def foretold(step: StepTime, cell: CellKey, model: CostModel) -> Predicted:
    """What is held against the measured step when the training is over."""
    correction = model.correction(cell)
    return Predicted(
        cell,
        step.seconds,
        step.quantile(LOW),
        step.quantile(HIGH),
        correction=0.0 if correction is None else correction.log_factor,
    )


def _with_peak(predicted: Predicted, peak: Prediction) -> Predicted:
    low, high = peak.quantile(LOW), peak.quantile(HIGH)
    learned = sum(term.value for term in peak.terms if term.name == LEARNED_TERM)
    return replace(
        predicted,
        peak_memory=peak.middle,
        memory_low=low,
        memory_high=high,
        memory_correction=math.log(peak.middle / (peak.middle - learned)),
    )
