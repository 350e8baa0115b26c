"""The work of a run's stages on one kind of machine: how each training is cut for it, and how long a step takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.calibration import COVERAGE, Predicted
from orchestrator.domain.cost.coefficients import CellKey, cell_key, family_of
from orchestrator.domain.cost.gpus import GPUS, Gpu
from orchestrator.domain.cost.layout import Layout, as_written, layouts
from orchestrator.domain.cost.model import CostModel, Fit
from orchestrator.domain.cost.prediction import Prediction, Term
from orchestrator.domain.cost.recipes import FRAMEWORK, is_checkpointed, setup_of
from orchestrator.domain.cost.rows import NOT_COUNTED, Rows
from orchestrator.domain.cost.setup import Sharding
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.recipe import TrainingShape
from orchestrator.domain.speed import StepTime, prior_step
from orchestrator.domain.stages import StageKind

MIN_STEPS = 8
"""Fewer steps than the pilot and a handful are not a training; a cap that pays for less is refused."""
SURE = 0.95
"""The share of cases that a plan must hold for before it is called possible."""
LOW, HIGH = (1 - COVERAGE) / 2, (1 + COVERAGE) / 2
LEARNED_TERM = "learned from runs"
NO_GPU = "CPU"
NO_DATA_SHEET_PRECISION = "fp32"


@dataclass(frozen=True, slots=True)
class StageRequest:
    """What a plan depends on for one stage. For trainings: recipe, rows, measured speed and steps done; `pinned` are
    keys of the recipe that the user chose and no layout may change. `done` stages are finished and get no time; one
    that is `started` needs none for its start, and keeps the `layout` that it has."""

    kind: StageKind
    title: str
    recipe: Mapping[str, JsonValue]
    techniques: tuple[str, ...] = ()
    rows: Rows = NOT_COUNTED
    share: int = 1
    pinned: tuple[str, ...] = ()
    layout: Layout | None = None
    seconds_per_step: float | None = None
    steps_done: int = 0
    done: bool = False
    started: bool = False

    @property
    def shape(self) -> TrainingShape:
        return TrainingShape.from_recipe(self.recipe)


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

    def on(self, accelerator: str, devices: int) -> Workload:
        """The work on so many devices of this kind."""
        key = accelerator, devices
        if key not in self._known:
            self._known[key] = workload(self._stages, self._subject, accelerator, devices, self._model, self._shardings)
        return self._known[key]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is trained: its architecture (None when the family is unknown) and size (None when that is, too)."""

    architecture: Architecture | None
    parameters: int | None


def workload(
    stages: Sequence[StageRequest],
    subject: Subject,
    accelerator: str,
    devices: int,
    model: CostModel,
    shardings: Sequence[Sharding],
) -> Workload:
    """The trainings among `stages` on `devices` of `accelerator`, the measured speed of one correcting the others'."""
    trainings: list[TrainingWork] = []
    priors: list[StepTime] = []
    for index, stage in enumerate(stages):
        if stage.kind is not StageKind.TRAIN:
            continue
        work = _training(index, stage, subject, accelerator, devices, model, shardings)
        if isinstance(work, str):
            return Workload((), f"{stage.title}: {work}")
        trainings.append(work)
        priors.append(work.step)
    return Workload(tuple(_measured(stages, trainings, priors)))


def _training(
    index: int,
    stage: StageRequest,
    subject: Subject,
    accelerator: str,
    devices: int,
    model: CostModel,
    shardings: Sequence[Sharding],
) -> TrainingWork | str:
    """The best layout of a training on this machine, or why there is none."""
    gpu = GPUS.get(accelerator)
    if gpu is None or subject.architecture is None:
        return _unknown(index, stage, subject, accelerator, devices, model)
    best: TrainingWork | None = None
    nearest: Fit | None = None
    for layout in _candidates(stage, devices, shardings):
        peak = _peak(stage, layout, subject.architecture, gpu, model)
        fit = Fit(math.ceil(peak.middle), math.ceil(peak.quantile(SURE)), gpu.memory)
        if not fit.fits:
            nearest = fit if nearest is None or fit.p95 < nearest.p95 else nearest
            continue
        work = _on_gpu(index, stage, layout, subject.architecture, gpu, model)
        work = replace(work, fit=fit, memory_terms=peak.terms, predicted=_with_peak(work.predicted, peak))
        if best is None or _pace(work) < _pace(best):
            best = work
    if best is not None:
        return best
    assert nearest is not None, "a recipe has at least one layout"
    return f"needs {_gib(nearest.p95)} GiB (p95) on each of {devices} x {accelerator}, which has {_gib(nearest.limit)}"


