"""Published measurements of training speed as pairs of a training and the seconds that its optimizer step took."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, replace
from pathlib import Path

from bench.row_words import MULTINODE, framework_of, gpu_of
from bench.rows import Row, read_rows
from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.gpus import Gpu
from orchestrator.domain.cost.known import known
from orchestrator.domain.cost.setup import Checkpointing, Method, Sharding, TrainingSetup

_NOISE = 0.04  # of log seconds: one run against the next
_SWIFT_NOISE = 0.10  # its tokens are a mean over a data set whose lengths are told by their mean alone
_ROUNDING = 0.1 / math.sqrt(12)  # Qwen's tables give seconds an iteration to one decimal
# cls-fudan-news has 3234 tokens a sample on average. Under a lower limit its seconds fall as if longer samples were
# left out rather than cut: the mean length by limit that the table's own seconds at four limits are in proportion to.
_NEWS_LENGTHS = {512: 350, 1024: 620, 2048: 1100, 8192: 3234}
# Those are Qwen's tokens. What others make of the same samples is not known: by their seconds, 10-30 % more.
_COUNTED = ("qwen",)
# Of Alpaca-like short samples padded to the longest, only a share of the counted positions is trained on.
_MANY = 64  # accelerators; nothing here is planned beyond that
_DROPS = frozenset({"ms-swift", "qwen-finetune"})
_DROPOUT = 0.05
_PADDED = "unpacked (padded"


@dataclass(frozen=True, slots=True)
class Sample:
    """`seconds` of one optimizer step, `noise` the standard deviation of their logarithm. `model` names the size."""

    id: str
    source: str
    model: str
    architecture: Architecture
    setup: TrainingSetup
    gpu: Gpu
    seconds: float
    noise: float


def samples_of(rows: list[Row]) -> list[Sample]:
    """Those rows that tell a speed, in tokens or in samples."""
    found = [_swift(row) if row.cells.get("raw_speed_unit") == "samples/s" else _stated(row) for row in rows]
    return [sample for sample in found if sample is not None]


def read_samples(rows: list[Path], mlperf: Path | None = None, peft: Path | None = None) -> list[Sample]:
    """All samples of the files."""
    found = [sample for path in rows for sample in samples_of(read_rows(path)[0])]
    if mlperf is not None:
        found += [sample for line in _lines(mlperf) if (sample := _mlperf(line)) is not None]
    if peft is not None:
        found += [sample for line in _lines(peft) if (sample := _peft(line)) is not None]
    return found


def _lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _model(name: str) -> Architecture:
    found = known(name)
    if found is None:
        raise ValueError(f"model {name!r} is not known")
    return found


def speed_setup(row: Row) -> TrainingSetup:
    """The row's setup with the dropout that its framework's script puts before an adapter without being told."""
    if row.setup.dropout or row.setup.framework.removesuffix(MULTINODE) not in _DROPS:
        return row.setup
    return replace(row.setup, dropout=_DROPOUT)


def _stated(row: Row) -> Sample | None:
    if row.tokens_per_s_per_gpu is None or row.cells.get("seq_len_kind", "").startswith(_PADDED):
        return None
    if any(each.copies > each.active for each in row.architecture.linears):
        return None  # mixtures: two rows of one model say nothing of the framework's dense ones
    setup = speed_setup(row)
    seconds = setup.step_tokens / setup.devices / row.tokens_per_s_per_gpu
    noise = _NOISE
    if row.cells.get("raw_speed_unit", "").startswith("s/iter"):
        noise = math.hypot(noise, _ROUNDING / float(row.cells["raw_speed"]))
    return _sample(row, setup, seconds, noise)


def _swift(row: Row) -> Sample | None:
    """Samples a second of a data set under a limit: the mean length is what a sample costs. With several in a batch
    they are padded to the longest, of which nothing is known."""
    length = _NEWS_LENGTHS.get(row.setup.sequence_len)
    speed = row.cells.get("raw_speed", "")
    if length is None or not speed or row.setup.micro_batch > 1 or row.source != "ms-swift":
        return None
    if not row.cells.get("model", "").lower().startswith(_COUNTED):
        return None
    setup = replace(speed_setup(row), sequence_len=length)
    return _sample(row, setup, setup.accumulation * setup.copies / float(speed), _SWIFT_NOISE)


def _sample(row: Row, setup: TrainingSetup, seconds: float, noise: float) -> Sample:
    model = row.cells.get("model", row.architecture.name)
    return Sample(row.id, row.source, model, row.architecture, setup, row.gpu, seconds, noise)


def _mlperf(line: dict[str, str]) -> Sample | None:
    """Llama-2-70B with LoRA, packed to 8192 tokens, in fp8; what is not data-parallel is tensor-parallel."""
    gpu = gpu_of(line["accelerator"]) if "NVIDIA" in line["accelerator"] else None
    if gpu is None or gpu.name not in {"H100", "H200"} or not line["tokens_per_s_per_accel"]:
        return None
    devices, batch = int(line["n_accel"]), int(line["global_batch"])
    accumulation = int(line["grad_accum"] or 1)
    if devices > _MANY:
        return None
    copies = max(1, min(devices, batch // accumulation))
    setup = TrainingSetup(
        method=Method.LORA,
        sequence_len=int(line["seq_len"]),
        accumulation=accumulation,
        devices=devices,
        sharding=Sharding.OPTIMIZER,
        checkpointing=Checkpointing.NONE,
        precision="fp8",
        rank=int(line["lora_rank"]),
        targets=("q_proj", "k_proj", "v_proj", "o_proj"),
        dropout=0.1,
        packed=True,
        framework="nemo",
        tensor_parallel=max(1, devices // copies),
    )
    seconds = setup.step_tokens / devices / float(line["tokens_per_s_per_accel"])
    name = f"mlperf-{line['round']}-{line['org']}-{line['system']}"
    return Sample(name, "mlperf", "llama2-70b", _model("llama2-70b"), setup, gpu, seconds, 0.06)


def _peft(line: dict[str, str]) -> Sample | None:
    """PEFT's comparison on MetaMathQA: adapters on queries and values, four sequences a step, padded."""
    plain = line["peft_type"] == "LORA" and line["target_modules"] == "q_proj+v_proj"
    gpu = gpu_of(line["gpu"])
    if not plain or gpu is None or line["experiment"].endswith(("lorafa", "mica")):
        return None
    steps, batch = int(float(line["max_steps"])), int(float(line["batch_size"]))
    tokens = float(line["train_total_tokens"]) / steps
    setup = TrainingSetup(
        method=Method.LORA,
        sequence_len=round(tokens / batch),
        micro_batch=batch,
        checkpointing=Checkpointing.NONE,
        rank=int(float(line["r"])),
        targets=("q_proj", "v_proj"),
        dora=line["use_dora"] == "True",
        framework=framework_of("peft"),
    )
    seconds = float(line["sum_train_time_s"]) / steps
    return Sample(
        line["experiment"], "peft-metamathqa", line["model"], _model(line["model"]), setup, gpu, seconds, _NOISE
    )
