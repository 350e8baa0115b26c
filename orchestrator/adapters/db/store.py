"""`SqlStore`: the queue of record on SQLite or PostgreSQL."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy import ColumnElement, and_, func, or_, update
from sqlmodel import Session, col, select

from orchestrator.adapters.codec import DocumentError
from orchestrator.adapters.db.engine import Database, lock
from orchestrator.adapters.db.observations import keep_first, newest
from orchestrator.adapters.db.rows import (
    entry_of,
    entry_row,
    lease_columns,
    lease_of,
    posting_of,
    posting_row,
    run_columns,
    run_of,
)
from orchestrator.adapters.db.tables import BeatRow, EntryRow, IdempotencyRow, LeaseRow, PostingRow, RunRow
from orchestrator.domain.cost.calibration import Observation
from orchestrator.domain.errors import ConflictError, LedgerError, NotFoundError, StaleVersionError
from orchestrator.domain.ids import LeaseId, RunId
from orchestrator.domain.journal import Entry, EntryKind, StoredEntry
from orchestrator.domain.lease import Lease
from orchestrator.domain.ledger import Posting
from orchestrator.domain.lifecycle import RunStatus
from orchestrator.domain.run import Run
from orchestrator.ports.store import IdempotencyRecord, RunChange, RunPage, RunQuery, RunRecord, StoredObservation

log = logging.getLogger(__name__)

RowT = TypeVar("RowT", RunRow, LeaseRow)
ReadT = TypeVar("ReadT")


class SqlStore:
    """A `Store` on the database at `url` (see `parse_database_url`), which `migrate` has brought up to date.

    Making one opens nothing. One instance serves all threads of a process and may be carried across a fork.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)

    def create(self, change: RunChange, idempotency: IdempotencyRecord | None) -> Run:
        with self.database.writing() as session:
            if idempotency is not None:
                lock(session, f"idempotency:{idempotency.key}")
                known = session.get(IdempotencyRow, idempotency.key)
                if known is not None:
                    return _same_run(session, known, idempotency)
            lock(session, f"run:{change.run.id}")
            if session.get(RunRow, change.run.id) is not None:
                raise ConflictError(f"{change.run.id} exists already")
            run = replace(change.run, version=change.run.version + 1)
            session.add(RunRow(id=run.id, **run_columns(run)))
            session.flush()
            if idempotency is not None:
                session.add(IdempotencyRow(key=idempotency.key, digest=idempotency.digest, run_id=run.id))
            _add_parts(session, change)
            return run

    def recall(self, idempotency: IdempotencyRecord) -> Run | None:
        with self.database.reading() as session:
            known = session.get(IdempotencyRow, idempotency.key)
            return None if known is None else _same_run(session, known, idempotency)

    def load(self, run_id: RunId) -> RunRecord:
        with self.database.reading() as session:
            return _records(session, [run_of(_run_row(session, run_id))])[0]

    def save(self, change: RunChange) -> Run:
        run = replace(change.run, version=change.run.version + 1)
        with self.database.writing() as session:
            guarded = and_(col(RunRow.id) == run.id, col(RunRow.version) == change.run.version)
            # From here to the commit the row is locked: no one else writes to this run, and the checks below hold.
            if session.exec(update(RunRow).where(guarded).values(run_columns(run))).rowcount == 0:
                _run_row(session, run.id)
                raise StaleVersionError(f"{run.id} is no longer at version {change.run.version}")
            _add_parts(session, change)
        return run

    def runs(self, query: RunQuery) -> RunPage:
        with self.database.reading() as session:
            statement = select(RunRow).order_by(col(RunRow.created_at).desc(), col(RunRow.id).desc())
            for condition in _conditions(session, query):
                statement = statement.where(condition)
            # One more than asked for tells whether there is a next page.
            found = session.exec(statement.limit(query.limit + 1)).all()
            page = found[: query.limit]
            more = len(found) > len(page) and bool(page)
            return RunPage(_records(session, _readable(page, run_of)), RunId(page[-1].id) if more else None)

    def due(self, now: datetime, limit: int) -> tuple[RunId, ...]:
        wake_at = col(RunRow.wake_at)
        statement = (
            select(RunRow.id)
            .where(col(RunRow.status) != RunStatus.ENDED.value, or_(wake_at.is_(None), wake_at <= now))
            .order_by(col(RunRow.status) == RunStatus.QUEUED.value, wake_at.nulls_first(), col(RunRow.id))
            .limit(limit)
        )
        with self.database.reading() as session:
            return tuple(map(RunId, session.exec(statement)))

    def due_publications(self, now: datetime, limit: int) -> tuple[RunId, ...]:
        publish_at = col(RunRow.publish_at)
        # Spelt out, so that the index, which holds these rows only, is used.
        due = select(RunRow.id).where(publish_at.is_not(None), publish_at <= now)
        with self.database.reading() as session:
            return tuple(map(RunId, session.exec(due.order_by(publish_at, col(RunRow.id)).limit(limit))))

    def newest_baseline(self, key: str) -> Run | None:
        newest = (col(RunRow.created_at).desc(), col(RunRow.id).desc())
        statement = select(RunRow).where(col(RunRow.baseline_key) == key).order_by(*newest).limit(1)
        with self.database.reading() as session:
            return next(iter(_readable(session.exec(statement), run_of)), None)

    def lease(self, lease_id: LeaseId) -> Lease:
        with self.database.reading() as session:
            row = session.get(LeaseRow, lease_id)
            if row is None:
                raise NotFoundError("lease", lease_id)
            return lease_of(row)

    def open_leases(self) -> tuple[RunRecord, ...]:
        with self.database.reading() as session:
            opened = (col(LeaseRow.opened_at), col(LeaseRow.id))
            rows = session.exec(select(LeaseRow).where(col(LeaseRow.closed_at).is_(None)).order_by(*opened))
            leases = _readable(rows, lease_of)
            held = select(RunRow).where(col(RunRow.id).in_({lease.run_id for lease in leases}))
            runs = {run.id: run for run in _readable(session.exec(held), run_of)}
            postings = _postings(session, list(runs))
            return tuple(
                RunRecord(runs[lease.run_id], lease, postings[lease.run_id]) for lease in leases if lease.run_id in runs
            )

    def journal(
        self, run_id: RunId, after: int, limit: int, kinds: frozenset[EntryKind] | None = None
    ) -> tuple[StoredEntry, ...]:
        seq = col(EntryRow.seq)
        statement = select(EntryRow).where(col(EntryRow.run_id) == run_id, seq > after).order_by(seq).limit(limit)
        if kinds is not None:
            statement = statement.where(col(EntryRow.kind).in_([kind.value for kind in kinds]))
        with self.database.reading() as session:
            return tuple(map(entry_of, session.exec(statement)))

    def beat(self, part: str, at: datetime) -> None:
        with self.database.writing() as session:
            lock(session, f"beat:{part}")
            row = session.get(BeatRow, part)
            if row is None:
                session.add(BeatRow(part=part, at=at))
            else:
                row.at = max(row.at, at)

    def beats(self) -> Mapping[str, datetime]:
        with self.database.reading() as session:
            return {row.part: row.at for row in session.exec(select(BeatRow))}

    def record_observation(self, observation: Observation) -> None:
        with self.database.writing() as session:
            _run_row(session, observation.run_id)
            keep_first(session, observation)

    def observations(self, limit: int, before: int | None = None) -> tuple[StoredObservation, ...]:
        with self.database.reading() as session:
            return newest(session, limit, before)


