"""The pilot: what a training's first steps say about its step time. Robust to warm-up, pauses and drift."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

WINDOW = 60
"""Steps that a pilot takes, those of the warm-up included."""
WARM_UP_STEPS = 3
"""First steps pay for compilation, allocation and caches; they say nothing about the rest."""
LEAST_STEPS = 3
"""Fewer settled steps than this are no measurement."""
OUTLIER_DEVIATIONS = 6.0
"""A step is a pause (an evaluation, a checkpoint, a disk that was busy) when it is longer than the median by so many
normal-consistent median absolute deviations. Rows of unequal length stay far below: a log-normal step time with a
spread of 40 % passes it once in some 2,000 steps."""
LEAST_FOR_SLOPE = 12
"""With fewer steps a slope would fit their noise."""
LEAST_DEVIATION = 0.02
"""Share of the median that a deviation counts as at least, or steps of equal length would make jitter an outlier."""
MOST_PAUSED = 0.15
"""Pauses are rare: where more than this share of the steps would be one, they are how this machine runs (a neighbour
takes its turns), and belong to the step time."""
DRIFT_ERRORS = 3.0
"""The first and the last third of a window differ by drift, not by chance, when they are so many standard errors
apart."""
MAD_TO_DEVIATION = 1.4826
"""Median absolute deviation to standard deviation, for a normal distribution (Rousseeuw and Croux 1993, section 1)."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a training stood at a step's end: `elapsed` seconds and `tokens` since its process began. `paused` are
    the seconds after it that are known to have gone to a checkpoint and not to the next step."""

    step: int
    elapsed: float
    tokens: int = 0
    paused: float = 0.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds per optimizer step without pauses, the `standard_error` of that mean by the scatter of the steps alone,
    and how many `steps` it rests on. `tokens_per_second` counts real tokens, padding left out. `drifting` says that
    the steps became slower or faster all along, and that the later half of them was believed."""

    seconds: float
    standard_error: float
    steps: int
    tokens_per_second: float
    drifting: bool = False


@dataclass(frozen=True, slots=True)
class _Stretch:
    """From one mark to the next; `seconds` is of one step, `tokens` of all."""

    seconds: float
    steps: int
    tokens: int


def paused_after(marks: Sequence[Mark], seconds: float) -> tuple[Mark, ...]:
    """`marks` with `seconds` more of pause after the last of them; none are left as none."""
    if not marks or not math.isfinite(seconds) or seconds <= 0:
        return tuple(marks)
    return (*marks[:-1], replace(marks[-1], paused=marks[-1].paused + seconds))


def measure(marks: Iterable[Mark], window: int | None = WINDOW, tokens_per_step: float | None = None) -> Pace | None:
    """The pace of the first `window` steps (None: of all), None while they are too few to say.

    With `tokens_per_step`, the mean over the whole dataset, the pace is that of an average step: rows of unequal length
    make the first sixty steps a poor sample, whose tokens, and so whose seconds, are off by a known amount.

    The first mark is where the process began. Steps that took no time or went backwards (a clock that was set) are
    left out. A mean, not a median: with rows of unequal length it is the mean that the remaining steps will take.
    """
    stretches = _settled(list(marks), window)
    if sum(each.steps for each in stretches) < LEAST_STEPS:
        return None
    kept = _without_pauses(stretches)
    drifting = _drifts(kept)
    used = kept[len(kept) // 2 :] if drifting else kept
    mean, steps = _mean(used), sum(each.steps for each in used)
    rate = sum(each.tokens for each in used) / (mean * steps)
    if tokens_per_step is not None and len(used) >= LEAST_FOR_SLOPE:
        slope = _slope(used)
        # What the tokens explain is taken out before the scatter is judged.
        used = [replace(each, seconds=each.seconds + slope * (tokens_per_step - each.tokens / each.steps))
                for each in used]  # fmt: skip
    return Pace(_mean(used), _error(used), steps, rate, drifting)


def _settled(marks: Sequence[Mark], window: int | None) -> list[_Stretch]:
    """The stretches after the warm-up and within the window."""
    if not marks:
        return []
    begin = marks[0].step
    end = math.inf if window is None else begin + window
    found: list[_Stretch] = []
    for before, after in itertools.pairwise(marks):
        steps, seconds = after.step - before.step, after.elapsed - before.elapsed - before.paused
        if before.step >= begin + WARM_UP_STEPS and after.step <= end and steps > 0 and seconds > 0:
            found.append(_Stretch(seconds / steps, steps, max(after.tokens - before.tokens, 0)))
    return found


def _without_pauses(stretches: Sequence[_Stretch]) -> list[_Stretch]:
    middle = statistics.median(each.seconds for each in stretches)
    deviation = MAD_TO_DEVIATION * statistics.median(abs(each.seconds - middle) for each in stretches)
    longest = middle + OUTLIER_DEVIATIONS * max(deviation, LEAST_DEVIATION * middle)
    kept = [each for each in stretches if each.seconds <= longest]
    return kept if len(kept) >= (1 - MOST_PAUSED) * len(stretches) else list(stretches)


def _slope(stretches: Sequence[_Stretch]) -> float:
    """Seconds that one more token in a step takes, by least squares: the regression estimator of a mean (Cochran,
    Sampling Techniques, 3rd ed., chapter 7). 0 where all steps have as many tokens, or more take less time."""
    per_step = [each.tokens / each.steps for each in stretches]
    if max(per_step) == min(per_step):
        return 0.0
    return max(statistics.linear_regression(per_step, [each.seconds for each in stretches]).slope, 0.0)


def _mean(stretches: Sequence[_Stretch]) -> float:
    return sum(each.seconds * each.steps for each in stretches) / sum(each.steps for each in stretches)


def _error(stretches: Sequence[_Stretch]) -> float:
    """The standard error of the mean; stretches of several steps count by their steps. 0 for a single one."""
    if len(stretches) < 2:
        return 0.0
    mean, steps = _mean(stretches), sum(each.steps for each in stretches)
    squares = sum(each.steps * (each.seconds - mean) ** 2 for each in stretches)
    return math.sqrt(squares / steps / (len(stretches) - 1))


def _drifts(stretches: Sequence[_Stretch]) -> bool:
    """Whether the steps become slower, or faster, from one third to the next, and by more than chance would have it.

    One change alone is no drift: a neighbour that was busy for ten steps says nothing of the hours to come.
    """
    size = len(stretches) // 3
    if size < LEAST_STEPS:
        return False
    thirds = [stretches[:size], stretches[size:-size], stretches[-size:]]
    first, middle, last = map(_mean, thirds)
    chance = math.hypot(_error(thirds[0]), _error(thirds[2]), LEAST_DEVIATION * middle / DRIFT_ERRORS)
    return (first - middle) * (middle - last) > 0 and abs(last - first) > DRIFT_ERRORS * chance
