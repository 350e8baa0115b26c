"""Makes models of configs on the meta device, where they have shapes and no weights, and tells what is in them.

Run by the trainer's Python: `... CASES`, a file of JSON: a list of `{"config": ..., "targets": [...]}`. Prints a list
of what each one is. A LoRA of rank `RANK` is put on each of the targets (`all-linear`, or a list of names) by PEFT.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.pytorch_utils import Conv1D

RANK = 8


def described(config: dict[str, object], targets: list[str | list[str]]) -> dict[str, object]:
    """Parameters, linear modules (name, inputs, outputs, bias and how often) and LoRA's parameters by its targets."""
    model = _model(config)
    return {
        "parameters": sum(each.numel() for each in model.parameters()),
        "linears": sorted([*kind, count] for kind, count in _linears(model).items()),
        "limited": _limited(model),
        "adapters": [_adapter(config, each) for each in targets],
    }


def _model(config: dict[str, object]) -> PreTrainedModel:
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))


def _linears(model: PreTrainedModel) -> Counter[tuple[str, int, int, bool]]:
    head = model.get_output_embeddings()
    found: Counter[tuple[str, int, int, bool]] = Counter()
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not head:
            sizes = tuple(module.weight.shape)
            inputs, outputs = sizes if isinstance(module, Conv1D) else sizes[::-1]
            found[name.rpartition(".")[2], inputs, outputs, module.bias is not None] += 1
    return found


def _limited(model: PreTrainedModel) -> int | None:
    """How many layers attend to less than all; None where the config does not tell it layer by layer."""
    layers = getattr(model.config, "layer_types", None)
    return None if layers is None else sum(each != "full_attention" for each in layers)


def _adapter(config: dict[str, object], targets: str | list[str]) -> int:
    with torch.device("meta"):
        adapted = get_peft_model(_model(config), LoraConfig(r=RANK, target_modules=targets), low_cpu_mem_usage=True)
    return sum(each.numel() for name, each in adapted.named_parameters() if "lora_" in name)


if __name__ == "__main__":
    cases = json.loads(Path(sys.argv[1]).read_text())
    json.dump([described(case["config"], case["targets"]) for case in cases], sys.stdout)
