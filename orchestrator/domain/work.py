"""The work of a run's stages on one kind of machine: how each training is cut for it, and how long a step takes."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.calibration import Predicted
from orchestrator.domain.cost.coefficients import CellKey, family_of
from orchestrator.domain.cost.gpus import GPUS
from orchestrator.domain.cost.layout import Layout, as_written, layouts
from orchestrator.domain.cost.model import CostModel, Fit
from orchestrator.domain.cost.prediction import Term
from orchestrator.domain.cost.recipes import FRAMEWORK, is_checkpointed, setup_of
from orchestrator.domain.cost.rows import NOT_COUNTED, Rows
from orchestrator.domain.cost.setup import Sharding
from orchestrator.domain.cut import SURE, Cut, Cutting, foretold
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.recipe import TrainingShape
from orchestrator.domain.speed import StepTime, prior_step
from orchestrator.domain.stages import Devices, StageKind

MIN_STEPS = 8
"""Fewer steps than the pilot and a handful are not a training; a cap that pays for less is refused."""
NO_GPU = "CPU"
NO_DATA_SHEET_PRECISION = "fp32"


@dataclass(frozen=True, slots=True)
class StageRequest:
    """What a plan depends on for one stage. For trainings: recipe, rows, steps done and the speed measured on
    `measured_on` (None: wherever it is asked for); `pinned` are keys of the recipe that the user chose and no layout
    may change. `done` stages are finished and get no time; one that is `started` needs none for its start, and keeps
    the `layout` that it has. A `held` one has a machine already, on which it is done in its layout and no other."""

    kind: StageKind
    title: str
    recipe: Mapping[str, JsonValue]
    techniques: tuple[str, ...] = ()
    rows: Rows = NOT_COUNTED
    share: int = 1
    pinned: tuple[str, ...] = ()
    layout: Layout | None = None
    seconds_per_step: float | None = None
    measured_on: Devices | None = None
    steps_done: int = 0
    done: bool = False
    started: bool = False
    held: bool = False

    @property
    def shape(self) -> TrainingShape:
        return TrainingShape.from_recipe(self.recipe)

    def is_cut_like(self, other: StageRequest) -> bool:
        """Whether the same cuts of both are as good on every machine."""
        mine, others = (
            (each.recipe, each.techniques, each.rows, each.pinned, each.layout, each.held, each.measured_on)
            for each in (self, other)
        )
        return mine == others

    def fits_on(self, devices: Devices) -> bool:
        """Whether no memory model is to be asked: it is done there in its layout, or was already."""
        same = self.layout is not None and self.layout.devices == devices.count
        return same and (self.held or self.measured_on == devices)

    @property
    def key(self) -> Hashable:
        """Equal for requests that are equal; the recipe, which is a mapping, as text."""
        recipe = json.dumps(dict(self.recipe), sort_keys=True, default=str)
        rest = (getattr(self, each.name) for each in fields(self) if each.name != "recipe")
        return recipe, *rest


@dataclass(frozen=True, slots=True)
class TrainingWork:
    """A training on one kind of machine. `remaining` optimizer steps are to be made; all of them read `tokens` tokens,
    padding not counted. `fit` is None where nothing is known about the device's memory."""

    index: int
    layout: Layout
    step: StepTime
    remaining: int
    intended: int
    tokens: float
    weight: int
    started: bool
    done: bool
    fit: Fit | None = None
    memory_terms: tuple[Term, ...] = ()
    predicted: Predicted | None = None

    @property
    def least_seconds(self) -> float:
        """Seconds of the first steps, at the speed that is as good as sure."""
        return min(MIN_STEPS, self.remaining) * self.step.quantile(SURE)


