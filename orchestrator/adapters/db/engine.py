"""Connections: one engine a process, made on first use, with the same transaction rules on both databases."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, make_url
from sqlalchemy.engine import URL
from sqlmodel import Session, select

BUSY_SECONDS = 10
"""How long a SQLite writer waits for another one; each writes for milliseconds."""


def parse_database_url(text: str) -> URL:
    """The URL with its driver: SQLite files and PostgreSQL (through psycopg 3) are taken.

    Raises `ValueError` for any other database, and for SQLite in memory, which no two threads could share.
    """
    url = make_url(text)
    kind = url.drivername.partition("+")[0]
    if kind in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise ValueError(f"the database must be sqlite:///FILE or postgresql://..., not {url.drivername}")
    if not url.database or ":memory:" in url.database or url.query:
        raise ValueError("SQLite needs a plain file: sqlite:///relative.db or sqlite:////absolute.db")
    return url.set(drivername="sqlite+pysqlite")


class Database:
    """Sessions on the database at `url`. Nothing is opened before the first session.

    `writing` sessions are READ COMMITTED on PostgreSQL and BEGIN IMMEDIATE on SQLite, so that a SQLite writer takes
    the lock before it reads and can never fail half-way for having read too early. `reading` sessions see one
    snapshot throughout. Safe to use from many threads, and across a fork: a child makes its own engine.
    """

    def __init__(self, url: str) -> None:
        self.url = parse_database_url(url)
        # Keyed by process. The parent's engine stays referenced in a child and is never used nor closed there:
        # closing would end connections that the parent goes on using.
        self._engines: dict[int, Engine] = {}

    @property
    def engine(self) -> Engine:
        """This process's engine."""
        process = os.getpid()
        engine = self._engines.get(process)
        # setdefault is atomic: when two threads get here at once, both use the engine of the first, and the other
        # one never opened anything.
        return engine or self._engines.setdefault(process, _make_engine(self.url))

    def close(self) -> None:
        """Close this process's idle connections; the next session opens new ones."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session on one snapshot, rolled back at the end."""
        with Session(_reader(self.engine)) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that commits at the end, or rolls back on any exception."""
        with Session(self.engine.execution_options(immediate=True)) as session, session.begin():
            yield session


def lock(session: Session, name: str) -> None:
    """Wait until no other writing session holds `name`; it is held until the transaction ends.

    On SQLite a writer is alone already. On PostgreSQL what is read after this sees all that the last holder wrote.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.exec(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def _reader(engine: Engine) -> Engine:
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return engine


def _make_engine(url: URL) -> Engine:
    # A number that JSON cannot carry must fail here and not as a syntax error inside PostgreSQL.
    write_json = partial(json.dumps, allow_nan=False, separators=(",", ":"))
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, json_serializer=write_json, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(
        url,
        json_serializer=write_json,
        isolation_level="READ COMMITTED",
        # A connection that the server closed meanwhile (a restart, a failover) is replaced, not handed out.
        pool_pre_ping=True,
        # No column is an hstore, so no new connection needs to ask the server about that type.
        use_native_hstore=False,
    )


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver's own BEGIN comes late and is never IMMEDIATE: `_begin_sqlite` sends ours instead.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL, since the ledger is money: with NORMAL a power cut could take back a reservation that was reported
    # committed, after the machine was asked for. It costs one fsync a save.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
