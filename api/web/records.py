"""The tables of a run's page: stages, evaluation, ledger, history, log. Pure; every value is still to be escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from api.web.wording import duration, number, words
from orchestrator.domain.journal import EntryKind, StoredEntry
from orchestrator.domain.ledger import Account, Posting, fold
from orchestrator.domain.money import Money
from orchestrator.domain.run import Run
from orchestrator.domain.stages import Stage, StageKind, StageStatus
from orchestrator.services.read import RunReading

LOG_LINES = 200
HISTORY = 100
_TONES = {StageStatus.RUNNING: "live", StageStatus.DONE: "good", StageStatus.FAILED: "bad",
          StageStatus.PENDING: "wait", StageStatus.SKIPPED: "quiet"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StageRow:
    """A stage with its times in words; `took` is empty before it began."""

    stage: Stage
    tone: str
    took: str
    exit: str


def stage_row(stage: Stage, now: datetime) -> StageRow:
    took = ""
    if stage.started_at is not None:
        took = duration(((stage.ended_at or now) - stage.started_at).total_seconds())
    return StageRow(stage, _TONES[stage.status], took, _exit(stage))


def _exit(stage: Stage) -> str:
    """Why the stage's last job ended, empty while it has not."""
    if stage.exit is None or stage.status is StageStatus.RUNNING:
        return ""
    return words(stage.exit.cause) + (f": {stage.exit.message}" if stage.exit.message else "")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure before and after. `verdict` is better, worse, same, or empty where one side is missing."""

    measure: str
    before: str
    after: str
    change: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    rows: tuple[Comparison, ...]
    note: str


def evaluation(run: Run) -> Evaluation | None:
    """The held-out results of base and adapter, None before there are any."""
    results = {
        str(result.get("subject")): result
        for stage in run.stages
        if stage.kind is StageKind.EVALUATE
        for result in stage.results
        if "task" not in result
    }
    if not results:
        return None
    before, after = results.get("base", {}), results.get("tuned", {})
    rows = (
        _compare("Held-out loss", before.get("heldout_loss"), after.get("heldout_loss"), percent=False),
        _compare("Exact match", before.get("exact_match"), after.get("exact_match"), percent=True),
    )
    sizes = {f"{result.get('rows')} of {result.get('of_rows')}" for result in results.values()}
    return Evaluation(rows, f"On {' / '.join(sorted(sizes))} held-out rows, the same ones in the same order.")


def _compare(measure: str, before: object, after: object, *, percent: bool) -> Comparison:
    show = _percent if percent else number
    if not _is_number(before) or not _is_number(after):
        return Comparison(measure, show(before), show(after), "", "")
    assert isinstance(before, int | float)
    assert isinstance(after, int | float)
    change = after - before
    text = f"{change * 100:+.1f} points" if percent else f"{change:+.4f}"
    better = change > 0 if percent else change < 0
    return Comparison(measure, show(before), show(after), text, ("better" if better else "worse") if change else "same")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _percent(value: object) -> str:
    assert not isinstance(value, str)
    return f"{value * 100:.1f} %" if isinstance(value, int | float) else number(value)


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A posting with the balance that it leaves."""

    posting: Posting
    available: Money
    reserved: Money
    spent: Money


def ledger_rows(postings: Sequence[Posting]) -> tuple[LedgerRow, ...]:
    balances = [fold(postings[: count + 1]) for count in range(len(postings))]
    return tuple(
        LedgerRow(posting, balance.available, balance.reserved, balance.spent)
        for posting, balance in zip(postings, balances, strict=True)
    )


@dataclass(frozen=True, slots=True)
class AccountRow:
    name: str
    balance: Money


def accounts(reading: RunReading) -> tuple[AccountRow, ...]:
    """Every account with its balance; they add up to zero."""
    balance = reading.balance
    held = (balance.funder, balance.available, balance.reserved, balance.spent)
    return tuple(AccountRow(account.value, money) for account, money in zip(Account, held, strict=True))


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the history."""

    at: datetime
    kind: str
    text: str


def history(entries: Sequence[StoredEntry]) -> tuple[Event, ...]:
    """The newest `HISTORY` entries, newest first."""
    return tuple(
        Event(stored.entry.at, stored.entry.kind.value, _told(stored)) for stored in reversed(entries[-HISTORY:])
    )


def _told(stored: StoredEntry) -> str:
    data = {key: value for key, value in stored.entry.data.items() if value not in (None, "")}
    said = {
        EntryKind.STATUS: ("{status}", "event", "reason"),
        EntryKind.PLAN: ("{why}: {planned_steps} of {intended_steps} steps at {seconds_per_step} s", "offer"),
        EntryKind.STAGE: ("{stage} {status}, attempt {attempt}", "cause", "message"),
        EntryKind.LEDGER: ("{kind} {amount} dollars", "lease"),
    }.get(stored.entry.kind)
    if said is None:
        return str(data.get("message", ""))
    filled = re.sub(r"\{(\w+)\}", lambda match: words(str(data.get(match[1], "?"))), said[0])
    return " · ".join((filled, *(words(str(data[key])) for key in said[1:] if key in data)))


_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def log_tail(text: str, *, is_cut: bool) -> str:
    """The last `LOG_LINES` lines as a terminal would leave them: no colours, rewritten lines as last written.

    `is_cut` says that `text` begins in the middle of a line, which is then left out.
    """
    lines = _ANSI.sub("", text).replace("\r\n", "\n").split("\n")
    if is_cut and len(lines) > 1:
        lines = lines[1:]
    shown = [line.rstrip("\r").rpartition("\r")[2] for line in lines]
    return "\n".join(shown[-LOG_LINES - 1 :]).strip("\n")