def _readable(rows: Iterable[RowT], read: Callable[[RowT], ReadT]) -> list[ReadT]:
    """What can be read of `rows`. One that cannot (written by another version, say) is said loudly and left out: it
    must not hide all the others from the guard."""
    found: list[ReadT] = []
    for row in rows:
        try:
            found.append(read(row))
        except DocumentError:
            log.exception("%s %s cannot be read", type(row).__name__, row.id)
    return found


def _run_row(session: Session, run_id: RunId) -> RunRow:
    row = session.get(RunRow, run_id)
    if row is None:
        raise NotFoundError("run", run_id)
    return row


def _same_run(session: Session, known: IdempotencyRow, asked: IdempotencyRecord) -> Run:
    if known.digest != asked.digest:
        raise ConflictError(f"the idempotency key {asked.key!r} was used for another request")
    return run_of(_run_row(session, RunId(known.run_id)))


def _add_parts(session: Session, change: RunChange) -> None:
    """What a change brings beside the run itself. Called while the run's row is ours alone."""
    run_id = change.run.id
    owners = {posting.run_id for posting in change.postings} | {entry.run_id for entry in change.entries}
    if strangers := (owners | ({change.lease.run_id} if change.lease else set())) - {run_id}:
        raise ConflictError(f"a change of {run_id} cannot write to {min(strangers)}")
    if change.lease is not None:
        _put_lease(session, change.lease)
    _add_postings(session, run_id, change.postings)
    _add_entries(session, run_id, change.entries)


