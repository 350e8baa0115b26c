"""Each technique is truly at work: seen from within the trainer, and false as soon as its setting were dropped."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from node_jobs import STRATEGY_A, TRAINER_PYTHON, run_trainer_script
from technique_runs import GALORE, ORPO, STEPS, TechniqueRuns, prepared, probed

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(not TRAINER_PYTHON.exists(), reason="no trainer environment"),
]
LINEAR_LAYERS = 14
"""Seven in each of the tiny model's two blocks."""
SEEN_FROM_OUTSIDE = Path(__file__).with_name("node_weights.py")


def test_dora_has_a_magnitude_for_every_layer_and_each_of_them_moves(techniques: TechniqueRuns) -> None:
    seen = techniques.probe("strategy_a")
    assert [layer["dora"] for layer in seen["layers"]] == [True] * LINEAR_LAYERS
    assert len(seen["magnitudes_moved"]) == LINEAR_LAYERS
    assert min(seen["magnitudes_moved"]) > 1e-3
    assert techniques.probe("lora")["magnitudes_moved"] == []


def test_rslora_scales_by_the_square_root_of_the_rank(techniques: TechniqueRuns) -> None:
    for layer in techniques.probe("strategy_a")["layers"]:
        assert layer["scaling"] == pytest.approx(layer["alpha"] / math.sqrt(layer["r"]))
    for layer in techniques.probe("lora")["layers"]:
        assert layer["scaling"] == layer["alpha"] / layer["r"]


def test_lora_plus_gives_b_and_the_magnitudes_the_ratio_times_the_rate_of_a(techniques: TechniqueRuns) -> None:
    a, b = techniques.probe("strategy_a")["groups"]
    assert (a["kinds"], b["kinds"]) == (["lora_A"], ["lora_B", "lora_magnitude_vector"])
    assert b["lr"] == pytest.approx(16 * a["lr"])
    assert a["lr"] == pytest.approx(2e-4)


def test_neftune_adds_noise_of_the_papers_size_in_training_and_none_in_evaluation(techniques: TechniqueRuns) -> None:
    """Equation in section 2 of arXiv 2310.05914: uniform in -1..1 times alpha / sqrt(L d), L tokens of d numbers."""
    noise = techniques.probe("strategy_a")["noise"]
    assert len(noise["training"]) == 2 * STEPS  # two micro-batches a step
    for seen in noise["training"]:
        bound = STRATEGY_A["neftune_noise_alpha"] / math.sqrt(seen["length"] * seen["width"])
        assert 0.99 * bound < seen["greatest"] <= bound * (1 + 1e-5)
        assert seen["mean"] == pytest.approx(bound / 2, rel=0.05)
    assert [seen["greatest"] for seen in noise["evaluation"]] == [0.0]
    assert max(seen["greatest"] for seen in techniques.probe("lora")["noise"]["training"]) == 0.0


def test_galore_keeps_moments_of_its_rank_and_still_changes_weights_beyond_it(techniques: TechniqueRuns) -> None:
    seen = techniques.probe("galore")
    rank = GALORE["optim_args"]["rank"]
    projected = [state for state in seen["states"] if state["projected"]]
    assert len(projected) == LINEAR_LAYERS
    assert all(min(state["moment"]) == rank < min(state["shape"]) for state in projected)
    names = [state["name"] for state in projected]
    assert {seen["first_step_ranks"][name] for name in names} == {rank}  # one step lies in one subspace
    # Subspaces are renewed every third step: ten steps see four, and what they add up to outgrows each of them.
    assert min(seen["ranks"][name] for name in names) > 2 * rank
    assert [group["rank"] for group in seen["groups"]] == [None, rank]


def test_orpos_loss_is_the_papers_and_no_second_model_is_loaded(techniques: TechniqueRuns) -> None:
    """The paper's equations, and where TRL departs from them, stand in `node_orpo_by_hand`."""
    for name in ("orpo", "orpo_full", "orpo_strategy_a"):
        seen = techniques.probe(name)
        assert len(seen["losses"]) == 4
        for loss in seen["losses"]:
            assert loss["trainer"] == pytest.approx(loss["sft"] + ORPO["orpo_alpha"] * loss["odds"], rel=1e-5)
            assert loss["odds"] > 0.5  # the term counts: without it the sums above would differ by 1 in 100
        assert (seen["language_models"], seen["reference_model"]) == (1, False)


