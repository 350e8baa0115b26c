"""Counts what Axolotl's own loader makes of a tiny Llama: parameters, gradients and optimizer states, by their type.

Run with the trainer's Python, from the repository root (a CPU is enough, types are the same as on a GPU):

    PYTHONPATH=. .trainer/bin/python bench/trainer_inventory.py

Each line is a kind of tensor, its type, how many elements and, of what is trained, the bytes that its gradient and its
optimizer states took for each of them after one step. The memory model's bytes per parameter rest on this.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["AXOLOTL_DO_NOT_TRACK"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import torch
from axolotl.loaders import ModelLoader
from axolotl.utils.config import normalize_config, validate_config
from axolotl.utils.dict import DictDefault
from galore_torch import GaLoreAdamW
from transformers import AutoTokenizer

from tests.integration.node_tiny_model import make

H200 = {"bf16": True, "fp8": True, "tf32": True, "compute_capability": "sm_90", "n_gpu": 1}
TRAINING: dict[str, Any] = {
    "datasets": [{"path": "rows.jsonl", "type": "alpaca"}],
    "sequence_len": 128,
    "micro_batch_size": 1,
    "gradient_accumulation_steps": 2,
    "num_epochs": 1,
    "learning_rate": 1e-4,
    "bf16": True,
    "gradient_checkpointing": True,
    "gradient_checkpointing_kwargs": {"use_reentrant": False},
    "attn_implementation": "sdpa",
    # Triton runs on GPUs alone; the kernels change what is kept of a forward pass, no tensor that is counted here.
    **dict.fromkeys(("lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel", "lora_embedding_kernel"), False),
}
LORA = {"adapter": "lora", "lora_r": 4, "lora_alpha": 8, "lora_target_linear": True}
CASES: dict[str, dict[str, Any]] = {
    "full": {},
    "lora": LORA,
    "lora, embeddings trained": {**LORA, "lora_modules_to_save": ["embed_tokens", "lm_head"]},
    "dora": {**LORA, "peft_use_dora": True},
    "qlora": {**LORA, "adapter": "qlora", "load_in_4bit": True},
    "galore": {"optimizer": "galore_adamw", "optim_target_modules": ["self_attn", "mlp"]},
}


def _kind(name: str) -> str:
    for word, kind in (("lora_", "adapter"), ("modules_to_save", "saved copy"), ("norm", "norm")):
        if word in name:
            return kind
    return "embedding or head" if "embed" in name or "lm_head" in name else "matrix"


def _optimizer(model: torch.nn.Module, case: str) -> torch.optim.Optimizer:
    trained = [each for each in model.named_parameters() if each[1].requires_grad]
    if case != "galore":
        return torch.optim.AdamW([value for _, value in trained])
    matrices = [value for name, value in trained if "self_attn" in name or "mlp" in name]
    others = [value for name, value in trained if not ("self_attn" in name or "mlp" in name)]
    group = {"rank": 4, "update_proj_gap": 200, "scale": 0.25, "proj_type": "std"}
    return GaLoreAdamW([{"params": others}, {"params": matrices, **group}])


def _state_bytes(state: dict[str, Any]) -> int:
    """Of the moments and of GaLore's projection."""
    tensors = [each for each in state.values() if torch.is_tensor(each) and each.dim()]
    projector = state.get("projector")
    if projector is not None:
        tensors.append(projector.ortho_matrix)
    return sum(each.numel() * each.element_size() for each in tensors)


def inventory(case: str, folder: Path) -> list[str]:
    """One line for each kind and type of tensor in the loaded model, after one step of its optimizer."""
    raw = {**TRAINING, **CASES[case], "base_model": str(folder), "output_dir": str(folder / "out"), "plugins": []}
    version = torch.__version__.split("+")[0]
    cfg = validate_config(DictDefault(raw), capabilities=H200, env_capabilities={"torch_version": version})
    normalize_config(cfg)
    cfg.device, cfg.device_map, cfg.ddp = "cpu", "cpu", False
    model, _ = ModelLoader(cfg, AutoTokenizer.from_pretrained(folder)).load()
    optimizer = _optimizer(model, case)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        tokens = torch.arange(32).reshape(1, 32)
        model(input_ids=tokens, labels=tokens).loss.backward()
    optimizer.step()
    elements: Counter[tuple[str, str]] = Counter()
    gradients: Counter[tuple[str, str]] = Counter()
    states: Counter[tuple[str, str]] = Counter()
    for name, value in model.named_parameters():
        key = (("trained " if value.requires_grad else "frozen ") + _kind(name), str(value.dtype))
        elements[key] += value.numel()
        if value.grad is not None:
            gradients[key] += value.grad.numel() * value.grad.element_size()
            states[key] += _state_bytes(optimizer.state[value])
    return [
        f"{kind:26s} {dtype:16s} {count:8d} elements"
        + (
            f", gradient {gradients[kind, dtype] / count:.2f}, states {states[kind, dtype] / count:.2f} bytes each"
            if gradients[kind, dtype]
            else ""
        )
        for (kind, dtype), count in sorted(elements.items())
    ]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        for case in CASES:
            try:
                lines = inventory(case, folder)
            except Exception as error:  # noqa: BLE001 - a case that this machine cannot load says so
                lines = [f"not loaded: {type(error).__name__}: {error}"]
            sys.stdout.write(f"== {case}\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
