"""An Axolotl plugin that looks into a training from within and writes what it saw to `JOB_DIR/probe.json`.

Named in a test's config after the node's own plugin; runs in the trainer's process. With `JOB_DIR/stop_at` holding a
step, it also sends the process SIGTERM at that step, as the supervisor would; with `hold_at`, it stands still there.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import torch
from axolotl.integrations.base import BasePlugin
from node_orpo_by_hand import orpo_by_hand
from peft.tuners.lora import LoraLayer
from transformers import PreTrainedModel, TrainerCallback

JOB_DIR = Path(os.environ["LATTICEFORGE_JOB_DIR"])
RANK_TOLERANCE = 1e-3
"""Singular values below this part of the greatest one count as nothing."""


class ProbePlugin(BasePlugin):
    """Adds the probe once the trainer exists."""

    def add_callbacks_post_trainer(self, cfg: Any, trainer: Any) -> list[Any]:
        """The one callback."""
        return [Probe(trainer)]


def _step_in(path: Path) -> int | None:
    return int(path.read_text()) if path.exists() else None


class Probe(TrainerCallback):
    """Collects facts, all numbers and names, and writes them when training ends."""

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer
        self.facts: dict[str, Any] = {}
        self.before: dict[str, Any] = {}
        self.noise: dict[str, list[dict[str, float]]] = {"training": [], "evaluation": []}
        self.stop_at, self.hold_at = (_step_in(JOB_DIR / name) for name in ("stop_at", "hold_at"))

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **named: Any) -> None:
        """What is there before the first step."""
        layers = {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}
        self.facts["layers"] = [
            {
                "scaling": layer.scaling["default"],
                "r": layer.r["default"],
                "alpha": layer.lora_alpha["default"],
                "dora": layer.use_dora.get("default", False),
                "frozen": f"{type(layer.get_base_layer().weight).__name__} {layer.get_base_layer().weight.dtype}",
            }
            for layer in layers.values()
        ]
        whole = (thing for thing in gc.get_objects() if isinstance(thing, PreTrainedModel))
        self.facts["language_models"] = sum(type(thing).__name__.endswith("ForCausalLM") for thing in whole)
        self.facts["greatest_b"] = max(
            (float(p.detach().abs().max()) for name, p in model.named_parameters() if "lora_B" in name), default=0.0
        )
        self.facts["reference_model"] = getattr(self.trainer, "ref_model", None) is not None
        self.facts["groups"] = groups_of(named["optimizer"], model)
        self.facts["scheduler"] = [
            getattr(part, "__qualname__", "") for part in getattr(named["lr_scheduler"], "lr_lambdas", [])
        ]
        self.before = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
        model.get_input_embeddings().register_forward_hook(self._measure_noise)
        if hasattr(self.trainer, "get_batch_loss_metrics"):
            self._compare_losses()
        else:
            self._watch_packing()

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **named: Any) -> None:
        """After the first step, what one step did; after the stop step, the signal."""
        if state.global_step == 1:
            self.facts["first_step_ranks"] = self._ranks(model)
            self._evaluate(model)
        if state.global_step == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        while state.global_step == self.hold_at:
            time.sleep(0.1)

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **named: Any) -> None:
        """What training has changed."""
        self.facts["ranks"] = self._ranks(model)
        self.facts["magnitudes_moved"] = [
            float((parameter.detach() - self.before[name]).abs().max())
            for name, parameter in model.named_parameters()
            if "lora_magnitude_vector" in name
        ]
        self.facts["states"] = states_of(named["optimizer"], model)
        self.facts["noise"] = self.noise
        (JOB_DIR / "probe.json").write_text(json.dumps(self.facts))

    def _evaluate(self, model: Any) -> None:
        """One look at NEFTune's embedding outside of training.

        Only there: bitsandbytes packs its 4-bit weights anew at their first use in evaluation, for a CPU's own kernel.
        """
        if self.trainer.args.neftune_noise_alpha:
            model.eval()
            with torch.no_grad():
                model(input_ids=torch.arange(3, 35, device=model.device)[None])
            model.train()

    def _ranks(self, model: Any) -> dict[str, int]:
        """Numerical rank of what has changed in each trained matrix, by name."""
        return {
            name: numerical_rank(parameter.detach() - self.before[name])
            for name, parameter in model.named_parameters()
            if name in self.before and parameter.dim() == 2 and parameter.is_floating_point()
        }

    def _measure_noise(self, module: Any, inputs: Any, output: Any) -> None:
        clean = torch.nn.functional.embedding(inputs[0], module.weight)
        noise = (output - clean).detach()
        length, width = output.shape[-2:]
        self.noise["training" if module.training else "evaluation"].append(
            {
                "greatest": float(noise.abs().max()),
                "mean": float(noise.abs().mean()),
                "length": length,
                "width": width,
            }
        )

    def _compare_losses(self) -> None:
        """Compute each micro-batch's loss a second time, by the paper's equations."""
        compute = self.trainer.compute_loss
        compared: list[dict[str, float]] = self.facts.setdefault("losses", [])

        def both(model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
            loss = compute(model, inputs, *rest, **named)
            if len(compared) < 4:
                with torch.no_grad():
                    compared.append({"trainer": float(loss), **orpo_by_hand(model, inputs)})
            return loss

        self.trainer.compute_loss = both

    def _watch_packing(self) -> None:
        """In the first micro-batch that holds several samples in a row: does the second one see the first?"""
        compute = self.trainer.compute_loss

        def watched(model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
            if "leak" not in self.facts and (found := leak(model, inputs)) is not None:
                self.facts["leak"] = found
            return compute(model, inputs, *rest, **named)

        self.trainer.compute_loss = watched


def leak(model: Any, inputs: Any) -> float | None:
    """How much the second packed sample's logits change with the words of the first; None when nothing is packed."""
    places = inputs.get("position_ids")
    starts = [] if places is None else (places[0] == 0).nonzero()[:, 0].tolist()
    if len(starts) < 3:
        return None
    keys = ("input_ids", "attention_mask", "position_ids")
    batch = {key: inputs[key] for key in keys if inputs.get(key) is not None}
    other = batch["input_ids"].clone()
    other[0, : starts[1]] = (other[0, : starts[1]] + 7) % 500 + 3
    model.eval()
    with torch.no_grad():
        both = [
            model(**{**batch, "input_ids": ids}).logits[0, starts[1] : starts[2]] for ids in (batch["input_ids"], other)
        ]
    model.train()
    return float((both[0] - both[1]).abs().max())


