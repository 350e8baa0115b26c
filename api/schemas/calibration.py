"""Predicted against actual, and what was learned from it."""

from __future__ import annotations

import math

from pydantic import Field

from api.schemas.view import Timestamp, View
from orchestrator.domain.cost.calibration import COVERAGE, Accuracy, Observation, Quantity
from orchestrator.domain.cost.coefficients import CellKey, Correction
from orchestrator.domain.cost.prediction import Prediction
from orchestrator.services.learned import CalibrationReading, CellReading

NOTHING_YET = (
    "No stage that was planned with a prediction has ended yet: there is nothing to compare, and nothing is corrected."
)
SOME = (
    "Predicted as it was said when the stage was planned; actual as it was measured. "
    "The corrections are what the next quote is multiplied with."
)


class AccuracyView(View):
    """How good predictions were."""

    observations: int
    mean_absolute_error: float = Field(description="Relative: 0.1 is 10 %.")
    bias: float = Field(description="Mean relative error; above 0, too much was foretold.")
    coverage: float = Field(description="Share of the actual values within their intervals; 0.9 is meant.")

    @classmethod
    def of(cls, accuracy: Accuracy) -> AccuracyView:
        return cls(
            observations=accuracy.observations,
            mean_absolute_error=accuracy.mape,
            bias=accuracy.bias,
            coverage=accuracy.coverage,
        )


class CorrectionView(View):
    """What the model's figure is multiplied with in a new quote."""

    factor: float
    low: float = Field(description="With `high`: the interval that holds the factor nine times in ten.")
    high: float
    observations: int

    @classmethod
    def of(cls, correction: Correction) -> CorrectionView:
        factor = Prediction(math.exp(correction.log_factor), correction.sigma, (), "measured")
        low, high = factor.interval(COVERAGE)
        return cls(factor=factor.middle, low=low, high=high, observations=correction.observations)


class CellView(View):
    """One quantity of the trainings that share their coefficients."""

    quantity: Quantity
    framework: str
    gpu: str
    method: str
    precision: str
    accuracy: AccuracyView
    correction: CorrectionView | None = Field(description="null for a quantity that is only watched.")

    @classmethod
    def of(cls, reading: CellReading) -> CellView:
        correction = None if reading.correction is None else CorrectionView.of(reading.correction)
        return cls(
            quantity=reading.quantity,
            **_cell(reading.cell),
            accuracy=AccuracyView.of(reading.accuracy),
            correction=correction,
        )


class ObservationView(View):
    """One quantity of one stage, foretold and measured. Seconds or bytes."""

    run: str
    stage: int = Field(description="Its place in the run, from 1.")
    attempt: int
    at: Timestamp
    framework: str
    gpu: str
    gpu_count: int
    method: str
    precision: str
    model: str
    quantity: Quantity
    predicted: float
    predicted_low: float = Field(description="With `predicted_high`: meant to hold the actual value nine times in ten.")
    predicted_high: float
    actual: float
    error: float = Field(description="Relative; above 0, too much was foretold.")
    within: bool = Field(description="Whether the interval held.")

    @classmethod
    def of(cls, observation: Observation) -> ObservationView:
        return cls(
            run=observation.run_id,
            stage=observation.stage_index + 1,
            attempt=observation.attempt,
            at=observation.at,
            **_cell(observation.cell),
            gpu_count=observation.gpu_count,
            model=observation.model,
            quantity=observation.quantity,
            predicted=observation.predicted,
            predicted_low=observation.predicted_low,
            predicted_high=observation.predicted_high,
            actual=observation.actual,
            error=observation.error,
            within=observation.is_within,
        )


class CalibrationView(View):
    """What was predicted, what came of it, and the corrections that follow."""

    note: str = Field(description="What this shows, in a sentence; also when there is nothing to show.")
    overall: AccuracyView | None = Field(description="Over all quantities and cells; null before the first stage.")
    cells: list[CellView]
    observations: list[ObservationView] = Field(description="The newest first.")
    next: int | None = Field(description="Send it as `after` for the next page of observations; null at the end.")

    @classmethod
    def of(cls, reading: CalibrationReading) -> CalibrationView:
        return cls(
            note=NOTHING_YET if reading.overall is None else SOME,
            overall=None if reading.overall is None else AccuracyView.of(reading.overall),
            cells=[CellView.of(cell) for cell in reading.cells],
            observations=[ObservationView.of(stored.observation) for stored in reading.observations],
            next=reading.next_before,
        )


def _cell(cell: CellKey) -> dict[str, str]:
    return {"framework": cell.framework, "gpu": cell.gpu, "method": cell.method, "precision": cell.precision}
