"""What Axolotl accepts and the trainer then ignores or dies of: the reason of a rule, seen in a real training.

The rules are in `orchestrator/adapters/axolotl/rules.py`; what Axolotl's validation says, in `test_axolotl_validation`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from node_jobs import LORA, TRAINER_PYTHON, run_trainer_script
from technique_runs import ORPO, TechniqueRuns, prepared, probed

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(not TRAINER_PYTHON.exists(), reason="no trainer environment"),
]


def test_an_optimizer_with_groups_of_its_own_drops_lora_plus(techniques: TechniqueRuns, tmp_path: Path) -> None:
    job = prepared(
        tmp_path / "job", techniques.model, **LORA, loraplus_lr_ratio=16, optimizer="muon", max_steps=2, save_steps=2
    )
    assert job.start().finish()["cause"] == "completed"
    assert [(group["lr"], group["kinds"]) for group in probed(job)["groups"]] == [(2e-4, ["lora_A", "lora_B"])]


def test_dora_on_eight_bit_weights_fails_on_a_cpu(techniques: TechniqueRuns, tmp_path: Path) -> None:
    verdict = (
        prepared(tmp_path / "job", techniques.model, **LORA, peft_use_dora=True, load_in_8bit=True).start().finish()
    )
    assert verdict["cause"] == "failed"
    assert "AttributeError" in verdict["message"]


def test_orpo_ignores_dropout_and_grouping_by_length(techniques: TechniqueRuns, tmp_path: Path) -> None:
    assert LORA["lora_dropout"] > 0
    keys: dict[str, Any] = {**LORA, **ORPO, "lora_dropout": 0.0, "group_by_length": True}
    job = prepared(tmp_path / "job", techniques.model, **keys)
    assert job.start().finish()["cause"] == "completed"
    losses = [step["loss"] for step in job.events("step")]
    assert losses == [step["loss"] for step in techniques.unbroken("orpo").events("step")]


def test_flex_attention_has_no_backward_pass_on_a_cpu() -> None:
    code = (
        "import torch; from torch.nn.attention.flex_attention import flex_attention as f\n"
        "q = torch.ones(1, 1, 16, 16, requires_grad=True)\n"
        "try: f(q, q, q)\n"
        "except NotImplementedError as error: print(error)"
    )
    assert "does not support backward on CPU" in run_trainer_script("-c", code)
