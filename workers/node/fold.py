"""The arithmetic of a merge: PEFT's own, one layer at a time in float32, stored as the base stores it.

A whole 16-bit model widened to float32 would need twice its memory; one layer at a time costs one layer.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from peft.utils import ModulesToSaveWrapper
from safetensors import SafetensorError, safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

_GENERATION = "generation_config.json"


class FoldError(Exception):
    """The adapter does not fit the base, or the result is not usable; the message says why."""


def fold(base_dir: Path, adapter_dir: Path, making: Path) -> int:
    """Write the merged model and its tokenizer into the folder `making`; returns how many tensors changed.

    Raises FoldError. On a CPU also where there is a GPU: a merge is a few matrix products and must fit any machine.
    """
    model = AutoModelForCausalLM.from_pretrained(base_dir, dtype="auto")
    if getattr(model.config, "quantization_config", None) is not None:
        raise FoldError(f"{base_dir} is quantised: an adapter can only be merged into the full-precision model")
    adapted = _adapted(model, adapter_dir)
    _untie(adapted)
    changed = sum(_merged_layer(module) for module in adapted.modules() if isinstance(module, LoraLayer))
    changed += sum(_kept_module(module) for module in adapted.modules() if isinstance(module, ModulesToSaveWrapper))
    merged = adapted.merge_and_unload()  # the layers are merged already; this takes PEFT's wrappers off
    for name, tensor in merged.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise FoldError(f"{name} would hold a weight that is not finite")
    _save(merged, base_dir, adapter_dir, making)
    return changed


def _adapted(model: Any, adapter_dir: Path) -> Any:
    """The base with the adapter on it, every tensor of the adapter in its place. Raises FoldError otherwise."""
    try:
        adapted = PeftModel.from_pretrained(model, str(adapter_dir))
    except (RuntimeError, ValueError, KeyError, SafetensorError) as error:
        raise FoldError(f"the adapter in {adapter_dir} does not fit the base: {error}") from error
    # PEFT passes over tensors for which the base has no place: merging the rest would be something else.
    from peft import get_peft_model_state_dict

    file = adapter_dir / "adapter_model.safetensors"
    if file.is_file():
        with safe_open(file, framework="pt") as stored:
            strangers = set(stored.keys()) ^ set(get_peft_model_state_dict(adapted))
        if strangers:
            some = ", ".join(sorted(strangers)[:3])
            raise FoldError(f"the adapter in {adapter_dir} does not fit the base: no match for {some}")
    return adapted.eval()


def _untie(adapted: Any) -> None:
    """Part tied embeddings when the adapter changes one of the two: merged in place, it would change both."""
    model = adapted.get_base_model()
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    if any(isinstance(end, LoraLayer) for end in ends):
        inner = ends[1].get_base_layer() if isinstance(ends[1], LoraLayer) else ends[1]
        inner.weight = torch.nn.Parameter(inner.weight.detach().clone(), requires_grad=False)


def _merged_layer(layer: Any) -> int:
    """Merge one layer in float32, back to the base's own type; returns how many of its tensors changed."""
    parameters = dict(layer.get_base_layer().named_parameters(recurse=False))
    before = {name: parameter.data.clone() for name, parameter in parameters.items()}
    for parameter in parameters.values():
        parameter.data = parameter.data.float()
    layer.merge()
    # Read again: PEFT may have put another parameter in the place of the first.
    after = dict(layer.get_base_layer().named_parameters(recurse=False))
    for name, parameter in after.items():
        parameter.data = parameter.data.to(before[name].dtype)
    return sum(not torch.equal(before[name], parameter.data) for name, parameter in after.items())


def _kept_module(wrapper: Any) -> int:
    """A module that was trained whole takes the type of the one it replaces; returns how many tensors differ."""
    original = dict(wrapper.original_module.named_parameters())
    trained = dict(wrapper.modules_to_save[wrapper.active_adapters[0]].named_parameters())
    for name, parameter in trained.items():
        parameter.data = parameter.data.to(original[name].dtype)
    return sum(not torch.equal(original[name].data, parameter.data) for name, parameter in trained.items())


def _save(merged: Any, base_dir: Path, adapter_dir: Path, making: Path) -> None:
    # Some published generation settings are refused on saving; they are not ours to judge, so the file is copied.
    merged.generation_config = type(merged.generation_config)() if merged.generation_config is not None else None
    merged.save_pretrained(making)
    (making / _GENERATION).unlink(missing_ok=True)
    if (base_dir / _GENERATION).is_file():
        shutil.copyfile(base_dir / _GENERATION, making / _GENERATION)
    # The trainer saves the tokenizer, with the chat template it used, beside the adapter.
    trained_with = adapter_dir if (adapter_dir / "tokenizer_config.json").is_file() else base_dir
    AutoTokenizer.from_pretrained(trained_with).save_pretrained(making)
