"""Predicts the same measured peaks three ways: this project's model, `fitcheck-llm`, and sixteen bytes a parameter.

    python -m bench.compare_memory ROWS.csv [MORE.csv ...] --records RECORDS.json

Needs `fitcheck-llm` (0.3.1) in the Python that runs it, and what `bench.validate_memory --records` wrote: ours are the
predictions of rows whose whole model was held out, so that none of the three has seen a row of it. A framework of one
model is judged with the whole framework held out. `under` is the share of rows measured more than 5 % above the
prediction itself, not above a p95, which the other two do not tell.

`fitcheck-llm` is called as its command line calls it, with the model's own dimensions and parameter count in place of a
download. What it cannot be asked is left out of its column: several devices, mixtures of experts, GaLore, and models
that it refuses itself because its own count of their parameters is off by more than 2 %. GPTQ goes as NF4 or int8.

The rule of four bytes times four: weights, gradients and two moments of 4 bytes for each trained parameter, 2 bytes for
each frozen one (half a byte or one where it is quantised), shared out where they are sharded; no activations.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from bench.memory_rows import MemoryRow, peaks
from orchestrator.domain.cost.architecture import Architecture, Part
from orchestrator.domain.cost.gpus import GIB
from orchestrator.domain.cost.memory_terms import adapter_parameters
from orchestrator.domain.cost.setup import Checkpointing, Method, Sharding

_GPUS = {"A100-80GB": "a100-80", "A100": "a100-40", "H100": "h100", "A10G": "a10", "L40S": "l40s", "RTX4090": "4090"}
_QUERIES, _ATTENTION, _MLP = ("q_proj", "k_proj", "v_proj"), ("o_proj",), ("gate_proj", "up_proj", "down_proj")
_TOLERANCE = 0.02
_UNDER = 1.05
WAYS = ("ours", "fitcheck", "rule")


@dataclass(frozen=True, slots=True)
class Compared:
    """One row, GiB by way; a way that cannot be asked has none."""

    row: MemoryRow
    told: Mapping[str, float]

    def error(self, way: str) -> float:
        return self.told[way] / (self.row.measured / GIB) - 1


def rule_of_sixteen(row: MemoryRow) -> float:
    """GiB by the rule of four bytes times four."""
    architecture, setup = row.architecture, row.setup
    devices = setup.devices // setup.pipeline_parallel if setup.sharding is not Sharding.NONE else 1
    weights = devices if setup.sharding is Sharding.FULL else 1
    if setup.method in {Method.FULL, Method.GALORE}:
        total = architecture.parameters * (4 / weights + 12 / devices)
    else:
        trained = adapter_parameters(architecture, setup)
        if setup.trains_embeddings:
            trained += architecture.embedding + architecture.head
        frozen = 2.0 * architecture.parameters
        if setup.method is Method.QLORA:
            width = 1.0 if setup.quantization.endswith("8") else 0.5
            frozen = width * architecture.blocks + 2 * (architecture.parameters - architecture.blocks)
        total = frozen / weights + trained * (4 / weights + 12 / devices)
    return total / setup.pipeline_parallel / GIB


def fitcheck_gib(row: MemoryRow) -> float | None:
    """GiB by `fitcheck-llm`; None for what it cannot be asked."""
    from fitcheck import GPU_DB, ModelConfig, TrainingConfig, estimate

    architecture, setup = row.architecture, row.setup
    if setup.devices > 1 or setup.method is Method.GALORE or _refused(architecture):
        return None
    model = ModelConfig(
        name=architecture.name,
        num_params=architecture.parameters,
        hidden_size=architecture.hidden,
        num_layers=architecture.layers,
        num_attention_heads=architecture.heads,
        num_kv_heads=architecture.kv_heads,
        intermediate_size=architecture.ffn,
        vocab_size=architecture.vocab,
        head_dim=architecture.head_dim,
        tie_word_embeddings=architecture.tied,
    )
    quantised = setup.method is Method.QLORA
    training = TrainingConfig(
        precision="bf16",
        quantization=("int8" if setup.quantization.endswith("8") else "nf4") if quantised else "none",
        double_quant=quantised and setup.quantization == "nf4-dq",
        optimizer="adamw8bit" if "8bit" in setup.optimizer else "adamw",
        batch_size=setup.micro_batch,
        seq_len=setup.sequence_len,
        lora_rank=None if setup.method is Method.FULL else setup.rank,
        lora_targets=fitcheck_targets(architecture, setup.targets),
        grad_checkpoint=setup.checkpointing is not Checkpointing.NONE,
        flash_attn=setup.flash,
        grad_accum_steps=setup.accumulation,
    )
    return float(estimate(model, training, GPU_DB[_GPUS[row.gpu.name]]).total_mib) / 1024


def _refused(architecture: Architecture) -> bool:
    if any(each.part is Part.EXPERT for each in architecture.linears):
        return True
    own = architecture.hidden * 2 * (architecture.heads + architecture.kv_heads) * architecture.head_dim
    own += 3 * architecture.hidden * architecture.ffn + 2 * architecture.hidden
    counted = own * architecture.layers + architecture.embedding + architecture.head + architecture.hidden
    return abs(counted / architecture.parameters - 1) > _TOLERANCE


def fitcheck_targets(architecture: Architecture, targets: Sequence[str] | None) -> list[str]:
    """Adapted modules by the names that it knows: those of Llama."""
    if targets is None:
        return [*_QUERIES, *_ATTENTION, *_MLP]
    found: list[str] = []
    for each in architecture.targeted(targets):
        if each.part is not Part.ATTENTION:
            found += _MLP
        elif each.name in {*_QUERIES, *_ATTENTION}:
            found.append(each.name)
        else:
            wide = each.outputs > architecture.heads * architecture.head_dim
            found += _QUERIES if wide else _ATTENTION
    return list(dict.fromkeys(found))


def compared(rows: Sequence[MemoryRow], validation: Sequence[Mapping[str, Any]]) -> list[Compared]:
    """Every row with what each way says of it."""
    ours = {record["id"]: record["predicted"] for record in validation if record["scheme"] == "framework"}
    ours |= {record["id"]: record["predicted"] for record in validation if record["scheme"] == "model"}
    found = []
    for row in rows:
        told = {"ours": ours.get(row.id), "fitcheck": fitcheck_gib(row), "rule": rule_of_sixteen(row)}
        found.append(Compared(row, {way: value for way, value in told.items() if value is not None}))
    return found


def summary(rows: Sequence[Compared], way: str) -> dict[str, float]:
    """Errors of one way over the rows that it says something of."""
    errors = [each.error(way) for each in rows if way in each.told]
    if not errors:
        return {"rows": 0}
    return {
        "rows": len(errors),
        "mape": round(fmean(abs(error) for error in errors), 4),
        "median": round(median(abs(error) for error in errors), 4),
        "bias": round(fmean(errors), 4),
        "under": round(fmean(1 / (1 + error) > _UNDER for error in errors), 4),
    }


def groups(rows: Sequence[Compared]) -> dict[str, dict[str, dict[str, float]]]:
    """Summaries by source, by method, and over the rows that all three say something of."""
    keys: tuple[Callable[[Compared], str], ...] = (
        lambda each: f"source {each.row.source}",
        lambda each: f"method {each.row.setup.method.value}",
    )
    found = {"all rows": list(rows), "rows that all three tell": [each for each in rows if len(each.told) == len(WAYS)]}
    for key in keys:
        for name in sorted({key(each) for each in rows}):
            found[name] = [each for each in rows if key(each) == name]
    return {name: {way: summary(own, way) for way in WAYS} for name, own in found.items()}


def table(result: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """MAPE, bias and the share predicted more than 5 % too low, each way beside the others."""
    head = "".join(f"{f'{way}: rows':>17}{'MAPE':>8}{'bias':>9}{'under':>8}" for way in WAYS)
    lines = [f"{'':<26}{head}"]
    for name, ways in result.items():
        cells = [_cells(ways[way]) for way in WAYS]
        lines.append(f"{name:<26}{''.join(cells)}")
    return "\n".join(lines)


def _cells(found: Mapping[str, float]) -> str:
    if not found["rows"]:
        return f"{0:>17}{'-':>8}{'-':>9}{'-':>8}"
    return f"{found['rows']:>17.0f}{found['mape']:>8.1%}{found['bias']:>+9.1%}{found['under']:>8.1%}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, nargs="+")
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("bench/memory_comparison.json"))
    options = parser.parse_args(arguments)
    measured = peaks(options.rows)
    rows = compared(measured, json.loads(options.records.read_text(encoding="utf-8")))
    result = groups(rows)
    print(table(result))
    options.out.write_text(f"{json.dumps(result, indent=1)}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
