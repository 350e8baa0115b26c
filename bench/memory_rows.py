"""Rows of measured trainings as the memory model has to see them: what a file's own columns do not say of the peak."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from bench.litgpt_hub import DROPOUT, PLAIN, RUNS
from bench.row_words import targets_of
from bench.rows import Row, read_rows
from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.gpus import GIB, GPUS, Gpu
from orchestrator.domain.cost.known import known
from orchestrator.domain.cost.setup import Checkpointing, Method, Sharding, TrainingSetup
from orchestrator.domain.errors import NotFoundError

LONGEST: Mapping[str, int] = MappingProxyType({"cls-fudan-news": 6000, "ms-agent": 2700, "short samples": 512})
"""Tokens of the longest sample of a data set whose samples are neither packed nor padded to a length: where a row's
limit is higher, this decides its peak. Fitted with the coefficients, to the rows that name the data."""


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """One measured peak, in bytes. `limit` bounds what it can be: memory reserved on a device never exceeds it.
    `origin` is the table, the file and the commit that it comes from."""

    id: str
    source: str
    method: str
    model: str
    architecture: Architecture
    setup: TrainingSetup
    gpu: Gpu
    measured: float
    limit: float
    origin: tuple[str, str, str]


def memory_setup(row: Row) -> TrainingSetup:
    """The row's setup with the longest sample in place of a limit that no sample reaches, with the gradients that
    accumulate also where layers are dealt out, and with what litgpt does without being told."""
    setup = row.setup
    said = " ".join(row.cells.get(name, "") for name in ("seq_len_kind", "notes")).lower()
    for name, longest in LONGEST.items():
        if name in said:
            stated = setup.sequence_len if row.cells.get("seq_len") else longest
            setup = replace(setup, sequence_len=min(stated, longest))
    if setup.pipeline_parallel > 1 and row.cells.get("grad_accum", "").isdigit():
        setup = replace(setup, accumulation=int(row.cells["grad_accum"]))
    if setup.framework == "qwen-finetune-multinode":
        setup = replace(setup, framework="qwen-finetune")
    more = {"litgpt": _litgpt, "axolotl": _axolotl}.get(setup.framework)
    return more(row, setup) if more else setup


def _litgpt(row: Row, setup: TrainingSetup) -> TrainingSetup:
    """With what the configuration of its hub says that the row does not. On several devices litgpt shards by itself,
    with every block checkpointed."""
    name = _configuration(row)
    run = RUNS.get(name, PLAIN)
    if setup.method in {Method.LORA, Method.QLORA} and name and not row.cells.get("lora_targets"):
        targets = None if run.everywhere else targets_of("q+v", row.architecture)
        setup = replace(setup, rank=run.rank, targets=targets, dropout=DROPOUT)
    if setup.method is Method.FULL and name:
        setup = replace(setup, devices=run.full_devices)
    if setup.devices > 1:
        setup = replace(setup, sharding=Sharding.FULL, checkpointing=Checkpointing.FULL)
    return setup


def _axolotl(row: Row, setup: TrainingSetup) -> TrainingSetup:
    """Its example of Llama 4 (`scout-qlora-single-h100-flex.yaml`) never holds logits whole, compiles, and keeps the
    layers' inputs on the host."""
    if "llama-4" not in row.cells.get("notes", ""):
        return setup
    targets = ("q_proj", "k_proj", "v_proj", "o_proj")
    return replace(setup, fused_loss=True, compiled=True, checkpointing=Checkpointing.OFFLOAD, rank=32, targets=targets)


def _configuration(row: Row) -> str:
    named = re.search(r"config ([\w.-]+)/", row.cells.get("notes", ""))
    return named[1] if named else ""


def memory_architecture(row: Row) -> Architecture:
    """The row's model; where a note names the configuration that was run (`config gemma2-2b/lora.yaml`), that one's."""
    name = re.sub(r"^gemma2b$", "gemma2-2b", _configuration(row))
    return (known(name) if name else None) or row.architecture


def limit_of(row: Row) -> float:
    """Bytes that the row's measurement cannot exceed: the device's, where reserved memory was read."""
    return row.gpu.memory if "reserved" in row.cells.get("mem_kind", "") else math.inf


def measured_memory(path: Path) -> list[MemoryRow]:
    """Every row of the file that states a peak and can be placed."""
    return [
        MemoryRow(
            id=row.id,
            source=row.source,
            method=row.cells.get("method", ""),
            model=row.cells.get("model", ""),
            architecture=memory_architecture(row),
            setup=memory_setup(row),
            gpu=row.gpu,
            measured=row.peak_mem_gib * GIB,
            limit=limit_of(row),
            origin=(row.source, row.cells.get("source_path", "").partition("#")[0], row.cells.get("commit", "")),
        )
        for row in read_rows(path)[0]
        if row.peak_mem_gib is not None
    ]


def peaks(paths: Iterable[Path]) -> list[MemoryRow]:
    """All rows of those files: of measured trainings, or PEFT's own comparison, which is known by its columns."""
    found: list[MemoryRow] = []
    for path in paths:
        with path.open(encoding="utf-8-sig") as file:
            head = file.readline()
        found += peft_memory(path) if "mem_max_bytes" in head else measured_memory(path)
    return found


def peft_memory(path: Path) -> list[MemoryRow]:
    """PEFT's own comparison on MetaMathQA: the rows that train a LoRA, at the most memory that was reserved."""
    with path.open(encoding="utf-8") as file:
        return [_peft_row(cells) for cells in csv.DictReader(file) if _is_lora(cells)]


def _is_lora(cells: Mapping[str, str]) -> bool:
    return cells["method"] == "lora" and cells["optimizer"].startswith("Adam") and "L40S" in cells["gpu"]


def _peft_row(cells: Mapping[str, str]) -> MemoryRow:
    return MemoryRow(
        id=f"peft-{cells['experiment'].rsplit('/', 1)[1]}",
        source="peft-metamathqa",
        method="lora",
        model=cells["model"],
        architecture=_known(cells["model"]),
        setup=TrainingSetup(
            Method.LORA,
            int(cells["max_seq_length"]),
            int(cells["batch_size"]),
            checkpointing=Checkpointing.NONE if cells["use_gc"] == "False" else Checkpointing.FULL,
            optimizer="adamw_torch",
            rank=int(float(cells["r"])),
            targets=tuple(cells["target_modules"].split("+")),
            framework="transformers",
        ),
        gpu=GPUS["L40S"],
        measured=float(cells["mem_max_bytes"]),
        limit=GPUS["L40S"].memory,
        origin=("peft-metamathqa", "method_comparison/MetaMathQA/results", cells["commit"]),
    )


def _known(name: str) -> Architecture:
    found = known(name)
    if found is None:
        raise NotFoundError("model", name)
    return found
