"""`AxolotlTrainer`: the trainer port on what the service knows of Axolotl. Imports neither torch nor Axolotl."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from orchestrator.adapters.axolotl.render import DatasetFormat, TrainConfigRequest, render_train_config
from orchestrator.adapters.axolotl.review import review_overrides
from orchestrator.adapters.axolotl.setting import Device
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.planner import Plan
from orchestrator.domain.recipe import TrainingShape
from orchestrator.domain.run import Run
from orchestrator.domain.stages import Stage, StageKind
from orchestrator.ports.trainer import Resolution, StageOrder

PILOT_STEPS = 6
WARMUP_SHARE = 0.05
CHECKPOINTS_PER_RUN = 10
LONGEST_BETWEEN_CHECKPOINTS = 500
DEFAULT_LEARNING_RATE = 2e-4
CPU_ACCELERATOR = "CPU"
MAX_NEW_TOKENS = 64
EVALUATE_BATCH = 16


class AxolotlTrainer:
    """`default_device` is the kind of machine that recipes are checked for before a plan has chosen one."""

    def __init__(self, default_device: Device) -> None:
        self._default_device = default_device

    def resolve(self, recipe: Mapping[str, JsonValue], overrides: Mapping[str, JsonValue]) -> Resolution:
        review = review_overrides(recipe, overrides, device=self._default_device)
        # A None lifts what the strategy set. The review has checked that everything else is plain JSON.
        settings = {key: value for key, value in review.settings.items() if value is not None}
        return Resolution(cast("dict[str, JsonValue]", settings), review.notes, review.problems)

    def order(self, run: Run, stage: Stage) -> StageOrder:
        plan = run.plan
        assert plan is not None, f"{run.id} runs a stage without a plan"
        document: dict[str, JsonValue] = {"seed": run.spec.seed, "dataset": _dataset(run)}
        if stage.kind is StageKind.EVALUATE:
            return StageOrder({**document, "evaluate": _evaluate(run)}, None)
        document["train"] = {
            "launcher": "python" if plan.offer.accelerator_count == 1 else "torchrun",
            "processes": plan.offer.accelerator_count,
            "resume_from": "latest" if stage.attempt > 1 else None,
            "pilot_steps": PILOT_STEPS,
            "save_seconds": plan.window.allowances.checkpoint,
        }
        return StageOrder(document, render_train_config(_request(run, plan)))


def _dataset(run: Run) -> dict[str, JsonValue]:
    dataset = run.spec.dataset
    return {
        "source": dataset.source,
        "format": dataset.format,
        "heldout_rows": dataset.heldout_rows,
        "heldout_source": dataset.heldout_source,
        "heldout_format": dataset.heldout_format,
    }


def _evaluate(run: Run) -> dict[str, JsonValue]:
    return {
        "base_model": run.spec.model,
        "tuned_dir": run.checkpoint,
        "max_new_tokens": MAX_NEW_TOKENS,
        "batch_size": EVALUATE_BATCH,
        "sequence_len": TrainingShape.from_recipe(run.spec.recipe).sequence_len,
    }


def _request(run: Run, plan: Plan) -> TrainConfigRequest:
    recipe, gpus = run.spec.recipe, plan.offer.accelerator_count
    shape = TrainingShape.from_recipe(recipe)
    rows = run.spec.dataset.train_rows
    steps = None if rows is None else shape.steps(rows, gpus)
    expected = plan.intended_steps if steps is None else steps
    return TrainConfigRequest(
        base_model=run.spec.model,
        technique_config=recipe,
        dataset_format=cast("DatasetFormat", run.spec.dataset.format),
        data_dir="{data_dir}",
        output_dir="{output_dir}",
        device="cpu" if plan.offer.accelerator == CPU_ACCELERATOR else "cuda",
        gpus=gpus,
        micro_batch_size=shape.micro_batch_size,
        gradient_accumulation_steps=shape.gradient_accumulation_steps,
        sequence_len=shape.sequence_len,
        num_epochs=shape.num_epochs,
        max_steps=steps,
        learning_rate=_learning_rate(recipe),
        warmup_steps=max(1, round(expected * WARMUP_SHARE)),
        save_steps=min(max(1, expected // CHECKPOINTS_PER_RUN), LONGEST_BETWEEN_CHECKPOINTS),
        seed=run.spec.seed,
    )


def _learning_rate(recipe: Mapping[str, JsonValue]) -> float:
    rate = recipe.get("learning_rate")
    return float(rate) if isinstance(rate, int | float) else DEFAULT_LEARNING_RATE
