"""Between the domain's objects and rows."""

from __future__ import annotations

from typing import Any

from orchestrator.adapters.codec import decode, encode, encode_object
from orchestrator.adapters.db.tables import EntryRow, LeaseRow, PostingRow, RunRow
from orchestrator.domain.baseline import offered_key
from orchestrator.domain.ids import LeaseId, RunId, StageId
from orchestrator.domain.journal import Entry, EntryKind, StoredEntry
from orchestrator.domain.lease import Lease
from orchestrator.domain.ledger import Posting, PostingKind
from orchestrator.domain.money import Money
from orchestrator.domain.run import Run


def run_columns(run: Run) -> dict[str, Any]:
    """Every column of the run's row but its id."""
    return {
        "version": run.version,
        "status": run.status.value,
        "strategy": run.spec.strategy,
        "name": legible(run.spec.name),
        "created_at": run.created_at,
        "wake_at": run.wake_at,
        "ended_at": run.ended_at,
        "outcome": run.outcome.value if run.outcome else None,
        "baseline_key": offered_key(run),
        "publish_at": run.publication.due_at if run.publication else None,
        "document": encode(Run, run),
    }


def run_of(row: RunRow) -> Run:
    return decode(Run, row.document)


def lease_columns(lease: Lease) -> dict[str, Any]:
    """Every column of the lease's row but its id."""
    return {
        "run_id": lease.run_id,
        "provider": lease.offer.provider,
        "pool": lease.offer.pool,
        "opened_at": lease.opened_at,
        "closed_at": lease.closed_at,
        "document": encode(Lease, lease),
    }


def lease_of(row: LeaseRow) -> Lease:
    return decode(Lease, row.document)


def posting_row(posting: Posting) -> PostingRow:
    return PostingRow(
        run_id=posting.run_id,
        key=posting.key,
        kind=posting.kind.value,
        amount_micros=posting.amount.micros,
        lease_id=posting.lease_id,
        at=posting.at,
        note=posting.note,
    )


def posting_of(row: PostingRow) -> Posting:
    return Posting(
        run_id=RunId(row.run_id),
        kind=PostingKind(row.kind),
        amount=Money(row.amount_micros),
        at=row.at,
        key=row.key,
        lease_id=None if row.lease_id is None else LeaseId(row.lease_id),
        note=row.note,
    )


def entry_row(entry: Entry) -> EntryRow:
    return EntryRow(
        run_id=entry.run_id,
        key=entry.key,
        kind=entry.kind.value,
        stage_id=entry.stage_id,
        at=entry.at,
        data=encode_object(entry.data),
    )


def entry_of(row: EntryRow) -> StoredEntry:
    assert row.seq is not None, "a stored row has its number"
    entry = Entry(
        run_id=RunId(row.run_id),
        kind=EntryKind(row.kind),
        at=row.at,
        key=row.key,
        data=row.data,
        stage_id=None if row.stage_id is None else StageId(row.stage_id),
    )
    return StoredEntry(row.seq, entry)


def legible(text: str) -> str:
    """`text` without what a PostgreSQL column cannot hold (NUL, lone surrogates); the document keeps the original."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
