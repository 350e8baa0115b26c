"""Models and adapters for the merge tests, and what merges make of them: `... FOLDER`, under the trainer's Python.

Prints, as the last line, what came of each merge. One process for all: importing PEFT takes longer than every merge.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import node_tiny_model
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from workers.node.clock import SYSTEM_CLOCK
from workers.node.job import MergeTask
from workers.node.merge import MergeError, merge

TARGETS = ["q_proj", "v_proj", "down_proj"]
MERGES = (
    ("base", "lora"),
    ("base", "dora_rslora"),
    ("base", "modules_to_save"),
    ("tied", "embeddings"),
    ("base16", "dora_rslora"),
    ("base", "nan"),
    ("base", "wider"),
    ("base", "stranger"),
    ("base", "base"),
    ("base-lora/merged", "lora"),
)


def make(folder: Path) -> None:
    """Write the bases, then an adapter of each kind; `nan`, `wider` and `stranger` are ones that cannot be merged."""
    node_tiny_model.make(folder / "base")
    load(folder / "base", torch.bfloat16).save_pretrained(folder / "base16")
    tied = load(folder / "base")
    tied.config.tie_word_embeddings = True
    tied.tie_weights()
    tied.save_pretrained(folder / "tied")
    for name in ("base16", "tied"):
        AutoTokenizer.from_pretrained(folder / "base").save_pretrained(folder / name)
    add(folder, "lora", LoraConfig(r=4, target_modules=TARGETS))
    add(folder, "dora_rslora", LoraConfig(r=8, lora_alpha=16, target_modules=TARGETS, use_dora=True, use_rslora=True))
    add(folder, "modules_to_save", LoraConfig(r=4, target_modules=TARGETS, modules_to_save=["lm_head"]))
    add(folder, "embeddings", LoraConfig(r=4, target_modules=["embed_tokens", "q_proj"]), base="tied")
    spoil(folder, "nan", lambda tensors: next(iter(tensors.values())).fill_(float("nan")))
    spoil(folder, "wider", lambda tensors: tensors.update({name: torch.ones(4, 96) for name in list(tensors)[:1]}))
    stranger = "base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight"
    spoil(folder, "stranger", lambda tensors: tensors.update({stranger: torch.ones(4, 64)}))


def add(folder: Path, name: str, config: LoraConfig, base: str = "base") -> None:
    """Save an adapter whose every tensor, magnitudes included, differs from what it was made with."""
    torch.manual_seed(1)
    adapted = get_peft_model(load(folder / base), config)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data += 0.05 * torch.randn_like(parameter)
    adapted.save_pretrained(folder / name)


def spoil(folder: Path, name: str, change: Any) -> None:
    """A copy of the plain adapter with other tensors."""
    shutil.copytree(folder / "lora", folder / name)
    file = folder / name / "adapter_model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)


def load(folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    """The model in one type."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)


def compare(base: Path, adapter: Path, merged: Path) -> dict[str, Any]:
    """Logits of adapted and merged model in float32, `difference` and `effect` being greatest absolute differences."""
    ids = torch.arange(3, 67).reshape(2, 32)
    with torch.inference_mode():
        plain = load(base)(input_ids=ids).logits
        adapted = PeftModel.from_pretrained(load(base), adapter).eval()(input_ids=ids).logits
        answered = load(merged)(input_ids=ids).logits
    return {
        "difference": float((answered - adapted).abs().max()),
        "effect": float((adapted - plain).abs().max()),
        "dtypes": types(merged),
        "base_dtypes": types(base),
        "chat_template": AutoTokenizer.from_pretrained(merged).chat_template,
    }


def types(folder: Path) -> list[str]:
    """The types in which the folder's weights are stored."""
    return sorted({str(tensor.dtype) for tensor in load_file(folder / "model.safetensors").values()})


def rounded(base: Path, adapter: Path, merged: Path) -> bool:
    """Whether each merged weight is the float32 merge, rounded to the base's type once."""
    exact = PeftModel.from_pretrained(load(base), adapter).merge_and_unload().state_dict()
    stored = load_file(merged / "model.safetensors")
    return all(torch.equal(exact[name].to(tensor.dtype), tensor) for name, tensor in stored.items())


def attempt(folder: Path, base: str, adapter: str) -> dict[str, Any]:
    """Merge into `folder/<base>-<adapter>` and compare; `error` alone when the merge was refused."""
    output = folder / f"{base.replace('/', '-')}-{adapter}"
    before = contents(folder / base)
    try:
        merged = merge(MergeTask(str(folder / base), folder / adapter), output, SYSTEM_CLOCK)
    except MergeError as error:
        return {"error": str(error), "left": (output / "merged").exists()}
    return {
        **compare(folder / base, folder / adapter, output / "merged"),
        "rounded": rounded(folder / base, folder / adapter, output / "merged"),
        "base_untouched": contents(folder / base) == before,
        "changed_tensors": merged.changed_tensors,
    }


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of the folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


if __name__ == "__main__":
    root = Path(sys.argv[1])
    make(root)
    print(json.dumps({f"{base} + {adapter}": attempt(root, base, adapter) for base, adapter in MERGES}))
