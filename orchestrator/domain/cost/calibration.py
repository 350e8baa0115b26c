"""What was predicted against what came of it, and the correction of a cell that follows. Pure, and checked by hand.

A cell's error is one number: the mean of log(actual / model) over its stages. Before any of them it is taken as normal
around 0; each stage is a measurement of it with noise of known size. Then it stays normal, with a mean between the two
and a spread that only shrinks.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from orchestrator.domain.cost.coefficients import CellKey, Correction
from orchestrator.domain.cost.gpus import GPUS
from orchestrator.domain.ids import RunId

K = TypeVar("K", bound=Hashable)

COVERAGE = 0.9
"""What part of the actual values the interval of a prediction is meant to hold."""
PRIOR_SD = 0.35
"""How far off a cell may well be before anything was measured: a factor of 1.4 either way."""
NOISE_SD = 0.08
"""How far two stages of one cell differ from its mean: other models, lengths and batches, and the machine's own day."""
PRIOR_SD_WITHOUT_SHEET = 0.85
"""The same of a device that has no data sheet here, such as a CPU, where nothing but FLOPs is reckoned: what a prior's
p90 of three times its middle comes to."""
NOISE_SD_WITHOUT_SHEET = 0.3
"""There two trainings of one cell differ by far more, since its model is so plain."""
CLIP_DEVIATIONS = 3.0
LEAST_FOR_MEDIAN = 3
"""With so many stages their median, not the prior, says what is wild."""


class Quantity(StrEnum):
    """What was predicted of a stage."""

    SECONDS_PER_STEP = "seconds_per_step"
    """Of one optimizer step, pauses left out."""
    PEAK_MEMORY = "peak_memory_bytes"
    """Reserved on the fullest device."""
    STARTUP = "startup_seconds"
    """From the stage's start to its first step."""
    STAGE = "stage_seconds"
    """From the stage's start to its end, all steps taken."""


@dataclass(frozen=True, slots=True)
class Span:
    """A prediction of a positive quantity: its median and its central interval of probability `COVERAGE`."""

    middle: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a plan foretells of one training, as it was said to the user.

    `low` and `high` bound `seconds_per_step`, the other two `peak_memory` (bytes on the fullest device), each with
    probability `COVERAGE`. `correction` and `memory_correction` are the log factors that are in these numbers already
    (0 for none): without them a correction would be learned on top of itself.
    """

    cell: CellKey
    seconds_per_step: float
    low: float
    high: float
    peak_memory: float | None = None
    memory_low: float | None = None
    memory_high: float | None = None
    correction: float = 0.0
    memory_correction: float = 0.0
    startup: Span | None = None
    stage: Span | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """One quantity of one stage, foretold and measured. One for each attempt at it, however many steps it had.

    All four values are positive, in seconds or bytes; `correction` is the log factor that `predicted` contains.
    """

    run_id: RunId
    stage_index: int
    attempt: int
    at: datetime
    framework: str
    gpu: str
    gpu_count: int
    method: str
    precision: str
    model: str
    quantity: Quantity
    predicted: float
    predicted_low: float
    predicted_high: float
    actual: float
    correction: float = 0.0

    def __post_init__(self) -> None:
        values = (self.predicted, self.predicted_low, self.predicted_high, self.actual)
        if not all(math.isfinite(value) and value > 0 for value in values):
            raise ValueError(f"{self.quantity} of {self.run_id}: every value must be a positive number")
        if not math.isfinite(self.correction):
            raise ValueError(f"{self.quantity} of {self.run_id}: the correction must be a number")

    @property
    def cell(self) -> CellKey:
        return CellKey(self.framework, self.gpu, self.method, self.precision)

    @property
    def error(self) -> float:
        """Relative: 0.1 when 10 % too much was foretold."""
        return self.predicted / self.actual - 1

    @property
    def log_ratio(self) -> float:
        """log(actual / what the model alone foretold)."""
        return math.log(self.actual / self.predicted) + self.correction

    @property
    def is_within(self) -> bool:
        """Whether the interval held."""
        return self.predicted_low <= self.actual <= self.predicted_high


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How good the predictions of one cell were: mean absolute and mean signed relative error (above 0: too much was
    foretold), and the part of the actual values that lay within their intervals."""

    observations: int
    mape: float
    bias: float
    coverage: float


