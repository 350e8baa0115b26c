"""What the service believes of Axolotl, asked of the installed Axolotl itself."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.adapters.axolotl.render import TrainConfigRequest, render_train_config
from orchestrator.adapters.axolotl.rules import RULES
from orchestrator.adapters.axolotl.setting import Rule, Verdict

ROOT = Path(__file__).resolve().parents[2]
TRAINER_PYTHON = ROOT / ".trainer" / "bin" / "python"
EXAMPLES = json.loads((ROOT / "tests/unit/adapters/axolotl/rule_examples.json").read_text(encoding="utf-8"))
STRATEGY_A = {
    "adapter": "lora",
    "lora_r": 128,
    "lora_alpha": 256,
    "lora_use_dora": True,
    "lora_use_rslora": True,
    "loraplus_lr_ratio": 16,
    "neftune_noise_alpha": 5,
}
PLAIN_LORA = {"adapter": "lora", "lora_r": 64, "lora_alpha": 128}
QLORA = {"adapter": "qlora", "lora_r": 64, "lora_alpha": 128, "load_in_4bit": True}
GALORE = {"optimizer": "galore_adamw_8bit", "galore_rank": 128, "galore_update_proj_gap": 200, "galore_scale": 0.25}
PLAIN = {
    "base_model": "some/model",
    "datasets": [{"path": "train.jsonl", "ds_type": "json", "type": "alpaca"}],
    "output_dir": "output",
    "learning_rate": 2e-5,
    "micro_batch_size": 1,
    "gradient_accumulation_steps": 1,
}
REQUEST = TrainConfigRequest(
    base_model="some/model",
    technique_config=STRATEGY_A,
    dataset_format="alpaca",
    data_dir="/job/data",
    output_dir="/job/output",
    device="cpu",
    gpus=1,
    micro_batch_size=2,
    gradient_accumulation_steps=4,
    sequence_len=512,
    num_epochs=1.5,
    max_steps=100,
    learning_rate=5e-5,
    warmup_steps=5,
    save_steps=25,
    seed=7,
)
ON_TWO_GPUS = replace(REQUEST, device="cuda", gpus=2)
RECIPES = {path.name: path for path in sorted((ROOT / "recipes").glob("config_*.yaml"))}
PACKED = {"sample_packing": True, "pad_to_sequence_len": True, "attn_implementation": "flex_attention"}
RENDERED = {
    "strategy A": REQUEST,
    "strategy A, messages": replace(REQUEST, dataset_format="messages"),
    "strategy A, completion": replace(REQUEST, dataset_format="completion"),
    "plain LoRA": replace(REQUEST, technique_config=PLAIN_LORA),
    "GaLore": replace(REQUEST, technique_config={**GALORE, "optimizer": "galore_adamw"}),
    "strategy A on two GPUs": ON_TWO_GPUS,
    "QLoRA on two GPUs": replace(ON_TWO_GPUS, technique_config=QLORA),
    "GaLore on a GPU": replace(REQUEST, technique_config=GALORE, device="cuda"),
    "packed": replace(ON_TWO_GPUS, overrides=PACKED),
}

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(not TRAINER_PYTHON.exists(), reason="needs the trainer's environment (.trainer)"),
]


@dataclass(frozen=True)
class Judgements:
    """Axolotl's refusals by the name of the configuration, None where it accepts."""

    of_rules: Mapping[str, str | None] = field(default_factory=dict)
    of_rendered: Mapping[str, str | None] = field(default_factory=dict)
    of_recipes: Mapping[str, str | None] = field(default_factory=dict)
    of_plain: str | None = None


@pytest.fixture(scope="module")
def axolotl() -> Judgements:
    """One process for all: importing Axolotl takes about 8 s, a verdict a few milliseconds."""
    rules = [example_case(rule) for rule in RULES]
    rendered = [case(render_train_config(request), request.device, request.gpus) for request in RENDERED.values()]
    # Read as Axolotl reads a file, not as the service does.
    recipes = [case(yaml.safe_load(path.read_text(encoding="utf-8"))) for path in RECIPES.values()]
    done = subprocess.run(
        [str(TRAINER_PYTHON), str(Path(__file__).with_name("axolotl_verdicts.py"))],
        input=json.dumps([case(PLAIN), *recipes, *rules, *rendered]),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    verdicts = iter(json.loads(done.stdout.splitlines()[-1]))
    plain = next(verdicts)
    of_recipes = {name: next(verdicts) for name in RECIPES}
    of_rules = {rule.id: next(verdicts) for rule in RULES}
    return Judgements(of_rules, dict(zip(RENDERED, verdicts, strict=True)), of_recipes, plain)


def case(config: Mapping[str, object], device: str = "cuda", gpus: int = 1) -> dict[str, object]:
    return {"config": config, "device": device, "gpus": gpus}


def example_case(rule: Rule) -> dict[str, object]:
    example: dict[str, Any] = EXAMPLES[rule.id]
    return case({**PLAIN, **example["config"]}, example.get("device", "cuda"), example.get("gpus", 1))


def test_axolotl_accepts_the_plain_configuration_that_the_examples_add_to(axolotl: Judgements) -> None:
    assert axolotl.of_plain is None


@pytest.mark.parametrize("name", RENDERED)
def test_axolotl_accepts_what_the_service_renders(name: str, axolotl: Judgements) -> None:
    assert axolotl.of_rendered[name] is None


@pytest.mark.parametrize("name", RECIPES)
def test_axolotl_accepts_the_recipes_that_come_with_the_project(name: str, axolotl: Judgements) -> None:
    assert axolotl.of_recipes[name] is None


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.axolotl is Verdict.REFUSES], ids=lambda rule: rule.id)
def test_axolotl_refuses_what_the_table_says_it_refuses(rule: Rule, axolotl: Judgements) -> None:
    # Its words are compared too: a refusal for another reason would prove nothing about the rule.
    assert EXAMPLES[rule.id]["says"] in (axolotl.of_rules[rule.id] or "accepted")


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.axolotl is Verdict.ACCEPTS], ids=lambda rule: rule.id)
def test_axolotl_accepts_what_only_our_own_rule_refuses(rule: Rule, axolotl: Judgements) -> None:
    assert axolotl.of_rules[rule.id] is None


def test_the_schema_in_the_project_is_the_one_that_axolotl_exports() -> None:
    done = subprocess.run(
        [str(TRAINER_PYTHON), str(ROOT / "bench" / "export_axolotl_schema.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
