"""The migrations against the tables, on SQLite and PostgreSQL."""

from __future__ import annotations

import ast
import multiprocessing
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect

from orchestrator.adapters.db.engine import Database
from orchestrator.adapters.db.migrate import MIGRATIONS, exclusive_connection, migrate, migration_config
from orchestrator.adapters.db.store import SqlStore
from orchestrator.adapters.db.tables import Row
from orchestrator.domain.run import Run
from orchestrator.ports.store import RunChange
from tests.contract.store_examples import filled

DATABASES = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))
TABLES = {"runs", "leases", "postings", "journal_entries", "idempotency_keys", "beats", "observations"}


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database; on SQLite not even its folder is there."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new folder/100%.db"
    new: str = request.getfixturevalue("postgres_server").create_database()
    return new


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    database = Database(url)
    yield database.engine
    database.close()


def tables(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(inspect(connection).get_table_names())


def revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def differences(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), Row.metadata))


def shape(engine: Engine) -> dict[str, Any]:
    """Everything that the database says about its tables, partial indexes' conditions included."""
    with engine.connect() as connection:
        seen = inspect(connection)
        return {
            name: (
                [{**column, "type": repr(column["type"])} for column in seen.get_columns(name)],
                seen.get_pk_constraint(name),
                sorted(seen.get_foreign_keys(name), key=str),
                sorted(seen.get_unique_constraints(name), key=str),
                sorted(map(described, seen.get_indexes(name))),
            )
            for name in TABLES
        }


def described(index: Mapping[str, Any]) -> str:
    conditions = {option: str(value) for option, value in index.get("dialect_options", {}).items()}
    return f"{index['name']} {index['column_names']} {index['unique']} {conditions}"


def test_an_empty_database_is_upgraded_to_exactly_the_tables(url: str, engine: Engine) -> None:
    migrate(url)
    assert tables(engine) == TABLES | {"alembic_version"}
    assert differences(engine) == []
    migrated = shape(engine)
    with exclusive_connection(url) as connection:
        command.downgrade(migration_config(connection), "base")
    with engine.begin() as connection:
        Row.metadata.create_all(connection)
    assert migrated == shape(engine)


def test_a_column_that_the_migrations_lack_would_be_noticed(url: str, engine: Engine) -> None:
    migrate(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE runs DROP COLUMN outcome")
    assert [difference[0] for difference in differences(engine)] == ["add_column"]


def test_a_second_migration_changes_nothing(url: str, engine: Engine) -> None:
    migrate(url)
    store = SqlStore(url)
    run = store.create(RunChange(filled(Run)), None)
    before = (revision(engine), shape(engine))
    migrate(url)
    assert (revision(engine), shape(engine)) == before
    assert store.load(run.id).run == run
    store.database.close()


def test_a_downgrade_leaves_nothing_and_can_be_upgraded_again(url: str, engine: Engine) -> None:
    migrate(url)
    with exclusive_connection(url) as connection:
        command.downgrade(migration_config(connection), "base")
    assert tables(engine) == {"alembic_version"}
    assert revision(engine) is None
    migrate(url)
    assert differences(engine) == []


def test_a_migration_that_fails_leaves_the_database_as_it_was(url: str, engine: Engine) -> None:
    def fail_late() -> None:
        with exclusive_connection(url) as connection:
            command.upgrade(migration_config(connection), "head")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_late()
    assert tables(engine) == set()
    migrate(url)
    assert differences(engine) == []


def test_processes_that_migrate_at_once_all_succeed(url: str, engine: Engine) -> None:
    context = multiprocessing.get_context("fork")
    rivals = 4
    barrier = context.Barrier(rivals)

    def body() -> None:
        barrier.wait(30)
        migrate(url)

    children = [context.Process(target=body) for _ in range(rivals)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * rivals
    assert differences(engine) == []
    assert revision(engine) == newest()


def newest() -> str:
    return max(file.name for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))[:4]


def test_the_versions_import_no_application_code() -> None:
    files = sorted((MIGRATIONS / "versions").glob("*.py"))
    assert files
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
            permitted = {"sqlalchemy", "alembic"} | sys.stdlib_module_names
            assert all(name.split(".")[0] in permitted for name in names), (file.name, names)