def corrections(
    observations: Iterable[Observation],
    prior_sd: float = PRIOR_SD,
    noise_sd: float = NOISE_SD,
    quantity: Quantity = Quantity.SECONDS_PER_STEP,
) -> Mapping[CellKey, Correction]:
    """The correction of every cell that `observations` of this `quantity` speak of; cells never borrow from others.

    With n log ratios of mean m, noise s and prior spread t, both known, the posterior is normal with precision
    1/t^2 + n/s^2 and mean (n m / s^2) / (1/t^2 + n/s^2): Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.5.
    A wild value (a machine that hung, a wrong clock) is no measurement of the cell, so log ratios are first clipped;
    see `clipped`. `prior_sd` and `noise_sd` are above zero.
    """
    chosen = [each for each in observations if each.quantity is quantity]
    found: dict[CellKey, Correction] = {}
    for cell, group in _grouped((each.cell, each) for each in chosen).items():
        ratios = clipped([each.log_ratio for each in group], prior_sd, noise_sd)
        count = len(ratios)
        precision = 1 / prior_sd**2 + count / noise_sd**2
        # fsum: the order in which stages ended must not change the last digit.
        mean = math.fsum(ratios) / noise_sd**2 / precision
        found[cell] = Correction(mean, precision**-0.5, count)
    return found


def corrections_in_force(observations: Iterable[Observation], quantity: Quantity) -> Mapping[CellKey, Correction]:
    """`corrections` with the spreads of this module, devices with and without a data sheet each with their own."""
    held = list(observations)
    known = [each for each in held if each.gpu in GPUS]
    others = [each for each in held if each.gpu not in GPUS]
    return {
        **corrections(known, PRIOR_SD, NOISE_SD, quantity),
        **corrections(others, PRIOR_SD_WITHOUT_SHEET, NOISE_SD_WITHOUT_SHEET, quantity),
    }


def clipped(ratios: Sequence[float], prior_sd: float, noise_sd: float) -> list[float]:
    """`ratios` brought within `CLIP_DEVIATIONS` of what is believable: of their median by the noise once there are
    `LEAST_FOR_MEDIAN`, before that of 0 by prior and noise together. Many that agree are believed, however far off."""
    if len(ratios) >= LEAST_FOR_MEDIAN:
        centre, reach = statistics.median(ratios), CLIP_DEVIATIONS * noise_sd
    else:
        centre, reach = 0.0, CLIP_DEVIATIONS * math.hypot(prior_sd, noise_sd)
    return [min(max(ratio, centre - reach), centre + reach) for ratio in ratios]


def summary(observations: Iterable[Observation]) -> Mapping[tuple[Quantity, CellKey], Accuracy]:
    """How good the predictions were as they were said, by quantity and cell; sorted by both."""
    groups = _grouped(((each.quantity, each.cell), each) for each in observations)
    return {key: accuracy(groups[key]) for key in sorted(groups)}


def accuracy(observations: Sequence[Observation]) -> Accuracy:
    """Of `observations`, at least one; all of them count alike."""
    count = len(observations)
    errors = [each.error for each in observations]
    return Accuracy(
        observations=count,
        mape=math.fsum(map(abs, errors)) / count,
        bias=math.fsum(errors) / count,
        coverage=sum(each.is_within for each in observations) / count,
    )


def _grouped(pairs: Iterable[tuple[K, Observation]]) -> dict[K, list[Observation]]:
    groups: dict[K, list[Observation]] = {}
    for key, observation in pairs:
        groups.setdefault(key, []).append(observation)
    return groups
