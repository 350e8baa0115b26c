"""The store port: the queue of record. Truth about runs, leases, money and history is here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from orchestrator.domain.cost.calibration import Observation
from orchestrator.domain.ids import LeaseId, RunId
from orchestrator.domain.journal import Entry, EntryKind, StoredEntry
from orchestrator.domain.lease import Lease
from orchestrator.domain.ledger import Posting
from orchestrator.domain.lifecycle import RunStatus
from orchestrator.domain.run import Run


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run with what belongs to it: its current lease (None before the first) and all of its postings in order."""

    run: Run
    lease: Lease | None
    postings: tuple[Posting, ...]


@dataclass(frozen=True, slots=True)
class RunChange:
    """One atomic save. `run.version` is the version that was loaded; the store keeps `run` with that version + 1."""

    run: Run
    lease: Lease | None = None
    postings: tuple[Posting, ...] = ()
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """A client's key with a digest of what it asked, so that the same key with another body is refused."""

    key: str
    digest: str


@dataclass(frozen=True, slots=True)
class RunQuery:
    """A page of runs, newest first; `after` is the last id of the page before."""

    limit: int = 50
    after: RunId | None = None
    status: RunStatus | None = None
    strategy: str | None = None


@dataclass(frozen=True, slots=True)
class RunPage:
    runs: tuple[RunRecord, ...]
    next_after: RunId | None


@dataclass(frozen=True, slots=True)
class StoredObservation:
    """An observation with its place among all; `seq` only grows."""

    seq: int
    observation: Observation


class Store(Protocol):
    """Promises, proved by tests/contract/test_store.py on every adapter:
    - `create` keeps run, postings, entries and the idempotency record together or not at all. A known key with the
      same digest returns the run made first; with another digest it raises `ConflictError`.
    - `recall` returns the run that an idempotency key made, None for a key that made none, and raises `ConflictError`
      for another digest.
    - `save` applies a whole `RunChange` or nothing: `StaleVersionError` if the version moved on, `LedgerError` for a
      posting key that exists, `ConflictError` for a new lease beyond its offer's capacity. Entries whose key exists
      are left out silently.
    - `load` returns what was saved, equal in every field; `NotFoundError` otherwise. `lease` likewise.
    - `due` names runs that are not ended and whose `wake_at` is not in the future: those with a machine before those
      that wait for one (or a long queue would keep a machine from ever being settled), then oldest `wake_at` first.
    - `due_publications` names the runs whose publication's `due_at` is not in the future, oldest first.
    - `newest_baseline` is the newest run that `domain.baseline.offered_key` gives this key, None without one; it takes
      the same time however many runs there are.
    - `open_leases` names every lease that is not closed, with its run.
    - `journal` returns a run's entries with seq > after in order of seq; seq only grows.
    - `beat` and `beats` keep the last sign of life of each part of the service.
    - `record_observation` keeps one for each run, stage, attempt and quantity: the first; any later one is left out
      silently. `NotFoundError` for a run that does not exist.
    - `observations` returns at most `limit` of all runs, newest first, only those with seq < `before` if it is given.
    - No call keeps a transaction open after it returns.
    """

    def create(self, change: RunChange, idempotency: IdempotencyRecord | None) -> Run: ...

    def recall(self, idempotency: IdempotencyRecord) -> Run | None: ...

    def load(self, run_id: RunId) -> RunRecord: ...

    def save(self, change: RunChange) -> Run: ...

    def runs(self, query: RunQuery) -> RunPage: ...

    def due(self, now: datetime, limit: int) -> tuple[RunId, ...]: ...

    def due_publications(self, now: datetime, limit: int) -> tuple[RunId, ...]: ...

    def newest_baseline(self, key: str) -> Run | None: ...

    def lease(self, lease_id: LeaseId) -> Lease: ...

    def open_leases(self) -> tuple[RunRecord, ...]: ...

    def journal(
        self, run_id: RunId, after: int, limit: int, kinds: frozenset[EntryKind] | None = None
    ) -> tuple[StoredEntry, ...]: ...

    def beat(self, part: str, at: datetime) -> None: ...

    def beats(self) -> Mapping[str, datetime]: ...

    def record_observation(self, observation: Observation) -> None: ...

    def observations(self, limit: int, before: int | None = None) -> tuple[StoredObservation, ...]: ...
