"""How a lease's time is shared out among the stages: starts, merges and the evaluation first, then the trainings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

EVALUATE_SHARE = 0.15
EVALUATE_LEAST_SECONDS = 30
EVALUATE_MOST_SECONDS = 900
EVALUATE_WORK_PER_ROW = 6
"""A held-out row costs about what this many training rows do: two models, each a forward pass and a short answer."""
EVALUATE_SPREAD = 3.0
"""p90 over p50 of what an evaluation or a merge takes; neither was measured before."""
TRAIN_LEAST_BEFORE_EVALUATE_SECONDS = 60
"""With less training time than this, evaluating would eat the training: it is left out, and the plan says so."""
MERGE_BYTES_PER_SECOND = 400e6
"""Reading, adding and writing 16-bit weights on an ordinary disk; a merge is bound by it."""
MERGE_START = 0.5
"""A merge starts without the trainer: half of what that takes."""
UNKNOWN_PARAMETERS = 8_000_000_000


@dataclass(frozen=True, slots=True)
class Overheads:
    """Seconds that a provider takes before the first step, as expected: provisioning and the trainer's start."""

    provision: int
    startup: int


@dataclass(frozen=True, slots=True)
class Costing:
    """What the shares depend on beside the window: the provider's overheads and the model's size."""

    overheads: Overheads
    parameters: int | None


def training_shares(seconds: int, starts: Sequence[int], weights: Sequence[int]) -> list[int]:
    """`seconds` for trainings of these weights: each gets the seconds of its start, the rest is shared out; the last
    takes what rounding leaves. What one does not use goes to the next by itself: deadlines count from the end."""
    if not weights:
        return []
    rest = max(seconds - sum(starts), 0)
    shares = [start + rest * weight // sum(weights) for start, weight in zip(starts, weights, strict=True)]
    shares[-1] = max(seconds - sum(shares[:-1]), shares[-1])
    return shares


def training_least(starts: Sequence[int], needs: Sequence[float], weights: Sequence[int]) -> int:
    """The fewest seconds of which `training_shares` gives every training its start and the seconds it `needs`."""
    if not needs:
        return 0
    rest = max(need * sum(weights) / weight for need, weight in zip(needs, weights, strict=True))
    # A second more for each: shares are whole seconds, rounded down.
    return sum(starts) + math.ceil(rest) + len(needs)


def merge_expected(costing: Costing) -> int:
    """Seconds of one merge: the start of Python and its libraries, then the weights once through."""
    size = 2 * 3 * (costing.parameters or UNKNOWN_PARAMETERS)
    return math.ceil(costing.overheads.startup * MERGE_START) + math.ceil(size / MERGE_BYTES_PER_SECOND)


def merge_share(costing: Costing) -> int:
    """What a merge is given: it has no way to stop halfway, so its share has room."""
    return math.ceil(merge_expected(costing) * 1.5)


def evaluate_share(training_and_evaluation: int) -> int:
    """What an evaluation is given of the seconds that trainings and it have together; 0 = left out."""
    if training_and_evaluation < TRAIN_LEAST_BEFORE_EVALUATE_SECONDS + EVALUATE_LEAST_SECONDS:
        return 0
    share = int(training_and_evaluation * EVALUATE_SHARE)
    return min(max(share, EVALUATE_LEAST_SECONDS), EVALUATE_MOST_SECONDS)


def evaluate_expected(costing: Costing, heldout_rows: int, seconds_per_row: float, share: int) -> int:
    """Seconds that evaluating will take, at most its share. `seconds_per_row` is a training row's."""
    return min(share, costing.overheads.startup + math.ceil(EVALUATE_WORK_PER_ROW * heldout_rows * seconds_per_row))
