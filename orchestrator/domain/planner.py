"""The planner: which machine, for how long, how many steps, for how much. Pure; prices and speed come in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.budget import Allowances, Window, open_window
from orchestrator.domain.errors import UnaffordableError
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.money import Money
from orchestrator.domain.offers import Offer
from orchestrator.domain.plan import Assumption, Estimate, Plan, StagePlan
from orchestrator.domain.recipe import TrainingShape
from orchestrator.domain.shares import (
    EVALUATE_LEAST_SECONDS,
    EVALUATE_SPREAD,
    Costing,
    Overheads,
    evaluate_expected,
    evaluate_share,
    merge_expected,
    merge_share,
    training_least,
    training_shares,
)
from orchestrator.domain.speed import StepTime, step_seconds
from orchestrator.domain.stages import StageKind

MIN_STEPS = 8
"""Fewer steps than the pilot and a handful are not a training; a cap that pays for less is refused."""
UNKNOWN_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class StageRequest:
    """What a plan depends on for one stage. For trainings: recipe, rows (None while not counted), measured speed and
    steps done. `done` stages are finished and get no time; one that is `started` needs none for its start."""

    kind: StageKind
    title: str
    recipe: Mapping[str, JsonValue]
    techniques: tuple[str, ...] = ()
    rows: int | None = None
    share: int = 1
    seconds_per_step: float | None = None
    steps_done: int = 0
    done: bool = False
    started: bool = False

    @property
    def shape(self) -> TrainingShape:
        return TrainingShape.from_recipe(self.recipe)


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Everything that a plan depends on."""

    stages: tuple[StageRequest, ...]
    parameters: int | None
    available: Money
    max_seconds: int | None
    gpus: int | None
    heldout_rows: int = 64


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
        planning = _Planning(request, offer, overheads[offer.provider], allowances[offer.provider])
        least = planning.least_seconds()
        plan = planning.plan(now)
        if plan is not None:
            plans.append(plan)
            continue
        if request.max_seconds is not None and request.max_seconds < least:
            refusals.append(f"{offer.id}: max_hours leaves {request.max_seconds} s, {least} s is the least")
            continue
        cost = offer.cost(least)
        cheapest = cost if cheapest is None else min(cheapest, cost)
        refusals.append(f"{offer.id}: {least} s is the least that trains, which costs {cost.dollars()} dollars")
    if not plans:
        raise UnaffordableError(
            "no machine on offer can train within this budget and its limits",
            None if cheapest is None else cheapest.micros,
            refusals,
        )
    return max(plans, key=lambda plan: (plan.planned_steps, -plan.cost.p50, -plan.seconds.p50))


def share_anew(
    request: PlanRequest, offer: Offer, overheads: Overheads, allowances: Allowances, usable: int
) -> tuple[StagePlan, ...]:
    """The parts of the stages when a lease that is under way has `usable` seconds left to its soft deadline."""
    return _Planning(request, offer, overheads, allowances).share_out(usable)


