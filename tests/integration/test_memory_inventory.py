"""What the memory model counts for each parameter, counted in the models that Axolotl's own loader makes."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from orchestrator.domain.cost.memory_terms import habits_of, moment_bytes
from orchestrator.domain.cost.setup import Method, TrainingSetup

ROOT = Path(__file__).resolve().parents[2]
TRAINER_PYTHON = ROOT / ".trainer" / "bin" / "python"
AXOLOTL = habits_of(TrainingSetup(Method.FULL, 128))
DTYPES = {4: "torch.float32", 2: "torch.bfloat16"}

pytestmark = pytest.mark.trainer


@pytest.fixture(scope="module")
def inventories() -> dict[str, dict[str, str]]:
    """By case, the line of each kind of tensor."""
    done = subprocess.run(
        [TRAINER_PYTHON, "bench/trainer_inventory.py"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found: dict[str, dict[str, str]] = {}
    lines: dict[str, str] = {}
    for line in done.stdout.splitlines():
        if line.startswith("== "):
            lines = found.setdefault(line[3:], {})
        elif re.match(r"(trained|frozen) ", line):
            lines[re.split(r"\s{2,}| torch", line)[0]] = line
    return found


def element(line: str) -> int:
    return next(width for width, name in DTYPES.items() if name in line)


def after_a_step(line: str) -> tuple[float, float]:
    """Bytes of the gradient and of the optimizer's states of one element."""
    gradient, states = re.findall(r"(?:gradient|states) (\d+\.\d+)", line)
    return float(gradient), float(states)


@pytest.mark.parametrize(
    ("case", "kind", "width"),
    [
        ("full", "trained matrix", AXOLOTL.weight),
        ("full", "trained embedding or head", AXOLOTL.embedding),
        ("full", "trained norm", AXOLOTL.embedding),
        ("lora", "trained adapter", AXOLOTL.adapter),
        ("dora", "trained adapter", AXOLOTL.adapter),
        ("qlora", "trained adapter", AXOLOTL.adapter),
        ("lora, embeddings trained", "trained saved copy", 2),
    ],
)
def test_what_is_trained_has_the_bytes_that_are_counted(
    inventories: dict[str, dict[str, str]], case: str, kind: str, width: int
) -> None:
    line = inventories[case][kind]
    assert element(line) == width
    assert after_a_step(line) == (width, moment_bytes("adamw_torch", width))


@pytest.mark.parametrize("case", ["lora", "dora", "qlora"])
def test_what_is_frozen_is_bf16_also_where_the_rest_is_quantised(
    inventories: dict[str, dict[str, str]], case: str
) -> None:
    frozen = [line for kind, line in inventories[case].items() if kind.startswith("frozen")]
    assert len(frozen) == 3
    assert all(element(line) == 2 for line in frozen)


def test_galores_projected_states_are_small_and_its_embeddings_whole(inventories: dict[str, dict[str, str]]) -> None:
    _, matrices = after_a_step(inventories["galore"]["trained matrix"])
    _, embeddings = after_a_step(inventories["galore"]["trained embedding or head"])
    assert matrices < 0.5
    assert embeddings == moment_bytes("adamw_torch", AXOLOTL.embedding)
