"""`MemoryStore`: the store's promises without a database, for simulations and tests of the services."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count, islice

from orchestrator.adapters.codec import decode, encode, encode_object
from orchestrator.domain.baseline import offered_key
from orchestrator.domain.cost.calibration import Observation, Quantity
from orchestrator.domain.errors import ConflictError, LedgerError, NotFoundError, StaleVersionError
from orchestrator.domain.ids import LeaseId, RunId
from orchestrator.domain.journal import Entry, EntryKind, StoredEntry
from orchestrator.domain.lease import Lease
from orchestrator.domain.ledger import Posting
from orchestrator.domain.lifecycle import RunStatus
from orchestrator.domain.run import Run
from orchestrator.ports.store import IdempotencyRecord, RunChange, RunPage, RunQuery, RunRecord, StoredObservation

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class MemoryStore:
    """A `Store` that lasts as long as the object, for the threads of one process.

    What is kept went through the documents that the database would hold: nothing that a caller changes later gets in,
    and what the database would refuse or alter is refused or altered here too. What is handed out is frozen.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._runs: dict[RunId, Run] = {}
        self._leases: dict[LeaseId, Lease] = {}
        self._postings: dict[RunId, list[Posting]] = {}
        self._journal: dict[RunId, dict[str, StoredEntry]] = {}
        self._seq = count(1)
        self._keys: dict[str, tuple[str, RunId]] = {}
        self._beats: dict[str, datetime] = {}
        self._observations: dict[tuple[RunId, int, int, Quantity], StoredObservation] = {}

    def create(self, change: RunChange, idempotency: IdempotencyRecord | None) -> Run:
        with self._lock:
            known = None if idempotency is None else self.recall(idempotency)
            if known is not None:
                return known
            if change.run.id in self._runs:
                raise ConflictError(f"{change.run.id} exists already")
            run = self._apply(change)
            if idempotency is not None:
                self._keys[idempotency.key] = (idempotency.digest, run.id)
            return run

    def recall(self, idempotency: IdempotencyRecord) -> Run | None:
        with self._lock:
            if idempotency.key not in self._keys:
                return None
            digest, run_id = self._keys[idempotency.key]
            if digest != idempotency.digest:
                raise ConflictError(f"the idempotency key {idempotency.key!r} was used for another request")
            return self._run(run_id)

    def load(self, run_id: RunId) -> RunRecord:
        with self._lock:
            return self._record(self._run(run_id))

    def save(self, change: RunChange) -> Run:
        with self._lock:
            if self._run(change.run.id).version != change.run.version:
                raise StaleVersionError(f"{change.run.id} is no longer at version {change.run.version}")
            return self._apply(change)

    def runs(self, query: RunQuery) -> RunPage:
        with self._lock:
            found = sorted((self._run(run_id) for run_id in self._runs), key=_age, reverse=True)
            if query.after is not None:
                place = _age(self._run(query.after))
                found = [run for run in found if _age(run) < place]
            found = [run for run in found if query.status in {None, run.status}]
            found = [run for run in found if query.strategy in {None, run.spec.strategy}]
            page = found[: query.limit]
            more = len(found) > len(page) and bool(page)
            return RunPage(tuple(map(self._record, page)), page[-1].id if more else None)

    def due(self, now: datetime, limit: int) -> tuple[RunId, ...]:
        with self._lock:
            alive = [run for run in map(self._run, self._runs) if run.status is not RunStatus.ENDED]
            waiting = sorted((run.status is RunStatus.QUEUED, run.wake_at or _LONG_AGO, run.id) for run in alive)
            return tuple(run_id for _, wake_at, run_id in waiting if wake_at <= now)[:limit]

    def due_publications(self, now: datetime, limit: int) -> tuple[RunId, ...]:
        with self._lock:
            pending = ((run.publication.due_at, run.id) for run in self._runs.values() if run.publication is not None)
            due = sorted((due_at, run_id) for due_at, run_id in pending if due_at is not None and due_at <= now)
            return tuple(run_id for _, run_id in due)[:limit]

    def newest_baseline(self, key: str) -> Run | None:
        with self._lock:
            found = sorted((run for run in self._runs.values() if offered_key(run) == key), key=_age)
            return _handed_out(found[-1]) if found else None

    def lease(self, lease_id: LeaseId) -> Lease:
        with self._lock:
            if lease_id not in self._leases:
                raise NotFoundError("lease", lease_id)
            return self._leases[lease_id]

    def open_leases(self) -> tuple[RunRecord, ...]:
        with self._lock:
            leases = sorted(self._open(), key=lambda lease: (lease.opened_at, lease.id))
            return tuple(replace(self._record(self._run(lease.run_id)), lease=lease) for lease in leases)

    def journal(
        self, run_id: RunId, after: int, limit: int, kinds: frozenset[EntryKind] | None = None
    ) -> tuple[StoredEntry, ...]:
        with self._lock:
            held = self._journal.get(run_id, {}).values()
            found = (stored for stored in held if stored.seq > after and (kinds is None or stored.entry.kind in kinds))
            return tuple(replace(stored, entry=_copied(stored.entry)) for stored in islice(found, limit))

    def beat(self, part: str, at: datetime) -> None:
        with self._lock:
            self._beats[part] = max(self._beats.get(part, at), at)

    def beats(self) -> Mapping[str, datetime]:
        with self._lock:
            return dict(self._beats)

    def record_observation(self, observation: Observation) -> None:
        with self._lock:
            self._run(observation.run_id)
            key = (observation.run_id, observation.stage_index, observation.attempt, observation.quantity)
            if key not in self._observations:
                kept = decode(Observation, encode(Observation, observation))
                self._observations[key] = StoredObservation(len(self._observations) + 1, kept)

    def observations(self, limit: int, before: int | None = None) -> tuple[StoredObservation, ...]:
        with self._lock:
            newest_first = reversed(self._observations.values())
            return tuple(islice((each for each in newest_first if before is None or each.seq < before), limit))

    def _run(self, run_id: RunId) -> Run:
        if run_id not in self._runs:
            raise NotFoundError("run", run_id)
        return _handed_out(self._runs[run_id])

    def _record(self, run: Run) -> RunRecord:
        lease = None if run.lease_id is None else self._leases.get(run.lease_id)
        return RunRecord(run, lease, tuple(self._postings.get(run.id, ())))

    def _open(self) -> list[Lease]:
        return [lease for lease in self._leases.values() if lease.is_open]

    def _apply(self, change: RunChange) -> Run:
        """Everything that can be refused is checked before anything is kept."""
        run = replace(change.run, version=change.run.version + 1)
        self._check_owners(change)
        self._check_capacity(change.lease)
        self._check_postings(change)
        run = decode(Run, encode(Run, run))
        lease = None if change.lease is None else decode(Lease, encode(Lease, change.lease))
        entries = [_copied(entry) for entry in change.entries]
        self._runs[run.id] = run
        if lease is not None:
            self._leases[lease.id] = lease
        self._postings.setdefault(run.id, []).extend(change.postings)
        journal = self._journal.setdefault(run.id, {})
        for entry in entries:
            if entry.key not in journal:
                journal[entry.key] = StoredEntry(next(self._seq), entry)
        return run

    def _check_owners(self, change: RunChange) -> None:
        owners = {posting.run_id for posting in change.postings} | {entry.run_id for entry in change.entries}
        if strangers := (owners | ({change.lease.run_id} if change.lease else set())) - {change.run.id}:
            raise ConflictError(f"a change of {change.run.id} cannot write to {min(strangers)}")

    def _check_capacity(self, lease: Lease | None) -> None:
        if lease is None or lease.offer.capacity is None or lease.id in self._leases:
            return
        if sum(other.offer.pool == lease.offer.pool for other in self._open()) >= lease.offer.capacity:
            raise ConflictError(f"all {lease.offer.capacity} of {lease.offer.pool} are taken")

    def _check_postings(self, change: RunChange) -> None:
        known = {posting.key for posting in self._postings.get(change.run.id, ())}
        leases = {change.lease.id} if change.lease is not None else set()
        for posting in change.postings:
            if posting.key in known:
                raise LedgerError(f"{change.run.id} has the posting {posting.key!r} already")
            known.add(posting.key)
            if posting.lease_id is not None and posting.lease_id not in leases | self._leases_of(change.run.id):
                raise LedgerError(f"{change.run.id} has no lease {posting.lease_id!r} to post to")

    def _leases_of(self, run_id: RunId) -> set[LeaseId]:
        return {lease_id for lease_id, lease in self._leases.items() if lease.run_id == run_id}


def _age(run: Run) -> tuple[datetime, RunId]:
    return run.created_at, run.id


def _handed_out(run: Run) -> Run:
    """The run with copies of the few parts of it that a caller could change."""
    wishes = tuple(replace(stage, recipe=deepcopy(stage.recipe)) for stage in run.spec.stages)
    spec = replace(run.spec, stages=wishes, parameters=deepcopy(run.spec.parameters))
    stages = tuple(replace(stage, results=deepcopy(stage.results)) if stage.results else stage for stage in run.stages)
    return replace(run, spec=spec, stages=stages)


def _copied(entry: Entry) -> Entry:
    return replace(entry, data=encode_object(entry.data))