class _Planning:
    """One request on one offer."""

    def __init__(self, request: PlanRequest, offer: Offer, overheads: Overheads, allowances: Allowances) -> None:
        self._request = request
        self._offer = offer
        self._overheads = overheads
        self._allowances = allowances
        self._steps = [self._step(stage) if stage.kind is StageKind.TRAIN else None for stage in request.stages]
        self._costing = Costing(overheads, request.parameters)

    def least_seconds(self) -> int:
        """The shortest lease whose shares give every training a few steps, and every merge its time."""
        trainings = self._trainings_least()
        # With nothing left to train, the evaluation is what the lease is for.
        rest = 0 if trainings else self._overheads.startup + EVALUATE_LEAST_SECONDS
        seconds = self._overheads.provision + trainings + self._merges() + rest
        return self._offer.billed_seconds(seconds + self._allowances.total + 1)

    def _trainings_least(self) -> int:
        """Seconds for the trainings to come that give each of them a few steps, shared out by their weights."""
        open_ones = [(stage, step) for stage, step in zip(self._request.stages, self._steps, strict=True)
                     if step is not None and not stage.done]  # fmt: skip
        needs = [min(MIN_STEPS, self._remaining(stage)) * step.seconds for stage, step in open_ones]
        starts = [self._start(stage) for stage, _ in open_ones]
        return training_least(starts, needs, [stage.share for stage, _ in open_ones])

    def _start(self, stage: StageRequest) -> int:
        return 0 if stage.started else self._overheads.startup

    def _merges(self) -> int:
        """Seconds for all merges to come."""
        return merge_share(self._costing) * sum(
            stage.kind is StageKind.MERGE and not stage.done for stage in self._request.stages
        )

    def plan(self, now: datetime) -> Plan | None:
        """None when the money or `max_seconds` is too short for it."""
        request, offer = self._request, self._offer
        window = open_window(request.available, offer, request.max_seconds, self._allowances, now)
        if window is None or window.seconds < self.least_seconds():
            return None
        stages = self.share_out(window.seconds - self._allowances.total - self._overheads.provision)
        seconds = self._seconds(stages, window)
        cut = any(stage.planned_steps < stage.intended_steps for stage in stages)
        return Plan(
            offer=offer,
            window=window,
            stages=stages,
            seconds=seconds,
            cost=_cost(offer, seconds, window),
            limit=window.limit if cut else None,
            assumptions=self._assumptions(stages),
        )

    def share_out(self, usable: int) -> tuple[StagePlan, ...]:
        """`usable` seconds, from a machine that is there to its soft deadline, for the stages still to be done."""
        open_stages = [stage for stage in self._request.stages if not stage.done]
        merges = self._merges()
        trainings = [stage for stage in open_stages if stage.kind is StageKind.TRAIN]
        starts, weights = [self._start(stage) for stage in trainings], [stage.share for stage in trainings]
        evaluates = any(stage.kind is StageKind.EVALUATE for stage in open_stages)
        evaluate = max(usable - merges, 0)
        if weights:
            evaluate = evaluate_share(usable - merges - sum(starts))
            # An evaluation must not eat what a training needs for its first steps.
            evaluate = evaluate if usable - merges - evaluate >= self._trainings_least() else 0
        evaluate = evaluate if evaluates else 0
        shares = iter(training_shares(usable - merges - evaluate, starts, weights))
        return tuple(
            self._stage(stage, step, shares, evaluate)
            for stage, step in zip(self._request.stages, self._steps, strict=True)
        )

    def _stage(self, stage: StageRequest, step: StepTime | None, shares: Iterator[int], evaluate: int) -> StagePlan:
        if step is not None:
            return self._training(stage, step, 0 if stage.done else next(shares))
        if stage.done:
            return StagePlan(stage.kind, stage.title, 0, 0)
        if stage.kind is StageKind.MERGE:
            return StagePlan(stage.kind, stage.title, merge_share(self._costing), merge_expected(self._costing))
        return StagePlan(stage.kind, stage.title, evaluate, self._evaluation(evaluate))

    def _training(self, stage: StageRequest, step: StepTime, seconds: int) -> StagePlan:
        remaining, start = self._remaining(stage), self._start(stage)
        steps = max(min(remaining, int((seconds - start) / step.seconds)), 0)
        expected = 0 if stage.done else start + math.ceil(steps * step.seconds)
        intended = stage.steps_done if stage.done else remaining + stage.steps_done
        return StagePlan(stage.kind, stage.title, seconds, expected, intended, steps + stage.steps_done, step.seconds)

    def _evaluation(self, share: int) -> int:
        last = next(
            (stage, step) for stage, step in zip(reversed(self._request.stages), reversed(self._steps), strict=True)
            if step is not None
        )  # fmt: skip
        shape = last[0].shape
        per_row = last[1].seconds / (shape.micro_batch_size * shape.gradient_accumulation_steps)
        return evaluate_expected(self._costing, self._request.heldout_rows, per_row, share)

    def _remaining(self, stage: StageRequest) -> int:
        if stage.done:
            return 0
        rows = UNKNOWN_ROWS if stage.rows is None else stage.rows
        return max(stage.shape.steps(rows, self._offer.accelerator_count) - stage.steps_done, 0)

    def _step(self, stage: StageRequest) -> StepTime:
        """Measured where it was, else the prior, corrected by what another training of the run has shown."""
        prior = self._prior(stage)
        if stage.seconds_per_step is not None:
            return StepTime.measured(stage.seconds_per_step)
        known = [each for each in self._request.stages if each.seconds_per_step is not None]
        if not known:
            return prior
        newest = known[-1]
        assert newest.seconds_per_step is not None
        return prior.scaled(newest.seconds_per_step / self._prior(newest).seconds, newest.title)

    def _prior(self, stage: StageRequest) -> StepTime:
        return step_seconds(stage.techniques, stage.shape, self._request.parameters, self._offer.accelerator)

    def _seconds(self, stages: Sequence[StagePlan], window: Window) -> Estimate:
        middle = slow = float(self._overheads.provision)
        slow *= 1.5
        for stage, step, request in zip(stages, self._steps, self._request.stages, strict=True):
            middle += stage.expected
            if step is not None and stage.expected:
                start = self._start(request)
                slow += start * 1.5 + (stage.expected - start) * step.spread
            else:
                slow += min(stage.expected * EVALUATE_SPREAD, stage.seconds)
        most = window.seconds
        return Estimate(min(math.ceil(middle), most), min(math.ceil(slow), most), most)

    def _assumptions(self, stages: Sequence[StagePlan]) -> tuple[Assumption, ...]:
        offer, overheads, allowances = self._offer, self._overheads, self._allowances
        price = Money(offer.rate.micros_per_hour).dollars()
        return (
            Assumption("dollars_per_hour", price, f"{offer.price_source}, {offer.priced_on.isoformat()}"),
            *self._training_assumptions(),
            Assumption("provision_seconds", str(overheads.provision), "setting"),
            Assumption("startup_seconds", str(overheads.startup), "setting, for each training and merge"),
            Assumption("detect_seconds", str(allowances.detect), "upper bound, setting"),
            Assumption("checkpoint_seconds", str(allowances.checkpoint), "upper bound, setting"),
            Assumption("teardown_seconds", str(allowances.teardown), "upper bound, setting"),
            Assumption(
                "evaluate_seconds",
                str(sum(stage.seconds for stage in stages if stage.kind is StageKind.EVALUATE)),
                "share of the window; 0 = left out, the budget goes to training",
            ),
        )

    def _training_assumptions(self) -> list[Assumption]:
        found: list[Assumption] = []
        trainings = [(stage, step) for stage, step in zip(self._request.stages, self._steps, strict=True) if step]
        for number, (stage, step) in enumerate(trainings, start=1):
            suffix = f" {number}" if len(trainings) > 1 else ""
            rows = "unknown" if stage.rows is None else str(stage.rows)
            counted = "counted" if stage.rows is not None else f"{UNKNOWN_ROWS} assumed"
            speed = f"{step.seconds:.3f} (p90 x{step.spread})"
            found.append(Assumption(f"seconds_per_step{suffix}", speed, step.source))
            found.append(Assumption(f"train_rows{suffix}", rows, counted))
        return found


def _cost(offer: Offer, seconds: Estimate, window: Window) -> Estimate:
    reserve = window.reserve.micros
    return Estimate(min(offer.cost(seconds.p50).micros, reserve), min(offer.cost(seconds.p90).micros, reserve), reserve)
