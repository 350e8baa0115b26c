"""A plan's time told item by item, and the numbers that it rests on, so that a person can reckon it by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

from orchestrator.domain.budget import Allowances
from orchestrator.domain.money import Money
from orchestrator.domain.offers import Offer
from orchestrator.domain.overheads import Overheads
from orchestrator.domain.plan import Assumption, Item, StagePlan
from orchestrator.domain.providers import Spread
from orchestrator.domain.shares import EVALUATE_SPREAD
from orchestrator.domain.stages import StageKind
from orchestrator.domain.work import StageRequest, TrainingWork, Workload

P90_OF_P95 = 1.2816 / 1.6449
"""Of the way from the middle to a normal quantity's p95, the part that leads to its p90."""
MACHINE = ("provision", "image_pull", "model_download")


def items_of(
    stages: Sequence[StagePlan],
    work: Workload,
    overheads: Overheads,
    allowances: Allowances,
    interruptions: int,
) -> tuple[Item, ...]:
    """The stretches of a lease in the order of their coming; their middles add up to the lease's p50, rounded seconds
    apart."""
    items = [_wait(name, overheads.wait(name)) for name in MACHINE]
    works = {each.index: each for each in work.trainings}
    for index, stage in enumerate(stages):
        if not stage.expected:
            continue
        if index in works:
            items += _training(stage, works[index], overheads)
        else:
            slow = min(stage.expected * EVALUATE_SPREAD, max(stage.seconds, stage.expected))
            items.append(Item(stage.title, stage.expected, slow, f"{stage.kind.value}, {stage.expected} s"))
    if interruptions:
        items.append(Item("spot interruptions", interruptions, 3.0 * interruptions, "believed, see the assumptions"))
    if overheads.upload:
        items.append(_wait("upload", overheads.wait("upload")))
    items.append(Item("teardown", allowances.teardown, allowances.teardown, "upper bound"))
    return tuple(item for item in items if item.p50 or item.p90)


def _wait(name: str, spread: Spread) -> Item:
    return Item(name, spread.p50, spread.p50 + (spread.p95 - spread.p50) * P90_OF_P95, spread.source)


def _training(stage: StagePlan, work: TrainingWork, overheads: Overheads) -> list[Item]:
    steps = stage.planned_steps - (work.intended - work.remaining)
    training = stage.expected - (0 if work.started else overheads.startup)
    items = []
    if not work.started:
        start = overheads.wait("startup")
        load = overheads.wait("model_load")
        slow = overheads.slow("startup", "model_load")
        middle = start.p50 + load.p50
        formula = f"start {start.p50:.0f} s, loading {load.source}"
        items.append(Item(f"{stage.title}: start", middle, middle + (slow - middle) * P90_OF_P95, formula))
    spread = work.step.spread
    formula = f"{steps} steps x {work.step.seconds:.4g} s"
    items.append(Item(f"{stage.title}: steps", training, max(training * spread, training), formula))
    return items


def assumptions_of(
    offer: Offer,
    requests: Sequence[StageRequest],
    work: Workload,
    stages: Sequence[StagePlan],
    overheads: Overheads,
    allowances: Allowances,
) -> tuple[Assumption, ...]:
    """Every number that the plan rests on, by name, with where it comes from."""
    price = Money(offer.rate.micros_per_hour).dollars()
    evaluating = sum(stage.seconds for stage in stages if stage.kind is StageKind.EVALUATE)
    return (
        Assumption("dollars_per_hour", price, f"{offer.price_source}, {offer.priced_on.isoformat()}"),
        *_storage(offer),
        *_training_assumptions(requests, work),
        *(
            Assumption(f"{wait.name}_seconds", f"{wait.spread.p50:.1f} (p95 {wait.spread.p95:.1f})", wait.spread.source)
            for wait in overheads.waits
        ),
        Assumption("detect_seconds", str(allowances.detect), "upper bound, setting"),
        Assumption("checkpoint_seconds", str(allowances.checkpoint), "upper bound, setting and the checkpoint's size"),
        Assumption("teardown_seconds", str(allowances.teardown), "upper bound, setting"),
        Assumption(
            "evaluate_seconds", str(evaluating), "share of the window; 0 = left out, the budget goes to training"
        ),
    )


def _storage(offer: Offer) -> tuple[Assumption, ...]:
    if not offer.storage_micros_per_hour:
        return ()
    price = Money(offer.storage_micros_per_hour).dollars()
    return (Assumption("storage_dollars_per_hour", price, "the disk, in the machine's price"),)


def _training_assumptions(requests: Sequence[StageRequest], work: Workload) -> list[Assumption]:
    found: list[Assumption] = []
    for number, training in enumerate(work.trainings, start=1):
        request = requests[training.index]
        suffix = f" {number}" if len(work.trainings) > 1 else ""
        step = training.step
        found.append(
            Assumption(f"seconds_per_step{suffix}", f"{step.seconds:.3f} (p90 x{step.spread:.3g})", step.source)
        )
        found.append(Assumption(f"train_rows{suffix}", *request.rows.told))
        found.append(Assumption(f"train_tokens{suffix}", str(math.floor(training.tokens)), request.rows.tokens_source))
        if training.fit is not None:
            peak, gib = training.fit, 1 << 30
            found.append(
                Assumption(
                    f"peak_memory_gib{suffix}",
                    f"{peak.middle / gib:.1f} (p95 {peak.p95 / gib:.1f} of {peak.limit / gib:.1f})",
                    "; ".join(f"{term.name} {term.value / gib:.2f}" for term in training.memory_terms),
                )
            )
    return found
