"""The lines on the charts: steps out of the journal, spend out of postings and leases.

The journal only grows, so what was read once is kept and each look reads on from there; a long run is thinned to a
bounded number of points, its newest step always among them.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from orchestrator.domain.budget import bill
from orchestrator.domain.ids import RunId, StageId
from orchestrator.domain.journal import EntryKind, StoredEntry
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.lease import Lease
from orchestrator.domain.ledger import Posting, PostingKind, fold
from orchestrator.domain.money import ZERO, Money
from orchestrator.services.read import ReadRuns

MOST_POINTS = 2000
MOST_RUNS = 200
RECENT = 12
"""Steps in the table that stands in for the chart."""
_PAGE = 1000
_METRICS = frozenset({EntryKind.METRIC})


@dataclass(frozen=True, slots=True)
class Step:
    """One optimizer step as the node measured it; None for what the line does not say or is not finite.

    `step` counts over all trainings of the run, `own_step` within the training, as the trainer counts.
    """

    seq: int
    stage: StageId | None
    step: int
    own_step: int
    loss: float | None
    learning_rate: float | None
    tokens_per_second: float | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Training:
    """One training on a curve, and the run's steps before it: the trainer counts each from one."""

    stage: StageId | None
    before: int


@dataclass(slots=True)
class _Line:
    """A run's steps, every `stride`-th kept."""

    seq: int = 0
    seen: int = 0
    stride: int = 1
    kept: list[Step] = field(default_factory=list)
    recent: list[Step] = field(default_factory=list)
    trainings: list[Training] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, step: Step) -> None:
        step = replace(step, step=self._training(step.stage).before + step.own_step)
        if self.recent and step.step <= self.recent[-1].step:
            # A resumed attempt goes on from its checkpoint: what came after that checkpoint was done again.
            self.kept = [old for old in self.kept if old.step < step.step]
            self.recent = [old for old in self.recent if old.step < step.step]
        if self.seen % self.stride == 0:
            self.kept.append(step)
        self.seen += 1
        self.recent = [*self.recent[-(RECENT - 1) :], step]
        if len(self.kept) >= MOST_POINTS:
            self.kept = self.kept[::2]
            self.stride *= 2

    def _training(self, stage: StageId | None) -> Training:
        known = next((each for each in self.trainings if each.stage == stage), None)
        if known is None:
            known = Training(stage, self.recent[-1].step if self.recent else 0)
            self.trainings.append(known)
        # A training that goes on after another one began does the other's steps anew.
        del self.trainings[self.trainings.index(known) + 1 :]
        return known


@dataclass(frozen=True, slots=True)
class LossCurve:
    """The steps to draw in order, the last few of them all, the trainings that took them, and the journal's place up
    to which they were read."""

    points: tuple[Step, ...]
    recent: tuple[Step, ...]
    trainings: tuple[Training, ...]
    seq: int

    @property
    def last(self) -> Step | None:
        return self.recent[-1] if self.recent else None


class Curves:
    """The curves of the runs looked at last. Safe to be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: OrderedDict[RunId, _Line] = OrderedDict()

    def of(self, read: ReadRuns, run_id: RunId) -> LossCurve:
        """The curve of `run_id` as the journal has it now; `NotFoundError` if there is no such run."""
        line = self._line(run_id)
        with line.lock:
            while batch := read.journal(run_id, line.seq, _PAGE, _METRICS):
                for stored in batch:
                    line.seq = stored.seq
                    if (step := _step(stored)) is not None:
                        line.add(step)
            tail = line.recent[-1:] if line.recent and line.kept[-1:] != line.recent[-1:] else []
            return LossCurve((*line.kept, *tail), tuple(line.recent), tuple(line.trainings), line.seq)

    def _line(self, run_id: RunId) -> _Line:
        with self._lock:
            line = self._lines.setdefault(run_id, _Line())
            self._lines.move_to_end(run_id)
            if len(self._lines) > MOST_RUNS:
                self._lines.popitem(last=False)
            return line


def _step(stored: StoredEntry) -> Step | None:
    data = stored.entry.data
    step = data.get("step")
    if data.get("event") != "step" or isinstance(step, bool) or not isinstance(step, int):
        return None
    return Step(
        seq=stored.seq,
        stage=stored.entry.stage_id,
        step=step,
        own_step=step,
        loss=_measured(data.get("loss")),
        learning_rate=_measured(data.get("learning_rate")),
        tokens_per_second=_measured(data.get("tokens_per_second")),
        at=stored.entry.at,
    )


def _measured(value: JsonValue) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class SpendPoint:
    """What was spent of which cap at a moment."""

    at: datetime
    spent: Money
    cap: Money


def spend_curve(postings: Sequence[Posting], leases: Iterable[Lease], until: datetime) -> tuple[SpendPoint, ...]:
    """Spend against cap at every moment that bends the line: grants, a lease's opening and closing, its settling,
    and `until`. Between two moments an open lease accrues evenly at its frozen price."""
    held = tuple(leases)
    moments = {posting.at for posting in postings} | {until}
    moments |= {lease.opened_at for lease in held} | {lease.closed_at for lease in held if lease.closed_at}
    return tuple(_at(moment, postings, held) for moment in sorted(moments) if moment <= until)


def _at(moment: datetime, postings: Sequence[Posting], leases: Sequence[Lease]) -> SpendPoint:
    past = [posting for posting in postings if posting.at <= moment]
    settled = {posting.lease_id for posting in past if posting.kind not in {PostingKind.RESERVE, PostingKind.GRANT}}
    balance = fold(past)
    accrued = sum((_accrued(lease, moment) for lease in leases if lease.id not in settled), start=ZERO)
    return SpendPoint(moment, balance.spent + accrued, balance.cap)


def _accrued(lease: Lease, moment: datetime) -> Money:
    return bill(lease.offer, lease.opened_at, min(moment, lease.closed_at or lease.window.gone_by))
