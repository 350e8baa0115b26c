from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.row_words import framework_of, gpu_of, precision_of, sharding_of
from bench.rows import Row, read_rows
from orchestrator.domain.cost.setup import Checkpointing, Method, Sharding

CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 1000,
}
COLUMNS = (
    "id,source,framework,model,method,gpu,n_gpus,precision,seq_len,seq_len_kind,micro_batch,grad_accum,global_batch,tp,"
    "pp,cp,dp_shard,gc,flash,lora_r,lora_targets,optimizer,tokens_per_s_per_gpu,peak_mem_gib,notes"
)


def written(folder: Path, *cells: dict[str, str], columns: str = COLUMNS) -> Path:
    names = columns.split(",")
    lines = [columns, *(",".join(_quoted(row.get(name, "")) for name in names) for row in cells)]
    path = folder / "rows.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"' if "," in text or '"' in text else text


PLAIN = {
    "id": "r1",
    "source": "here",
    "framework": "axolotl",
    "model": "meta-llama/Llama-3.1-8B",
    "method": "lora",
    "gpu": "H200-SXM",
    "seq_len": "2048",
    "lora_r": "16",
    "tokens_per_s_per_gpu": "9000",
}


def one(folder: Path, **changed: str) -> Row:
    rows, unplaced = read_rows(written(folder, {**PLAIN, **changed}))
    assert not unplaced
    return rows[0]


def reason(folder: Path, **changed: str) -> str:
    rows, unplaced = read_rows(written(folder, {**PLAIN, **changed}))
    assert not rows
    return unplaced[0].reason


def test_a_row_is_a_training_on_an_accelerator_with_what_was_measured(tmp_path: Path) -> None:
    row = one(tmp_path, n_gpus="4", micro_batch="2", global_batch="64", gc="none", peak_mem_gib="70.5")
    assert (row.setup.method, row.setup.rank, row.setup.targets) == (Method.LORA, 16, None)
    assert (row.setup.micro_batch, row.setup.accumulation, row.setup.devices) == (2, 8, 4)
    assert row.setup.checkpointing is Checkpointing.NONE
    assert (row.gpu.name, row.tokens_per_s_per_gpu, row.peak_mem_gib) == ("H200", 9000.0, 70.5)
    assert row.architecture.parameters == 8_030_261_248


def test_what_was_not_stated_is_assumed_and_said(tmp_path: Path) -> None:
    row = one(tmp_path, lora_r="", seq_len="")
    assert row.setup.checkpointing is Checkpointing.FULL
    assert set(row.assumed) == {"n_gpus 1", "micro_batch 1", "lora_r 16", "gc full", "seq_len 2048"}


@pytest.mark.parametrize(
    ("method", "found", "quantization", "rank"),
    [
        ("lora+emb", Method.LORA, "nf4", 16),
        ("qlora-gptq-int4", Method.QLORA, "gptq-int4", 16),
        ("qlora-int8(gptq)", Method.QLORA, "gptq-int8", 16),
        ("qlora-bnb.nf4-dq", Method.QLORA, "nf4-dq", 16),
        ("full-pretrain", Method.FULL, "nf4", 0),
        ("full+galore128+quantize+proj_quant", Method.GALORE, "nf4", 128),
    ],
)
def test_methods_are_read_as_they_are_written(
    tmp_path: Path, method: str, found: Method, quantization: str, rank: int
) -> None:
    setup = one(tmp_path, method=method).setup
    assert (setup.method, setup.quantization, setup.rank) == (found, quantization, rank)


def test_dora_pairs_and_what_notes_say_of_compiling_and_the_loss_are_read(tmp_path: Path) -> None:
    setup = one(tmp_path, method="lora+dora", notes="compile=1 chunkedCE=1; dropout=0.05; orpo").setup
    assert (setup.dora, setup.compiled, setup.fused_loss, setup.dropout, setup.pairs) == (True, True, True, 0.05, True)
    assert not one(tmp_path, notes="use_dora=False; compile=0 chunkedCE=0; strategy dora_neftune").setup.dora
    assert one(tmp_path, notes="use_dora=True").setup.dora


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("H100-SXM-80GB", "H100"),
        ("A100-SXM-80GB", "A100-80GB"),
        ("A100-SXM4-40GB", "A100"),
        ("A100-SXM-40GB", "A100"),
        ("NVIDIA L40S", "L40S"),
        ("RTX4090-class", "RTX4090"),
        ("NVIDIA GeForce RTX 4090", "RTX4090"),
        ("GB200", "GB200"),
        ("B200", "B200"),
        ("h200", "H200"),
    ],
)
def test_accelerators_are_known_by_the_many_ways_they_are_written(text: str, name: str) -> None:
    gpu = gpu_of(text)
    assert gpu is not None
    assert gpu.name == name


