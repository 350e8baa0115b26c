"""The result of a run, its card, and the baseline beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.ids import RunId
from orchestrator.domain.run import Run
from orchestrator.domain.stages import Stage, StageKind
from orchestrator.ports.store import RunChange
from tests.unit.api.serving import Client, Service

OUTPUT = "01-train/output"
NEEDED = [f"{OUTPUT}/adapter_config.json", f"{OUTPUT}/adapter_model.safetensors", f"{OUTPUT}/tokenizer.json"]
FILES = (
    *NEEDED, "01-train/attempt-1/config.yaml", "01-train/attempt-1/log.txt", f"{OUTPUT}/README.md", "README.md",
    f"{OUTPUT}/checkpoint-3/adapter_model.safetensors", f"{OUTPUT}/checkpoint-3/optimizer.pt",
)  # fmt: skip


def put_files(service: Service, run_id: str, paths: tuple[str, ...] = FILES) -> Path:
    folder = service.home / "runs" / run_id
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(path.encode())
    return folder


def change(service: Service, run_id: str, kind: StageKind, **fields: Any) -> Run:
    """The run with `fields` in its stage of this kind."""

    def changed(stage: Stage) -> Stage:
        return replace(stage, **fields) if stage.kind is kind else stage

    run = service.store.load(RunId(run_id)).run
    return service.store.save(RunChange(replace(run, stages=tuple(map(changed, run.stages)))))


def ended(client: Client, service: Service, **wish: Any) -> str:
    """A run that ended with an adapter in its folder."""
    run_id = str(client.submit(**wish)["id"])
    service.until_ended(run_id)
    folder = put_files(service, run_id)
    change(service, run_id, StageKind.TRAIN, checkpoint=str(folder / "01-train" / "output"))
    return run_id


def test_a_run_without_a_result_has_no_card(client: Client, service: Service) -> None:
    run_id = client.submit()["id"]
    assert client.get(f"/runs/{run_id}").json()["result"] is None
    assert client.get(f"/runs/{run_id}/card").status_code == 404
    put_files(service, run_id, ("README.md",))
    assert client.get(f"/runs/{run_id}/artifacts").json()["artifacts"] == []
    assert client.get(f"/runs/{run_id}/artifacts/README.md").status_code == 404


def test_the_result_is_named_with_its_place(client: Client, service: Service) -> None:
    run_id = ended(client, service)
    shown = client.get(f"/runs/{run_id}").json()["result"]
    assert shown == {
        "kind": "adapter",
        "path": "01-train/output",
        "base_model": str(service.home / "model"),
        "base_path": None,
        "stage": "01-train",
    }


def test_a_result_that_lies_elsewhere_has_no_place_here(client: Client, service: Service) -> None:
    run_id = ended(client, service)
    change(service, run_id, StageKind.TRAIN, checkpoint="/another/machine/output")
    assert client.get(f"/runs/{run_id}").json()["result"]["path"] is None
    only = client.get(f"/runs/{run_id}/artifacts", params={"only": "result"}).json()["artifacts"]
    assert [each["path"] for each in only] == ["README.md"]


def test_the_files_of_the_result_are_marked_and_can_be_had_alone(client: Client, service: Service) -> None:
    run_id = ended(client, service)
    listed = client.get(f"/runs/{run_id}/artifacts").json()["artifacts"]
    assert [each["path"] for each in listed] == sorted(FILES)
    assert [each["path"] for each in listed if each["result"]] == [*NEEDED, "README.md"]
    only = client.get(f"/runs/{run_id}/artifacts", params={"only": "result"}).json()
    assert [each["path"] for each in only["artifacts"]] == [*NEEDED, "README.md"]
    assert only["bytes"] == sum(each["size"] for each in only["artifacts"])
    assert client.get(f"/runs/{run_id}/artifacts", params={"only": "nothing"}).status_code == 422


def test_the_card_is_downloaded_as_it_is_read_whatever_file_has_its_name(client: Client, service: Service) -> None:
    run_id = ended(client, service)
    card = client.get(f"/runs/{run_id}/card")
    assert card.headers["content-type"] == "text/markdown; charset=utf-8"
    assert card.text.startswith("---\nlibrary_name: peft\n")
    downloaded = client.get(f"/runs/{run_id}/artifacts/README.md")
    assert downloaded.content == card.content
    assert downloaded.headers["content-length"] == str(len(card.content))
    listed = client.get(f"/runs/{run_id}/artifacts").json()["artifacts"]
    assert next(each["size"] for each in listed if each["path"] == "README.md") == len(card.content)


def test_an_ended_runs_card_is_the_same_each_time(client: Client, service: Service) -> None:
    run_id = ended(client, service)
    first = client.get(f"/runs/{run_id}/card").text
    service.clock.advance(100_000)
    assert client.get(f"/runs/{run_id}/card").text == first
    assert "Settled " in first


@pytest.mark.parametrize("strategy", ["dora_neftune", "galore"])
def test_a_run_stands_beside_the_newest_completed_baseline(client: Client, service: Service, strategy: str) -> None:
    for _ in range(2):
        baseline = ended(client, service)
    other = ended(client, service, strategy="lora", seed=7)
    run_id = ended(client, service, strategy=strategy)
    shown = client.get(f"/runs/{run_id}").json()["baseline"]
    assert shown["run_id"] == baseline != other
    assert [each["subject"] for each in shown["results"]] == ["base", "tuned"]
    assert baseline in client.get(f"/runs/{run_id}/card").text
    assert client.get(f"/runs/{baseline}").json()["baseline"] is None
    assert all(each["baseline"] is None for each in client.get("/runs").json()["runs"])


def test_a_run_without_a_baseline_has_none(client: Client, service: Service) -> None:
    ended(client, service, strategy="lora", seed=7)
    assert client.get(f"/runs/{ended(client, service, strategy='galore')}").json()["baseline"] is None
