"""What was predicted of a stage and what came of it."""

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str = "0003"
branch_labels: None = None
depends_on: None = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "observations",
        sa.Column("seq", NUMBER, nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("stage_index", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("framework", sa.String(), nullable=False),
        sa.Column("gpu", sa.String(), nullable=False),
        sa.Column("gpu_count", sa.Integer(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("precision", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("quantity", sa.String(), nullable=False),
        sa.Column("predicted", sa.Float(), nullable=False),
        sa.Column("predicted_low", sa.Float(), nullable=False),
        sa.Column("predicted_high", sa.Float(), nullable=False),
        sa.Column("actual", sa.Float(), nullable=False),
        sa.Column("correction", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_observations_run_id"),
        sa.PrimaryKeyConstraint("seq", name="pk_observations"),
        sa.UniqueConstraint(
            "run_id", "stage_index", "attempt", "quantity", name="uq_observations_run_id_stage_index_attempt_quantity"
        ),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("observations")
