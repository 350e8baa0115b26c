"""The arithmetic of a plan: what of a lease's seconds goes to which stage, and how many steps fit into it.

Whole numbers and lists, no objects: the planner asks it for every way to rent there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.domain.overheads import Overheads
from orchestrator.domain.shares import evaluate_share, training_least, training_shares
from orchestrator.domain.stages import StageKind
from orchestrator.domain.work import StageRequest, Workload


@dataclass(frozen=True, slots=True)
class Allotment:
    """`starts`, `shares` (starts apart) and `steps` of the open trainings, in order, and the evaluation's seconds.
    `carried` are the seconds that each training can expect from the one before it."""

    starts: list[int]
    shares: list[int]
    steps: list[int]
    carried: list[int]
    evaluate: int


class Demand:
    """What the open stages of a run ask of a lease on one kind of machine of one provider."""

    def __init__(self, stages: Sequence[StageRequest], work: Workload, overheads: Overheads) -> None:
        self.trainings = work.open
        self.starts = [0 if each.started else overheads.startup for each in self.trainings]
        self.weights = [each.weight for each in self.trainings]
        merges = sum(each.kind is StageKind.MERGE and not each.done for each in stages)
        self.merges = overheads.merge_share * merges
        self.evaluates = any(each.kind is StageKind.EVALUATE and not each.done for each in stages)
        self.first_steps = training_least([each.least_seconds for each in self.trainings], self.weights)
        self.seconds_per_step = [each.step.seconds for each in self.trainings]
        self.remaining = [each.remaining for each in self.trainings]
        self.fixed = self.merges + sum(self.starts)

    @property
    def least(self) -> int:
        """The fewest seconds, from a machine that is there to its soft deadline, that train at all."""
        return self.fixed + self.first_steps

    def allot(self, usable: int) -> Allotment:
        """Share out `usable` seconds, from a machine that is there to its soft deadline."""
        room = max(usable - self.fixed, 0)
        if not self.trainings:
            return Allotment([], [], [], [], room if self.evaluates else 0)
        evaluate, room = evaluate_share(room, self.first_steps) if self.evaluates else (0, room)
        shares = training_shares(room, self.weights)
        steps: list[int] = []
        carried: list[int] = []
        over = 0.0
        for share, seconds, remaining in zip(shares, self.seconds_per_step, self.remaining, strict=True):
            carried.append(int(over))
            made = min(int((share + over) / seconds), remaining)
            steps.append(made)
            # What a training that comes to its own end leaves over, the next one has.
            over = max(share + over - made * seconds, 0.0) if made == remaining else 0.0
        return Allotment(self.starts, shares, steps, carried, evaluate)

    def done_share(self, steps: Sequence[int]) -> float:
        """The part of the tokens still to be used that these steps read; exactly 1.0 when nothing is left out."""
        if all(made == remaining for made, remaining in zip(steps, self.remaining, strict=True)):
            return 1.0
        whole = sum(each.tokens for each in self.trainings)
        read = sum(
            each.tokens * made / max(each.remaining, 1) for each, made in zip(self.trainings, steps, strict=True)
        )
        return min(read / whole, 1.0 - 1e-12)
