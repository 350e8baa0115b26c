"""The pure parts: how many steps fit, and what the learning rate does with them."""

from __future__ import annotations

import math

import pytest

from workers.node.schedule import Schedule
from workers.node.sizing import Pace, Room, pilot_pace, reviewed_next, sized_steps


def room(**changes: float) -> Room:
    usual = {"step": 6, "configured_steps": 1000, "soft_left": 108.0, "seconds_per_step": 2.0, "save_seconds": 8.0}
    return Room(**{**usual, **changes})  # type: ignore[arg-type]


def test_a_run_is_sized_to_end_and_save_before_its_soft_deadline() -> None:
    assert sized_steps(room()) == 6 + 50


def test_a_run_that_fits_keeps_its_configured_steps() -> None:
    assert sized_steps(room(soft_left=1e6)) == 1000


def test_a_run_without_time_left_still_takes_one_more_step_and_never_passes_the_configured_number() -> None:
    assert sized_steps(room(soft_left=-5.0)) == 7
    assert sized_steps(room(step=1000, soft_left=-5.0)) == 1000


def test_warm_up_steps_and_one_outlier_do_not_disturb_the_pilot() -> None:
    assert pilot_pace([30.0, 5.0, 1.0, 1.0, 9.0, 1.0]) == pytest.approx(1.03)


@pytest.mark.parametrize("samples", [[2.0], [9.0, 2.0], [9.0, 2.0, 2.0]])
def test_a_short_pilot_still_gives_a_pace(samples: list[float]) -> None:
    assert pilot_pace(samples) == pytest.approx(2.06)


def test_periodic_checkpoints_are_part_of_the_pace() -> None:
    pace = Pace(samples=[1.0] * 30, save_seconds=5.0)
    assert pace.seconds_per_step(save_every=10) == pytest.approx(1.5)
    assert pace.seconds_per_step(save_every=None) == pytest.approx(1.0)


def test_a_long_run_is_reviewed_a_logarithmic_number_of_times() -> None:
    step, reviews = 6, 0
    while step < 100_000:
        step, reviews = reviewed_next(step, 100_000, measured=step), reviews + 1
    assert reviews < 40


def schedule(kind: str = "cosine", horizon: int = 1000, floor: float = 0.0) -> Schedule:
    return Schedule(kind=kind, warmup_steps=100, intended_steps=1000, horizon=horizon, floor=floor)


def test_at_its_configured_horizon_the_schedule_is_the_usual_cosine_with_warm_up() -> None:
    usual = [0.5 * (1 + math.cos(math.pi * (step - 100) / 900)) for step in range(100, 1001)]
    assert [schedule().factor(step) for step in range(100)] == [step / 100 for step in range(100)]
    assert [schedule().factor(step) for step in range(100, 1001)] == pytest.approx(usual)


@pytest.mark.parametrize("kind", ["cosine", "linear"])
@pytest.mark.parametrize("horizon", [1, 7, 40, 999, 1000])
def test_wherever_the_horizon_is_the_rate_warms_up_and_ends_at_nothing(kind: str, horizon: int) -> None:
    factors = [schedule(kind, horizon).factor(step) for step in range(horizon + 1)]
    assert factors[-1] == pytest.approx(0.0, abs=1e-9)
    assert all(0.0 <= factor <= 1.0 for factor in factors)
    if horizon >= 20:
        assert max(factors) == pytest.approx(1.0)
        assert factors.index(max(factors)) == horizon // 10


def test_a_floor_is_kept_and_a_constant_rate_stays() -> None:
    assert schedule(floor=0.1, horizon=50).factor(50) == pytest.approx(0.1)
    assert {schedule("constant", 40).factor(step) for step in range(41)} == {1.0}
    assert schedule("constant_with_warmup").factor(50) == 0.5
    assert schedule("constant_with_warmup").factor(999) == 1.0
