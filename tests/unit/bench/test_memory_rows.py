from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from bench.compare_memory import fitcheck_targets, rule_of_sixteen
from bench.memory_rows import MemoryRow, peaks
from orchestrator.domain.cost.gpus import GIB, GPUS
from orchestrator.domain.cost.setup import Checkpointing, Method, Sharding

PLAIN = {
    "id": "a",
    "source": "ms-swift",
    "framework": "ms-swift 2.x (HF Trainer, PEFT)",
    "model": "qwen-7b-chat",
    "method": "lora",
    "gpu": "A100-SXM-80GB",
    "n_gpus": "1",
    "seq_len": "8192",
    "micro_batch": "1",
    "grad_accum": "16",
    "gc": "full",
    "lora_r": "8",
    "lora_targets": "DEFAULT(c_attn / qkv)",
    "peak_mem_gib": "40",
}


def rows(folder: Path, *changes: dict[str, str]) -> list[MemoryRow]:
    lines = [{**PLAIN, **change} for change in changes]
    path = folder / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, sorted({name for line in lines for name in line}))
        writer.writeheader()
        writer.writerows(lines)
    return peaks([path])


def test_the_longest_sample_decides_where_a_limit_is_never_reached(tmp_path: Path) -> None:
    kind = "max_length; data cls-fudan-news mean 3234 tok truncated"
    told, short, plain = rows(tmp_path, {"seq_len_kind": kind}, {"seq_len_kind": kind, "seq_len": "1024"}, {})
    assert [row.setup.sequence_len for row in (told, short, plain)] == [6000, 1024, 8192]


def test_rows_without_a_measured_peak_are_left_out(tmp_path: Path) -> None:
    assert [row.id for row in rows(tmp_path, {"peak_mem_gib": "OOM"}, {"peak_mem_gib": ""}, {"id": "b"})] == ["b"]


def test_reserved_memory_never_exceeds_the_device_and_allocated_may_be_anything(tmp_path: Path) -> None:
    reserved, other = rows(tmp_path, {"mem_kind": "max_memory_reserved"}, {"mem_kind": "GB VRAM"})
    assert reserved.limit == GPUS["A100-80GB"].memory
    assert other.limit == float("inf")


def test_layers_dealt_out_over_devices_accumulate_gradients_as_well(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, {"n_gpus": "2", "notes": "device_map split 61.34+73.00"})
    assert (row.setup.pipeline_parallel, row.setup.accumulation) == (2, 16)


def test_litgpts_hub_says_what_its_table_does_not(tmp_path: Path) -> None:
    hub = {"framework": "litgpt config hub", "gpu": "A10G", "lora_r": "", "lora_targets": "", "grad_accum": ""}
    gemma, llama, full = rows(
        tmp_path,
        hub | {"model": "gemma-2b", "notes": "config gemma2-2b/lora.yaml"},
        hub | {"model": "llama-2-7b", "notes": "config llama-2-7b/lora.yaml"},
        hub | {"model": "phi-2", "method": "full", "notes": "config phi-2/full.yaml"},
    )
    assert gemma.architecture.model_type == "gemma2"
    assert (gemma.setup.rank, gemma.setup.targets) == (8, None)
    assert (llama.setup.rank, llama.setup.targets) == (32, ("q_proj", "v_proj"))
    assert (full.setup.devices, full.setup.sharding) == (2, Sharding.FULL)
    assert full.setup.checkpointing is Checkpointing.FULL


def test_pefts_comparison_gives_its_loras_at_the_most_that_was_reserved(tmp_path: Path) -> None:
    names = ("experiment", "method", "r", "target_modules", "model", "gpu", "use_gc", "batch_size", "max_seq_length")
    more = ("optimizer", "mem_max_bytes", "commit")
    lora = ("lora/r32", "lora", "32", "q_proj+v_proj", "meta-llama/Llama-3.2-3B", "NVIDIA L40S", "False", "4", "768")
    lines = [(*lora, "AdamW", "22292725760", "c"), ("x/ia3", "ia3", "", *lora[3:], "AdamW", "1", "c")]
    path = tmp_path / "peft.csv"
    path.write_text("\n".join(",".join(line) for line in ((*names, *more), *lines)), encoding="utf-8")
    (row,) = peaks([path])
    assert row.measured == 22292725760
    assert (row.setup.rank, row.setup.targets, row.setup.checkpointing) == (
        32,
        ("q_proj", "v_proj"),
        Checkpointing.NONE,
    )


def test_the_rule_of_sixteen_bytes_counts_what_is_trained_and_no_activations(tmp_path: Path) -> None:
    (lora,) = rows(tmp_path, {"lora_targets": "ALL"})
    full = replace(lora, setup=replace(lora.setup, method=Method.FULL))
    count = lora.architecture.parameters
    assert rule_of_sixteen(full) == pytest.approx(16 * count / GIB)
    adapter = lora.architecture.adapter_parameters(8)
    assert rule_of_sixteen(lora) == pytest.approx((2 * count + 16 * adapter) / GIB)
    shared = replace(full, setup=replace(full.setup, devices=4, sharding=Sharding.FULL))
    assert rule_of_sixteen(shared) == pytest.approx(4 * count / GIB)


def test_fused_modules_are_named_as_fitcheck_knows_them(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, {})
    assert fitcheck_targets(row.architecture, ("c_attn",)) == ["q_proj", "k_proj", "v_proj"]
    assert len(fitcheck_targets(row.architecture, None)) == 7
