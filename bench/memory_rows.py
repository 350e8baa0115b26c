"""Rows of measured trainings as the memory model has to see them: what a file's own columns do not say of the peak."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from orchestrator.domain.cost.known import known

from bench.row_words import targets_of
from bench.rows import Row, read_rows
from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.gpus import GIB, GPUS, Gpu
from orchestrator.domain.cost.setup import Checkpointing, Method, Sharding, TrainingSetup
from orchestrator.domain.errors import NotFoundError

LONGEST: Mapping[str, int] = MappingProxyType({"cls-fudan-news": 6000, "ms-agent": 2700, "short samples": 512})
"""Tokens of the longest sample of a data set whose samples are neither packed nor padded to a length: where a row's
limit is higher, this decides its peak. Fitted with the coefficients, to the rows that name the data."""


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """One measured peak, in bytes. `limit` bounds what it can be: memory reserved on a device never exceeds it."""

    id: str
    source: str
    method: str
    model: str
    architecture: Architecture
    setup: TrainingSetup
    gpu: Gpu
    measured: float
    limit: float


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
    return _litgpt(row, setup) if setup.framework == "litgpt" else setup


def _litgpt(row: Row, setup: TrainingSetup) -> TrainingSetup:
    """By itself litgpt adapts queries and values, and on several devices shards with every block checkpointed."""
    if setup.method in {Method.LORA, Method.QLORA} and not row.cells.get("lora_targets"):
        setup = replace(setup, targets=targets_of("q+v", row.architecture))
    if setup.devices > 1:
        setup = replace(setup, sharding=Sharding.FULL, checkpointing=Checkpointing.FULL)
    return setup


def memory_architecture(row: Row) -> Architecture:
    """The row's model; where a note names the configuration that was run (`config gemma2-2b/lora.yaml`), that one's."""
    named = re.search(r"config ([\w.-]+)/", row.cells.get("notes", ""))
    try:
        return known(named[1]) if named else row.architecture
    except NotFoundError:
        return row.architecture


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
            limit=row.gpu.memory if "reserved" in row.cells.get("mem_kind", "") else math.inf,
        )
        for row in read_rows(path)[0]
        if row.peak_mem_gib is not None
    ]


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
        architecture=known(cells["model"]),
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
    )
