"""The charts of a run's page: what the script draws them from, and the drawings that stand in for them. Pure.

A run may train several times, and not always for the same loss: what two objectives say is drawn as two lines.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api.web.curves import LossCurve, SpendPoint, Step
from orchestrator.domain.ids import StageId
from orchestrator.domain.money import MICROS_PER_DOLLAR
from orchestrator.domain.run import Run
from orchestrator.domain.stages import StageSpec

CHART_SIZE = (600, 160)
"""Width and height of the drawings that stand in for the charts."""
SUPERVISED, ON_PAIRS = "Loss", "ORPO loss"
INCOMPARABLE = "ORPO's loss weighs both answers of a pair: it is not comparable with the loss before it."

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Box:
    """Values brought into a drawing of `height`, its left edge at `left`."""

    left: float
    low: float
    across: float
    up: float
    height: int

    @classmethod
    def around(cls, points: Points, floor: float | None = None) -> Box:
        """The box that `points`, in order, fill; `floor` is the value at the bottom, the least one by default."""
        width, height = CHART_SIZE
        left, right = points[0][0], points[-1][0]
        values = [value for _, value in points]
        low = min(values) if floor is None else floor
        return cls(left, low, width / ((right - left) or 1), (height - 6) / ((max(values) - low) or 1), height)

    def x(self, at: float) -> float:
        return (at - self.left) * self.across

    def line(self, points: Points) -> str:
        """The `points` attribute of an SVG polyline; empty for fewer than two points."""
        if len(points) < 2:
            return ""
        return " ".join(f"{self.x(at):.1f},{self._y(value):.1f}" for at, value in points)

    def _y(self, value: float) -> float:
        return self.height - 3 - (value - self.low) * self.up


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """A training on the loss curve: from which step of the run it is, and to which while it is not the last."""

    title: str
    loss: str
    first: int
    last: int | None
    note: str


@dataclass(frozen=True, slots=True)
class LossDrawing:
    """One polyline for each objective, and where a training begins."""

    lines: tuple[tuple[str, str], ...]
    boundaries: tuple[float, ...]


def objective(spec: StageSpec) -> str:
    """What the loss of this training is called."""
    return ON_PAIRS if spec.on_pairs else SUPERVISED


def losses(run: Run) -> tuple[str, ...]:
    """Every kind of loss that the run's trainings report, in order."""
    return tuple(dict.fromkeys(objective(spec) for spec in run.spec.trainings)) or (SUPERVISED,)


def loss_of(run: Run, stage: StageId | None) -> str:
    """What the loss that `stage` reports is called."""
    spec = spec_by_id(run).get(stage) if stage is not None else None
    return losses(run)[0] if spec is None else objective(spec)


def spec_by_id(run: Run) -> dict[StageId, StageSpec]:
    return {stage.id: spec for stage, spec in zip(run.all_stages, run.spec.stages, strict=True)}


def training_rows(run: Run, curve: LossCurve) -> tuple[TrainingRow, ...]:
    """The trainings on the curve, in order."""
    specs = spec_by_id(run)
    rows: list[TrainingRow] = []
    ends = [each.before for each in curve.trainings[1:]]
    for training, last in itertools.zip_longest(curve.trainings, ends):
        spec = specs.get(training.stage) if training.stage is not None else None
        loss = loss_of(run, training.stage)
        changed = bool(rows) and rows[-1].loss != loss
        title = spec.title if spec is not None else "Training"
        rows.append(TrainingRow(title, loss, training.before + 1, last, INCOMPARABLE if changed else ""))
    return tuple(rows)


def loss_drawing(run: Run, curve: LossCurve) -> LossDrawing | None:
    """None for fewer than two steps."""
    finite = [point for point in curve.points if point.loss is not None]
    if len(finite) < 2:
        return None
    box = Box.around([_spot(point) for point in finite])
    lines = (
        (name, box.line([_spot(point) for point in finite if loss_of(run, point.stage) == name]))
        for name in losses(run)
    )
    return LossDrawing(
        tuple((name, line) for name, line in lines if line),
        tuple(round(box.x(each.before + 0.5), 1) for each in curve.trainings[1:]),
    )


def _spot(point: Step) -> tuple[float, float]:
    assert point.loss is not None
    return point.step, point.loss


def spend_line(points: Sequence[SpendPoint], cap_micros: int) -> str:
    """Scaled to the cap, which is the drawing's top."""
    spots = [(point.at.timestamp(), float(point.spent.micros)) for point in points]
    return Box.around([*spots, (spots[-1][0], float(cap_micros))], floor=0.0).line(spots)


def chart_data(run: Run, curve: LossCurve, spend: Sequence[SpendPoint]) -> dict[str, Any]:
    """What the charts begin with: columns of equal length; times in Unix seconds, money in dollars. `steps` are step,
    learning rate, and a column for each of `losses`; `stages` says what a stage is called and which loss is its."""
    names = losses(run)
    points = curve.points
    return {
        "seq": curve.seq,
        "losses": names,
        "stages": {identity: {"title": spec.title, "loss": names.index(objective(spec))}
                   for identity, spec in spec_by_id(run).items()},
        "trainings": [[training.stage, training.before] for training in curve.trainings],
        "steps": [[point.step for point in points], [point.learning_rate for point in points],
                  *([point.loss if loss_of(run, point.stage) == name else None for point in points]
                    for name in names)],
        "spend": [[point.at.timestamp() for point in spend],
                  [point.spent.micros / MICROS_PER_DOLLAR for point in spend],
                  [point.cap.micros / MICROS_PER_DOLLAR for point in spend]],
    }  # fmt: skip