def numerical_rank(matrix: Any) -> int:
    """How many singular values exceed RANK_TOLERANCE times the greatest; 0 for a matrix of nothing."""
    values = torch.linalg.svdvals(matrix.double())
    return int((values > RANK_TOLERANCE * values[0]).sum()) if values[0] > 0 else 0


def groups_of(optimizer: Any, model: Any) -> list[dict[str, Any]]:
    """Learning rate, rank and kinds of parameters of each group; the rate is the peak, before any warm-up."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [
        {
            "lr": group.get("initial_lr", group["lr"]),
            "rank": group.get("rank"),
            "kinds": sorted({kind_of(names.get(id(parameter), "?")) for parameter in group["params"]}),
        }
        for group in optimizer.param_groups
        if group["params"]
    ]


def kind_of(name: str) -> str:
    """`lora_A`, `lora_B`, `lora_magnitude_vector`, or the module that the parameter is of."""
    return next((part for part in name.split(".") if part.startswith("lora_")), name.split(".")[-2:][0])


def states_of(optimizer: Any, model: Any) -> list[dict[str, Any]]:
    """The shape of each parameter and that of its first moment, as the optimizer keeps it."""
    inner = getattr(optimizer, "optimizer", optimizer)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [
        {
            "name": names[id(parameter)],
            "shape": list(parameter.shape),
            "moment": list(state["exp_avg"].shape),
            "projected": "projector" in state,
        }
        for parameter, state in inner.state.items()
        if "exp_avg" in state
    ]
