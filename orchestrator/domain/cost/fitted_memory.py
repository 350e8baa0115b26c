"""Cells of the memory model, fitted to published peaks. Written by `bench.fit_memory`: do not edit.

Each line: framework, accelerator, method, precision, rows, GiB of context and workspace, the factors on activations,
logits, states, sharded states, quantised inputs and eager scores, growth, sigma, spread.
"""

from __future__ import annotations

from types import MappingProxyType

from orchestrator.domain.cost.coefficients import CellKey
from orchestrator.domain.cost.gpus import GIB
from orchestrator.domain.cost.memory_coefficients import MemoryCell, MemoryCoefficients, ModelCode

FITTED = "2026-11-24"
SOURCES = (
    ("litgpt-hub", "config_hub/finetune/README.md", "26857050fe3ff627cd714fe92f5838f51a3d5efa", 35),
    ("litgpt-resource", "tutorials/resource-tables.md", "26857050fe3ff627cd714fe92f5838f51a3d5efa", 23),
    ("ms-swift", "docs/source_en/LLM/Benchmark.md", "e419fe1f0a4478bda60b0a4773c7ebd0635370d1", 59),
    ("ms-swift-tuners", "docs/source_en/LLM/Benchmark.md", "e419fe1f0a4478bda60b0a4773c7ebd0635370d1", 11),
    ("peft-metamathqa", "method_comparison/MetaMathQA/results", "5d602fdbff04c33c1c4de55cda9d4ae1d7cb7e40", 4),
    ("qwen-readme", "README.md", "2df8e8ac450fa185c421a08b0090ef81826caa6e", 42),
    ("torchtitan", "benchmarks/llama3_h100_202412", "b5bcd76c66d0acb1a08b176d9639425bc55e0b2a", 7),
    ("torchtune-docs", "docs/source/tutorials/lora_finetune.rst", "bd2a0fc7c31430972728494fa01aaeeb0ebf1ba1", 4),
    ("torchtune-flags", "README.md", "bd2a0fc7c31430972728494fa01aaeeb0ebf1ba1", 10),
)
"""Table, file, commit and rows of each source."""
_CELLS: tuple[tuple[str, str, str, str, int, float, tuple[float, ...]], ...] = (
    ("*", "*", "*", "*", 195, 0.81, (1.04, 0.983, 1, 1.05, 0.1, 1, -0.019, 0.203, 0.814)),
    ("litgpt", "*", "*", "*", 58, 0.49, (1.09, 0.924, 1.19, 1.16, 0.313, 1, -0.032, 0.095, 0.103)),
    ("litgpt", "A100", "lora", "bf16", 17, 0.43, (1.04, 0.9, 1.19, 1.32, 0.313, 1, -0.016, 0.095, 0.103)),
    ("litgpt", "A100", "qlora", "bf16", 6, 0.39, (1.08, 0.888, 1.19, 1.16, 0.254, 1, -0.029, 0.095, 0.103)),
    ("litgpt", "A10G", "full", "bf16", 6, 0.55, (1.09, 0.924, 1.27, 1.06, 0.313, 1, -0.032, 0.095, 0.103)),
    ("litgpt", "A10G", "lora", "bf16", 17, 0.44, (1.04, 0.961, 1.19, 1.16, 0.313, 1, -0.034, 0.095, 0.103)),
    ("litgpt", "A10G", "qlora", "bf16", 12, 0.62, (1.21, 0.931, 1.2, 1.16, 0.403, 1, -0.054, 0.095, 0.103)),
    ("ms-swift", "*", "*", "*", 70, 0.93, (1.04, 1.64, 0.965, 1, 0.1, 1.55, -0.018, 0.065, 0.187)),
    ("ms-swift", "A100-80GB", "full", "bf16", 10, 0.92, (1.04, 1.63, 1.01, 1, 0.1, 1.55, -0.019, 0.065, 0.187)),
    ("ms-swift", "A100-80GB", "galore", "bf16", 3, 0.91, (1.03, 1.5, 0.905, 1, 0.1, 1.55, -0.019, 0.065, 0.187)),
    ("ms-swift", "A100-80GB", "lora", "bf16", 51, 0.95, (1.03, 1.77, 0.971, 1, 0.1, 1.66, -0.016, 0.065, 0.187)),
    ("ms-swift", "A100-80GB", "qlora", "bf16", 6, 0.98, (1.05, 1.88, 0.966, 1, 0.1, 1.55, -0.018, 0.065, 0.187)),
    ("qwen-finetune", "*", "*", "*", 42, 2.07, (1.28, 0.962, 0.977, 1.1, 0.1, 1, -0.062, 0.064, 0.128)),
    ("qwen-finetune", "A100-80GB", "full", "bf16", 8, 2.15, (1.29, 1.04, 1.02, 1.12, 0.1, 1, -0.055, 0.064, 0.128)),
    ("qwen-finetune", "A100-80GB", "lora", "bf16", 24, 2.02, (1.32, 1.15, 0.897, 1.12, 0.1, 1, -0.06, 0.064, 0.128)),
    ("qwen-finetune", "A100-80GB", "qlora", "bf16", 10, 2.42, (1.28, 0.735, 1, 1.1, 0.1, 1, -0.079, 0.064, 0.128)),
    ("torchtitan", "*", "*", "*", 7, 0.81, (0.87, 1.08, 1, 1.13, 0.1, 1, -0.02, 0.073, 0.146)),
    ("torchtitan", "H100", "full", "bf16", 4, 0.81, (0.847, 1.09, 1, 1.16, 0.1, 1, -0.025, 0.073, 0.146)),
    ("torchtitan", "H100", "full", "fp8", 3, 0.81, (0.874, 1.09, 1, 1.14, 0.1, 1, -0.018, 0.073, 0.146)),
    ("torchtune", "*", "*", "*", 14, 0.39, (1.04, 0.793, 1.03, 1, 0.1, 1, -0.013, 0.073, 0.146)),
    ("torchtune", "A100-80GB", "full", "bf16", 8, 0.41, (1.08, 0.913, 1.05, 1, 0.1, 1, 0.007, 0.073, 0.146)),
    ("torchtune", "A100-80GB", "lora", "bf16", 1, 0.38, (1.03, 0.756, 1.03, 1, 0.1, 1, -0.018, 0.073, 0.146)),
    ("torchtune", "A100-80GB", "qlora", "bf16", 1, 0.36, (1.03, 0.702, 1.03, 1, 0.1, 1, -0.026, 0.073, 0.146)),
    ("torchtune", "RTX4090", "lora", "bf16", 4, 0.37, (1.01, 0.773, 1.03, 1, 0.1, 1, -0.016, 0.073, 0.146)),
    ("transformers", "*", "*", "*", 4, 0.80, (0.968, 1, 1, 1, 0.1, 1, -0.002, 0.073, 0.146)),
    ("transformers", "L40S", "lora", "bf16", 4, 0.80, (0.963, 1, 1, 1, 0.1, 1, -0.002, 0.073, 0.146)),
)
_CODES: tuple[tuple[str, str, tuple[float, float, float]], ...] = (
    ("litgpt", "falcon", (1.3728, 1.0523, 1.0)),
    ("litgpt", "gemma", (1.2037, 1.1689, 1.0)),
    ("litgpt", "gemma2", (1.1688, 1.0622, 1.0)),
    ("litgpt", "gpt_neox", (0.8083, 0.9242, 1.0)),
    ("litgpt", "llama", (0.9312, 0.9659, 1.0)),
    ("litgpt", "mistral", (0.9071, 0.9922, 1.0)),
    ("litgpt", "phi", (0.8038, 0.7783, 1.0)),
    ("litgpt", "phi3", (0.9995, 0.9974, 1.0)),
    ("ms-swift", "baichuan", (1.0011, 0.8367, 0.9817)),
    ("ms-swift", "chatglm", (0.9421, 1.054, 1.5604)),
    ("ms-swift", "llama", (1.019, 1.3708, 0.9151)),
    ("ms-swift", "mistral", (1.0235, 0.9849, 1.106)),
    ("ms-swift", "qwen", (1.0435, 1.6415, 1.0)),
    ("qwen-finetune", "qwen", (1.1867, 0.949, 1.0)),
    ("torchtitan", "llama", (0.9078, 1.1124, 1.0)),
    ("torchtune", "llama", (1.0247, 0.7299, 1.0)),
    ("transformers", "llama", (0.9774, 1.0044, 1.0)),
)


def _source(framework: str, gpu: str, method: str, rows: int) -> str:
    what = " ".join(word for word in (framework, method) if word != "*") or "all frameworks"
    where = "" if gpu == "*" else f" on {gpu}"
    return f"{rows} rows of {what}{where}, fitted {FITTED}"


def _cell(gib: float, factors: tuple[float, ...], source: str) -> MemoryCell:
    activations, logits, states, sharded, copies, eager, growth, sigma, spread = factors
    const = round(gib * GIB)
    return MemoryCell(const, activations, logits, states, sharded, copies, eager, growth, sigma, spread, source)


MEMORY_COEFFICIENTS = MemoryCoefficients(
    cells=MappingProxyType(
        {
            CellKey(framework, gpu, method, precision): _cell(gib, factors, _source(framework, gpu, method, rows))
            for framework, gpu, method, precision, rows, gib, factors in _CELLS
        }
    ),
    codes=MappingProxyType({(framework, kind): ModelCode(*factors) for framework, kind, factors in _CODES}),
)
