"""The pilot on series whose truth is known: warm-up, pauses, unequal rows, drift."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable

import pytest

from orchestrator.domain.cost.pilot import WINDOW, Mark, measure, paused_after

SEEDS = range(40)
TARGET = 0.04
"""What a pilot of sixty steps may be off the rest of its run."""


def marks(seconds: Iterable[float], tokens: Iterable[int] = itertools.repeat(1000), begin: int = 0) -> list[Mark]:
    """The marks of steps that took so long and had so many tokens."""
    made = [Mark(begin, 0.0)]
    for second, count in zip(seconds, tokens, strict=False):
        last = made[-1]
        made.append(Mark(last.step + 1, last.elapsed + second, last.tokens + count))
    return made


def paced(series: Iterable[Mark], **options: float) -> float:
    pace = measure(series, **options)  # type: ignore[arg-type]
    assert pace is not None
    return pace.seconds


def test_steps_that_all_take_as_long_are_measured_exactly() -> None:
    pace = measure(marks([2.0] * 100))
    assert pace is not None
    assert pace.seconds == pytest.approx(2.0)
    assert pace.standard_error == pytest.approx(0.0, abs=1e-9)
    assert pace.tokens_per_second == pytest.approx(500.0)
    assert (pace.steps, pace.drifting) == (WINDOW - 3, False)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_pilot_of_sixty_steps_is_right_for_the_rest_of_the_run_within_four_per_cent(seed: int) -> None:
    chance = random.Random(seed)
    steps = [30.0, 6.0, 2.0] + [chance.gauss(1.0, 0.06) for _ in range(600)]
    for pause in range(25, 600, 25):
        steps[pause] += chance.uniform(3.0, 20.0)
    rest = [second for step, second in enumerate(steps) if step >= WINDOW and step % 25]
    assert paced(marks(steps)) == pytest.approx(sum(rest) / len(rest), rel=TARGET)


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_of_unequal_length_are_measured_within_four_per_cent_when_the_mean_length_is_known(seed: int) -> None:
    chance = random.Random(seed)
    tokens = [int(min(max(chance.lognormvariate(7.0, 0.5), 100), 4000)) for _ in range(2000)]
    steps = [0.2 + count / 2000 * chance.gauss(1.0, 0.04) for count in tokens]
    mean = sum(tokens) / len(tokens)
    rest = sum(steps[WINDOW:]) / len(steps[WINDOW:])
    pace = measure(marks(steps, tokens), tokens_per_step=mean)
    assert pace is not None
    assert pace.seconds == pytest.approx(rest, rel=TARGET)
    blind = measure(marks(steps, tokens))
    assert blind is not None
    assert pace.standard_error < blind.standard_error / 3


@pytest.mark.parametrize("seed", SEEDS)
def test_the_standard_error_is_as_large_as_the_error(seed: int) -> None:
    chance = random.Random(seed)
    pace = measure(marks([chance.gauss(1.0, 0.2) for _ in range(60)]))
    assert pace is not None
    assert abs(pace.seconds - 1.0) < 4 * pace.standard_error
    assert pace.standard_error == pytest.approx(0.2 / pace.steps**0.5, rel=0.5)


def test_a_start_that_is_slow_for_twenty_steps_is_not_taken_for_the_rest() -> None:
    pace = measure(marks([1.0 + 2.0 * 0.88**step for step in range(200)]))
    assert pace is not None
    assert pace.drifting
    assert pace.seconds == pytest.approx(1.0, rel=TARGET)


def test_a_device_that_grows_hot_is_believed_in_its_later_half() -> None:
    chance = random.Random(1)
    steps = [1.0 + 0.15 * min(step / 50, 1.0) + chance.gauss(0, 0.01) for step in range(400)]
    assert paced(marks(steps)) == pytest.approx(1.15, rel=TARGET)


def test_steps_of_no_trend_do_not_drift() -> None:
    found = [measure(marks([random.Random(seed).gauss(1.0, 0.1) for _ in range(60)])) for seed in SEEDS]
    assert not any(pace.drifting for pace in found if pace is not None)


def test_a_machine_that_is_shared_is_measured_with_its_neighbours_turns() -> None:
    steps = [1.0 if step % 10 < 7 else 3.0 for step in range(300)]
    assert paced(marks(steps), window=300) == pytest.approx(1.6, rel=0.02)


def test_a_known_pause_is_taken_off_the_step_after_it() -> None:
    series: tuple[Mark, ...] = (Mark(0, 0.0),)
    elapsed = 0.0
    for step in range(10, 101, 10):
        elapsed += 10.0
        series = (*series, Mark(step, elapsed, 1000 * step))
        series = paused_after(series, 4.0)
        elapsed += 4.0
    assert paced(series, window=100) == pytest.approx(1.0)


def test_a_pause_that_is_no_time_changes_nothing() -> None:
    series = (Mark(0, 0.0), Mark(1, 1.0))
    assert paused_after(series, float("nan")) == paused_after(series, -1.0) == series
    assert paused_after((), 1.0) == ()


def test_a_resumed_training_has_its_own_warm_up() -> None:
    assert paced(marks([9.0, 9.0, 9.0, 1.0, 1.0, 1.0, 1.0], begin=400)) == pytest.approx(1.0)


@pytest.mark.parametrize("count", range(6))
def test_too_few_steps_are_no_measurement(count: int) -> None:
    assert measure(marks([1.0] * count)) is None
    assert measure(()) is None


def test_a_clock_that_was_set_back_spoils_no_more_than_its_step() -> None:
    series = marks([1.0] * 50)
    series = [mark if mark.step != 20 else Mark(20, mark.elapsed - 500.0, mark.tokens) for mark in series]
    assert paced(series) == pytest.approx(1.0)


def test_only_the_window_counts_unless_all_is_asked_for() -> None:
    series = marks([1.0] * 60 + [2.0] * 600)
    assert paced(series) == pytest.approx(1.0)
    whole = measure(series, window=None)
    assert whole is not None
    assert whole.steps > 250
    assert whole.seconds > 1.5
