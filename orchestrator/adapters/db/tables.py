"""The tables. A document holds the whole domain object; the columns beside it are what queries ask for.

Times are stored in UTC (`UTCDateTime`, SQLModel's own type for `datetime`); money in whole micro-dollars.
"""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Index, Integer, MetaData, UniqueConstraint, text
from sqlmodel import Field, SQLModel

_NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in a column declared INTEGER, which holds 64 bits there."""


class Row(SQLModel):
    """What all tables share: one set of metadata with predictable names of constraints, so that migrations can
    address them."""

    metadata: ClassVar[MetaData] = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class RunRow(Row, table=True):
    """A run. `version` guards its saves. `baseline_key` is the comparison that it is a baseline for, `publish_at` when
    its publication must be looked at; both are null for most."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix_runs_created_at_id", "created_at", "id"),
        Index(
            "ix_runs_due",
            "wake_at",
            sqlite_where=text("status <> 'ended'"),
            postgresql_where=text("status <> 'ended'"),
        ),
        Index(
            "ix_runs_baseline",
            "baseline_key",
            "created_at",
            "id",
            sqlite_where=text("baseline_key IS NOT NULL"),
            postgresql_where=text("baseline_key IS NOT NULL"),
        ),
        Index(
            "ix_runs_publish",
            "publish_at",
            sqlite_where=text("publish_at IS NOT NULL"),
            postgresql_where=text("publish_at IS NOT NULL"),
        ),
    )

    id: str = Field(primary_key=True)
    version: int
    status: str
    strategy: str
    name: str
    created_at: datetime
    wake_at: datetime | None
    ended_at: datetime | None
    outcome: str | None
    document: dict[str, Any] = Field(sa_type=JSON)
    baseline_key: str | None
    publish_at: datetime | None


class LeaseRow(Row, table=True):
    """A lease. Open while `closed_at` is null; open ones of one `pool` are counted against its capacity."""

    __tablename__ = "leases"
    __table_args__ = (
        Index(
            "ix_leases_open",
            "pool",
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
    )

    id: str = Field(primary_key=True)
    run_id: str = Field(foreign_key="runs.id", index=True)
    provider: str
    pool: str
    opened_at: datetime
    closed_at: datetime | None
    document: dict[str, Any] = Field(sa_type=JSON)


class PostingRow(Row, table=True):
    """One movement of money; rows are only ever added."""

    __tablename__ = "postings"
    __table_args__ = (UniqueConstraint("run_id", "key"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True, sa_type=_NUMBER)
    run_id: str = Field(foreign_key="runs.id")
    key: str
    kind: str
    amount_micros: int = Field(sa_type=BigInteger)
    lease_id: str | None = Field(foreign_key="leases.id")
    at: datetime
    note: str


class EntryRow(Row, table=True):
    """One entry of the journal; rows are only ever added."""

    __tablename__ = "journal_entries"
    __table_args__ = (
        UniqueConstraint("run_id", "key"),
        Index("ix_journal_entries_run_id_seq", "run_id", "seq"),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = Field(default=None, primary_key=True, sa_type=_NUMBER)
    run_id: str = Field(foreign_key="runs.id")
    key: str
    kind: str
    stage_id: str | None
    at: datetime
    data: dict[str, Any] = Field(sa_type=JSON)


class ObservationRow(Row, table=True):
    """One quantity of one attempt at a stage, foretold and measured; rows are only ever added. No document: a person
    can read it with SQL."""

    __tablename__ = "observations"
    __table_args__ = (
        UniqueConstraint("run_id", "stage_index", "attempt", "quantity"),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = Field(default=None, primary_key=True, sa_type=_NUMBER)
    run_id: str = Field(foreign_key="runs.id")
    stage_index: int
    attempt: int
    at: datetime
    framework: str
    gpu: str
    gpu_count: int
    method: str
    precision: str
    model: str
    quantity: str
    predicted: float
    predicted_low: float
    predicted_high: float
    actual: float
    correction: float


class IdempotencyRow(Row, table=True):
    """A client's key, a digest of what it asked for, and the run that was made."""

    __tablename__ = "idempotency_keys"

    key: str = Field(primary_key=True)
    digest: str
    run_id: str = Field(foreign_key="runs.id")


class BeatRow(Row, table=True):
    """The last sign of life of one part of the service."""

    __tablename__ = "beats"

    part: str = Field(primary_key=True)
    at: datetime
