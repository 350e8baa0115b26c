"""The rules of connections and transactions, on SQLite and PostgreSQL."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError, StatementError
from sqlmodel import func, select

from orchestrator.adapters.db.engine import Database, parse_database_url
from orchestrator.adapters.db.migrate import migrate
from orchestrator.adapters.db.rows import run_columns
from orchestrator.adapters.db.store import SqlStore
from orchestrator.adapters.db.tables import BeatRow, RunRow
from orchestrator.ports.store import RunChange, RunQuery
from tests.contract.store_examples import NOON, make_lease, make_run


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/store.db"
    else:
        url = request.getfixturevalue("postgres_server").create_database()
    migrate(url)
    made = Database(url)
    yield made
    made.close()


def beats(database: Database) -> int:
    with database.reading() as session:
        return session.exec(select(func.count()).select_from(BeatRow)).one()


def test_a_reading_session_sees_one_snapshot_throughout(database: Database) -> None:
    counted = select(func.count()).select_from(BeatRow)
    with database.reading() as reader:
        assert reader.exec(counted).one() == 0
        with database.writing() as writer:
            writer.add(BeatRow(part="api", at=NOON))
        assert reader.exec(counted).one() == 0
    assert beats(database) == 1


def test_a_writing_session_that_raises_writes_nothing(database: Database) -> None:
    def fail_late() -> None:
        with database.writing() as session:
            session.add(BeatRow(part="api", at=NOON))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_late()
    assert beats(database) == 0


def test_a_number_that_json_cannot_carry_never_reaches_the_database(database: Database) -> None:
    columns = run_columns(make_run(1)) | {"document": {"loss": math.nan}}

    def write() -> None:
        with database.writing() as session:
            session.add(RunRow(id="run_000000000001", **columns))

    with pytest.raises((ValueError, StatementError), match="not JSON compliant"):
        write()


@pytest.mark.postgres
@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_postgresql_reads_repeatably_and_writes_read_committed(database: Database) -> None:
    shown = "SHOW transaction_isolation"
    with database.reading() as session:
        assert session.connection().exec_driver_sql(shown).scalar() == "repeatable read"
        with pytest.raises(DBAPIError, match="read-only transaction"):
            session.connection().exec_driver_sql("DELETE FROM beats")
    with database.writing() as session:
        assert session.connection().exec_driver_sql(shown).scalar() == "read committed"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_sqlite_is_durable_checks_references_and_waits_for_other_writers(database: Database) -> None:
    pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    with database.reading() as session:
        values = {name: session.connection().exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas}
    assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}


def test_making_a_database_opens_nothing(tmp_path: Path) -> None:
    Database(f"sqlite:///{tmp_path}/none.db")
    Database("postgresql://nobody@127.0.0.1:1/nothing")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("postgres://u:p@host:5/db", "postgresql+psycopg://u:p@host:5/db"),
        ("postgresql://u@/db?host=/run/pg", "postgresql+psycopg://u@/db?host=%2Frun%2Fpg"),
        ("postgresql+psycopg://host/db", "postgresql+psycopg://host/db"),
        ("postgresql+psycopg2://host/db", "postgresql+psycopg://host/db"),
        ("sqlite:///data/x.db", "sqlite+pysqlite:///data/x.db"),
        ("sqlite:////abs/x.db", "sqlite+pysqlite:////abs/x.db"),
    ],
)
def test_a_database_url_gets_its_driver(text: str, url: str) -> None:
    assert parse_database_url(text).render_as_string(hide_password=False) == url


@pytest.mark.parametrize("text", ["mysql://host/db", "sqlite://", "sqlite:///:memory:", "sqlite:///x.db?mode=ro"])
def test_a_database_that_cannot_keep_the_promises_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"SQLite needs|must be sqlite"):
        parse_database_url(text)


def test_a_row_that_cannot_be_read_does_not_hide_the_others_from_the_guard(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    migrate(url)
    store = SqlStore(url)
    for number in (1, 2):
        run = store.create(RunChange(make_run(number)), None)
        lease = make_lease(run.id)
        store.save(RunChange(replace(run, lease_id=lease.id), lease))
    with store.database.writing() as session:
        row = session.get(RunRow, make_run(1).id)
        assert row is not None
        row.document = {**row.document, "a_field_of_another_version": 1}
    assert [record.run.id for record in store.open_leases()] == [make_run(2).id]
    assert [record.run.id for record in store.runs(RunQuery()).runs] == [make_run(2).id]
    store.database.close()
