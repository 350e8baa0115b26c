"""What only a GPU can show: the 8-bit optimizer, 4-bit weights, bfloat16 and the fused LoRA kernels, truly at work.

Run by `make test-gpu` on a machine with one; skipped elsewhere. Nobody has run it on a GPU yet: what it asserts is what
the same trainings show on a CPU, and what the libraries' sources say of a GPU.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from node_jobs import LORA, TRAINER_PYTHON, run_trainer_script
from technique_runs import GALORE, TechniqueRuns, prepared, probed

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(not TRAINER_PYTHON.exists(), reason="no trainer environment"),
    pytest.mark.skipif(not Path("/dev/nvidia0").exists(), reason="needs an NVIDIA GPU"),
]
ON_GPU: dict[str, Any] = {"bf16": True, "tf32": True}
KERNELS = ("lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel")
OPTIMIZER = """
import json, sys, torch
from pathlib import Path
try:
    from galore_torch.galore_projector import GaLoreProjector
    torch.serialization.add_safe_globals([GaLoreProjector])
except ImportError:
    pass
state = torch.load(next(Path(sys.argv[1]).glob("checkpoint-*/optimizer.pt")), map_location="cpu", weights_only=True)
moments = [one["state1"] for one in state["state"].values() if "state1" in one]
print(json.dumps([[str(one.dtype), list(one.shape)] for one in moments]))
"""


def trained(runs: TechniqueRuns, folder: Path, **keys: Any) -> dict[str, Any]:
    """What the probe saw in ten steps on the GPU; the verdict is under `verdict`."""
    job = prepared(folder / "job", runs.model, **{**ON_GPU, **keys})
    verdict = job.start().finish()
    assert verdict["cause"] == "completed", verdict["message"]
    assert "cpu" not in job.events("begin")[0]["device"]
    for step in job.events("step"):
        assert step["device_reserved_peak_bytes"] >= step["device_allocated_peak_bytes"] > 0
        assert "process_resident_peak_bytes" not in step
    return {**probed(job), "verdict": verdict}


def test_galores_moments_are_low_rank_and_in_eight_bits(techniques: TechniqueRuns, tmp_path: Path) -> None:
    seen = trained(techniques, tmp_path, **{**GALORE, "optimizer": "galore_adamw_8bit", "save_only_model": False})
    moments = json.loads(run_trainer_script("-c", OPTIMIZER, seen["verdict"]["result"]).splitlines()[-1])
    low_rank = [shape for _, shape in moments if len(shape) == 2 and min(shape) == GALORE["optim_args"]["rank"]]
    assert low_rank
    assert "torch.uint8" in {dtype for dtype, _ in moments}


def test_qlora_trains_on_four_bit_weights_of_the_gpu(techniques: TechniqueRuns, tmp_path: Path) -> None:
    seen = trained(techniques, tmp_path, **{**LORA, "adapter": "qlora", "load_in_4bit": True})
    assert {layer["frozen"].split()[0] for layer in seen["layers"]} == {"Params4bit"}


def test_a_frozen_base_is_in_bfloat16(techniques: TechniqueRuns, tmp_path: Path) -> None:
    seen = trained(techniques, tmp_path, **LORA)
    assert {layer["frozen"] for layer in seen["layers"]} == {"Parameter torch.bfloat16"}


def test_the_fused_kernels_train_to_the_same_losses(techniques: TechniqueRuns, tmp_path: Path) -> None:
    """They compute what the plain layers do, in another order: losses agree to bfloat16's few digits."""
    plain = {**LORA, "lora_dropout": 0.0}
    fused = {**plain, **dict.fromkeys(KERNELS, True)}
    losses = []
    for name, keys in (("plain", plain), ("fused", fused)):
        job = prepared(tmp_path / name / "job", techniques.model, **{**ON_GPU, **keys})
        assert job.start().finish()["cause"] == "completed", job.log()[-2000:]
        losses.append([step["loss"] for step in job.events("step")])
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
