"""Runs, leases, postings, the journal, idempotency keys and beats."""

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: None = None
depends_on: None = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_runs()
    _create_leases()
    _create_postings()
    _create_journal()
    _create_idempotency_keys()
    op.create_table(
        "beats",
        sa.Column("part", sa.String(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("part", name="pk_beats"),
    )


def downgrade() -> None:
    for table in ("beats", "idempotency_keys", "journal_entries", "postings", "leases", "runs"):
        op.drop_table(table)


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("wake_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_index("ix_runs_created_at_id", "runs", ["created_at", "id"])
    alive = sa.text("status <> 'ended'")
    op.create_index("ix_runs_due", "runs", ["wake_at"], sqlite_where=alive, postgresql_where=alive)


def _create_leases() -> None:
    op.create_table(
        "leases",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("pool", sa.String(), nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("closed_at", TIME, nullable=True),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_leases"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_leases_run_id"),
    )
    op.create_index("ix_leases_run_id", "leases", ["run_id"])
    still_open = sa.text("closed_at IS NULL")
    op.create_index("ix_leases_open", "leases", ["pool"], sqlite_where=still_open, postgresql_where=still_open)


def _create_postings() -> None:
    op.create_table(
        "postings",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("lease_id", sa.String(), nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_postings"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_postings_run_id"),
        sa.ForeignKeyConstraint(["lease_id"], ["leases.id"], name="fk_postings_lease_id"),
        sa.UniqueConstraint("run_id", "key", name="uq_postings_run_id_key"),
        sqlite_autoincrement=True,
    )


def _create_journal() -> None:
    op.create_table(
        "journal_entries",
        sa.Column("seq", NUMBER, autoincrement=True, nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("stage_id", sa.String(), nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_journal_entries"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_journal_entries_run_id"),
        sa.UniqueConstraint("run_id", "key", name="uq_journal_entries_run_id_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_journal_entries_run_id_seq", "journal_entries", ["run_id", "seq"])


def _create_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_idempotency_keys"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_idempotency_keys_run_id"),
    )
