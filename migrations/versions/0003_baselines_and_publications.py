"""What a run is a baseline for, and when its publication must be looked at.

Runs that ended before this have no key: they become baselines when they are saved again.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str = "0002"
branch_labels: None = None
depends_on: None = None

BASELINE = sa.text("baseline_key IS NOT NULL")
PUBLISH = sa.text("publish_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("runs", sa.Column("baseline_key", sa.String(), nullable=True))
    op.add_column("runs", sa.Column("publish_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_runs_baseline",
        "runs",
        ["baseline_key", "created_at", "id"],
        sqlite_where=BASELINE,
        postgresql_where=BASELINE,
    )
    op.create_index("ix_runs_publish", "runs", ["publish_at"], sqlite_where=PUBLISH, postgresql_where=PUBLISH)


def downgrade() -> None:
    op.drop_index("ix_runs_publish", "runs")
    op.drop_index("ix_runs_baseline", "runs")
    op.drop_column("runs", "publish_at")
    op.drop_column("runs", "baseline_key")