def _put_lease(session: Session, lease: Lease) -> None:
    row = session.get(LeaseRow, lease.id)
    if row is not None:
        row.sqlmodel_update(lease_columns(lease))
    else:
        _check_capacity(session, lease)
        session.add(LeaseRow(id=lease.id, **lease_columns(lease)))
    session.flush()


def _check_capacity(session: Session, lease: Lease) -> None:
    capacity = lease.offer.capacity
    if capacity is None:
        return
    lock(session, f"pool:{lease.offer.pool}")
    same_and_open = and_(col(LeaseRow.pool) == lease.offer.pool, col(LeaseRow.closed_at).is_(None))
    if session.exec(select(func.count()).select_from(LeaseRow).where(same_and_open)).one() >= capacity:
        raise ConflictError(f"all {capacity} of {lease.offer.pool} are taken")


def _add_postings(session: Session, run_id: RunId, postings: Sequence[Posting]) -> None:
    if not postings:
        return
    keys = Counter(posting.key for posting in postings)
    keys.update(session.exec(select(PostingRow.key).where(PostingRow.run_id == run_id, col(PostingRow.key).in_(keys))))
    if twice := [key for key, count in keys.items() if count > 1]:
        raise LedgerError(f"{run_id} has the posting {twice[0]!r} already")
    named = {posting.lease_id for posting in postings} - {None}
    held = session.exec(select(LeaseRow.id).where(LeaseRow.run_id == run_id, col(LeaseRow.id).in_(named)))
    if unknown := named.difference(map(LeaseId, held)):
        raise LedgerError(f"{run_id} has no lease {min(map(str, unknown))!r} to post to")
    session.add_all(map(posting_row, postings))
    session.flush()


def _add_entries(session: Session, run_id: RunId, entries: Sequence[Entry]) -> None:
    if not entries:
        return
    # The first of a key wins, within the change as against the journal.
    fresh = {entry.key: entry for entry in reversed(entries)}
    held = select(EntryRow.key).where(EntryRow.run_id == run_id, col(EntryRow.key).in_(fresh))
    known = set(session.exec(held))
    session.add_all(entry_row(entry) for entry in entries if fresh[entry.key] is entry and entry.key not in known)
    session.flush()


def _conditions(session: Session, query: RunQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.after is not None:
        # The last run of the page before marks the place, so runs made meanwhile move nothing.
        at = _run_row(session, query.after).created_at
        created_at, id_ = col(RunRow.created_at), col(RunRow.id)
        conditions.append(or_(created_at < at, and_(created_at == at, id_ < query.after)))
    if query.status is not None:
        conditions.append(col(RunRow.status) == query.status.value)
    if query.strategy is not None:
        conditions.append(col(RunRow.strategy) == query.strategy)
    return conditions


def _records(session: Session, runs: Sequence[Run]) -> tuple[RunRecord, ...]:
    named = [run.lease_id for run in runs if run.lease_id is not None]
    rows = session.exec(select(LeaseRow).where(col(LeaseRow.id).in_(named))) if named else ()
    leases = {row.id: lease_of(row) for row in rows}
    postings = _postings(session, [run.id for run in runs])
    return tuple(RunRecord(run, leases.get(run.lease_id or ""), postings[run.id]) for run in runs)


def _postings(session: Session, run_ids: Sequence[str]) -> dict[str, tuple[Posting, ...]]:
    rows = session.exec(select(PostingRow).where(col(PostingRow.run_id).in_(run_ids)).order_by(col(PostingRow.id)))
    postings = [posting_of(row) for row in rows]
    return {run_id: tuple(posting for posting in postings if posting.run_id == run_id) for run_id in run_ids}
