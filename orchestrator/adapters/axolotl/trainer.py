"""`AxolotlTrainer`: the trainer port on what the service knows of Axolotl. Imports neither torch nor Axolotl."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from orchestrator.adapters.axolotl.adoption import adopt_recipe
from orchestrator.adapters.axolotl.recipe_text import parse_recipe
from orchestrator.adapters.axolotl.render import DatasetFormat, TrainConfigRequest, render_train_config
from orchestrator.adapters.axolotl.review import review_overrides
from orchestrator.adapters.axolotl.setting import Device
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.offers import LOCAL_PROVIDER, Offer
from orchestrator.domain.plan import Plan
from orchestrator.domain.recipe import TrainingShape
from orchestrator.domain.run import DatasetRef, Run
from orchestrator.domain.stages import Stage, StageKind
from orchestrator.ports.trainer import Adoption, Resolution, StageOrder

PILOT_STEPS = 6
WARMUP_SHARE = 0.05
CHECKPOINTS_PER_RUN = 10
LONGEST_BETWEEN_CHECKPOINTS = 500
DEFAULT_LEARNING_RATE = 2e-4
CPU_ACCELERATOR = "CPU"
GALORE_8BIT, GALORE = "galore_adamw_8bit", "galore_adamw"
MAX_NEW_TOKENS = 64
EVALUATE_BATCH = 16


class AxolotlTrainer:
    """`default_device` is the kind of machine that recipes are checked for before a plan has chosen one, and
    `rented_device` what the accelerators of rented machines are: a test cluster's are there by name only."""

    def __init__(self, default_device: Device, rented_device: Device = "cuda") -> None:
        self._default_device = default_device
        self._rented_device = rented_device

    def resolve(self, recipe: Mapping[str, JsonValue], overrides: Mapping[str, JsonValue]) -> Resolution:
        recipe, device_notes = for_device(recipe, self._default_device)
        review = review_overrides(recipe, overrides, device=self._default_device)
        # A None lifts what the strategy set. The review has checked that everything else is plain JSON.
        settings = {key: value for key, value in review.settings.items() if value is not None}
        return Resolution(cast("dict[str, JsonValue]", settings), (*device_notes, *review.notes), review.problems)

    def parse(self, text: str) -> Mapping[str, JsonValue]:
        return parse_recipe(text)

    def adopt(self, recipe: Mapping[str, JsonValue]) -> Adoption:
        return adopt_recipe(recipe, device=self._default_device)

    def order(self, run: Run, stage: Stage) -> StageOrder:
        plan, spec = run.plan, run.spec_of(stage)
        assert plan is not None, f"{run.id} runs a stage without a plan"
        rows = run.spec.rows_of(spec)
        data = "data" if rows is run.spec.dataset else "preferences"
        section = _dataset(rows)
        if rows is not run.spec.dataset:
            section["spares"] = _dataset(run.spec.dataset)
        document: dict[str, JsonValue] = {"seed": run.spec.seed, "dataset": section}
        if stage.kind is StageKind.MERGE:
            document["merge"] = {"base_model": run.base_of(stage), "adapter_dir": run.adapter_before(stage)}
            return StageOrder(document, None, data)
        if stage.kind is StageKind.EVALUATE:
            return StageOrder({**document, "evaluate": _evaluate(run)}, None, data)
        document["train"] = {
            "launcher": "python" if plan.offer.accelerator_count == 1 else "torchrun",
            "processes": plan.offer.accelerator_count,
            "resume_from": "latest" if stage.attempt > 1 else None,
            "pilot_steps": PILOT_STEPS,
            "save_seconds": plan.window.allowances.checkpoint,
        }
        return StageOrder(document, render_train_config(_request(run, stage, plan, self._device(plan.offer))), data)

    def _device(self, offer: Offer) -> Device:
        if offer.accelerator == CPU_ACCELERATOR:
            return "cpu"
        return "cuda" if offer.provider == LOCAL_PROVIDER else self._rented_device


