"""The Celery shells, run without a broker: what they ask of the use cases, and what they keep from Celery."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.adapters.celery import wakeup
from orchestrator.bootstrap import Application
from orchestrator.domain.ids import RunId
from orchestrator.domain.lifecycle import RunStatus
from orchestrator.domain.publication import Publication
from orchestrator.ports.store import RunChange
from orchestrator.settings import CHECKOUT, Settings
from tests.unit.api.serving import WISH, Service, make_service
from workers import app as workers_app
from workers import tasks
from workers.app import make_app, periodic
from workers.up import service_parts


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A service on the memory adapters in the place of the one that the worker would build."""
    made = make_service(tmp_path)

    def application() -> Application:
        return made.application

    monkeypatch.setattr(tasks, "application", application)
    monkeypatch.setattr(tasks, "_alive", tasks.SignOfLife("worker", application))
    return made


def submitted(service: Service) -> Any:
    from orchestrator.services.draft import RunDraft

    return service.application.submit.execute(RunDraft(**WISH))


def test_a_tick_is_followed_by_the_next_while_it_changes_the_run(service: Service) -> None:
    run = submitted(service)
    tasks.advance_run(run.id)
    assert service.store.load(run.id).run.status is RunStatus.PROVISIONING
    service.clock.advance(10)
    tasks.advance_run(run.id)
    after = service.store.load(run.id).run
    assert after.status is RunStatus.RUNNING
    assert after.current_stage is not None
    assert after.current_stage.attempt == 1


@pytest.mark.parametrize("run_id", ["run_000000000000", "nonsense", "../../etc"])
def test_a_wake_up_for_a_run_that_does_not_exist_is_dropped(service: Service, run_id: str) -> None:
    tasks.advance_run(run_id)


def test_a_sweep_is_the_workers_sign_of_life(service: Service) -> None:
    assert "worker" not in service.store.beats()
    tasks.sweep()
    assert service.store.beats()["worker"] == service.clock.now()


def test_an_upload_is_done_once_it_is_due_and_one_at_a_time(service: Service) -> None:
    run = submitted(service)
    service.until_ended(run.id)
    held = service.store.load(run.id).run
    now = service.clock.now()
    service.store.save(RunChange(replace(held, publication=Publication("me/it", True, 1, now, now))))
    with tasks._uploading:
        tasks.upload_result(run.id)
    assert attempts(service, run.id) == 0
    tasks.upload_result(run.id)
    tasks.upload_result(run.id)
    assert attempts(service, run.id) == 1
    assert not tasks._uploading.locked()


def attempts(service: Service, run_id: str) -> int:
    publication = service.store.load(RunId(run_id)).run.publication
    assert publication is not None
    return publication.attempt


@pytest.mark.parametrize("run_id", ["run_000000000000", "nonsense"])
def test_an_upload_for_a_run_that_does_not_exist_is_dropped(service: Service, run_id: str) -> None:
    tasks.upload_result(run_id)
    assert not tasks._uploading.locked()


def test_messages_are_json_acknowledged_late_and_leave_no_result() -> None:
    conf = make_app(Settings(redis_url="redis://127.0.0.1:1/0")).conf
    assert (conf.accept_content, conf.task_serializer) == (["json"], "json")
    assert (conf.task_acks_late, conf.task_ignore_result, conf.worker_prefetch_multiplier) == (True, True, 1)
    assert conf.result_backend is None
    assert conf.broker_transport_options["visibility_timeout"] <= 60
    assert conf.broker_connection_max_retries is None


def test_the_service_and_the_worker_name_queue_and_task_alike() -> None:
    assert wakeup.QUEUE == workers_app.QUEUE
    assert {wakeup.ADVANCE_RUN, wakeup.UPLOAD_RESULT} <= set(workers_app.app.tasks)


def test_everything_that_beat_asks_for_is_a_task() -> None:
    workers_app.app.loader.import_default_modules()
    assert {entry["task"] for entry in periodic(1.0).values()} <= set(workers_app.app.tasks)


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())
    return document


def test_the_composed_services_start_what_the_supervisor_starts() -> None:
    services = compose()["services"]
    parts = {part.name: list(part.command)[1:] for part in service_parts({}, 3)}
    for name in ("worker", "beat", "guard"):
        assert services[name]["command"][1:] == parts[name]
    listening = services["api"]["command"]
    assert listening[1:5] == parts["api"][:4]
    assert services["migrate"]["command"] == ["python", "-m", "workers.migrate"]


def test_every_variable_of_the_composed_services_is_a_setting_and_every_module_exists() -> None:
    for service in compose()["services"].values():
        for variable in service.get("environment", {}):
            if variable.startswith("LATTICEFORGE_"):
                assert variable.removeprefix("LATTICEFORGE_").lower() in Settings.model_fields
        command = service.get("command", [])
        if command[:2] == ["python", "-m"] and command[2].startswith("workers"):
            source = CHECKOUT.joinpath(*command[2].split(".")).with_suffix(".py").read_text()
            assert any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in ast.parse(source).body)


def test_whoever_ends_processes_of_the_machine_can_see_them() -> None:
    services = compose()["services"]
    assert services["guard"]["pid"] == "service:worker"
    for name in ("api", "worker", "guard"):
        assert "data:/data" in services[name]["volumes"]
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
