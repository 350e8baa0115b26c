"""The store adapters under contract: each a place where stores are opened on the same data."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from orchestrator.adapters.db.migrate import migrate
from orchestrator.adapters.db.store import SqlStore
from orchestrator.adapters.memory.store import MemoryStore
from orchestrator.ports.store import Store
from tests.postgres import PostgresServer

ADAPTERS = ("memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres))
SQL_ADAPTERS = ADAPTERS[1:]

_TABLES = "observations, idempotency_keys, journal_entries, postings, leases, beats, runs"


@dataclass(frozen=True)
class StoreSite:
    """`open` gives a store on the site's data (memory: always the same one); `holds_transaction` tells whether any
    store of the site left one open."""

    open: Callable[[], Store]
    holds_transaction: Callable[[], bool]


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: PostgresServer) -> str:
    """A migrated PostgreSQL database, to be emptied."""
    url = postgres_server.create_database()
    migrate(url)
    return url


@pytest.fixture(params=ADAPTERS)
def site(request: pytest.FixtureRequest) -> Iterator[StoreSite]:
    """Every adapter in turn, empty; or the one that the test names by indirect parametrization."""
    if request.param == "memory":
        store = MemoryStore()
        yield StoreSite(lambda: store, lambda: False)
        return
    make = _sqlite_site if request.param == "sqlite" else _postgres_site
    url, holds_transaction = make(request)
    opened: list[SqlStore] = []

    def open_store() -> Store:
        opened.append(SqlStore(url))
        return opened[-1]

    yield StoreSite(open_store, holds_transaction)
    for sql_store in opened:
        sql_store.database.close()


@pytest.fixture
def store(site: StoreSite) -> Store:
    return site.open()


def _sqlite_site(request: pytest.FixtureRequest) -> tuple[str, Callable[[], bool]]:
    file = request.getfixturevalue("tmp_path") / "store.db"
    shutil.copy(request.getfixturevalue("migrated_sqlite"), file)

    def holds_transaction() -> bool:
        with closing(sqlite3.connect(file, timeout=0)) as connection:
            # Emptying the write-ahead log needs every reader and writer to be done; the first column says busy.
            return bool(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])

    return f"sqlite:///{file}", holds_transaction


def _postgres_site(request: pytest.FixtureRequest) -> tuple[str, Callable[[], bool]]:
    url: str = request.getfixturevalue("migrated_postgres")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {_TABLES}".encode())

    def holds_transaction() -> bool:
        with psycopg.connect(url, autocommit=True) as connection:
            others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            row = connection.execute(f"SELECT count(*) {others} AND state LIKE 'idle in %'".encode()).fetchone()
            return row is not None and row[0] > 0

    return url, holds_transaction