def _dataset(rows: DatasetRef) -> dict[str, JsonValue]:
    return {
        "source": rows.source,
        "format": rows.format,
        "heldout_rows": rows.heldout_rows,
        "heldout_source": rows.heldout_source,
        "heldout_format": rows.heldout_format,
    }


def _evaluate(run: Run) -> dict[str, JsonValue]:
    made = next((stage for stage in reversed(run.stages) if stage.checkpoint and stage.kind.makes_model), None)
    harness = run.spec.harness
    return {
        "base_model": run.spec.model,
        "tuned_dir": None if made is None else made.checkpoint,
        "tuned_base": None if made is None else run.base_of(made),
        "max_new_tokens": MAX_NEW_TOKENS,
        "batch_size": EVALUATE_BATCH,
        "sequence_len": TrainingShape.from_recipe(run.spec.trainings[-1].recipe).sequence_len,
        "harness": None
        if harness is None
        else {"tasks": list(harness.tasks), "include_path": harness.include_path, "limit": harness.limit},
    }


def _request(run: Run, stage: Stage, plan: Plan, device: Device) -> TrainConfigRequest:
    spec = run.spec_of(stage)
    gpus = plan.offer.accelerator_count
    # Axolotl takes a warm-up in steps or as a share, not both; the steps are known here.
    recipe = {key: value for key, value in spec.recipe.items() if key != "warmup_ratio"}
    part, rows = plan.stages[run.index_of(stage)], run.spec.rows_of(spec)
    if part.layout is not None:
        recipe |= part.layout.settings()
    shape, expected = TrainingShape.from_recipe(recipe), part.intended_steps
    # How many bins packed rows fill is known for sure only when they are packed; how many of a sample's rows are too
    # long, only when all were read, and for the length that they were read for.
    is_counted = rows.tokens is None or (rows.tokens.exact and rows.tokens.sequence_len == shape.sequence_len)
    is_sure = rows.train_rows is not None and is_counted and recipe.get("sample_packing") is not True
    return TrainConfigRequest(
        base_model=run.base_of(stage),
        technique_config=recipe,
        dataset_format=cast("DatasetFormat", rows.format),
        data_dir="{data_dir}",
        output_dir="{output_dir}",
        device=device,
        gpus=gpus,
        micro_batch_size=shape.micro_batch_size,
        gradient_accumulation_steps=shape.gradient_accumulation_steps,
        sequence_len=shape.sequence_len,
        num_epochs=shape.num_epochs,
        max_steps=expected if is_sure else shape.max_steps,
        learning_rate=_learning_rate(recipe),
        warmup_steps=_warmup_steps(spec.recipe, expected),
        save_steps=min(max(1, expected // CHECKPOINTS_PER_RUN), LONGEST_BETWEEN_CHECKPOINTS),
        # Every cycle of ReLoRA sees the rows in another order: shares of an epoch must not be the same rows each time.
        seed=run.spec.seed + spec.cycle - 1,
        supervised=not spec.on_pairs,
        continued_from=run.adapter_before(stage) if spec.continues else None,
    )


def for_device(recipe: Mapping[str, JsonValue], device: Device) -> tuple[dict[str, JsonValue], tuple[str, ...]]:
    """What a strategy asks for that only a GPU can do, in the form that this kind of machine can, and a note of it."""
    if device == "cuda" or recipe.get("optimizer") != GALORE_8BIT:
        return dict(recipe), ()
    note = f"on a CPU {GALORE_8BIT} is replaced by {GALORE}: its 8-bit states need a GPU"
    return {**recipe, "optimizer": GALORE}, (note,)


def _learning_rate(recipe: Mapping[str, JsonValue]) -> float:
    rate = recipe.get("learning_rate")
    return float(rate) if isinstance(rate, int | float) else DEFAULT_LEARNING_RATE


def _warmup_steps(recipe: Mapping[str, JsonValue], steps: int) -> int:
    """The warm-up of `steps` optimizer steps: the recipe's own share of them, else WARMUP_SHARE."""
    share = recipe.get("warmup_ratio")
    if isinstance(share, int | float):
        return round(steps * share)
    return max(1, round(steps * WARMUP_SHARE))
