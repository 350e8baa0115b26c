"""What a prediction looks like: a middle, how sure, and the terms that it is the sum of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Term:
    """One summand, so that a person can check the whole by hand. `value` in seconds or bytes."""

    name: str
    value: float
    formula: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """A positive quantity whose logarithm is normal: `middle` is its median, `sigma` the standard deviation of the
    logarithm (0.1 is about 10 %). `source` says what the coefficients rest on."""

    middle: float
    sigma: float
    terms: tuple[Term, ...]
    source: str

    def quantile(self, share: float) -> float:
        """What it stays below with probability `share`."""
        return self.middle * math.exp(NormalDist().inv_cdf(share) * self.sigma)

    def interval(self, coverage: float = 0.9) -> tuple[float, float]:
        """The central interval of that probability."""
        return self.quantile((1 - coverage) / 2), self.quantile((1 + coverage) / 2)