@dataclass(frozen=True, slots=True)
class Workload:
    """Every training of a run on one kind of machine; `misfit` says why it cannot be done there, and how large a peak
    (bytes, p95) the least demanding layout has."""

    trainings: tuple[TrainingWork, ...]
    misfit: str = ""

    @property
    def open(self) -> tuple[TrainingWork, ...]:
        return tuple(each for each in self.trainings if not each.done)

    @property
    def tokens(self) -> float:
        """All that the strategy can still use."""
        return sum(each.tokens for each in self.open)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is trained: its architecture (None when the family is unknown) and size (None when that is, too)."""

    architecture: Architecture | None
    parameters: int | None


class Workloads:
    """The work of the same stages on every kind of machine, each reckoned once: it does not depend on money."""

    def __init__(
        self, stages: Sequence[StageRequest], subject: Subject, model: CostModel, shardings: Sequence[Sharding]
    ) -> None:
        self._stages = tuple(stages)
        self._subject = subject
        self._model = model
        self._shardings = tuple(shardings)
        self._known: dict[tuple[str, int], Workload] = {}
        self._factors: dict[tuple[int, Devices], float | None] = {}

    def on(self, accelerator: str, devices: int) -> Workload:
        """The work on so many devices of this kind."""
        key = accelerator, devices
        if key not in self._known:
            self._known[key] = self._reckon(accelerator, devices)
        return self._known[key]

    def _reckon(self, accelerator: str, devices: int) -> Workload:
        """The trainings on these devices, the measured speed of one correcting the others'. Those that differ in
        nothing that a cut depends on, as ReLoRA's cycles, are cut once."""
        trainings: list[TrainingWork] = []
        cuts: list[tuple[StageRequest, Cut | str]] = []
        for index, stage in enumerate(self._stages):
            if stage.kind is not StageKind.TRAIN:
                continue
            cut = next((cut for other, cut in cuts if stage.is_cut_like(other)), None)
            if cut is None:
                cut = self._cut(stage, accelerator, devices)
                cuts.append((stage, cut))
            if isinstance(cut, str):
                return Workload((), f"{stage.title}: {cut}")
            trainings.append(_work(index, stage, cut))
        return Workload(tuple(self._measured(trainings, Devices(accelerator, devices))))

    def _cut(self, stage: StageRequest, accelerator: str, devices: int) -> Cut | str:
        """The best cut of a training for this machine, or why there is none."""
        gpu = GPUS.get(accelerator)
        if gpu is None or self._subject.architecture is None:
            return _unknown(stage, self._subject, accelerator, devices, self._model)
        cutting = Cutting(stage.recipe, stage.rows, self._subject.architecture, gpu, self._model)
        if stage.layout is not None and stage.fits_on(Devices(accelerator, devices)):
            return cutting.of(stage.layout)
        found = cutting.best(_candidates(stage, devices, self._shardings))
        if isinstance(found, Cut):
            return found
        needed, there = _gib(found.p95), _gib(found.limit)
        return f"needs {needed} GiB (p95) on each of {devices} x {accelerator}, which has {there}"

    def _measured(self, trainings: Sequence[TrainingWork], here: Devices) -> list[TrainingWork]:
        """Measured where it was, else predicted, corrected by what the newest measured training of the run has shown,
        here or on another machine."""
        known = [work for work in trainings if self._stages[work.index].seconds_per_step is not None]
        newest = self._shown(known[-1], here) if known else None
        found: list[TrainingWork] = []
        for work in trainings:
            stage = self._stages[work.index]
            if stage.seconds_per_step is not None and stage.measured_on in (None, here):
                found.append(replace(work, step=StepTime.measured(stage.seconds_per_step)))
                continue
            own = self._shown(work, here)
            factor, like = (newest, self._stages[known[-1].index]) if own is None and known else (own, stage)
            found.append(work if factor is None else replace(work, step=work.step.scaled(factor, like.title)))
        return found

    def _shown(self, work: TrainingWork, here: Devices) -> float | None:
        """How many times the predicted seconds a step of this training took, predicted for where it was measured; None
        where that is not known."""
        stage = self._stages[work.index]
        if stage.seconds_per_step is None:
            return None
        if stage.measured_on in (None, here):
            return stage.seconds_per_step / work.step.seconds
        there = stage.measured_on
        assert there is not None
        if (work.index, there) not in self._factors:
            cut = self._cut(stage, there.accelerator, there.count)
            factor = stage.seconds_per_step / cut.step.seconds if isinstance(cut, Cut) else None
            self._factors[work.index, there] = factor
        return self._factors[work.index, there]


def _candidates(stage: StageRequest, devices: int, shardings: Sequence[Sharding]) -> Sequence[Layout]:
    if (begun := _begun(stage, devices)) is not None:
        return (begun,)
    return tuple(layouts(stage.shape, devices, stage.pinned, is_checkpointed(stage.recipe), shardings))


def _begun(stage: StageRequest, devices: int) -> Layout | None:
    """The layout that the training goes on in, None where it is cut anew."""
    return stage.layout if stage.layout is not None and stage.layout.devices == devices else None


def _unknown(stage: StageRequest, subject: Subject, accelerator: str, devices: int, model: CostModel) -> Cut:
    """On a device, or of a model, that nothing is known about: the recipe's own cut, at a prior's speed."""
    by_default = accelerator != NO_GPU
    layout = _begun(stage, devices) or as_written(
        stage.shape, devices, is_checkpointed(stage.recipe, by_default=by_default), stage.pinned
    )
    setup = setup_of(stage.recipe, layout, stage.shape.sequence_len)
    cell = CellKey(FRAMEWORK, accelerator, family_of(setup), NO_DATA_SHEET_PRECISION)
    cut = replace(stage.shape, micro_batch_size=layout.micro_batch, gradient_accumulation_steps=layout.accumulation)
    length = stage.rows.padded(layout.micro_batch, stage.shape.sequence_len, stage.recipe)
    step = prior_step(stage.techniques, cut, length, subject.parameters, accelerator, model.correction(cell))
    return Cut(layout, step, foretold(step, cell, model))


def _work(index: int, stage: StageRequest, cut: Cut) -> TrainingWork:
    whole, intended = _steps(stage, cut.layout)
    remaining = 0 if stage.done else max(intended - stage.steps_done, 0)
    shape = stage.shape
    tokens = stage.rows.tokens(shape.sequence_len) * shape.num_epochs * (remaining / whole)
    return TrainingWork(
        index=index,
        layout=cut.layout,
        step=cut.step,
        remaining=remaining,
        intended=stage.steps_done if stage.done else remaining + stage.steps_done,
        tokens=tokens,
        weight=stage.share,
        started=stage.started,
        done=stage.done,
        fit=cut.fit,
        memory_terms=cut.memory_terms,
        predicted=cut.predicted,
    )


def _steps(stage: StageRequest, layout: Layout) -> tuple[int, int]:
    """Optimizer steps of all epochs in this layout, at least 1, and those of them that the strategy would use."""
    shape = stage.shape
    epoch = stage.rows.steps_per_epoch(
        layout.micro_batch,
        layout.accumulation,
        layout.devices,
        shape.sequence_len,
        packed=stage.recipe.get("sample_packing") is True,
    )
    whole = max(math.ceil(epoch * shape.num_epochs), 1)
    return whole, whole if shape.max_steps is None else min(whole, shape.max_steps)


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f}"
