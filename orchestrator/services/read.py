"""Looking at runs: what the pages and the API show, each number folded from postings or read from the journal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator.domain.baseline import Baseline
from orchestrator.domain.budget import bill
from orchestrator.domain.errors import NotFoundError
from orchestrator.domain.ids import RunId
from orchestrator.domain.journal import EntryKind, StoredEntry
from orchestrator.domain.lease import Lease
from orchestrator.domain.ledger import Balance, Posting, fold
from orchestrator.domain.model_card import CARD
from orchestrator.domain.money import ZERO, Money
from orchestrator.domain.run import Run
from orchestrator.ports.artifacts import Artifact, Artifacts, LogSlice
from orchestrator.ports.clock import Clock
from orchestrator.ports.store import RunQuery, RunRecord, Store
from orchestrator.services.results import ResultReading, marked, read_baseline, read_result, write_card


@dataclass(frozen=True, slots=True)
class RunReading:
    """A run as it is at `at`. `accrued` is what the open lease would be billed if it ended now; `spent` is that plus
    what is settled, never more than the cap unless the ledger itself says so. `baseline` is looked up for single runs
    only: on a page it is None."""

    run: Run
    lease: Lease | None
    postings: tuple[Posting, ...]
    balance: Balance
    accrued: Money
    at: datetime
    result: ResultReading | None = None
    baseline: Baseline | None = None

    @property
    def spent(self) -> Money:
        return self.balance.spent + self.accrued


@dataclass(frozen=True, slots=True)
class ReadingPage:
    readings: tuple[RunReading, ...]
    next_after: RunId | None


@dataclass(frozen=True, slots=True)
class File:
    """A file's size in bytes and its content, piece by piece. One that grows meanwhile yields more than its size."""

    size: int
    pieces: Iterator[bytes]


class ReadRuns:
    """Every method raises `NotFoundError` for a run that does not exist."""

    def __init__(self, store: Store, artifacts: Artifacts, clock: Clock) -> None:
        self._store = store
        self._artifacts = artifacts
        self._clock = clock

    def one(self, run_id: RunId) -> RunReading:
        record = self._store.load(run_id)
        return replace(self._reading(record), baseline=read_baseline(record.run, self._store))

    def page(self, query: RunQuery) -> ReadingPage:
        page = self._store.runs(query)
        return ReadingPage(tuple(self._reading(record) for record in page.runs), page.next_after)

    def journal(
        self, run_id: RunId, after: int = 0, limit: int = 1000, kinds: frozenset[EntryKind] | None = None
    ) -> tuple[StoredEntry, ...]:
        self._store.load(run_id)
        return self._store.journal(run_id, after, limit, kinds)

    def artifacts(self, run_id: RunId) -> tuple[Artifact, ...]:
        """The run's files and its card, those of its result marked."""
        record = self._store.load(run_id)
        result = read_result(record.run, self._artifacts)
        return marked(self._artifacts.list(run_id), result, write_card(record, self._store))

    def artifact(self, run_id: RunId, path: str) -> File:
        """A file that `artifacts` lists; `NotFoundError` for any other."""
        if path == CARD:
            card = self.card(run_id).encode()
            return File(len(card), iter((card,)))
        self._store.load(run_id)
        size = next((each.size for each in self._artifacts.list(run_id) if each.path == path), None)
        if size is None:
            raise NotFoundError("artifact", path[:200])
        return File(size, self._artifacts.read(run_id, path))

    def card(self, run_id: RunId) -> str:
        """The model card in Markdown; `NotFoundError` while there is no result to describe."""
        card = write_card(self._store.load(run_id), self._store)
        if card is None:
            raise NotFoundError("result of run", run_id)
        return card

    def log(self, run_id: RunId, offset: int, limit: int) -> LogSlice:
        self._store.load(run_id)
        return self._artifacts.log(run_id, offset, limit)

    def _reading(self, record: RunRecord) -> RunReading:
        now = self._clock.now()
        balance, accrued = fold(record.postings), _accrued(record, now)
        result = read_result(record.run, self._artifacts)
        return RunReading(record.run, record.lease, record.postings, balance, accrued, now, result)


def _accrued(record: RunRecord, now: datetime) -> Money:
    lease = record.lease
    if lease is None or not lease.is_open:
        return ZERO
    return bill(lease.offer, lease.opened_at, min(now, lease.window.gone_by))
