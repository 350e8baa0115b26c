from __future__ import annotations

import math
from pathlib import Path

import pytest

from bench.rows import read_rows
from bench.speed_samples import Sample, read_samples, samples_of
from tests.unit.bench.test_rows import COLUMNS, PLAIN, written

RAW = f"{COLUMNS},raw_speed,raw_speed_unit"
SWIFT = {
    **PLAIN,
    "source": "ms-swift",
    "framework": "ms-swift 2.x (HF Trainer, PEFT)",
    "model": "qwen-7b-chat",
    "gpu": "A100-SXM-80GB",
    "micro_batch": "1",
    "grad_accum": "16",
    "tokens_per_s_per_gpu": "",
    "raw_speed": "4",
    "raw_speed_unit": "samples/s",
}


def samples(folder: Path, *cells: dict[str, str]) -> list[Sample]:
    return samples_of(read_rows(written(folder, *cells, columns=RAW))[0])


def test_a_stated_speed_is_the_seconds_of_one_step_of_all_devices(tmp_path: Path) -> None:
    (sample,) = samples(tmp_path, {**PLAIN, "n_gpus": "4", "micro_batch": "2", "grad_accum": "3"})
    assert sample.seconds == pytest.approx(2048 * 2 * 3 / 9000)


def test_samples_a_second_are_the_seconds_of_a_step_of_samples_of_their_mean_length(tmp_path: Path) -> None:
    (sample,) = samples(tmp_path, SWIFT)
    assert sample.seconds == 16 / 4
    assert sample.setup.sequence_len < 2048


@pytest.mark.parametrize(
    "changed", [{"model": "yi-6b-chat"}, {"micro_batch": "4"}, {"seq_len": "4096"}, {"raw_speed": ""}]
)
def test_samples_of_which_the_tokens_are_not_known_tell_nothing(tmp_path: Path, changed: dict[str, str]) -> None:
    assert samples(tmp_path, {**SWIFT, **changed}) == []


def test_a_rounded_measurement_counts_less(tmp_path: Path) -> None:
    rounded = {**PLAIN, "raw_speed": "1.0", "raw_speed_unit": "s/iter (8 micro-steps per GPU)"}
    exact, rough = samples(tmp_path, PLAIN, rounded)
    assert rough.noise == pytest.approx(math.hypot(exact.noise, 0.1 / math.sqrt(12)))


def test_padded_rows_and_mixtures_are_left_out(tmp_path: Path) -> None:
    padded = {**PLAIN, "seq_len_kind": "unpacked (padded, short samples)"}
    mixture = {**PLAIN, "model": "mistralai/Mixtral-8x7B-v0.1"}
    assert samples(tmp_path, padded, mixture) == []


def test_the_script_of_a_framework_brings_its_own_dropout(tmp_path: Path) -> None:
    plain, swift = samples(tmp_path, PLAIN, SWIFT)
    assert (plain.setup.dropout, swift.setup.dropout) == (0.0, 0.05)


def test_mlperf_rows_are_spread_over_what_is_not_data_parallel(tmp_path: Path) -> None:
    path = tmp_path / "mlperf.csv"
    path.write_text(
        "round,org,system,accelerator,n_accel,global_batch,grad_accum,seq_len,lora_rank,tokens_per_s_per_accel\n"
        "v4.1,A,one,NVIDIA H200-SXM-141GB,8,8,4,8192,16,2200\n"
        "v4.1,A,two,NVIDIA H100-SXM5-80GB,1024,128,1,8192,16,1500\n"
        "v5.0,B,three,AMD Instinct MI300X 192GB HBM3,8,8,1,8192,16,2000\n",
        encoding="utf-8",
    )
    (sample,) = read_samples([], mlperf=path)
    assert (sample.gpu.name, sample.setup.tensor_parallel, sample.setup.copies) == ("H200", 4, 2)
    assert sample.seconds == pytest.approx(8192 * 8 / 8 / 2200)
