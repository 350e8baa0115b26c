"""What the result of a run is, and which files belong to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.result import ResultKind, RunResult, is_result_file, result_of
from orchestrator.domain.run import Run
from orchestrator.domain.stages import Stage, StageKind
from tests.unit.domain import making


def left(strategy: str, *checkpoints: str | None, **parameters: int | float | str) -> Run:
    """A run whose first stages left `checkpoints`."""
    run = making.run(spec=making.spec(strategy=strategy, stages=making.stages(strategy, **parameters)))
    stages: list[Stage] = []
    for index, stage in enumerate(run.all_stages):
        stages.append(replace(stage, checkpoint=checkpoints[index] if index < len(checkpoints) else None))
    return replace(run, stages=tuple(stages))


def test_a_run_that_made_nothing_has_no_result() -> None:
    assert result_of(making.run()) is None
    assert result_of(left("lora")) is None


def test_an_adapter_sits_on_the_runs_own_model() -> None:
    result = result_of(left("lora", "/runs/r/01-train/output"))
    assert result == RunResult(ResultKind.ADAPTER, "/runs/r/01-train/output", "/models/tiny", False, "01-train")


def test_a_full_training_makes_a_model() -> None:
    result = result_of(left("galore", "/out"))
    assert result is not None
    assert (result.kind, result.base, result.stage) == (ResultKind.MODEL, "/models/tiny", "01-train")


def test_a_merged_model_is_newer_than_its_adapter() -> None:
    result = result_of(left("relora", "/1", "/2/merged", iterations=1))
    assert result is not None
    assert (result.kind, result.path, result.base_is_made) == (ResultKind.MODEL, "/2/merged", False)


def test_an_adapter_that_was_trained_on_a_merge_needs_that_merge() -> None:
    result = result_of(left("relora", "/1", "/2/merged", "/3"))
    assert result is not None
    assert (result.kind, result.path) == (ResultKind.ADAPTER, "/3")
    assert (result.base, result.base_is_made) == ("/2/merged", True)


def test_an_evaluation_never_is_the_result() -> None:
    run = left("lora", "/out", "/evaluation")
    assert run.stages[-1].kind is StageKind.EVALUATE
    result = result_of(run)
    assert result is not None
    assert result.path == "/out"


@pytest.mark.parametrize(
    "name",
    ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt",
     "chat_template.jinja", "additional_chat_templates/tool_use.jinja"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ResultKind)
def test_the_tokenizer_belongs_to_either_kind(kind: ResultKind, name: str) -> None:
    assert is_result_file(kind, name)


@pytest.mark.parametrize(
    ("kind", "name", "belongs"),
    [
        (ResultKind.ADAPTER, "adapter_model.safetensors", True),
        (ResultKind.ADAPTER, "adapter_config.json", True),
        (ResultKind.ADAPTER, "config.json", False),
        (ResultKind.MODEL, "config.json", True),
        (ResultKind.MODEL, "generation_config.json", True),
        (ResultKind.MODEL, "model.safetensors", True),
        (ResultKind.MODEL, "model-00001-of-00002.safetensors", True),
        (ResultKind.MODEL, "model.safetensors.index.json", True),
        (ResultKind.MODEL, "adapter_model.safetensors", False),
    ],
)
def test_the_weights_and_their_configuration_belong_to_their_kind(kind: ResultKind, name: str, belongs: bool) -> None:
    assert is_result_file(kind, name) is belongs


@pytest.mark.parametrize(
    "name",
    ["optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin", "trainer_state.json", "log.txt",
     "README.md", "latticeforge_checkpoint.json", "checkpoint-5/adapter_model.safetensors", "../tokenizer.json",
     "tokenizer.json\n", "", "model.safetensors.bak", "debug.log"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ResultKind)
def test_nothing_else_belongs_to_it(kind: ResultKind, name: str) -> None:
    assert not is_result_file(kind, name)
