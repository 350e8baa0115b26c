"""The tables of a run's page: evaluation, ledger, history, log. Pure; every value is still to be escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from api.web.measures import NOTHING, Comparison, Result, compare, compare_task
from api.web.wording import words
from orchestrator.domain.journal import EntryKind, StoredEntry
from orchestrator.domain.ledger import Account, Posting, fold
from orchestrator.domain.money import Money
from orchestrator.domain.run import Run
from orchestrator.domain.stages import StageKind
from orchestrator.services.read import RunReading

LOG_LINES = 200
HISTORY = 100
HARNESS = "harness"
"""The event of a result that an evaluation task gave; every other one is on the held-out rows."""


class Baseline(Protocol):
    """A completed run that this one is compared with."""

    @property
    def run_id(self) -> str: ...

    @property
    def results(self) -> Sequence[Result]: ...


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Held-out measures, then those of evaluation tasks; `baseline` is the run of the third column, if there is one."""

    rows: tuple[Comparison, ...]
    tasks: tuple[Comparison, ...]
    note: str
    baseline: str | None


def evaluation(run: Run, baseline: Baseline | None = None) -> Evaluation | None:
    """The results of base and tuned model, beside the baseline's; None before there are any."""
    results = [result for stage in run.stages if stage.kind is StageKind.EVALUATE for result in stage.results]
    if not results:
        return None
    others = () if baseline is None else baseline.results
    heldout = _heldout(results)
    sizes = {f"{result.get('rows')} of {result.get('of_rows')}" for result in heldout.values()}
    return Evaluation(
        rows=_heldout_rows(heldout, _heldout(others).get("tuned", NOTHING)),
        tasks=_task_rows(_by_task(results), _by_task(others)),
        note=f"On {' / '.join(sorted(sizes))} held-out rows, the same ones in the same order." if sizes else "",
        baseline=None if baseline is None else baseline.run_id,
    )


def _heldout(results: Iterable[Result]) -> dict[str, Result]:
    """The newest result on the held-out rows of each subject."""
    return {str(result.get("subject")): result for result in results if result.get("event") != HARNESS}


def _heldout_rows(heldout: Mapping[str, Result], other: Result) -> tuple[Comparison, ...]:
    before, after = heldout.get("base", NOTHING), heldout.get("tuned", NOTHING)
    if not before and not after:
        return ()
    return tuple(
        compare(name, before.get(key), after.get(key), other.get(key), percent=percent)
        for name, key, percent in (("Held-out loss", "heldout_loss", False), ("Exact match", "exact_match", True))
    )


def _by_task(results: Iterable[Result]) -> dict[tuple[str, str], dict[str, Result]]:
    """The newest result of each subject by task and metric, in the order in which they came."""
    found: dict[tuple[str, str], dict[str, Result]] = {}
    for result in results:
        if result.get("event") == HARNESS:
            place = (str(result.get("task")), str(result.get("metric")))
            found.setdefault(place, {})[str(result.get("subject"))] = result
    return found


def _task_rows(
    tasks: Mapping[tuple[str, str], Mapping[str, Result]], others: Mapping[tuple[str, str], Mapping[str, Result]]
) -> tuple[Comparison, ...]:
    return tuple(
        compare_task(
            *place,
            subjects.get("base", NOTHING),
            subjects.get("tuned", NOTHING),
            others.get(place, {}).get("tuned", NOTHING),
        )
        for place, subjects in tasks.items()
    )


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


def history(entries: Sequence[StoredEntry], run: Run) -> tuple[Event, ...]:
    """The newest `HISTORY` entries of `run`, newest first."""
    titles = {str(stage.id): run.spec_of(stage).title for stage in run.all_stages}
    return tuple(
        Event(stored.entry.at, stored.entry.kind.value, _told(stored, titles))
        for stored in reversed(entries[-HISTORY:])
    )


def _told(stored: StoredEntry, titles: Mapping[str, str]) -> str:
    data = {key: value for key, value in stored.entry.data.items() if value not in (None, "")}
    if (title := titles.get(str(data.get("stage")))) is not None:
        data["stage"] = title
    said = {
        EntryKind.STATUS: ("{status}", "event", "reason"),
        EntryKind.PLAN: ("{why}: {planned_steps} of {intended_steps} steps", "offer"),
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
