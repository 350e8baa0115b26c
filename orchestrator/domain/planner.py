"""The planner: which machine, for how long, how many steps, for how much. Pure; prices and speed come in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.budget import Allowances, Limit, Window, open_window
from orchestrator.domain.errors import UnaffordableError
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.money import Money
from orchestrator.domain.offers import Offer
from orchestrator.domain.recipe import TrainingShape
from orchestrator.domain.speed import StepTime, step_seconds

MIN_STEPS = 8
"""Fewer steps than the pilot and a handful are not a training; a cap that pays for less is refused."""
EVALUATE_SHARE = 0.15
EVALUATE_LEAST_SECONDS = 30
EVALUATE_MOST_SECONDS = 900
EVALUATE_WORK_PER_ROW = 6
"""A held-out row costs about what this many training rows do: two models, each a forward pass and a short answer."""
EVALUATE_SPREAD = 3.0
TRAIN_LEAST_BEFORE_EVALUATE_SECONDS = 60
"""With less training time than this, evaluating would eat the training: it is left out, and the plan says so."""
UNKNOWN_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Overheads:
    """Seconds that a provider takes before the first step, as expected: provisioning and the trainer's start."""

    provision: int
    startup: int


@dataclass(frozen=True, slots=True)
class Assumption:
    """One number that a quote rests on, and where it comes from."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """A quantity with its interval; `worst` is what is reserved."""

    p50: int
    p90: int
    worst: int


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Everything that a plan depends on."""

    recipe: Mapping[str, JsonValue]
    shape: TrainingShape
    train_rows: int | None
    parameters: int | None
    available: Money
    max_seconds: int | None
    gpus: int | None
    measured_seconds_per_step: float | None = None
    steps_done: int = 0
    heldout_rows: int = 64
    evaluate: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done with the money.

    `intended_steps` is what the strategy can use, `planned_steps` what is expected to fit; `train_seconds` and
    `evaluate_seconds` (0 = left out) are the stages' shares of the window, `evaluate_expected` what evaluating will
    take. `limit` says what cut the training, if anything is expected to. `cost` is in micro-dollars.
    """

    offer: Offer
    window: Window
    intended_steps: int
    planned_steps: int
    seconds_per_step: float
    train_seconds: int
    evaluate_seconds: int
    evaluate_expected: int
    seconds: Estimate
    cost: Estimate
    limit: Limit | None
    assumptions: tuple[Assumption, ...]


def make_plan(
    request: PlanRequest,
    offers: Sequence[Offer],
    overheads: Mapping[str, Overheads],
    allowances: Mapping[str, Allowances],
    now: datetime,
) -> Plan:
    """The plan that trains most within the cap; ties go to the cheaper, then to the quicker.

    `overheads` and `allowances` are per provider. Raises `UnaffordableError` with the reason for every offer and what
    the cheapest sufficient cap would be.
    """
    plans: list[Plan] = []
    refusals: list[str] = []
    cheapest: Money | None = None
    for offer in offers:
        if request.gpus is not None and offer.accelerator_count != request.gpus:
            refusals.append(f"{offer.id}: has {offer.accelerator_count} accelerators, {request.gpus} were asked for")
            continue
        least = _least_seconds(request, offer, overheads[offer.provider], allowances[offer.provider])
        least_cost = offer.cost(least)
        plan = _plan_on(request, offer, overheads[offer.provider], allowances[offer.provider], now)
        if plan is not None:
            plans.append(plan)
            continue
        if request.max_seconds is not None and request.max_seconds < least:
            refusals.append(f"{offer.id}: max_hours leaves {request.max_seconds} s, {least} s is the least")
            continue
        cheapest = least_cost if cheapest is None else min(cheapest, least_cost)
        refusals.append(f"{offer.id}: {least} s is the least that trains, which costs {least_cost.dollars()} dollars")
    if not plans:
        raise UnaffordableError(
            "no machine on offer can train within this budget and its limits",
            None if cheapest is None else cheapest.micros,
            refusals,
        )
    return max(plans, key=lambda plan: (plan.planned_steps, -plan.cost.p50, -plan.seconds.p50))


def _remaining_steps(request: PlanRequest, offer: Offer) -> int:
    rows = UNKNOWN_ROWS if request.train_rows is None else request.train_rows
    return max(request.shape.steps(rows, offer.accelerator_count) - request.steps_done, 0)


def _step(request: PlanRequest, offer: Offer) -> StepTime:
    return step_seconds(
        request.recipe, request.shape, request.parameters, offer.accelerator, request.measured_seconds_per_step
    )


def _least_seconds(request: PlanRequest, offer: Offer, overheads: Overheads, allowances: Allowances) -> int:
    steps = min(MIN_STEPS, _remaining_steps(request, offer))
    training = math.ceil(steps * _step(request, offer).seconds)
    return offer.billed_seconds(overheads.provision + overheads.startup + training + allowances.total + 1)


def _plan_on(
    request: PlanRequest, offer: Offer, overheads: Overheads, allowances: Allowances, now: datetime
) -> Plan | None:
    window = open_window(request.available, offer, request.max_seconds, allowances, now)
    if window is None or window.seconds < _least_seconds(request, offer, overheads, allowances):
        return None
    step = _step(request, offer)
    before = overheads.provision + overheads.startup
    usable = window.seconds - allowances.total
    remaining = _remaining_steps(request, offer)
    evaluate = _evaluate_seconds(usable - before) if request.evaluate else 0
    train = usable - overheads.provision - evaluate
    steps = min(remaining, int((train - overheads.startup) / step.seconds))
    expected = _expected_evaluation(request, overheads, step, evaluate)
    seconds = _seconds(before, steps, step, expected, evaluate, window)
    return Plan(
        offer=offer,
        window=window,
        intended_steps=remaining + request.steps_done,
        planned_steps=steps + request.steps_done,
        seconds_per_step=step.seconds,
        train_seconds=train,
        evaluate_seconds=evaluate,
        evaluate_expected=expected,
        seconds=seconds,
        cost=_cost(offer, seconds, window),
        limit=window.limit if steps < remaining else None,
        assumptions=_assumptions(request, offer, overheads, allowances, step, evaluate),
    )


def _evaluate_seconds(training_and_evaluation: int) -> int:
    if training_and_evaluation < TRAIN_LEAST_BEFORE_EVALUATE_SECONDS + EVALUATE_LEAST_SECONDS:
        return 0
    share = int(training_and_evaluation * EVALUATE_SHARE)
    return min(max(share, EVALUATE_LEAST_SECONDS), EVALUATE_MOST_SECONDS)


def _expected_evaluation(request: PlanRequest, overheads: Overheads, step: StepTime, share: int) -> int:
    per_row = step.seconds / (request.shape.micro_batch_size * request.shape.gradient_accumulation_steps)
    work = math.ceil(EVALUATE_WORK_PER_ROW * request.heldout_rows * per_row)
    return min(share, overheads.startup + work)


def _seconds(before: int, steps: int, step: StepTime, expected: int, share: int, window: Window) -> Estimate:
    p50 = math.ceil(before + steps * step.seconds + expected)
    p90 = math.ceil(before * 1.5 + steps * step.seconds * step.spread + min(expected * EVALUATE_SPREAD, share))
    return Estimate(min(p50, window.seconds), min(p90, window.seconds), window.seconds)


def _cost(offer: Offer, seconds: Estimate, window: Window) -> Estimate:
    reserve = window.reserve.micros
    return Estimate(min(offer.cost(seconds.p50).micros, reserve), min(offer.cost(seconds.p90).micros, reserve), reserve)


def _assumptions(
    request: PlanRequest,
    offer: Offer,
    overheads: Overheads,
    allowances: Allowances,
    step: StepTime,
    evaluate: int,
) -> tuple[Assumption, ...]:
    rows = "unknown" if request.train_rows is None else str(request.train_rows)
    return (
        Assumption(
            "dollars_per_hour",
            Money(offer.rate.micros_per_hour).dollars(),
            f"{offer.price_source}, {offer.priced_on.isoformat()}",
        ),
        Assumption("seconds_per_step", f"{step.seconds:.3f} (p90 x{step.spread})", step.source),
        Assumption("train_rows", rows, "counted" if request.train_rows is not None else f"{UNKNOWN_ROWS} assumed"),
        Assumption("provision_seconds", str(overheads.provision), "setting"),
        Assumption("startup_seconds", str(overheads.startup), "setting"),
        Assumption("detect_seconds", str(allowances.detect), "upper bound, setting"),
        Assumption("checkpoint_seconds", str(allowances.checkpoint), "upper bound, setting"),
        Assumption("teardown_seconds", str(allowances.teardown), "upper bound, setting"),
        Assumption("evaluate_seconds", str(evaluate), "share of the window; 0 = left out, the budget goes to training"),
    )