def test_qlora_freezes_four_bit_weights_and_trains_an_adapter_on_them(techniques: TechniqueRuns) -> None:
    seen = techniques.probe("qlora")
    assert {layer["frozen"] for layer in seen["layers"]} == {"Params4bit torch.bfloat16"}
    assert len(seen["layers"]) == LINEAR_LAYERS
    assert all(state["name"].split(".")[-3] in {"lora_A", "lora_B"} for state in seen["states"])
    assert {layer["frozen"] for layer in techniques.probe("lora")["layers"]} == {"Parameter torch.float32"}


@pytest.mark.parametrize("name", ["full", "galore", "orpo_full"])
def test_a_training_without_an_adapter_ends_with_a_whole_model(techniques: TechniqueRuns, name: str) -> None:
    job = techniques.unbroken(name)
    verdict = json.loads((job.folder / "exit.json").read_text())
    assert verdict["result"] == str(job.folder.parent / "output")
    seen = loaded(techniques.model, verdict["result"])
    assert seen["architecture"] == "LlamaForCausalLM"
    assert seen["chat_template"]
    assert seen["unchanged"] == []
    assert seen["checkpoints"] == ["checkpoint-10"]


@pytest.mark.parametrize("name", ["orpo", "orpo_full", "galore", "full", "qlora"])
def test_every_kind_of_training_reports_its_steps(techniques: TechniqueRuns, name: str) -> None:
    job = techniques.unbroken(name)
    steps = job.events("step")
    assert [step["step"] for step in steps] == list(range(1, STEPS + 1))
    assert all(step["loss"] > 0 and step["grad_norm"] > 0 for step in steps)
    assert [step["tokens"] for step in steps] == sorted({step["tokens"] for step in steps})
    peak = GALORE["learning_rate"] if name == "galore" else 2e-4
    expected = [peak * 0.5 * (1 + math.cos(math.pi * step / STEPS)) for step in range(STEPS)]
    assert [step["learning_rate"] for step in steps] == pytest.approx(expected, rel=1e-6)
    assert all("Horizon" in part for part in techniques.probe(name)["scheduler"])
    assert all(("extra" in step) == name.startswith("orpo") for step in steps)


def test_orpo_tells_its_odds_ratio_with_every_step_and_counts_the_tokens_of_both_answers(
    techniques: TechniqueRuns,
) -> None:
    job = techniques.unbroken("orpo")
    for step in job.events("step"):
        extra = step["extra"]
        assert step["loss"] == pytest.approx(extra["nll_loss"] - 0.1 * extra["log_odds_ratio"], rel=1e-5)
        assert {"log_odds_chosen", "rewards/chosen", "rewards/accuracies", "logps/rejected"} <= set(extra)
    alone = seen_in_first_steps(techniques, "lora")
    assert alone > 0
    assert job.events("step")[-1]["tokens"] > 2 * STEPS * 4 * 8  # two answers of at least eight tokens to each row


def test_an_adapter_of_every_kind_goes_on_in_an_orpo_stage(techniques: TechniqueRuns, tmp_path: Path) -> None:
    first = techniques.unbroken("strategy_a").folder.parent / "output"
    keys: dict[str, Any] = {**STRATEGY_A, "neftune_noise_alpha": None, **ORPO, "lora_model_dir": str(first)}
    job = prepared(tmp_path / "job", techniques.model, **keys)
    verdict = job.start().finish()
    assert verdict["cause"] == "completed", verdict["message"]
    seen = probed(job)
    assert techniques.probe("strategy_a")["greatest_b"] == 0.0
    assert seen["greatest_b"] > 1e-3  # not a new adapter: that would begin with B at nothing
    assert all(layer["dora"] for layer in seen["layers"])
    assert {round(layer["scaling"], 6) for layer in seen["layers"]} == {round(16 / math.sqrt(8), 6)}
    assert (seen["language_models"], seen["reference_model"]) == (1, False)
    config = json.loads((Path(verdict["result"]) / "adapter_config.json").read_text())
    assert (config["use_dora"], config["use_rslora"]) == (True, True)


def seen_in_first_steps(techniques: TechniqueRuns, name: str) -> int:
    tokens: int = techniques.unbroken(name).events("step")[0]["tokens"]
    return tokens


def loaded(base: Path, result: str) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads(run_trainer_script(str(SEEN_FROM_OUTSIDE), str(base), result).splitlines()[-1])
    return seen