def _candidates(stage: StageRequest, devices: int, shardings: Sequence[Sharding]) -> Sequence[Layout]:
    if stage.layout is not None and stage.layout.devices == devices:
        return (stage.layout,)
    return tuple(layouts(stage.shape, devices, stage.pinned, is_checkpointed(stage.recipe), shardings))


def _pace(work: TrainingWork) -> float:
    """Seconds for all of the rows: steps of the same rows compare by themselves, others by what they do."""
    return work.step.seconds / work.layout.rows_per_step


def _peak(stage: StageRequest, layout: Layout, architecture: Architecture, gpu: Gpu, model: CostModel) -> Prediction:
    """The longest rows decide the peak."""
    setup = setup_of(stage.recipe, layout, stage.rows.longest_of(stage.shape.sequence_len))
    return model.peak(architecture, setup, gpu)


def _on_gpu(
    index: int, stage: StageRequest, layout: Layout, architecture: Architecture, gpu: Gpu, model: CostModel
) -> TrainingWork:
    length = stage.rows.padded(layout.micro_batch, stage.shape.sequence_len, stage.recipe)
    setup = setup_of(stage.recipe, layout, max(round(length), 1))
    step = StepTime.predicted(model.step(architecture, setup, gpu))
    cell = cell_key(setup, gpu)
    return _work(index, stage, layout, step, _foretold(step, cell, model))


def _unknown(
    index: int, stage: StageRequest, subject: Subject, accelerator: str, devices: int, model: CostModel
) -> TrainingWork:
    """On a device, or of a model, that nothing is known about: the recipe's own cut, at a prior's speed."""
    by_default = accelerator != NO_GPU
    layout = stage.layout or as_written(stage.shape, devices, is_checkpointed(stage.recipe, by_default=by_default))
    setup = setup_of(stage.recipe, layout, stage.shape.sequence_len)
    cell = CellKey(FRAMEWORK, accelerator, family_of(setup), NO_DATA_SHEET_PRECISION)
    cut = replace(stage.shape, micro_batch_size=layout.micro_batch, gradient_accumulation_steps=layout.accumulation)
    length = stage.rows.padded(layout.micro_batch, stage.shape.sequence_len, stage.recipe)
    step = prior_step(stage.techniques, cut, length, subject.parameters, accelerator, model.correction(cell))
    return _work(index, stage, layout, step, _foretold(step, cell, model))


def _foretold(step: StepTime, cell: CellKey, model: CostModel) -> Predicted:
    """What is held against the measured step when the training is over."""
    correction = model.correction(cell)
    return Predicted(
        cell,
        step.seconds,
        step.quantile(LOW),
        step.quantile(HIGH),
        correction=0.0 if correction is None else correction.log_factor,
    )


def _with_peak(predicted: Predicted | None, peak: Prediction) -> Predicted | None:
    if predicted is None:
        return None
    low, high = peak.quantile(LOW), peak.quantile(HIGH)
    learned = sum(term.value for term in peak.terms if term.name == LEARNED_TERM)
    return replace(
        predicted,
        peak_memory=peak.middle,
        memory_low=low,
        memory_high=high,
        memory_correction=math.log(peak.middle / (peak.middle - learned)),
    )


def _work(index: int, stage: StageRequest, layout: Layout, step: StepTime, predicted: Predicted) -> TrainingWork:
    whole, intended = _steps(stage, layout)
    remaining = 0 if stage.done else max(intended - stage.steps_done, 0)
    shape = stage.shape
    tokens = stage.rows.tokens(shape.sequence_len) * shape.num_epochs * (remaining / whole)
    return TrainingWork(
        index=index,
        layout=layout,
        step=step,
        remaining=remaining,
        intended=stage.steps_done if stage.done else remaining + stage.steps_done,
        tokens=tokens,
        weight=stage.share,
        started=stage.started,
        done=stage.done,
        predicted=predicted,
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


def _measured(
    stages: Sequence[StageRequest], trainings: Sequence[TrainingWork], priors: Sequence[StepTime]
) -> list[TrainingWork]:
    """Measured where it was, else predicted, corrected by what the newest measured training of the run has shown."""
    known = [(work, prior) for work, prior in zip(trainings, priors, strict=True)
             if stages[work.index].seconds_per_step is not None]  # fmt: skip
    found: list[TrainingWork] = []
    for work in trainings:
        seconds = stages[work.index].seconds_per_step
        if seconds is not None:
            step = StepTime.measured(seconds)
        elif known:
            newest, prior = known[-1]
            shown = stages[newest.index].seconds_per_step
            assert shown is not None
            step = work.step.scaled(shown / prior.seconds, stages[newest.index].title)
        else:
            step = work.step
        found.append(replace(work, step=step))
    return found


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f}"
