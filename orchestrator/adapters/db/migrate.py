"""Bringing a database up to date. Any number of processes may do it at once: one works, the others find it done."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, func, select

from orchestrator.adapters.db.engine import Database

MIGRATIONS = Path(__file__).resolve().parents[3] / "migrations"
"""Beside the `orchestrator` package, in a checkout as in an installed wheel."""


def migrate(database_url: str) -> None:
    """Upgrade the database to the newest revision, or change nothing if it is there already.

    Makes a SQLite file and its folder when they are missing. All steps are one transaction on both databases: an
    upgrade that fails leaves the database as it was. Raises SQLAlchemy's errors when the database is out of reach.
    """
    with exclusive_connection(database_url) as connection:
        command.upgrade(migration_config(connection), "head")


def migration_config(connection: Connection) -> Config:
    """Alembic's configuration for commands that run on `connection`, inside the transaction it is in."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


@contextmanager
def exclusive_connection(database_url: str) -> Iterator[Connection]:
    """A connection in a transaction that commits at the end, while every other migration waits."""
    database = Database(database_url)
    try:
        if database.url.get_backend_name() == "sqlite":
            assert database.url.database is not None, "parse_database_url took it"
            with _sqlite_transaction(database, Path(database.url.database)) as connection:
                yield connection
        else:
            with database.engine.begin() as connection:
                connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("migrations", 0))))
                yield connection
    finally:
        database.close()


@contextmanager
def _sqlite_transaction(database: Database, file: Path) -> Iterator[Connection]:
    file.parent.mkdir(parents=True, exist_ok=True)
    with _folder_lock(file.parent), database.engine.connect() as connection:
        # Alembic rebuilds a table to alter it, and dropping the old one would trip over the rows that refer to it.
        # The switch does nothing inside a transaction, so it goes past SQLAlchemy, which would begin one.
        raw = connection.connection.dbapi_connection
        assert raw is not None, "it was connected a line ago"
        raw.cursor().execute("PRAGMA foreign_keys = OFF")
        with connection.execution_options(immediate=True).begin():
            yield connection
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
            if broken is not None:
                raise RuntimeError(f"the migration left a row of {broken[0]!r} that refers to nothing")


@contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """Hold the folder, since making a SQLite file and switching it to WAL do not wait for one another."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
