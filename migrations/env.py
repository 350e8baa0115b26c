"""Alembic's way in: run by `orchestrator.adapters.db.migrate.migrate`, or by the `alembic` command for development.

The command takes the database from LATTICEFORGE_DATABASE_URL.
"""

import os

from alembic import context
from sqlalchemy import Connection

from orchestrator.adapters.db.engine import parse_database_url
from orchestrator.adapters.db.migrate import exclusive_connection
from orchestrator.adapters.db.tables import Row


def run_on(connection: Connection) -> None:
    """Run the migrations inside the transaction that `connection` is in."""
    context.configure(
        connection=connection,
        target_metadata=Row.metadata,
        # SQLite alters hardly anything in place: Alembic rebuilds the table there instead.
        render_as_batch=connection.dialect.name == "sqlite",
    )
    context.run_migrations()


def run() -> None:
    """On the caller's connection, on one of our own, or (`--sql`) as text."""
    given = context.config.attributes.get("connection")
    if given is not None:
        run_on(given)
        return
    url = os.environ["LATTICEFORGE_DATABASE_URL"]
    if context.is_offline_mode():
        context.configure(dialect_name=parse_database_url(url).get_backend_name(), literal_binds=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    with exclusive_connection(url) as connection:
        run_on(connection)


run()
