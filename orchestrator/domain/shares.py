"""How a lease's time is shared out among the stages: starts and merges first, then the evaluation, then the trainings.

More time never gives any training less: the evaluation takes nothing from what a shorter lease would train.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

EVALUATE_SHARE = 0.15
EVALUATE_LEAST_SECONDS = 30
EVALUATE_MOST_SECONDS = 900
EVALUATE_WORK_PER_ROW = 6
"""A held-out row costs about what this many training rows do: two models, each a forward pass and a short answer."""
EVALUATE_SPREAD = 3.0
"""p90 over p50 of what an evaluation or a merge takes; neither was measured before."""
TRAIN_LEAST_BEFORE_EVALUATE_SECONDS = 90
"""With less training time than this, evaluating would eat the training: it is left out, and the plan says so."""


def evaluate_share(room: int, least: int) -> tuple[int, int]:
    """What the evaluation and the trainings get of the `room` seconds that they have together, starts apart; `least` is
    what the trainings need for their first steps. 0 = left out."""
    held = max(TRAIN_LEAST_BEFORE_EVALUATE_SECONDS, least)
    if room <= held:
        return 0, max(room, 0)
    wished = min(max(int(room * EVALUATE_SHARE), EVALUATE_LEAST_SECONDS), EVALUATE_MOST_SECONDS)
    given = min(wished, room - held)
    # Between "too short for both" and "enough for both" the trainings keep what they had: what is over is nobody's.
    return (given, room - given) if given >= EVALUATE_LEAST_SECONDS else (0, held)


def training_shares(room: int, weights: Sequence[int]) -> list[int]:
    """`room` seconds for trainings of these weights, starts apart; the last takes what rounding leaves. What one does
    not use goes to the next by itself: deadlines count from the end."""
    if not weights:
        return []
    total = sum(weights)
    shares = [room * weight // total for weight in weights]
    shares[-1] += room - sum(shares)
    return shares


def training_least(needs: Sequence[float], weights: Sequence[int]) -> int:
    """The fewest seconds of which `training_shares` gives every training the seconds it `needs`, starts apart."""
    if not needs:
        return 0
    total = sum(weights)
    # A second more for each: shares are whole seconds, rounded down.
    return math.ceil(max(need * total / weight for need, weight in zip(needs, weights, strict=True))) + len(needs)


def evaluate_expected(startup: int, heldout_rows: int, seconds_per_row: float, share: int) -> int:
    """Seconds that evaluating will take, at most its share. `seconds_per_row` is a training row's."""
    return min(share, startup + math.ceil(EVALUATE_WORK_PER_ROW * heldout_rows * seconds_per_row))
