"""Reads a CSV of measured trainings into the cost model's words. A blank cell was not stated.

Columns are those of `id,source,...,notes`; any may be missing, and those not known are left alone. A row that cannot be
placed is returned beside the others with the reason. Where something that a prediction needs was not stated, what is
assumed instead is written into the row.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import row_words as words
from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.configs import architecture_of
from orchestrator.domain.cost.gpus import Gpu
from orchestrator.domain.cost.known import known
from orchestrator.domain.cost.setup import Method, TrainingSetup
from orchestrator.domain.errors import InvalidInputError, NotFoundError
from orchestrator.domain.json_value import JsonValue

_LONGEST = 2048
_SHORT = 512  # of samples that are said to be far shorter than the limit
_RANK = 16
_GALORE_GAP = 200
_MOST = 10**9  # of anything that is counted


class UnplacedError(Exception):
    """A row that says too little, or names what the model does not know."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measured training. `measured` tokens/s of one GPU and GiB of its memory are None where not stated."""

    id: str
    source: str
    architecture: Architecture
    setup: TrainingSetup
    gpu: Gpu
    tokens_per_s_per_gpu: float | None
    peak_mem_gib: float | None
    assumed: tuple[str, ...]
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A row that no prediction can be made for, and why."""

    id: str
    source: str
    reason: str


def read_rows(path: Path) -> tuple[list[Row], list[Unplaced]]:
    """Every line of the file, as a row or with the reason why it is none. Raises OSError for a file that cannot be
    read, and csv.Error for one that is no table."""
    rows: list[Row] = []
    unplaced: list[Unplaced] = []
    for number, cells in enumerate(_lines(path), start=1):
        name = cells.get("id") or f"row-{number}"
        try:
            rows.append(_row(name, cells, path.parent))
        except UnplacedError as error:
            unplaced.append(Unplaced(name, cells.get("source", ""), str(error)))
    return rows, unplaced


def _lines(path: Path) -> Iterator[dict[str, str]]:
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    for line in csv.DictReader(text.replace("\0", "").splitlines()):
        yield {key.strip(): (value or "").strip() for key, value in line.items() if isinstance(key, str)}


def _row(name: str, cells: dict[str, str], folder: Path) -> Row:
    assumed: list[str] = []
    architecture = _architecture(cells.get("model", ""), folder)
    gpu = words.gpu_of(cells.get("gpu", ""))
    if gpu is None:
        raise UnplacedError(f"no data sheet for the accelerator {cells.get('gpu', '')!r}")
    return Row(
        id=name,
        source=cells.get("source") or cells.get("framework") or "unknown",
        architecture=architecture,
        setup=_setup(cells, architecture, assumed),
        gpu=gpu,
        tokens_per_s_per_gpu=_measured(cells, "tokens_per_s_per_gpu"),
        peak_mem_gib=_measured(cells, "peak_mem_gib"),
        assumed=tuple(assumed),
        cells=cells,
    )


def _architecture(model: str, folder: Path) -> Architecture:
    if not model:
        raise UnplacedError("no model is named")
    try:
        if model.startswith("{"):
            return architecture_of("inline", _config(model))
        if model.endswith(".json"):
            return architecture_of(model, _config((folder / model).read_text(encoding="utf-8")))
        found = known(model)
    except (InvalidInputError, NotFoundError, KeyError, OSError, ValueError, RecursionError) as error:
        raise UnplacedError(f"model {model[:60]!r}: {error}") from error
    if found is None:
        raise UnplacedError(f"model {model[:60]!r} is not known by name: give the path of its config.json")
    return found


def _config(text: str) -> dict[str, JsonValue]:
    config = json.loads(text)
    if not isinstance(config, dict):
        raise ValueError("is not a JSON object")
    return config


def _setup(cells: dict[str, str], architecture: Architecture, assumed: list[str]) -> TrainingSetup:
    framework = words.framework_of(cells.get("framework", ""))
    if "multinode" in cells.get("notes", "").lower():
        framework += words.MULTINODE
    method = _method(cells)
    devices = _count(cells, "n_gpus", 1, assumed)
    parallel = {name: _count(cells, name, 1) for name in ("tp", "pp", "cp")}
    micro_batch = _count(cells, "micro_batch", 1, assumed)
    adapts = method in {Method.LORA, Method.QLORA}
    said = f"{cells.get('method', '')} {cells.get('notes', '')} {cells.get('seq_len_kind', '')}".lower()
    accumulation = _accumulation(cells, micro_batch, max(1, devices // math.prod(parallel.values())))
    if "device_map split" in said:
        parallel["pp"] = devices
        accumulation = _accumulation(cells, micro_batch, 1)
    return TrainingSetup(
        method=method,
        sequence_len=_sequence(cells, said, assumed),
        micro_batch=micro_batch,
        accumulation=accumulation,
        devices=devices,
        sharding=words.sharding_of(cells.get("dp_shard", ""), framework, devices),
        checkpointing=_checkpointing(cells, framework, assumed),
        flash=cells.get("flash", "").lower() not in {"none", "no", "false", "0", "eager"},
        precision=words.precision_of(cells.get("precision", "")),
        optimizer=words.optimizer_of(cells.get("optimizer", ""), cells.get("method", "")),
        rank=_rank(cells, method, assumed) if adapts or method is Method.GALORE else 0,
        targets=words.targets_of(cells.get("lora_targets", ""), architecture) if adapts else None,
        dropout=_fraction(said, "dropout"),
        dora="dora" in cells.get("method", "").lower() or re.search(r"use_dora=(true|1)", said) is not None,
        pairs="orpo" in said,
        packed="unpacked" not in said and "pack" in said,
        compiled="compile=1" in said or "compile=true" in said,
        fused_loss=any(word in said for word in ("chunkedce=1", "liger", "fused_loss=1", "cut cross entropy")),
        trains_embeddings="+emb" in cells.get("method", ""),
        galore_gap=_GALORE_GAP if method is Method.GALORE else 0,
        framework=framework,
        quantization=words.quantization_of(cells.get("method", ""), cells.get("precision", "")),
        tensor_parallel=parallel["tp"],
        pipeline_parallel=parallel["pp"],
        context_parallel=parallel["cp"],
    )


def _method(cells: dict[str, str]) -> Method:
    text = cells.get("method", "")
    strange = words.unmodelled(text)
    if strange:
        raise UnplacedError(f"the cost model has no terms for {strange} (method {text!r})")
    method = words.method_of(text)
    if method is None:
        raise UnplacedError(f"method {text!r} is not known")
    return method


def _checkpointing(cells: dict[str, str], framework: str, assumed: list[str]) -> words.Checkpointing:
    text = cells.get("gc", "")
    found = words.checkpointing_of(text, framework)
    if found is None:
        raise UnplacedError(f"gc {text!r} is not known")
    if not text:
        assumed.append(f"gc {found.value}")
    return found


def _sequence(cells: dict[str, str], said: str, assumed: list[str]) -> int:
    """The stated length, unless it is a limit that short samples never reach; else the longest sample's, where a
    range of it is told; else a usual limit."""
    if cells.get("seq_len"):
        stated = _count(cells, "seq_len", _LONGEST)
        if "short samples" not in said or stated <= _SHORT:
            return stated
        assumed.append(f"seq_len {_SHORT}")
        return _SHORT
    longest = re.search(r"longest sample \d+-(\d+)", said)
    length = int(longest[1]) if longest else _LONGEST
    assumed.append(f"seq_len {length}")
    return length


def _rank(cells: dict[str, str], method: Method, assumed: list[str]) -> int:
    galore = re.search(r"galore(\d+)", cells.get("method", ""))
    if method is Method.GALORE and galore:
        return int(galore[1])
    return _count(cells, "lora_r", _RANK, assumed)


def _accumulation(cells: dict[str, str], micro_batch: int, copies: int) -> int:
    if cells.get("grad_accum"):
        return _count(cells, "grad_accum", 1)
    total = _count(cells, "global_batch", micro_batch * copies)
    return max(1, round(total / (micro_batch * copies)))


def _fraction(said: str, name: str) -> float:
    found = re.search(rf"{name}[=_ ]([01]?\.\d+)", said)
    return min(1.0, float(found[1])) if found else 0.0


def _count(cells: dict[str, str], name: str, blank: int, assumed: list[str] | None = None) -> int:
    text = cells.get(name, "")
    if not text:
        if assumed is not None:
            assumed.append(f"{name} {blank}")
        return blank
    value = _number(text)
    if value is None or not 1 <= value <= _MOST or value != int(value):
        raise UnplacedError(f"{name} {text[:60]!r} is not a whole number from 1 to {_MOST}")
    return int(value)


def _measured(cells: dict[str, str], name: str) -> float | None:
    text = cells.get(name, "")
    if not text:
        return None
    value = _number(text)
    if value is None or value <= 0:
        raise UnplacedError(f"{name} {text[:60]!r} is not a positive number")
    return value


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