def test_frameworks_precisions_and_shards_are_told_by_their_words() -> None:
    assert framework_of("Qwen finetune.py (HF Trainer, PEFT)") == "qwen-finetune"
    assert framework_of("Megatron-Bridge 26.02 NeMo Container") == "megatron-bridge"
    assert framework_of(" Brand New ") == "brand new"
    assert [precision_of(word) for word in ("amp_bf16", "FP8-CS (FP8-MX)", "MXFP8", "bf16/nf4", "fp32")] == [
        "bf16", "fp8", "mxfp8", "bf16", "fp32",
    ]  # fmt: skip
    assert sharding_of("FULL_SHARD", "llm-foundry", 8) is Sharding.FULL
    assert sharding_of("FSDP0", "torchtitan", 8) is Sharding.NONE
    assert sharding_of("FSDP64", "torchtitan", 64) is Sharding.FULL
    assert sharding_of("zero2?", "qwen-finetune", 2) is Sharding.OPTIMIZER
    assert sharding_of("FULL_SHARD", "llm-foundry", 1) is Sharding.NONE


def test_a_model_may_be_a_config_in_the_cell_or_a_path_beside_the_file(tmp_path: Path) -> None:
    inline = one(tmp_path, model=json.dumps(CONFIG)).architecture
    (tmp_path / "small.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    beside = one(tmp_path, model="small.json").architecture
    assert inline == replace(beside, name=inline.name)
    assert inline.layers == 2


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"gpu": "MI300X"}, "MI300X"),
        ({"gpu": ""}, "data sheet"),
        ({"model": "a-model-that-nobody-made-900b"}, "config.json"),
        ({"model": ""}, "no model"),
        ({"model": "{not json"}, "model"),
        ({"model": '{"model_type": "llama", "hidden_size": -64}'}, "hidden_size"),
        ({"model": "missing.json"}, "missing.json"),
        ({"method": "full+lisa_2"}, "lisa"),
        ({"method": "guessing"}, "guessing"),
        ({"seq_len": "-5"}, "seq_len"),
        ({"micro_batch": "0"}, "micro_batch"),
        ({"micro_batch": "1.5"}, "micro_batch"),
        ({"n_gpus": "many"}, "n_gpus"),
        ({"gc": "sometimes"}, "gc"),
        ({"tokens_per_s_per_gpu": "-1"}, "tokens_per_s_per_gpu"),
        ({"tokens_per_s_per_gpu": "nan"}, "tokens_per_s_per_gpu"),
        ({"peak_mem_gib": "OOM"}, "peak_mem_gib"),
    ],
)
def test_a_row_that_cannot_be_placed_is_returned_with_the_reason(
    tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    assert said in reason(tmp_path, **changed)


def test_one_bad_row_takes_no_other_with_it(tmp_path: Path) -> None:
    rows, unplaced = read_rows(written(tmp_path, PLAIN, {**PLAIN, "id": "r2", "gpu": "abacus"}, {**PLAIN, "id": "r3"}))
    assert [row.id for row in rows] == ["r1", "r3"]
    assert [each.id for each in unplaced] == ["r2"]


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.write_text("", encoding="utf-8")
    assert read_rows(path) == ([], [])


def test_columns_may_be_missing_and_unknown_ones_are_left_alone(tmp_path: Path) -> None:
    columns = "model,gpu,method,colour"
    rows, unplaced = read_rows(written(tmp_path, {**PLAIN, "colour": "blue"}, columns=columns))
    assert not unplaced
    assert rows[0].id == "row-1"
    assert rows[0].tokens_per_s_per_gpu is None


def test_a_file_that_is_no_table_is_told_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "picture.csv"
    path.write_bytes(bytes(range(256)) * 4)
    rows, unplaced = read_rows(path)
    assert not rows
    assert unplaced
