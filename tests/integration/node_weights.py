"""What a model's folder holds against its base: `... BASE FOLDER`, under the trainer's Python; prints JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

RANK_TOLERANCE = 1e-4
"""Singular values below this part of the greatest one count as nothing. Float32 leaves noise of about 1e-7."""


def against(base: Path, folder: Path) -> dict[str, Any]:
    """Names of unchanged weights, and the numerical rank of each changed matrix of the blocks."""
    before = AutoModelForCausalLM.from_pretrained(base).state_dict()
    model = AutoModelForCausalLM.from_pretrained(folder)
    after = model.state_dict()
    changes = {name: after[name].double() - before[name].double() for name in before}
    blocks = {name: change for name, change in changes.items() if change.dim() == 2 and ".layers." in name}
    return {
        "architecture": type(model).__name__,
        "chat_template": AutoTokenizer.from_pretrained(folder).chat_template,
        "unchanged": [name for name, change in changes.items() if not change.any()],
        "ranks": {name: rank_of(change) for name, change in blocks.items()},
        "spectra": {name: spectrum(change) for name, change in blocks.items()},
        "checkpoints": sorted(path.name for path in folder.glob("checkpoint-*")),
    }


def rank_of(matrix: Any) -> int:
    """Numerical rank at RANK_TOLERANCE."""
    return sum(value > RANK_TOLERANCE for value in spectrum(matrix))


def spectrum(matrix: Any) -> list[float]:
    """Singular values as parts of the greatest, descending; empty for a matrix of nothing."""
    values = torch.linalg.svdvals(matrix)
    return [float(value / values[0]) for value in values] if values[0] > 0 else []


if __name__ == "__main__":
    print(json.dumps(against(Path(sys.argv[1]), Path(sys.argv[2]))))
