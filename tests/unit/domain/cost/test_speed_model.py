from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.coefficients import CellKey, Coefficients, Correction, cell_key
from orchestrator.domain.cost.fitted_speed import COEFFICIENTS
from orchestrator.domain.cost.gpus import GPUS, Gpu
from orchestrator.domain.cost.known import known
from orchestrator.domain.cost.prediction import Prediction
from orchestrator.domain.cost.setup import Checkpointing, Method, Sharding, TrainingSetup
from orchestrator.domain.cost.speed_model import predict_step, tokens_per_second, work_of

H200 = GPUS["H200"]


def model(name: str = "meta-llama/Llama-3.1-8B") -> Architecture:
    found = known(name)
    assert found is not None
    return found


LORA = TrainingSetup(Method.LORA, 2048, micro_batch=2, accumulation=4, rank=16)
setups = st.builds(
    TrainingSetup,
    method=st.sampled_from(Method),
    sequence_len=st.integers(16, 65536),
    micro_batch=st.integers(1, 64),
    accumulation=st.integers(1, 64),
    devices=st.integers(1, 4),
    sharding=st.sampled_from(Sharding),
    checkpointing=st.sampled_from(Checkpointing),
    flash=st.booleans(),
    rank=st.integers(1, 256),
    dropout=st.sampled_from([0.0, 0.05]),
    dora=st.booleans(),
    pairs=st.booleans(),
    compiled=st.booleans(),
    galore_gap=st.integers(1, 500),
    framework=st.sampled_from(["axolotl", "ms-swift", "llm-foundry", "never heard of"]),
)
gpus = st.sampled_from(list(GPUS.values()))
names = st.sampled_from(["Qwen/Qwen2.5-0.5B", "meta-llama/Llama-3.1-8B", "mistralai/Mixtral-8x7B-v0.1"])


def predict(setup: TrainingSetup, gpu: Gpu = H200, coefficients: Coefficients = COEFFICIENTS) -> Prediction:
    return predict_step(model(), setup, gpu, coefficients)


def term(prediction: Prediction, name: str) -> float:
    return sum(each.value for each in prediction.terms if each.name == name)


@given(names, setups, gpus)
def test_the_terms_are_positive_and_sum_to_the_middle(name: str, setup: TrainingSetup, gpu: Gpu) -> None:
    said = predict_step(model(name), setup, gpu, COEFFICIENTS)
    assert all(each.value > 0 for each in said.terms)
    assert math.fsum(each.value for each in said.terms) == pytest.approx(said.middle)
    assert said.sigma > 0
    assert said.source


@given(names, setups, gpus, st.integers(2, 4))
def test_more_tokens_in_a_step_never_make_it_faster(name: str, setup: TrainingSetup, gpu: Gpu, times: int) -> None:
    once = predict_step(model(name), setup, gpu, COEFFICIENTS).middle
    for more in (
        replace(setup, micro_batch=setup.micro_batch * times),
        replace(setup, accumulation=setup.accumulation * times),
        replace(setup, sequence_len=setup.sequence_len * times),
    ):
        assert predict_step(model(name), more, gpu, COEFFICIENTS).middle >= once


@given(names, setups, gpus)
def test_another_device_with_its_own_data_never_makes_a_step_shorter(name: str, setup: TrainingSetup, gpu: Gpu) -> None:
    # With the optimizer whole on each: a split one is the single thing that more devices do faster.
    alone = replace(setup, devices=1, sharding=Sharding.NONE)
    seconds = [
        predict_step(model(name), replace(alone, devices=count), gpu, COEFFICIENTS).middle for count in (1, 2, 3, 4)
    ]
    assert seconds == sorted(seconds)


@given(setups)
def test_a_bigger_model_is_never_faster(setup: TrainingSetup) -> None:
    small, large = model("meta-llama/Llama-3.1-8B"), model("meta-llama/Llama-3.1-70B")
    assert predict_step(small, setup, H200, COEFFICIENTS).middle < predict_step(large, setup, H200, COEFFICIENTS).middle


@given(setups)
def test_checkpointing_costs_time(setup: TrainingSetup) -> None:
    kept = replace(setup, checkpointing=Checkpointing.NONE)
    again = replace(setup, checkpointing=Checkpointing.FULL)
    assert predict(kept).middle < predict(again).middle


def test_matrix_products_are_their_operations_over_the_rate_of_the_cell() -> None:
    cell = COEFFICIENTS.speed(LORA, H200)
    rate = cell.gemm / (1 + cell.half_width / 4096) / (1 + cell.half_tokens / 4096) * 989e12
    weights = 32 * (4096 * 4096 * 2 + 4096 * 1024 * 2 + 3 * 4096 * 14336) + 4096 * 128256
    assert term(predict(LORA), "matrix products") == pytest.approx(4 * 4 * weights * 4096 / rate)


def test_a_small_step_waits_for_its_launches_and_a_large_one_does_not() -> None:
    tiny = predict_step(model("Qwen/Qwen2.5-0.5B"), replace(LORA, micro_batch=1, sequence_len=64), H200, COEFFICIENTS)
    assert term(tiny, "waiting for launches") > 0.5 * tiny.middle
    large = predict(replace(LORA, micro_batch=16))
    assert term(large, "waiting for launches") < 0.01 * large.middle


