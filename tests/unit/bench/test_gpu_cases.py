"""The table of cases: every one is a training that the service plans, in the shape that its row will say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.gpu_cases import CASES, SHAPES, TINY, WAYS, Case, chosen
from bench.gpu_job import Bench, CaseError, ordered, planned, write_rows

GPU = Bench(Path("python"), Path("work"), "cuda", "H200")
CPU = Bench(Path("python"), Path("work"), "cpu", "CPU")


def test_no_two_cases_have_the_same_name() -> None:
    assert len({case.id for case in CASES}) == len(CASES)


def test_shapes_have_the_parameters_of_their_models() -> None:
    """8,030,261,248 and 1,235,814,400 with the norms' 266,240 and 67,584."""
    assert SHAPES["8b"].parameters + 266_240 == 8_030_261_248
    assert SHAPES["1b"].parameters + 67_584 == 1_235_814_400


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_service_orders_the_training_that_the_case_describes(case: Case) -> None:
    rows = 8 * case.micro_batch * case.accumulation * case.devices
    run, _ = planned(GPU, case, Path("/model"), Path("/rows.jsonl"), rows)
    config, document = ordered(GPU, run, run.stages[0])
    assert config["max_steps"] == 8
    assert (config["sequence_len"], config["micro_batch_size"]) == (case.sequence_len, case.micro_batch)
    assert config["gradient_accumulation_steps"] == case.accumulation
    assert config["gradient_checkpointing"] is case.checkpointing
    assert document["train"]["processes"] == case.devices
    assert document["train"]["launcher"] == ("python" if case.devices == 1 else "torchrun")
    assert ("rl" in config) is case.how.pairs


def test_each_way_trains_what_it_is_named_after() -> None:
    configs = {}
    for way in WAYS:
        run, _ = planned(GPU, Case("8b", way), Path("/model"), Path("/rows.jsonl"), 32)
        configs[way] = ordered(GPU, run, run.stages[0])[0]
    assert configs["dora"]["peft_use_dora"] is True
    assert configs["dora"]["lora_r"] == configs["lora"]["lora_r"] == 16
    assert configs["dora_neftune"]["lora_r"] == 128
    assert configs["relora"]["lora_r"] == 64
    assert configs["qlora"]["load_in_4bit"] is True
    assert configs["galore"]["optimizer"] == "galore_adamw_8bit"
    assert "adapter" not in configs["full"]


def test_a_case_of_relora_has_the_merge_that_follows_its_training() -> None:
    run, _ = planned(GPU, Case("8b", "relora"), Path("/model"), Path("/rows.jsonl"), 32)
    assert [stage.kind for stage in run.stages] == ["train", "merge"]


def test_galores_gap_is_the_cases() -> None:
    run, _ = planned(CPU, Case("tiny", "galore", gap=5), Path("/model"), Path("/rows.jsonl"), 32)
    config, _ = ordered(CPU, run, run.stages[0])
    assert config["optim_args"]["update_proj_gap"] == 5
    assert [step for step in range(1, 13) if Case("tiny", "galore", gap=5).refreshes(step)] == [1, 6, 11]


def test_both_sides_of_a_pair_are_tokens_of_its_step() -> None:
    assert Case("8b", "orpo", micro_batch=2).step_tokens == 2 * 2 * 2048
    assert Case("8b", "lora", accumulation=4, devices=2).step_tokens == 4 * 4 * 2 * 2048


def test_a_machine_gets_no_case_for_more_gpus_than_it_has() -> None:
    assert {case.devices for case in chosen([], ["8b", "1b"], 1, quick=False)} == {1}
    assert {case.devices for case in chosen([], ["8b", "1b"], 4, quick=False)} == {1, 2, 4}


def test_what_is_chosen_keeps_to_the_ways_the_models_and_the_quick_ones() -> None:
    assert {case.way for case in chosen(["lora", "dora"], ["8b"], 1, quick=False)} == {"lora", "dora"}
    assert {case.model for case in chosen([], ["1b"], 1, quick=False)} == {"1b"}
    assert all(case.quick for case in chosen([], list(SHAPES), 1, quick=True))
    assert {case.way for case in TINY} == set(WAYS)


def test_more_steps_more_tokens_and_more_refreshes_are_guessed_to_take_longer() -> None:
    case = Case("8b", "lora")
    assert case.guessed_seconds(14) > case.guessed_seconds(8)
    assert Case("8b", "lora", micro_batch=16).guessed_seconds(8) > case.guessed_seconds(8)
    assert Case("1b", "galore", gap=5).guessed_seconds(8) > Case("1b", "galore").guessed_seconds(8)


def test_rows_have_as_many_words_as_make_the_sequence_full(tmp_path: Path) -> None:
    facts = {"words": ["mill", "rope"], "around_text": 2, "around_answer": 30}
    (tmp_path / "words.json").write_text(json.dumps(facts))
    case = Case("tiny", "lora", 128)
    rows = [json.loads(line) for line in write_rows(tmp_path / "a", tmp_path, case, 3).read_text().splitlines()]
    assert [len(row["text"].split()) for row in rows] == [126] * 3
    pairs = write_rows(tmp_path / "b", tmp_path, Case("tiny", "orpo", 128), 1)
    pair = json.loads(pairs.read_text())
    assert [len(pair[side].split()) for side in ("chosen", "rejected")] == [98, 98]
    assert pair["chosen"] != pair["rejected"]


def test_a_sequence_too_short_for_its_prompt_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.json").write_text(json.dumps({"words": ["mill"], "around_text": 2, "around_answer": 60}))
    with pytest.raises(CaseError, match="no room"):
        write_rows(tmp_path / "rows", tmp_path, Case("tiny", "orpo", 32), 1)
