"""One run on one offer: how far its money goes there, and the plan in full."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from orchestrator.domain.allotment import Allotment, Demand
from orchestrator.domain.budget import Allowances, Window
from orchestrator.domain.cost.calibration import Predicted, Span
from orchestrator.domain.cut import SURE
from orchestrator.domain.offers import Offer
from orchestrator.domain.overheads import INTERRUPTIONS_PER_HOUR, WORK_LOST_SECONDS, Overheads
from orchestrator.domain.plan import Estimate, Plan, StagePlan
from orchestrator.domain.reckoning import assumptions_of, items_of
from orchestrator.domain.shares import (
    EVALUATE_LEAST_SECONDS,
    EVALUATE_SPREAD,
    evaluate_expected,
)
from orchestrator.domain.stages import StageKind
from orchestrator.domain.work import StageRequest, TrainingWork, Workload


class Planning:
    """The stages of a run as `work` on one `offer`."""

    def __init__(
        self,
        stages: Sequence[StageRequest],
        work: Workload,
        offer: Offer,
        overheads: Overheads,
        allowances: Allowances,
        heldout_rows: int,
        demand: Demand | None = None,
    ) -> None:
        """`demand` is that of `stages`, if somebody has reckoned it already."""
        self._stages = stages
        self._work = work
        self.offer = offer
        self._overheads = overheads
        self.allowances = allowances
        self._heldout_rows = heldout_rows
        self._demand = demand or Demand(stages, work, overheads)

    def usable(self, window: Window) -> int | None:
        """Seconds of `window` that the stages have, from a machine that is there to the soft deadline; None when they
        are too few."""
        if window.seconds < self.least_seconds():
            return None
        beside = self.allowances.total + self._overheads.provision + self._overheads.upload
        return window.seconds - beside - self._interruptions(window.seconds)

    def least_seconds(self) -> int:
        """As the function of this name."""
        return least_seconds(self._demand, self._overheads, self.allowances, self.offer.spot)

    def outlook(self, usable: int) -> tuple[float, int, int]:
        """The part of the tokens that is trained on, how many they are, and the seconds of the whole lease (p50)."""
        allotted = self._demand.allot(usable)
        done = self._demand.done_share(allotted.steps)
        bare = self._undisturbed(allotted)
        return done, int(done * self._work.tokens), bare + self._interruptions(bare)

    def _undisturbed(self, allotted: Allotment) -> int:
        """Seconds of the whole lease (p50) if its machine is never taken away."""
        fixed = self._overheads.provision + self.allowances.teardown + self._merges_expected()
        training = sum(
            math.ceil(made * each) for made, each in zip(allotted.steps, self._demand.seconds_per_step, strict=True)
        )
        upload = math.ceil(self._overheads.wait("upload").p50)
        return fixed + upload + self._evaluation(allotted.evaluate) + sum(allotted.starts) + training

    def plan(self, window: Window, usable: int) -> Plan:
        """The plan for `usable` seconds of `window`."""
        stages = self.share_out(usable)
        cut = any(stage.planned_steps < stage.intended_steps for stage in stages)
        bare = self._undisturbed(self._demand.allot(usable))
        disturbed = self._interruptions(bare)
        middle = bare + disturbed
        items = items_of(stages, self._work, self._overheads, self.allowances, disturbed)
        p50 = min(middle, window.seconds)
        slow = math.ceil(sum(item.p50 for item in items) + math.hypot(*(item.p90 - item.p50 for item in items)))
        seconds = Estimate(p50, min(max(slow, p50), window.seconds), window.seconds)
        return Plan(
            offer=self.offer,
            window=window,
            stages=stages,
            seconds=seconds,
            cost=self._cost(seconds, window),
            limit=window.limit if cut else None,
            assumptions=assumptions_of(self.offer, self._stages, self._work, stages, self._overheads, self.allowances),
            items=items,
            intended_tokens=int(self._work.tokens),
        )

    def share_out(self, usable: int) -> tuple[StagePlan, ...]:
        """`usable` seconds, from a machine that is there to its soft deadline, for the stages still to be done."""
        allotted = self._demand.allot(usable)
        places = {each.index: place for place, each in enumerate(self._demand.trainings)}
        works = {each.index: each for each in self._work.trainings}
        return tuple(
            self._training(stage, works[index], allotted, places.get(index))
            if index in works
            else self._other(stage, allotted.evaluate)
            for index, stage in enumerate(self._stages)
        )

    def _other(self, stage: StageRequest, evaluate: int) -> StagePlan:
        if stage.done:
            return StagePlan(stage.kind, stage.title, 0, 0)
        if stage.kind is StageKind.MERGE:
            seconds, expected = self._overheads.merge_share, self._overheads.merge
        else:
            seconds, expected = evaluate, self._evaluation(evaluate)
        return StagePlan(stage.kind, stage.title, seconds, expected, slow=min(int(expected * EVALUATE_SPREAD), seconds))

    def _training(self, stage: StageRequest, work: TrainingWork, allotted: Allotment, place: int | None) -> StagePlan:
        steps = 0 if place is None else allotted.steps[place]
        start = 0 if place is None else allotted.starts[place]
        share = 0 if place is None else allotted.shares[place]
        have = share + (0 if place is None else allotted.carried[place])
        expected = start + math.ceil(steps * work.step.seconds) if place is not None else 0
        slow = start * 1.5 + steps * work.step.quantile(0.9)
        return StagePlan(
            stage.kind,
            stage.title,
            start + share,
            expected,
            work.intended,
            steps + stage.steps_done,
            work.step.seconds,
            # When this one is slow, so was the one before it: nothing is left over to be had.
            slow=max(expected, math.ceil(min(slow, start + share))) if place is not None else 0,
            sure_steps=min(int(have / work.step.quantile(SURE)), steps) + stage.steps_done,
            tokens=round(work.tokens * steps / max(work.remaining, 1)),
            layout=work.layout,
            fit=work.fit,
            speed_source=work.step.source,
            step_terms=work.step.terms,
            memory_terms=work.memory_terms,
            predicted=self._predicted(work, steps, start),
        )

    def _predicted(self, work: TrainingWork, steps: int, start: int) -> Predicted | None:
        """What the stage is held against when it is over, its start and its whole included."""
        if work.predicted is None or not start:
            return work.predicted
        late = self._overheads.slow("startup", "model_load")
        startup = Span(start, start * start / max(late, start), max(late, start))
        low, high = startup.low + steps * work.predicted.low, startup.high + steps * work.predicted.high
        whole = Span(start + steps * work.predicted.seconds_per_step, low, high) if steps else None
        return replace(work.predicted, startup=startup, stage=whole)

    def _evaluation(self, share: int) -> int:
        if not self._work.trainings:
            return share
        last = self._work.trainings[-1]
        per_row = last.step.seconds / (last.layout.micro_batch * last.layout.accumulation)
        return evaluate_expected(self._overheads.startup, self._heldout_rows, per_row, share)

    def _merges_expected(self) -> int:
        return self._overheads.merge * sum(stage.kind is StageKind.MERGE and not stage.done for stage in self._stages)

    def _interruptions(self, seconds: int) -> int:
        return interruptions(seconds, self._overheads, self.offer.spot)

    def _cost(self, seconds: Estimate, window: Window) -> Estimate:
        most = window.reserve.micros
        p50, p90 = (min(self.offer.cost(each).micros, most) for each in (seconds.p50, seconds.p90))
        return Estimate(p50, p90, most)


def least_seconds(demand: Demand, overheads: Overheads, allowances: Allowances, spot: bool) -> int:
    """The shortest lease whose shares give every training a few steps, and every merge its time."""
    # With nothing left to train, the evaluation is what the lease is for.
    rest = 0 if demand.trainings else overheads.startup + EVALUATE_LEAST_SECONDS
    beside = overheads.provision + overheads.upload + allowances.total
    bare = beside + demand.least + rest + 1
    # Of twice as long a lease: that it is lengthened by this may interrupt it once more.
    return bare + interruptions(2 * bare, overheads, spot)


def interruptions(seconds: int, overheads: Overheads, spot: bool) -> int:
    """What spot machines that are taken away cost of so many seconds, on average."""
    if not spot:
        return 0
    each = overheads.provision + overheads.startup + WORK_LOST_SECONDS
    return math.ceil(INTERRUPTIONS_PER_HOUR * seconds / 3600 * each)