def test_dora_norms_do_not_depend_on_the_tokens() -> None:
    few, many = (predict(replace(LORA, dora=True, micro_batch=size)) for size in (1, 8))
    assert term(few, "DoRA norm") == term(many, "DoRA norm") > 0


def test_dequantisation_is_the_weights_times_the_passes_over_them() -> None:
    setup = replace(LORA, method=Method.QLORA)
    cell = COEFFICIENTS.speed(setup, H200)
    assert term(predict(setup), "dequantisation") == pytest.approx(model().blocks * 3 * cell.dequantise * 4)


def test_a_galore_refresh_of_seven_billion_weights_takes_the_eleven_minutes_that_were_measured() -> None:
    # ms-swift on an A100, Qwen-7B: 1.108 samples/s with a projection renewed every 200 steps of 16, 1.435 without.
    measured = (16 / 1.108 - 16 / 1.435) * 200
    setup = TrainingSetup(Method.GALORE, 2048, accumulation=16, rank=64, galore_gap=200, framework="ms-swift")
    said = predict_step(model("Qwen/Qwen-7B"), setup, GPUS["A100-80GB"], COEFFICIENTS)
    assert term(said, "GaLore SVD") * 200 == pytest.approx(measured, rel=0.15)


def test_a_pipeline_on_a_device_map_lets_one_device_work_at_a_time() -> None:
    one = replace(LORA, framework="ms-swift")
    split = replace(one, devices=2, pipeline_parallel=2)
    fast, slow = (predict(setup).middle / setup.step_tokens for setup in (one, split))
    assert slow == pytest.approx(fast, rel=0.05)


def test_tokens_per_second_are_of_one_device() -> None:
    assert tokens_per_second(replace(LORA, devices=4), 2.0) == 2048 * 2 * 4 / 2.0


def test_experts_that_are_computed_one_by_one_make_a_prediction_less_sure() -> None:
    dense = predict_step(model(), LORA, H200, COEFFICIENTS)
    mixture = predict_step(model("mistralai/Mixtral-8x7B-v0.1"), LORA, H200, COEFFICIENTS)
    assert mixture.sigma > dense.sigma
    fused = replace(LORA, framework="torchtitan")
    assert work_of(model("mistralai/Mixtral-8x7B-v0.1"), LORA, H200).floor > (
        work_of(model("mistralai/Mixtral-8x7B-v0.1"), fused, H200).floor
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"framework": "never heard of"},
        {"precision": "fp8"},
        {"method": Method.FULL, "framework": "torchtune", "precision": "fp8"},
    ],
)
def test_a_cell_that_was_never_measured_borrows_and_is_less_sure(changed: dict[str, object]) -> None:
    measured = replace(LORA, framework="qwen-finetune")
    gpu = GPUS["A100-80GB"]
    assert cell_key(measured, gpu) in COEFFICIENTS.cells
    borrowed = replace(measured, **changed)  # type: ignore[arg-type]
    assert cell_key(borrowed, gpu) not in COEFFICIENTS.cells
    own, lent = COEFFICIENTS.speed(measured, gpu), COEFFICIENTS.speed(borrowed, gpu)
    assert lent.sigma > own.sigma
    assert lent.source != own.source


def test_a_cell_borrowed_from_another_accelerator_names_it() -> None:
    lent = COEFFICIENTS.speed(replace(LORA, framework="qwen-finetune"), H200)
    assert lent.source.startswith("borrowed from qwen-finetune lora bf16 on A100-80GB")
    assert lent.sigma > COEFFICIENTS.speed(replace(LORA, framework="qwen-finetune"), GPUS["A100-80GB"]).sigma


def test_a_measured_run_moves_its_own_cell_and_no_other() -> None:
    key = CellKey("axolotl", "H200", "lora", "bf16")
    learned = COEFFICIENTS.corrected({key: Correction(math.log(1.25), 0.03, 60)})
    assert predict(LORA, H200, learned).middle == pytest.approx(1.25 * predict(LORA).middle)
    assert predict(LORA, H200, learned).sigma == pytest.approx(0.05)
    assert "60 measured" in predict(LORA, H200, learned).source
    other = replace(LORA, dora=True)
    assert predict(other, H200, learned) == predict(other)


def test_a_correction_that_is_less_sure_than_the_fit_does_not_widen_it() -> None:
    key = cell_key(LORA, H200)
    learned = COEFFICIENTS.corrected({key: Correction(0.0, 9.0, 1)})
    assert predict(LORA, H200, learned).sigma == predict(LORA).sigma


def test_the_last_correction_of_a_cell_counts() -> None:
    key = cell_key(LORA, H200)
    first = COEFFICIENTS.corrected({key: Correction(1.0, 0.1, 1)})
    assert first.corrected({key: Correction(0.0, 0.1, 2)}).speed(LORA, H200).factor == 1.0
