"""Runs that an earlier version wrote, read by this one. `documents_of_0001.json` was written by the code of 0001."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import text

from orchestrator.adapters.db.engine import Database
from orchestrator.adapters.db.migrate import exclusive_connection, migrate, migration_config
from orchestrator.adapters.db.store import SqlStore
from orchestrator.domain.ids import RunId
from orchestrator.domain.stages import StageKind

WRITTEN: dict[str, Any] = json.loads((Path(__file__).parent / "documents_of_0001.json").read_text())


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of revision 0001 with an ended and a running run in it."""
    if request.param == "sqlite":
        address = f"sqlite:///{tmp_path}/old.db"
    else:
        address = request.getfixturevalue("postgres_server").create_database()
    with exclusive_connection(address) as connection:
        command.upgrade(migration_config(connection), "0001")
    database = Database(address)
    with database.engine.begin() as connection:
        for name in ("ended", "running"):
            document = WRITTEN[name]
            connection.execute(
                text(
                    "INSERT INTO runs (id, version, status, strategy, name, created_at, document) "
                    "VALUES (:id, 18, :status, 'lora', '', '2026-01-01 00:00:00', :document)"
                ),
                {"id": document["id"], "status": document["status"], "document": json.dumps(document)},
            )
        for entry in WRITTEN["entries"]:
            connection.execute(
                text(
                    "INSERT INTO journal_entries (run_id, key, kind, at, data) "
                    "VALUES (:run, :key, :kind, '2026-01-01 00:00:00', :data)"
                ),
                {"run": WRITTEN["ended"]["id"], "key": str(entry["seq"]), "kind": entry["kind"],
                 "data": json.dumps(entry["data"])},
            )  # fmt: skip
    database.close()
    return address


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    migrate(url)
    opened = SqlStore(url)
    yield opened
    opened.database.close()


def test_an_ended_run_keeps_its_recipe_its_plan_and_its_result(store: SqlStore) -> None:
    run = store.load(RunId(WRITTEN["ended"]["id"])).run
    assert [stage.kind for stage in run.spec.stages] == [StageKind.TRAIN, StageKind.EVALUATE]
    assert run.spec.stages[0].recipe == WRITTEN["ended"]["spec"]["recipe"]
    assert run.spec.techniques == ("lora",)
    assert run.plan is not None
    assert run.plan.planned_steps == WRITTEN["ended"]["plan"]["planned_steps"]
    assert run.plan.stages[1].seconds == WRITTEN["ended"]["plan"]["evaluate_seconds"]
    assert run.stages[0].exit is not None
    assert run.stages[0].exit.result == WRITTEN["ended"]["stages"][0]["exit"]["adapter"]
    assert [result["subject"] for result in run.stages[1].results] == ["base", "tuned"]


def test_a_running_run_goes_on_with_what_it_measured(store: SqlStore) -> None:
    run = store.load(RunId(WRITTEN["running"]["id"])).run
    assert run.current_stage is not None
    assert run.current_stage.seconds_per_step == WRITTEN["running"]["seconds_per_step"]
    assert run.base_of(run.current_stage) == run.spec.model


def test_the_journals_evaluations_speak_of_the_tuned_model(store: SqlStore) -> None:
    entries = [stored.entry.data for stored in store.journal(RunId(WRITTEN["ended"]["id"]), 0, 100)]
    assert [data["subject"] for data in entries if data.get("event") == "evaluation"] == ["base", "tuned"]
    assert len(entries) == len(WRITTEN["entries"])


def test_the_way_back_restores_what_was_written(url: str) -> None:
    migrate(url)
    with exclusive_connection(url) as connection:
        command.downgrade(migration_config(connection), "0001")
        rows = connection.execute(text("SELECT id, document FROM runs")).all()
    documents = {key: json.loads(found) if isinstance(found, str) else found for key, found in rows}
    assert documents == {WRITTEN[name]["id"]: WRITTEN[name] for name in ("ended", "running")}
