"""Fetching a run's result from the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from orchestrator.domain.ids import RunId
from orchestrator.domain.stages import StageKind
from orchestrator.ports.store import RunChange
from tests.unit.cli.conftest import CommandLine

ADAPTER, STATE = "01-train/output/adapter_model.safetensors", "01-train/output/optimizer.pt"


def with_adapter(cli: CommandLine) -> str:
    """A run that ended with an adapter, an optimizer state beside it."""
    run_id = str(json.loads(cli("run", "lora", "--budget", "0.50", "--json").stdout)["id"])
    cli.service.until_ended(run_id)
    folder = cli.service.home / "runs" / run_id
    for path in (ADAPTER, STATE):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(path.encode())
    run = cli.service.store.load(RunId(run_id)).run
    made = str(folder / "01-train" / "output")
    stages = tuple(replace(each, checkpoint=made) if each.kind is StageKind.TRAIN else each for each in run.stages)
    cli.service.store.save(RunChange(replace(run, stages=stages)))
    return run_id


def test_the_result_alone_is_fetched_with_its_card(cli: CommandLine, tmp_path: Path) -> None:
    run_id = with_adapter(cli)
    assert STATE in cli("artifacts", run_id).stdout
    result = cli("artifacts", run_id, "--result", "--download", str(tmp_path / "here"))
    assert result.exit_code == 0, result.output
    assert STATE not in result.stdout
    fetched = sorted(each.relative_to(tmp_path / "here").as_posix() for each in (tmp_path / "here").rglob("*.*"))
    assert fetched == [ADAPTER, "README.md"]
    assert (tmp_path / "here" / ADAPTER).read_bytes() == ADAPTER.encode()
    assert "library_name: peft" in (tmp_path / "here" / "README.md").read_text()
