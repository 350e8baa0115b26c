"""From what the services read to what a page says. Pure: no clock, no store; every value is still to be escaped."""

from __future__ import annotations

from dataclasses import dataclass

from api.web.charts import loss_of
from api.web.curves import LossCurve
from api.web.progress import Extent, extent
from api.web.wording import age, dollars, duration, number, words
from orchestrator.domain.lifecycle import Outcome, RunStatus
from orchestrator.domain.money import ZERO, Money
from orchestrator.domain.run import Run
from orchestrator.domain.stages import Stage, StageKind
from orchestrator.domain.strategies import STRATEGIES
from orchestrator.services.read import RunReading

_TITLES = {strategy.key: strategy.title for strategy in STRATEGIES}
_TONES = {
    Outcome.COMPLETED: "good",
    Outcome.BUDGET_REACHED: "good",
    Outcome.TIME_REACHED: "good",
    Outcome.CANCELLED: "quiet",
    Outcome.FAILED: "bad",
}
_SAYINGS = {
    RunStatus.QUEUED: "Waiting for money to be reserved and a machine to be free.",
    RunStatus.PROVISIONING: "The worst case is reserved; the machine is on its way.",
    RunStatus.RUNNING: "Training.",
    RunStatus.STOPPING: "Asked to save a checkpoint and stop.",
    RunStatus.RELEASING: "Giving the machine back; the bill is settled when it is gone.",
    RunStatus.ENDED: "Ended.",
}


@dataclass(frozen=True, slots=True)
class Badge:
    """A word and its tone: wait, live, good, quiet or bad. The tone only repeats what the word says."""

    word: str
    tone: str


def badge(run: Run) -> Badge:
    """Where the run is, or how it ended."""
    if run.status is RunStatus.ENDED and run.outcome is not None:
        return Badge(words(run.outcome), _TONES[run.outcome])
    return Badge(words(run.status), "live" if run.status is RunStatus.RUNNING else "wait")


def is_live(run: Run) -> bool:
    return run.status is not RunStatus.ENDED


def title(run: Run) -> str:
    return run.spec.name or run.id


def strategy_title(run: Run) -> str:
    return _TITLES.get(run.spec.strategy, run.spec.strategy)


@dataclass(frozen=True, slots=True)
class SpendBar:
    """The cap cut into shares, in percent of it: settled, accrued by the open lease, and set aside beyond that."""

    settled: float
    accrued: float
    reserved: float

    @property
    def spent(self) -> float:
        return self.settled + self.accrued


def spend_bar(reading: RunReading) -> SpendBar:
    cap = max(reading.balance.cap.micros, 1)
    held = max(reading.balance.reserved.micros - reading.accrued.micros, 0)
    settled, accrued, reserved = (
        round(min(part / cap, 1) * 100, 2) for part in (reading.balance.spent.micros, reading.accrued.micros, held)
    )
    return SpendBar(settled, accrued, reserved)


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in the list."""

    run: Run
    title: str
    strategy: str
    badge: Badge
    spent: Money
    cap: Money
    bar: SpendBar
    loss: str
    progress: str
    age: str
    reason: str


def run_row(reading: RunReading, curve: LossCurve) -> RunRow:
    run = reading.run
    last = curve.last
    return RunRow(
        run=run,
        title=title(run),
        strategy=strategy_title(run),
        badge=badge(run),
        spent=reading.spent,
        cap=reading.balance.cap,
        bar=spend_bar(reading),
        loss=number(last.loss if last else None),
        progress=_progress(extent(run)),
        age=age(run.created_at, reading.at),
        reason="" if run.reason in {"", badge(run).word} or run.outcome is Outcome.COMPLETED else run.reason,
    )


def _progress(done: Extent) -> str:
    return ", ".join(filter(None, (done.steps, done.stages)))


@dataclass(frozen=True, slots=True)
class Headline:
    """The run in one look. `share` is the progress of all trainings from 0 to 1, None while it is not known."""

    badge: Badge
    saying: str
    share: float | None
    steps: str
    loss: str
    loss_name: str
    tokens_per_second: str
    time_left: str
    time_note: str
    bar: SpendBar


def headline(reading: RunReading, curve: LossCurve) -> Headline:
    run, last, done = reading.run, curve.last, extent(reading.run)
    left, note = _time(reading)
    return Headline(
        badge=badge(run),
        saying=_saying(run),
        share=done.share,
        steps=_progress(done),
        loss=number(last.loss if last else None),
        loss_name=loss_of(run, last.stage if last else None),
        tokens_per_second=number(last.tokens_per_second if last else None, 3),
        time_left=left,
        time_note=note,
        bar=spend_bar(reading),
    )


def _saying(run: Run) -> str:
    if run.status is RunStatus.ENDED:
        return f"{(run.reason or 'ended')[:1].upper()}{run.reason[1:]}." if run.reason else "Ended."
    if run.cancel_requested_at is not None:
        return "Cancelling: the checkpoint is kept, the machine given back, the rest of the money freed."
    if run.status is RunStatus.RUNNING and run.current_stage is not None:
        return _doing(run, run.current_stage)
    return _SAYINGS[run.status]


def _doing(run: Run, stage: Stage) -> str:
    """What the machine is busy with."""
    if stage.kind is StageKind.EVALUATE:
        return "Evaluating before and after on the held-out rows."
    if stage.kind is StageKind.MERGE:
        return "Merging the adapter into the model."
    which = f": {run.spec_of(stage).title}." if len(run.spec.trainings) > 1 else "."
    return f"Training{which}" if stage.step else f"The trainer is starting{which}"


def _time(reading: RunReading) -> tuple[str, str]:
    """What is left or was taken, and a note on it."""
    run, lease = reading.run, reading.lease
    if run.ended_at is not None:
        return duration((run.ended_at - run.created_at).total_seconds()), "from submission to end"
    if lease is None or not lease.is_open:
        return "–", "starts with the machine"  # noqa: RUF001 - a dash that stands for a missing number
    most = (lease.window.gone_by - reading.at).total_seconds()
    expected = None
    if run.plan is not None:
        expected = run.plan.seconds.p50 - (reading.at - run.plan.window.opens_at).total_seconds()
    if expected is not None and 0 < expected < most:
        return f"~{duration(expected)}", f"at most {duration(most)}"
    return duration(most), "at most"


def can_top_up(run: Run) -> bool:
    return is_live(run) or run.outcome is Outcome.BUDGET_REACHED


def can_cancel(run: Run) -> bool:
    return is_live(run) and run.cancel_requested_at is None


def summary(reading: RunReading) -> str:
    """The run in a line, for the page's title."""
    spent = dollars(reading.spent) if reading.spent > ZERO else "$0"
    return f"{badge(reading.run).word} · {spent} of {dollars(reading.balance.cap)}"
